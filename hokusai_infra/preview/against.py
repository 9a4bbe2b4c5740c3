"""Record a program as it was at a commit, without touching the working tree."""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hokusai_infra.recorder.graph import Graph

SCRIPT: Final = Path(__file__).with_name("recording.py")


class AgainstError(Exception):
    """A commit that cannot be compared with; says why."""


class Former(AbstractContextManager["Former"]):
    """A program at a commit, being recorded from the moment that it is entered."""

    def __init__(self, program: Path, rev: str, stack: str, place: tuple[str, str]) -> None:
        self._program, self._rev, self._stack, self._place = program, rev, stack, place
        self._folder = tempfile.TemporaryDirectory(prefix="hokusai-preview-")
        self._tree = Path(self._folder.name) / "tree"

    def __enter__(self) -> Self:
        """Unpack the commit and start to record it, beside whatever else is done."""
        try:
            program = self._unpacked()
        except BaseException:
            self._folder.cleanup()
            raise
        self._graph = Path(self._folder.name) / "graph.json"
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, on the user's program
            [
                *(sys.executable, "-P", str(SCRIPT)),
                *(str(program), self._stack, *self._place, str(self._graph)),
            ],
            env=os.environ | {"PYTHONPATH": str(self._tree), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        return self

    def _unpacked(self) -> Path:
        """Return the folder of the program as it was."""
        root = Path(_git(self._program, "rev-parse", "--show-toplevel").decode().strip())
        where = self._program.resolve().relative_to(root.resolve())
        commit = _git(root, "rev-parse", "--verify", "--quiet", f"{self._rev}^{{commit}}")
        archive = _git(root, "archive", "--format=tar", commit.decode().strip())
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(self._tree, filter="data")
        if not (self._tree / where / "Pulumi.yaml").is_file():
            raise AgainstError(f"{self._rev} has no {where / 'Pulumi.yaml'}")
        return self._tree / where

    def graph(self) -> Graph:
        """Wait for the recording."""
        _, complaint = self._process.communicate()
        if self._process.returncode != 0:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise AgainstError(f"the program of {self._rev} cannot be recorded: {last}")
        return Graph.from_json(self._graph.read_text(encoding="utf-8"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the recording, and remove what was unpacked."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        self._folder.cleanup()


def _git(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run(  # noqa: S603 - the user's git, on the user's own repository
        ["git", "-C", str(folder), *arguments],  # noqa: S607 - the same
        check=False,
        capture_output=True,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or "no such commit"
        raise AgainstError(f"git {arguments[0]} {arguments[-1]}: {said}")
    return done.stdout
