"""What the commands beside ``up`` do."""

import asyncio
import json
import shutil
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from hokusai_infra.local import leftovers
from hokusai_infra.local.callers import forget_the_caller
from hokusai_infra.local.output import Output
from hokusai_infra.local.state import (
    Folders,
    RunRecord,
    StackError,
    end_leftovers,
    lock,
)
from hokusai_infra.local.wording import command, near

STOP_SECONDS: Final = 60


def _explained(act: Callable[[Output], int]) -> int:
    output = Output()
    try:
        return act(output)
    except StackError as error:
        output.failure(error)
        return 1


def down(folder: Path) -> int:
    """Stop the stack of a folder."""

    def act(output: Output) -> int:
        output.line(stop(Folders.of(folder, "down")))
        return 0

    return _explained(act)


def stop(folders: Folders) -> str:
    """Ask the supervisor to stop; end what has none any more. Say what was done."""
    record = RunRecord.read(folders)
    if record is not None and record.alive:
        leftovers.send(record.pid, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while record.alive:
            if time.monotonic() > until:
                raise StackError(
                    f"The supervisor (process {record.pid}) does not stop.",
                    fix=f"End it: kill -9 {record.pid}; then run this again.",
                )
            time.sleep(0.1)
        return "Stopped; the state is kept."
    with lock(folders):
        ended = end_leftovers(folders)
        folders.connection.unlink(missing_ok=True)
        folders.run.unlink(missing_ok=True)
    return f"Nothing was running; ended {ended} leftovers." if ended else "Nothing is running."


def reset(folder: Path, ask: Callable[[str], bool] | None) -> int:
    """Delete the state of a folder's stack."""

    def act(output: Output) -> int:
        folders = Folders.of(folder, "reset")
        if not _state_of(folders):
            output.line("There is no local state to delete.")
            return 0
        running = (record := RunRecord.read(folders)) is not None and record.alive
        first = "Stop the running stack and delete" if running else "Delete"
        if ask is not None and not ask(f"{first} all local state in {folders.root}?"):
            output.line("Nothing was deleted.")
            return 0
        stop(folders)
        with lock(folders):
            for entry in _state_of(folders):
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
        output.line("The local state is deleted.")
        return 0

    return _explained(act)


def _state_of(folders: Folders) -> list[Path]:
    """List what is there; the lock is held while it is deleted, and is no state."""
    there = folders.root.iterdir() if folders.root.exists() else ()
    return [each for each in there if each.name != "lock"]


def status(folder: Path) -> int:
    """Show what runs."""

    def act(output: Output) -> int:
        record = _running(Folders.of(folder, "status"))
        since = time.strftime("%H:%M:%S", time.localtime(record.since))
        output.line(f"{record.phase}, process {record.pid}, since {since}, stack {record.stack}")
        for host, url in record.urls.items():
            output.line(f"  {url} stands for {host}")
        output.line(f"  {'NAME':<24} {'HEALTH':<10} {'PORT':>5} {'PID':>8} RESTARTS")
        for each in record.processes:
            health = each.health if leftovers.start_time(each.pid) == each.started else "ended"
            output.line(
                f"  {each.name:<24} {health:<10} {each.port or '':>5} {each.pid:>8} {each.restarts}"
            )
        return 0

    return _explained(act)


def _running(folders: Folders) -> RunRecord:
    record = RunRecord.read(folders)
    if record is None or not record.alive:
        raise StackError(
            f"No local stack of {folders.program} is running.",
            fix=f"Start it: {command('up', folders.program)}",
        )
    return record


def _started(folders: Folders) -> RunRecord:
    """Find the stack that another task is to be started beside."""
    record = _running(folders)
    if not record.private or not folders.graph.exists():
        raise StackError("The local stack is still starting.", fix="Try again in a moment.")
    forget_the_caller()
    return record


def run(folder: Path, service: str, words: Sequence[str]) -> int:
    """Run a one-off task."""

    def act(_: Output) -> int:
        folders = Folders.of(folder, "run SERVICE")
        if not words:
            raise StackError(
                "There is no command to run.", fix="Put it behind two dashes: -- COMMAND."
            )
        record = _started(folders)
        from hokusai_infra.local.one_off import run_beside  # noqa: PLC0415 - slow

        return asyncio.run(run_beside(folders, record, service, words))

    return _explained(act)


def setup(folder: Path) -> int:
    """Run the setup task once more."""

    def act(output: Output) -> int:
        folders = Folders.of(folder, "setup")
        record = _started(folders)
        from hokusai_infra.local.setup_task import set_up_again  # noqa: PLC0415 - slow

        for name, value in asyncio.run(set_up_again(folders, record)).items():
            output.line(f"{name}: {value}")
        output.line(f"This is in {near(folders.connection)} now.")
        return 0

    return _explained(act)


def calls(folder: Path) -> int:
    """Show what each role has asked AWS for, and what it might have."""

    def act(output: Output) -> int:
        from hokusai_infra.local.assembly import LocalFacts  # noqa: PLC0415 - slow
        from hokusai_infra.local.call_findings import not_allowed, unused  # noqa: PLC0415 - slow
        from hokusai_infra.local.parts.calls import read_calls  # noqa: PLC0415 - slow

        folders = Folders.of(folder, "calls")
        trail, facts = read_calls(folders.calls), LocalFacts.read(folders.graph)
        if not trail or facts is None:
            raise StackError(
                f"No call of {folders.program} was recorded.",
                fix=f"Record them: {command('up --record-calls', folders.program)}",
            )
        policies = facts.role_policies
        counted = Counter((each.role, each.action) for each in trail)
        never, lacking = unused(trail, policies), not_allowed(trail, policies)
        for role in sorted(policies):
            output.line(role)
            for (who, action), times in sorted(counted.items()):
                if who == role:
                    output.line(f"  {times:>8}  {action}")
            for grant in never:
                if grant.role == role:
                    output.line(f"  {'never':>8}  {grant.action} on {grant.resource}")
            for call in lacking:
                if call.role == role:
                    output.line(f"  {'REFUSED':>8}  {call.action} on {call.resource}", "red")
        return 1 if lacking else 0

    return _explained(act)


def logs(folder: Path, service: str, count: int, *, follow: bool) -> int:
    """Print the last lines of one log, or of all in the order of their time."""

    def act(_: Output) -> int:
        folders = Folders.of(folder, "logs SERVICE")
        files = _log_files(folders, service)
        ends = {file: _print_last(file, count) for file in files} if len(files) == 1 else {}
        if len(files) != 1:
            ends = _print_merged(files, count)
        while follow:
            time.sleep(0.25)
            for file in _log_files(folders, service):
                ends[file] = _print_from(file, ends.get(file, 0))
        return 0

    try:
        return _explained(act)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()  # nobody reads any more; Python would complain while it ends
        return 0


def _log_files(folders: Folders, service: str) -> list[Path]:
    files = sorted(folders.logs.glob("*.log")) if folders.logs.exists() else []
    chosen = [each for each in files if service in ("", each.stem)]
    if not chosen:
        there = ", ".join(each.stem for each in files)
        raise StackError(
            f"There is no log of {service!r}." if service else "There are no logs yet.",
            fix=f"There are: {there}."
            if there
            else f"Start the stack: {command('up', folders.program)}",
        )
    return chosen


def _print_last(file: Path, count: int) -> int:
    with file.open("rb") as stream:
        _print(deque(stream, count))
        return stream.tell()


def _print_merged(files: Sequence[Path], count: int) -> dict[Path, int]:
    ends = {}
    lines: list[bytes] = []
    for file in files:
        with file.open("rb") as stream:
            lines += deque(stream, count)
            ends[file] = stream.tell()
    _print(sorted(lines, key=_time)[-count:] if count else [])
    return ends


def _time(line: bytes) -> str:
    try:
        value = json.loads(line)
    except ValueError:
        return ""
    return str(value.get("timestamp", "")) if isinstance(value, dict) else ""


def _print_from(file: Path, offset: int) -> int:
    """Print what came since; a file that was put aside is read from its beginning."""
    if file.stat().st_size < offset:
        offset = 0
    with file.open("rb") as stream:
        stream.seek(offset)
        _print(stream)
        return stream.tell()


def _print(lines: Iterable[bytes]) -> None:
    sys.stdout.buffer.writelines(lines)
    sys.stdout.buffer.flush()
