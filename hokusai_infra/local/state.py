"""Where the local stack keeps its things: folders, the lock, and what is running."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from hokusai_infra.local.leftovers import end, marked, start_time
from hokusai_infra.local.parts.sockets import remove_sockets
from hokusai_infra.local.wording import command, near


class StackError(Exception):
    """A step that failed: what, why, and what to do about it."""

    def __init__(self, what: str, *, fix: str, cause: str = "") -> None:
        super().__init__(what)
        self.what, self.fix, self.cause = what, fix, cause


class AlreadyRunningError(StackError):
    """Another supervisor holds the lock of this folder."""


@dataclass(frozen=True)
class Folders:
    """Everything the local stack writes is below ``<program>/.hokusai/local``."""

    program: Path

    @classmethod
    def of(cls, program: Path, asked: str = "up") -> Self:
        """Find the folder that holds ``Pulumi.yaml``, for the command that ``asked`` for it."""
        folder = program.resolve()
        if not (folder / "Pulumi.yaml").is_file():
            raise StackError(
                f"{folder} holds no Pulumi program: there is no Pulumi.yaml in it.",
                fix=f"Name the program's folder: {command(asked, 'FOLDER')}",
            )
        return cls(folder)

    @property
    def root(self) -> Path:
        """All of it; ``reset`` deletes everything below but the lock."""
        return self.program / ".hokusai" / "local"

    @property
    def state(self) -> Path:
        """What survives a stop."""
        return self.root / "state"

    @property
    def logs(self) -> Path:
        """One file a part or service."""
        return self.root / "logs"

    @property
    def tmp(self) -> Path:
        """The tasks' own temporary folders; emptied at every start."""
        return self.root / "tmp"

    @property
    def connection(self) -> Path:
        """What a client needs; exists while the stack is ready."""
        return self.root / "connection.json"

    @property
    def calls(self) -> Path:
        """Who asked AWS for what, while calls are recorded."""
        return self.root / "calls.jsonl"

    @property
    def run(self) -> Path:
        """What is running."""
        return self.root / "run.json"

    @property
    def ports(self) -> Path:
        """Which port is whose."""
        return self.state / "ports.json"

    @property
    def graph(self) -> Path:
        """The recorded graph of the last start."""
        return self.state / "graph.json"

    @property
    def setup(self) -> Path:
        """What the setup task printed."""
        return self.state / "setup.json"

    def make(self) -> None:
        """Make the folders, for their owner alone."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.state, self.logs, self.tmp):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)


def write_private(path: Path, value: object) -> None:
    """Replace a JSON file at once; only its owner may read it."""
    write_private_text(path, json.dumps(value, indent=1) + "\n")


def write_private_text(path: Path, text: str) -> None:
    """Replace a file at once; only its owner may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(text)
    draft.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; a file that is missing or torn is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


@dataclass
class ProcessRecord:
    """One process of the stack, as other commands get to see it."""

    name: str
    kind: str
    pid: int
    started: str
    """Start time in the kernel's words; a pid alone may be somebody else by now."""
    health: str = "starting"
    port: int | None = None
    restarts: int = 0


@dataclass
class RunRecord:
    """The contents of ``run.json``."""

    run_id: str
    pid: int
    started: str
    since: float = field(default_factory=time.time)
    stack: str = "local"
    phase: str = "starting"
    urls: dict[str, str] = field(default_factory=dict[str, str])
    processes: list[ProcessRecord] = field(default_factory=list[ProcessRecord])
    private: dict[str, Any] = field(default_factory=dict[str, Any])
    """What ``hokusai infra run`` needs to start a task beside the supervisor."""

    @classmethod
    def mine(cls, run_id: str, stack: str) -> Self:
        """Describe the calling process."""
        return cls(run_id, os.getpid(), start_time(os.getpid()) or "", stack=stack)

    @classmethod
    def read(cls, folders: Folders) -> Self | None:
        """Read the last record; a broken one is none."""
        raw = read_json(folders.run)
        if raw is None:
            return None
        try:
            processes = [ProcessRecord(**each) for each in raw.pop("processes", [])]
            return cls(**raw, processes=processes)
        except TypeError:
            return None

    def write(self, folders: Folders) -> None:
        """Publish the record."""
        write_private(folders.run, asdict(self))

    @property
    def alive(self) -> bool:
        """Whether its supervisor still runs."""
        return bool(self.started) and start_time(self.pid) == self.started


@contextlib.contextmanager
def lock(folders: Folders) -> Iterator[None]:
    """Hold the folder, or say who does; the kernel lets go when the process ends."""
    folders.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folders.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(folders) from None
        yield
    finally:
        os.close(descriptor)


def _held(folders: Folders) -> AlreadyRunningError:
    record = RunRecord.read(folders)
    if record is None or not record.alive:
        return AlreadyRunningError(
            f"Another command is using {folders.root}.", fix="Try again when it has ended."
        )
    since = time.strftime("%H:%M:%S", time.localtime(record.since))
    where = ", ".join(record.urls.values()) or "not ready yet"
    return AlreadyRunningError(
        f"The local stack of {folders.program} is already running "
        f"(process {record.pid}, since {since}): {where}.",
        fix=f"Use it (addresses and keys are in {near(folders.connection)}), or stop it first: "
        f"{command('down', folders.program)}",
    )


def end_leftovers(folders: Folders, *, of: str = "", but: str = "") -> int:
    """End what a run, or every run ``but`` one, has left; return how many processes it were.

    Only who holds the lock may do so, or who was told to by the one that held it.
    """
    record = RunRecord.read(folders)
    known: dict[int, str] = {}
    if record is not None and record.run_id != but and of in ("", record.run_id):
        known = {
            each.pid: each.name
            for each in record.processes
            if each.pid != os.getpid() and start_time(each.pid) == each.started
        }
    there = {*known, *marked(folders.root, run_id=of, but=but)}
    # PostgreSQL takes SIGTERM as a wish to wait for its clients.
    ended = end(there, interrupt=[pid for pid, name in known.items() if name == "postgres"])
    if ended:
        remove_what_stays(folders)
    return len(ended)


def remove_what_stays(folders: Folders) -> None:
    """Remove what stopped parts have left outside the folder."""
    kept = read_json(folders.ports) or {}
    remove_sockets({name.removeprefix("objects/"): port for name, port in kept.items()})
