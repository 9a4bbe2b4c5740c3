"""One-off tasks: the setup task of a new stack, and ``hokusai infra run``."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import Folders, RunRecord, StackError, read_json, write_private
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
        self, graph: RecordedGraph, surroundings: Surroundings, supervisor: Supervisor
    ) -> Task:
        """Make the task."""
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
        )


async def set_up(
    graph: RecordedGraph, surroundings: Surroundings, supervisor: Supervisor, folders: Folders
) -> dict[str, Any]:
    """Run the graph's setup task once in the life of the state; give back what it printed."""
    wanted = graph.outputs["setup_task"]
    if (kept := read_json(folders.setup)) is not None:
        return kept
    lines: list[bytes] = []
    setup = OneOff(
        wanted["task_definition"],
        wanted.get("command") or (),
        "setup",
        Sinks(lines.extend),  # what it prints holds a key: not for the log
        wanted.get("container", ""),
    )
    task = setup.task(graph, surroundings, supervisor)
    try:
        await task.start()
        code = await task.finish()
        child = task.children[task.main.name]
        if code != 0:
            raise StackError(
                f"The setup task ({' '.join(task.command or ())}) {child.ended()}.",
                cause="\n".join([*child.tail, *(each.decode(errors="replace") for each in lines)]),
                fix=f"Its log: {folders.logs / f'{task.service}.log'}",
            )
        printed = _last_object(lines)
    finally:
        await task.stop()
    if printed is None:
        raise StackError(
            f"The setup task ({' '.join(task.command or ())}) printed no JSON object.",
            fix="Let the last line that it prints to standard output be one.",
        )
    write_private(folders.setup, printed)
    return printed


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
        return await task.finish()
    finally:
        await task.stop()


def _printer(stream: BinaryIO) -> Callable[[list[bytes]], None]:
    def show(lines: list[bytes]) -> None:
        stream.write(b"".join(line + b"\n" for line in lines))
        stream.flush()

    return show


def _last_object(lines: list[bytes]) -> dict[str, Any] | None:
    for line in reversed(lines):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None
    return None
