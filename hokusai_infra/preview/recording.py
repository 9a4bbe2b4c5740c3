"""Record a program in a process of its own: its library may be another than this one.

    python -P recording.py PROGRAM STACK ACCOUNT REGION FILE

Run by its path, so that the library beside the program is the one that records it.
"""

import atexit
import gc
import sys
from pathlib import Path

MISTAKE = 3
"""Exit code for an error of the program, which standard error names."""


def main() -> int:
    """Write the graph to FILE."""
    program, stack, account, region, file = sys.argv[1:]
    from hokusai_infra.recorder import answers_for, record  # noqa: PLC0415 - another version's

    try:
        graph = record(Path(program), stack, answers=answers_for(account, region), preview=True)
    except Exception as error:  # noqa: BLE001 - the program may raise anything
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return MISTAKE
    Path(file).write_text(graph.to_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    gc.disable()
    atexit.register(gc.freeze)  # the interpreter would look for cycles for most of a second
    sys.exit(main())
