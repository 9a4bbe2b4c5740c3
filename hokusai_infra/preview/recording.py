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
    from hokusai_infra import recorder  # noqa: PLC0415 - another version's

    try:
        if hasattr(recorder, "record_any"):
            graph = recorder.record_any(Path(program), stack, account, region)
        else:  # a library from before that
            answers = recorder.answers_for(account, region)
            graph = recorder.record(Path(program), stack, answers=answers, preview=True)
    except Exception as error:  # noqa: BLE001 - the program may raise anything
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return MISTAKE
    Path(file).write_text(graph.to_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    gc.disable()
    atexit.register(gc.freeze)  # the interpreter would look for cycles for most of a second
    sys.exit(main())
