"""Have the program recorded in a process of its own."""

import dataclasses
import sys

from hokusai_infra.local import program
from hokusai_infra.local.assembly import Assembly, LocalFacts
from hokusai_infra.local.process import ProcessSpec
from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import StackError, write_private
from hokusai_infra.local.supervisor import Supervisor


async def record(
    assembly: Assembly, supervisor: Supervisor, stack: str
) -> tuple[RecordedGraph, LocalFacts]:
    """Run the program; give its graph, and what the control plane was asked for meanwhile."""
    folders, place = assembly.folders, assembly.place
    request = program.Request(
        program=str(folders.program),
        stack=stack,
        account_id=place.account_id,
        region=place.region,
        control_plane=assembly.control_plane.url,
        database_port=assembly.database_front.port,
        master_password=assembly.credentials.master_password,
        graph=str(folders.graph),
    )
    file = folders.tmp / "program.json"
    write_private(file, dataclasses.asdict(request))
    child = await supervisor.spawn(
        ProcessSpec(
            name="program",
            argv=(sys.executable, "-m", program.__name__, str(file)),
            env=program.environment(folders.tmp / "program", assembly.credentials, place.region),
            cwd=folders.program,
            ready=_never,
        ),
        kind="program",
        log="program",
    )
    code = await child.wait()
    await supervisor.stop(child)
    file.unlink(missing_ok=True)
    facts = LocalFacts.read(folders.graph)
    if code != 0 or facts is None:
        raise StackError(
            f"The Pulumi program does not run as stack {stack!r}.",
            cause="\n".join(child.tail),
            fix="Correct what the last line says.",
        )
    return RecordedGraph.from_json(folders.graph.read_text(encoding="utf-8")), facts


async def _never() -> None:
    """Be ready when it ends."""
