"""One-off tasks: a task definition with another command, as RunTask on ECS runs it."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import Folders, RunRecord
from hokusai_infra.local.supervisor import Sinks, Supervisor
from hokusai_infra.local.task_definitions import find_task
from hokusai_infra.local.tasks import Surroundings, Task


@dataclass(frozen=True)
class OneOff:
    """A task that runs ``command`` in place of the main container's, as RunTask does."""

    wanted: str
    """Service, family or task definition."""
    command: Sequence[str]
    label: str
    sinks: Sinks
    """Where its output goes."""
    container: str = ""

    def task(
        self,
        graph: RecordedGraph,
        surroundings: Surroundings,
        supervisor: Supervisor,
        *,
        prepared: bool = False,
    ) -> Task:
        """Make the task; ``prepared`` says that another one of its definition has just started."""
        service, definition, main = find_task(graph, self.wanted, self.container)
        return Task(
            surroundings,
            supervisor,
            definition,
            main,
            service=service,
            label=f"{service}/{self.label}",
            command=tuple(self.command),
            sinks=self.sinks,
            prepared=prepared,
        )


async def run_beside(
    folders: Folders, record: RunRecord, wanted: str, command: Sequence[str]
) -> int:
    """Run a one-off task in a running stack; what it prints is printed, its exit code returned."""
    graph = RecordedGraph.from_json(folders.graph.read_text(encoding="utf-8"))
    supervisor = Supervisor(folders, record, owner=False)
    sinks = Sinks(_printer(sys.stdout.buffer), _printer(sys.stderr.buffer))
    run = OneOff(wanted, command, f"run-{os.getpid()}", sinks)
    task = run.task(graph, Surroundings.restored(record.private, folders), supervisor)
    try:
        await task.start()
        code = await task.finish()
    finally:
        await task.stop()
    if code != 0 and (why := misunderstood(task.main.entry_point, command)):
        sys.stderr.write(f"hint: {why}\n")
    return code


def misunderstood(entry_point: Sequence[str], command: Sequence[str]) -> str:
    """Explain what was run when the command names a program, and the entry point is one too."""
    if not entry_point or shutil.which(command[0]) is None:
        return ""
    return (
        "the command follows the container's entry point: "
        f"this ran `{' '.join([*entry_point, *command])}`"
    )


def _printer(stream: BinaryIO) -> Callable[[list[bytes]], None]:
    def show(lines: list[bytes]) -> None:
        stream.write(b"".join(line + b"\n" for line in lines))
        stream.flush()

    return show
