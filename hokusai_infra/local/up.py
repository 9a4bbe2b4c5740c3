"""``hokusai infra up``: one run of the local stack, from the lock to the last signal."""

import asyncio
import json
import secrets
import signal
import traceback
from pathlib import Path

from hokusai_infra.local import leftovers
from hokusai_infra.local.assembly import Assembly, Place
from hokusai_infra.local.callers import forget_the_caller
from hokusai_infra.local.greeting import connection, greet
from hokusai_infra.local.output import Output
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.ports import Ports
from hokusai_infra.local.stages import Stages
from hokusai_infra.local.state import (
    Folders,
    RunRecord,
    StackError,
    end_leftovers,
    lock,
    remove_what_stays,
    write_private,
)
from hokusai_infra.local.supervisor import Supervisor, empty
from hokusai_infra.local.watchdog import Watchdog


def up(folder: Path, stack: str, tasks: int, output: Output, *, record_calls: bool = False) -> int:
    """Run the local stack in the foreground until it is stopped; return the exit code."""
    forget_the_caller()
    try:
        folders = Folders.of(folder)
        place = Place.read(folders, stack)
        with lock(folders):
            run = Run(folders, place, stack, tasks, output, record_calls=record_calls)
            return asyncio.run(run.run())
    except StackError as error:
        output.failure(error)
        return 1


class Run:
    """One run of the local stack."""

    def __init__(  # noqa: PLR0913 - what the command line says
        self,
        folders: Folders,
        place: Place,
        stack: str,
        tasks: int,
        output: Output,
        *,
        record_calls: bool,
    ) -> None:
        self.folders, self.place, self.stack = folders, place, stack
        self.tasks, self.output, self.record_calls = tasks, output, record_calls
        self.record = RunRecord.mine(secrets.token_hex(4), stack)
        self.supervisor = Supervisor(folders, self.record)
        self.watchdog = Watchdog(folders, self.record.run_id)

    async def run(self) -> int:
        """Start, serve, stop."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop, stop)
        serving = asyncio.create_task(self._serve())
        asked = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
            return await self._outcome(serving) if serving.done() else 0
        finally:
            serving.cancel()
            asked.cancel()
            await asyncio.gather(serving, asked, return_exceptions=True)
            await self._stop()

    async def _serve(self) -> None:
        self._clear_the_way()
        await self.watchdog.start(self.supervisor)
        state = self.folders.state
        ports, credentials = Ports(self.folders.ports), Credentials.prepare(state)
        assembly = Assembly(self.folders, self.place, ports, credentials, self.record_calls)
        stages = Stages(assembly, self.supervisor, self.output)

        graph, facts = await stages.record(self.stack)
        plan = await stages.start(graph, facts, self.tasks)
        self.record.urls, self.record.phase = plan.urls, "ready"
        self.supervisor.publish_now()
        found = await asyncio.to_thread(connection, plan, assembly, facts, stages.setup)
        found.pop(stages.refused, None)
        keeping = [asyncio.create_task(each.keep()) for each in stages.keepers]
        try:
            write_private(self.folders.connection, found)
            greet(self.output, plan, found, self.folders, stages.refused)
            await asyncio.gather(*keeping)
        finally:
            for each in keeping:
                each.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    def _clear_the_way(self) -> None:
        """Make the folders; end what an earlier run has left behind."""
        self.folders.make()
        self.folders.connection.unlink(missing_ok=True)
        if ended := end_leftovers(self.folders, but=self.record.run_id):
            self.output.note(f"ended {ended} processes that an earlier run had left behind")
        empty(self.folders.tmp)
        self.supervisor.publish_now()

    async def _outcome(self, serving: asyncio.Task[None]) -> int:
        """Explain why starting or serving ended by itself."""
        try:
            await serving
        except StackError as error:
            if error.__cause__ is not None:
                self._keep_traceback(error.__cause__)
            self.output.failure(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, everything is stopped now
            self._keep_traceback(error)
            where = self.folders.logs / "supervisor.log"
            self.output.failure(
                StackError(
                    f"The supervisor failed: {type(error).__name__}: {error}",
                    fix=f"This is a fault of the local stack; its traceback is in {where}",
                )
            )
        return 1

    def _keep_traceback(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error))
        row = {"level": "error", "event": "failed", "traceback": text}
        self.supervisor.log("supervisor").write(
            [json.dumps(row).encode()], {"service": "supervisor"}
        )

    def _asked_to_stop(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            for pid in self.supervisor.pids():
                leftovers.send(pid, signal.SIGKILL)
            return
        stop.set()
        self.output.quiet()
        self.output.line("\nStopping (again to kill) …")

    async def _stop(self) -> None:
        self.record.phase = "stopping"
        self.folders.connection.unlink(missing_ok=True)
        await self.supervisor.stop_all()
        self.supervisor.publish_now()
        self.folders.run.unlink(missing_ok=True)
        remove_what_stays(self.folders)
        empty(self.folders.tmp)
        await self.watchdog.dismiss()
        self.output.line("Everything is stopped; the state is kept.")
