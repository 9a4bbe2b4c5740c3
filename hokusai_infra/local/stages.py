"""The stages of a start, in parallel where that may be."""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from hokusai_infra.local.assembly import Assembly, LocalFacts
from hokusai_infra.local.balancer import HEALTH_SECONDS, Balancer
from hokusai_infra.local.ecs_agent import EcsAgent
from hokusai_infra.local.health import routed
from hokusai_infra.local.keepers import PartKeeper, TaskKeeper
from hokusai_infra.local.output import Output
from hokusai_infra.local.parts.object_store import buckets_of
from hokusai_infra.local.plan import Plan, make_plan
from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.recording import record
from hokusai_infra.local.secret_values import SecretValues
from hokusai_infra.local.setup_task import refused, set_up
from hokusai_infra.local.supervisor import Sinks, Supervisor
from hokusai_infra.local.task_definitions import find_task
from hokusai_infra.local.tasks import Surroundings, Task


class Stages:
    """Everything that is started for one run, and who keeps it."""

    def __init__(self, assembly: Assembly, supervisor: Supervisor, output: Output) -> None:
        self.assembly, self.supervisor, self.output = assembly, supervisor, output
        self.keepers: list[PartKeeper | TaskKeeper] = []
        self.setup: dict[str, Any] = {}
        """What the setup task printed."""
        self.refused = ""
        """Name of the value in it that is valid no more."""
        self._database: tuple[dict[str, Any], list[PartKeeper]] | None = None

    async def record(self, stack: str) -> tuple[RecordedGraph, LocalFacts]:
        """Record the program beside starting what it needs first.

        What the last graph needed is started at once; if it is needed no more, it is idle.
        """
        assembly, before = self.assembly, LocalFacts.read(self.assembly.folders.graph)
        await asyncio.to_thread(assembly.certificates.prepare)
        early: list[Coroutine[Any, Any, object]] = [self._control_plane()]
        if before is None:
            # Most programs have a database; making its folder takes a while and needs no name.
            early.append(asyncio.to_thread(assembly.postgres({"username": ""}).prepare))
        elif before.database:
            early.append(self._start_database(before.database))
        (graph, facts), *_ = await together(self._record(stack), *early)
        assembly.credentials.publish(assembly.identities(graph, facts))
        if facts.database:
            assembly.database_front.configure(assembly.instance(facts.database))
        return graph, facts

    async def start(self, graph: RecordedGraph, facts: LocalFacts, tasks: int) -> Plan:
        """Start what the graph describes; return when all of it is healthy and reached."""
        plan = make_plan(graph, self.assembly.ports, tasks)
        for sentence in self.assembly.ports.moved:
            self.output.note(sentence)
        surroundings = self._surroundings(plan)
        database, parts = asyncio.Event(), asyncio.Event()
        services = sorted({slot.service.name for slot in plan.slots})
        wanted, kept = graph.outputs.get("setup_task"), self.assembly.folders.setup.exists()
        owner = find_task(graph, wanted["task_definition"])[0] if wanted else None

        async def service(name: str) -> None:
            await database.wait()
            await self._service(name, plan, surroundings, parts)
            if name == owner:  # it needs no other service: it runs while they still start
                await self._set_up(plan, surroundings, prepared=True)

        await together(
            self._object_store(graph, parts),
            self._balancer(plan),
            self._data(facts, database),
            *(service(name) for name in services),
        )
        if wanted and owner not in services:
            await self._set_up(plan, surroundings)
        await self._routed(plan)
        if kept:
            self.refused = await asyncio.to_thread(refused, graph, plan.names, self.setup)
        return plan

    async def _record(self, stack: str) -> tuple[RecordedGraph, LocalFacts]:
        with self.output.step("program") as details:
            graph, facts = await record(self.assembly, self.supervisor, stack)
            details.append(f"{len(graph.resources)} resources of stack {stack}")
        return graph, facts

    async def _part(
        self,
        title: str,
        part: Any,  # noqa: ANN401 - parts share two methods, no class
        *,
        port: int | None = None,
        kind: str = "part",
        sinks: Sinks | None = None,
    ) -> PartKeeper:
        keeper = PartKeeper(
            self.supervisor,
            self.output,
            getattr(part, "prepare", _nothing),
            part.process,
            kind=kind,
            port=port,
            sinks=sinks,
        )
        with self.output.step(title) as details:
            await keeper.start()
            if port:
                details.append(f"port {port}")
        self.keepers.append(keeper)
        return keeper

    async def _control_plane(self) -> None:
        part = self.assembly.control_plane
        await self._part("control plane", part, port=part.port)

    async def _data(self, facts: LocalFacts, ready: asyncio.Event) -> None:
        if facts.database:
            await self._start_database(facts.database)
        ready.set()

    async def _start_database(self, database: dict[str, Any]) -> None:
        """Start the server and its front; once more if the program wants another one now."""
        front = self.assembly.database_front
        if self._database is not None:
            started, keepers = self._database
            if self.assembly.postgres(started) == self.assembly.postgres(database):
                return
            for keeper in keepers:
                self.keepers.remove(keeper)
                if keeper.child:
                    await self.supervisor.stop(keeper.child)
        keepers = await together(
            self._part("postgres", self.assembly.postgres(database)),
            self._part("database front", front, port=front.port, kind="front"),
        )
        self._database = (database, keepers)

    async def _object_store(self, graph: RecordedGraph, ready: asyncio.Event) -> None:
        part = self.assembly.object_store
        if buckets := buckets_of(graph.resources):
            await self._part("object store", part, port=part.ports["s3"])
            if recorder := self.assembly.object_recorder:
                keys = {each.name: each.kms_key_arn for each in buckets if each.kms_key_arn}
                recorder = replace(recorder, keys=keys)
                sinks = Sinks(recorder.take)
                await self._part("S3 calls", recorder, port=recorder.port, sinks=sinks)
            with self.output.step("buckets") as details:
                await asyncio.to_thread(part.make_buckets, buckets)
                details.append(", ".join(each.name for each in buckets))
        ready.set()

    async def _balancer(self, plan: Plan) -> None:
        if plan.listeners:
            folder = self.assembly.folders.state / "balancer"
            part = Balancer(folder, plan.listeners, plan.groups, self.assembly.certificates)
            await self._part("load balancer", part, kind="balancer")

    def _surroundings(self, plan: Plan) -> Surroundings:
        assembly = self.assembly
        folders, credentials = assembly.folders, assembly.credentials
        endpoint, region = assembly.control_plane.url, assembly.place.region
        surroundings = Surroundings(
            program=folders.program,
            tmp=folders.tmp,
            names=plan.names,
            credentials=credentials,
            control_plane=endpoint,
            object_store=assembly.object_store_url,
            region=region,
            secrets=SecretValues(endpoint, region, credentials),
            agent=EcsAgent(credentials, assembly.calls),
        )
        self.supervisor.record.private = surroundings.saved()
        return surroundings

    async def _service(
        self,
        name: str,
        plan: Plan,
        surroundings: Surroundings,
        parts: asyncio.Event,
    ) -> None:
        """Start all tasks of a service, and wait until they are healthy.

        What has to end before a task's containers, such as a migration, is run by the first one.
        """
        first = asyncio.Event()
        keepers = [
            TaskKeeper(
                self.supervisor,
                self.output,
                Task(
                    surroundings,
                    self.supervisor,
                    slot.service.definition,
                    slot.service.main,
                    service=name,
                    label=slot.label,
                    ports=slot.ports,
                    gate=parts,
                    launched=first,
                ),
            )
            for slot in plan.slots
            if slot.service.name == name
        ]

        async def follow(keeper: TaskKeeper) -> None:
            await first.wait()
            keeper.task.prepared = True
            await keeper.start()

        with self.output.step(name) as details:
            await together(keepers[0].start(), *(follow(each) for each in keepers[1:]))
            if len(keepers) > 1:
                details.append(f"{len(keepers)} tasks")
        self.keepers.extend(keepers)

    async def _set_up(
        self, plan: Plan, surroundings: Surroundings, *, prepared: bool = False
    ) -> None:
        folders = self.assembly.folders
        first = not folders.setup.exists()
        with self.output.step("setup task") if first else contextlib.nullcontext():
            self.setup = await set_up(
                plan.graph, surroundings, self.supervisor, folders, prepared=prepared
            )

    async def _routed(self, plan: Plan) -> None:
        """Wait until the balancer has found all tasks healthy, too.

        It knows them after one interval of its check; a request before that would be an error in
        its log.
        """
        await asyncio.sleep(HEALTH_SECONDS * 1.3)
        for listener in plan.listeners:
            if not listener.forwarded or listener.tls:
                continue
            for target in listener.targets:
                group = plan.groups.get(target.target_group)
                if group and group.upstreams:
                    await routed(listener.ports[0], group.health_path)


async def together(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run all at once; the first failure ends the others and is raised as it is."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _nothing() -> None:
    """Prepare a part that needs no preparation."""
