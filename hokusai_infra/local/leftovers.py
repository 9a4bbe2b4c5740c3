"""Processes by pid and start time: who still lives, and ending what was left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

MARK: Final = "HOKUSAI_LOCAL_RUN"
"""In the environment of everything the local stack starts: ``<folder>#<run>``; grandchildren
inherit it, so they are found even when their parent is gone."""

_PROC: Final = Path("/proc")
_LINUX: Final = sys.platform == "linux"


def start_time(pid: int) -> str | None:
    """Tell when a process started, in words that no later process of that pid shares.

    A process that ended and was not reaped yet (where PID 1 does not reap, it stays for ever)
    still takes signals, so its state is looked at instead.
    """
    if _LINUX:
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else f"{_boot()}:{fields[19]}"
    listed = subprocess.run(  # noqa: S603 - a fixed program and a number
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split(maxsplit=1)
    return None if len(listed) != 2 or listed[0].startswith("Z") else listed[1].strip()  # noqa: PLR2004 - both columns


def _stat(pid: int) -> list[str] | None:
    """Fields of ``/proc/<pid>/stat`` behind the name, which may hold blanks and brackets."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def marked(folder: Path, *, run_id: str = "", but: str = "") -> Iterator[int]:
    """Find what was started for ``folder`` (by one run, or by any ``but`` one)."""
    if not _LINUX:
        return
    mark = f"{MARK}={folder}#{run_id}".encode()
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        found = next((each for each in variables if each.startswith(mark)), None)
        if found is None or (but and found == mark + but.encode()):
            continue
        if start_time(int(entry.name)) is not None:
            yield int(entry.name)


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process and its group, where it leads one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if _group(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def end(pids: Iterable[int], *, interrupt: Iterable[int] = (), grace: float = 4.0) -> list[int]:
    """Ask processes to stop, wait, then kill; return those that were there.

    ``interrupt`` names those that take SIGINT: PostgreSQL waits for its clients on SIGTERM.
    """
    gentle = set(interrupt)
    born = {pid: start_time(pid) for pid in {*pids, *gentle}}
    there = {pid: born for pid, born in born.items() if born is not None}
    for pid in there:
        send(pid, signal.SIGINT if pid in gentle else signal.SIGTERM)
    for wait in (grace, 2.0):
        _wait(there, wait)
        for pid in _left(there):
            send(pid, signal.SIGKILL)
    return sorted(there)


def _left(there: dict[int, str]) -> list[int]:
    return [pid for pid, born in there.items() if start_time(pid) == born]


def _wait(there: dict[int, str], seconds: float) -> None:
    until = time.monotonic() + seconds
    while _left(there) and time.monotonic() < until:
        time.sleep(0.05)
