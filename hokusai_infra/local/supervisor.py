"""The life of a process: started, watched, logged, stopped."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hokusai_infra.local.leftovers import MARK, end, marked, send, start_time
from hokusai_infra.local.log_files import Lines, LogFile
from hokusai_infra.local.process import NotReadyError, ProcessSpec
from hokusai_infra.local.state import Folders, ProcessRecord, RunRecord, StackError

TAIL: Final = 12
"""Last log lines that an error message shows."""
POLL: Final = (0.02, 0.03, 0.05, 0.1)
"""Pauses between two looks at a process that does not serve yet; the last one repeats."""
STOP_ORDER: Final = ("program", "one-off", "task", "balancer", "front", "part")


@dataclass
class Child:
    """One running process and what it has said."""

    spec: ProcessSpec
    process: asyncio.subprocess.Process
    record: ProcessRecord
    log: LogFile
    tail: deque[str]
    readers: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    async def wait(self) -> int:
        """Wait for its end, and for all that it has written."""
        code = await self.process.wait()
        with contextlib.suppress(TimeoutError):  # a grandchild may hold the pipe open
            await asyncio.wait_for(asyncio.gather(*self.readers, return_exceptions=True), 1)
        return code

    async def stop(self, seconds: float | None = None) -> None:
        """End the process and its group."""
        if self.running:
            send(self.process.pid, self.spec.stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(
                    self.process.wait(), self.spec.stop_seconds if seconds is None else seconds
                )
        # Also when it has ended by itself: what it has started may still be in its group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.wait()

    def ended(self) -> str:
        """Say how it ended."""
        code = self.process.returncode
        if code is None:
            return "is running"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"exited with code {code}"


@dataclass(frozen=True)
class Sinks:
    """Where the lines of a process go that are not for the log."""

    out: Callable[[list[bytes]], object]
    err: Callable[[list[bytes]], object] | None = None
    """Without it, standard error is logged."""


class Supervisor:
    """Starts processes, keeps ``run.json``, and stops them in reverse order."""

    def __init__(self, folders: Folders, record: RunRecord, *, owner: bool = True) -> None:
        """Take the record of a run; only its ``owner`` writes it."""
        self.folders = folders
        self.owner = owner
        self.record = record
        self.mark = f"{folders.root}#{record.run_id}"
        self._children: list[Child] = []
        self._logs: dict[str, LogFile] = {}
        self._pending: asyncio.TimerHandle | None = None

    def log(self, name: str) -> LogFile:
        """Open the log of a part or service."""
        if name not in self._logs:
            self._logs[name] = LogFile(self.folders.logs / f"{name}.log")
        return self._logs[name]

    async def spawn(
        self,
        spec: ProcessSpec,
        *,
        kind: str,
        log: str,
        port: int | None = None,
        sinks: Sinks | None = None,
    ) -> Child:
        """Start a process; what it writes goes to the log, or to ``sinks``."""
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.argv,
                env={**spec.env, MARK: self.mark},
                cwd=spec.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE if sinks else asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=spec.preexec(),
            )
        except OSError as error:
            raise StackError(
                f"{spec.name} does not start: {spec.argv[0]}: {error.strerror}",
                fix="Install what is missing (make deps), then try again.",
            ) from error
        born = start_time(process.pid) or ""
        record = ProcessRecord(spec.name, kind, process.pid, born, port=port)
        child = Child(spec, process, record, self.log(log), deque(maxlen=TAIL))
        source = {"service": log} if spec.name == log else {"service": log, "task": spec.name}

        def logged(lines: list[bytes]) -> None:
            child.tail.extend(line.decode(errors="replace").rstrip()[:500] for line in lines)
            child.log.write(lines, source)

        for stream, sink in (
            (process.stdout, sinks and sinks.out),
            (process.stderr, sinks and sinks.err),
        ):
            if stream is not None:
                child.readers.append(asyncio.create_task(_read(stream, sink or logged)))
        self._children.append(child)
        self.record.processes.append(record)
        self.publish()
        return child

    async def ready(self, child: Child) -> None:
        """Wait until a process serves; fail with its last words when it ends or takes too long."""
        until = asyncio.get_running_loop().time() + child.spec.ready_seconds
        pauses = iter(POLL)
        why = "it never answered"
        while True:
            try:
                await child.spec.ready()
            except NotReadyError as error:
                why = str(error)
            else:
                self.health(child, "healthy")
                return
            if not child.running:
                await child.wait()
                raise self.failure(child, f"{child.spec.name} {child.ended()} before it served.")
            if asyncio.get_running_loop().time() > until:
                allowed = f"{child.spec.ready_seconds:.0f} s"
                raise self.failure(
                    child, f"{child.spec.name} did not serve within {allowed}: {why}"
                )
            await asyncio.sleep(next(pauses, POLL[-1]))

    def failure(self, child: Child, what: str) -> StackError:
        """Describe a failure of a process, with its last log lines."""
        return StackError(
            what, cause="\n".join(child.tail), fix=f"Its log says more: {child.log.path}"
        )

    def health(self, child: Child, health: str) -> None:
        """Note what became of a process."""
        if child.record.health != health:
            child.record.health = health
            self.publish()

    async def stop(self, child: Child, seconds: float | None = None) -> None:
        """End one process and forget it."""
        await child.stop(seconds)
        if child in self._children:
            self._children.remove(child)
        if child.record in self.record.processes:
            self.record.processes.remove(child.record)
            self.publish()

    async def stop_all(self) -> None:
        """End everything: who uses something before what it uses."""
        for kind in STOP_ORDER:
            of_kind = [each for each in reversed(self._children) if each.record.kind == kind]
            await asyncio.gather(*(self.stop(each) for each in of_kind))
        strays = [*marked(self.folders.root, run_id=self.record.run_id)] if self.owner else []
        if strays:
            await asyncio.to_thread(end, strays)
        for log in self._logs.values():
            log.close()

    def publish(self) -> None:
        """Write ``run.json``; several changes at once are one write."""
        if self._pending is None and self.owner:
            self._pending = asyncio.get_running_loop().call_later(0.02, self.publish_now)

    def publish_now(self) -> None:
        """Write ``run.json``."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        if self.owner:
            self.record.write(self.folders)

    def pids(self) -> list[int]:
        """List what runs."""
        return [each.process.pid for each in self._children if each.running]


async def _read(stream: asyncio.StreamReader, take: Callable[[list[bytes]], object]) -> None:
    lines = Lines()
    while chunk := await stream.read(1 << 16):
        if complete := lines.feed(chunk):
            take(complete)
    if rest := lines.rest():
        take(rest)


def empty(folder: Path) -> None:
    """Delete what a folder holds."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
