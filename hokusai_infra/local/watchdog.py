"""End everything at once when the supervisor is killed, grandchildren included.

A process of its own that waits for the other end of a pipe to close. The kernel tells the
supervisor's children already (``PR_SET_PDEATHSIG``), but not theirs, and not on macOS.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from hokusai_infra.local import leftovers
from hokusai_infra.local.process import child_environment
from hokusai_infra.local.state import Folders, ProcessRecord, RunRecord, end_leftovers
from hokusai_infra.local.supervisor import Supervisor

DISMISSED: Final = b"."


class Watchdog:
    """The supervisor's end."""

    def __init__(self, folders: Folders, run_id: str) -> None:
        self._folders, self._run_id = folders, run_id
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, supervisor: Supervisor) -> None:
        """Start it; it lives until it is dismissed or the pipe closes."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            str(self._folders.program),
            self._run_id,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env=child_environment(self._folders.tmp / "watchdog"),
            start_new_session=True,
        )
        pid = self._process.pid
        record = ProcessRecord("watchdog", "watchdog", pid, leftovers.start_time(pid) or "")
        record.health = "healthy"
        supervisor.record.processes.append(record)

    async def dismiss(self) -> None:
        """Let it go: everything is stopped."""
        process = self._process
        if process is None or process.stdin is None:
            return
        if process.returncode is None:
            process.stdin.write(DISMISSED)
            process.stdin.close()
        await process.wait()


def main(program: Path, run_id: str) -> None:
    """Wait, then end what the run has left."""
    if sys.stdin.buffer.read(1) == DISMISSED:
        return
    folders = Folders(program)
    record = RunRecord.read(folders)
    if record is not None and record.run_id == run_id:
        folders.connection.unlink(missing_ok=True)
    end_leftovers(folders, of=run_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
