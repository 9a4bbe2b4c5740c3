"""Commands and paths as the reader of a message can type them."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

VIA: Final = "HOKUSAI_VIA"
"""Set to ``make`` by the Makefile, which has targets for the commands below."""
TARGETS: Final = {"up": "up", "down": "down", "reset": "reset", "setup": "key"}
"""Commands of the local stack that ``make`` knows, and by what name."""


def via_make() -> bool:
    """Whether ``make`` has called, which also has made the promise already."""
    return os.environ.get(VIA) == "make"


def command(name: str, folder: Path | str = "", *words: str) -> str:
    """Give the command line of a command of the local stack, as it works where the caller is.

    ``folder`` is the program's, left out where it is the current one; text stands as it is.
    """
    if isinstance(folder, Path):
        folder = "" if folder.resolve() == Path.cwd() else shlex.quote(near(folder))
    if via_make() and name in TARGETS and not folder and not words:
        return f"make {TARGETS[name]}"
    return " ".join(filter(None, (_program(), "infra", name, *words, folder)))


def _program() -> str:
    called = Path(sys.argv[0])
    if called.name != "hokusai":  # another program that uses this package
        return "hokusai"
    on_path = shutil.which("hokusai")
    if on_path and Path(on_path).absolute() == called.absolute():
        return "hokusai"
    return shlex.quote(near(called.absolute()))


def near(path: Path) -> str:
    """Write a path as seen from the current folder, if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
