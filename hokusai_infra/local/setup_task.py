"""The setup task: run once in the life of the state; what it printed is kept.

The stack output ``setup_task`` names it: ``task_definition``, ``container`` and ``command``; and,
where a program wants that, ``again``, the command that makes a new result in place of one that was
kept, and ``check``, a ``url`` that answers 401 when the kept value of the name ``bearer`` is valid
no more.
"""

import http.client
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from hokusai_infra.local.names import Names
from hokusai_infra.local.one_off import OneOff
from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import Folders, RunRecord, StackError, read_json, write_private
from hokusai_infra.local.supervisor import Sinks, Supervisor
from hokusai_infra.local.tasks import Surroundings

CHECK_SECONDS = 5.0

Printed = dict[str, Any]


async def set_up(
    graph: RecordedGraph,
    surroundings: Surroundings,
    supervisor: Supervisor,
    folders: Folders,
    *,
    prepared: bool = False,
) -> Printed:
    """Give back what the setup task printed; run it where it never ran.

    ``prepared`` says that what precedes its container has run in another task just now.
    """
    if (kept := read_json(folders.setup)) is not None:
        return kept
    command = graph.outputs["setup_task"].get("command") or ()
    return await _run(graph, surroundings, supervisor, command, prepared=prepared)


async def set_up_again(folders: Folders, record: RunRecord) -> Printed:
    """Run it anew beside the supervisor; the result takes the place of the kept one."""
    graph = RecordedGraph.from_json(folders.graph.read_text(encoding="utf-8"))
    wanted = graph.outputs.get("setup_task")
    if not wanted:
        raise StackError(
            "The program has no setup task.", fix="Export `setup_task` for the local stack."
        )
    command = wanted.get("again") or wanted.get("command") or ()
    supervisor = Supervisor(folders, record, owner=False)
    surroundings = Surroundings.restored(record.private, folders)
    printed = await _run(graph, surroundings, supervisor, command)
    if (connection := read_json(folders.connection)) is not None:
        write_private(folders.connection, connection | printed)
    return printed


async def _run(
    graph: RecordedGraph,
    surroundings: Surroundings,
    supervisor: Supervisor,
    command: Sequence[str],
    *,
    prepared: bool = False,
) -> Printed:
    wanted, folders = graph.outputs["setup_task"], supervisor.folders
    lines: list[bytes] = []
    setup = OneOff(
        wanted["task_definition"],
        command,
        "setup",
        Sinks(lines.extend),  # what it prints holds a key: not for the log
        wanted.get("container", ""),
    )
    task = setup.task(graph, surroundings, supervisor, prepared=prepared)
    try:
        await task.start()
        code = await task.finish()
        child = task.children[task.main.name]
        if code != 0:
            raise StackError(
                f"The setup task ({' '.join(command)}) {child.ended()}.",
                cause="\n".join([*child.tail, *(each.decode(errors="replace") for each in lines)]),
                fix=f"Its log: {folders.logs / f'{task.service}.log'}",
            )
        printed = _last_object(lines)
    finally:
        await task.stop()
    if printed is None:
        raise StackError(
            f"The setup task ({' '.join(command)}) printed no JSON object.",
            fix="Let the last line that it prints to standard output be one.",
        )
    write_private(folders.setup, printed)
    return printed


def refused(graph: RecordedGraph, names: Names, kept: Printed) -> str:
    """Ask whether what was kept is still valid; name the value that is not (blocking)."""
    check = (graph.outputs.get("setup_task") or {}).get("check")
    if not check or check["bearer"] not in kept:
        return ""
    url = urlsplit(names.resolve(check["url"]))
    asking = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=CHECK_SECONDS)
    try:
        header = {"Authorization": f"Bearer {kept[check['bearer']]}"}
        asking.request("GET", url.path or "/", headers=header)
        status = asking.getresponse().status
    except (OSError, http.client.HTTPException):
        return ""  # who does not answer has refused nothing
    finally:
        asking.close()
    return str(check["bearer"]) if status == HTTPStatus.UNAUTHORIZED else ""


def _last_object(lines: list[bytes]) -> Printed | None:
    for line in reversed(lines):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None
    return None
