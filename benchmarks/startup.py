"""How long a stack takes from the command to ready, from installed dependencies.

    python benchmarks/startup.py [--rounds 3] [--tasks 1]

``fresh`` makes the state, ``again`` finds it. Runs a copy of the program, beside any other stack.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.stack import copy_program, start, stop

STEP = re.compile(r"^  (\S.*?) +([0-9.]+) s\b", re.MULTILINE)


def measure(folder: Path, tasks: int) -> tuple[float, dict[str, float]]:
    """Start and stop a stack; return the seconds to ready, and those of each step."""
    started = time.perf_counter()
    up = start(folder, tasks)
    seconds = time.perf_counter() - started
    stop(up.pid)
    up.wait(30)
    steps = {name: float(took) for name, took in STEP.findall((folder / "up.log").read_text())}
    return seconds, steps


def main() -> None:
    """Measure both kinds of start and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=1)
    chosen = parser.parse_args()
    found: dict[str, list[float]] = {"fresh": [], "again": []}
    steps: dict[str, dict[str, float]] = {}
    for _ in range(chosen.rounds):
        with tempfile.TemporaryDirectory(prefix="hs-") as folder:
            program = copy_program(Path(folder) / "program")
            for kind, taken in found.items():
                seconds, steps[kind] = measure(program, chosen.tasks)
                taken.append(seconds)
    print("| start | seconds to ready | of which |\n| --- | --- | --- |")
    for kind, taken in found.items():
        parts = ", ".join(f"{name} {took:.1f}" for name, took in steps[kind].items())
        print(
            f"| {kind} | {statistics.median(taken):.1f} ({min(taken):.1f} to {max(taken):.1f}) "
            f"| {parts} |"
        )


if __name__ == "__main__":
    main()
