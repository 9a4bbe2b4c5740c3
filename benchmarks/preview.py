"""How long the preview takes, from the command to its end.

    python benchmarks/preview.py [--rounds 5]

The first run of a clone compiles Python files; it is not counted.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOKUSAI = Path(sys.executable).with_name("hokusai")
COMMANDS = {
    "staging": ["staging"],
    "prod": ["prod"],
    "prod, against HEAD": ["prod", "--against", "HEAD"],
    "--help": ["--help"],
}


def measure(arguments: list[str]) -> float:
    """Run the command once; a policy that does not hold is no failure of the measurement."""
    started = time.perf_counter()
    done = subprocess.run(
        [HOKUSAI, "infra", "preview", *arguments], cwd=ROOT, check=False, capture_output=True
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode())
    return time.perf_counter() - started


def main() -> None:
    """Measure in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            seconds = measure(arguments)
            found[name] += [seconds] if turn else []
    print("| preview | seconds |\n| --- | --- |")
    for name, taken in found.items():
        print(f"| {name} | {statistics.median(taken):.1f} ({min(taken):.1f} to {max(taken):.1f}) |")


if __name__ == "__main__":
    main()
