"""One ECS task as processes: its containers in order, their environment, their health."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from hokusai_infra.local.ecs_agent import EcsAgent
from hokusai_infra.local.health import healthy_once
from hokusai_infra.local.names import Names
from hokusai_infra.local.parts.calls import CallLog
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.process import ProcessSpec, serves
from hokusai_infra.local.secret_values import SecretValues, role_name
from hokusai_infra.local.state import Folders, StackError
from hokusai_infra.local.supervisor import Child, Sinks, Supervisor
from hokusai_infra.local.task_definitions import Container, TaskDefinition

START_SECONDS: Final = 120.0
"""How long a container without a start period of its own may take to become healthy."""
STOP_SECONDS: Final = 5.0
"""A laptop does not wait out ``stopTimeout``: whoever stops the stack sits before it."""


@dataclass(frozen=True)
class Surroundings:
    """What all tasks of a running stack share."""

    program: Path
    tmp: Path
    names: Names
    credentials: Credentials
    control_plane: str
    object_store: str
    region: str
    secrets: SecretValues
    agent: EcsAgent

    def saved(self) -> dict[str, Any]:
        """Give what another command needs to start a task beside the supervisor's."""
        return {
            "names": self.names.local,
            "control_plane": self.control_plane,
            "object_store": self.object_store,
            "region": self.region,
            "record_calls": self.agent.calls.recording,
        }

    @classmethod
    def restored(cls, saved: Mapping[str, Any], folders: Folders) -> Self:
        """Make the surroundings that a supervisor has saved."""
        credentials = Credentials.prepare(folders.state)
        endpoint, region = saved["control_plane"], saved["region"]
        return cls(
            folders.program,
            folders.tmp,
            Names(saved["names"]),
            credentials,
            endpoint,
            saved["object_store"],
            region,
            SecretValues(endpoint, region, credentials),
            EcsAgent(credentials, CallLog(folders.calls if saved["record_calls"] else None)),
        )

    def search_path(self) -> str:
        """Programs of this installation first, then the system's."""
        return os.pathsep.join(
            [str(Path(sys.prefix) / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]
        )

    async def environment(
        self, definition: TaskDefinition, container: Container, task: str, ports: Mapping[int, int]
    ) -> dict[str, str]:
        """Build the environment of a container from nothing.

        ``ports`` maps the ports that the container states to this task's own.
        """
        home = self.tmp / task.replace("/", "-")
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        secrets = await self.secrets.read(definition, container)
        variables = {
            "PATH": self.search_path(),
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "AWS_ENDPOINT_URL": self.control_plane,
            "AWS_ENDPOINT_URL_S3": self.object_store,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if definition.task_role:
            role = role_name(definition.task_role)
            variables |= self.credentials.task_environment(
                self.control_plane, role, task.replace("/", "-")
            )
        stated = {name: self.names.resolve(value) for name, value in container.environment.items()}
        if (port := stated.get("PORT", "")).isdecimal():
            stated["PORT"] = str(ports.get(int(port), int(port)))
        return {**variables, **stated, **secrets}


def arguments(
    definition: TaskDefinition,
    container: Container,
    environment: Mapping[str, str],
    command: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Give the argument vector: entry point and command, the latter overridden or not."""
    argv = (*container.entry_point, *(container.command if command is None else command))
    if not argv:
        raise StackError(
            f"Container {container.name!r} of {definition.family!r} states neither entryPoint nor "
            "command; what its image would run is not known here.",
            fix="State both in the container definition.",
        )
    program = shutil.which(argv[0], path=environment["PATH"])
    if program is None:
        raise StackError(
            f"Container {container.name!r} of {definition.family!r} runs {argv[0]!r}, "
            "which is not on this machine.",
            fix=f"Install it into {Path(sys.prefix) / 'bin'}, or use another entryPoint.",
        )
    return (program, *argv[1:])


class TaskFailedError(StackError):
    """A task that could not become, or stay, healthy."""


@dataclass
class Task:
    """One task; start it, wait until it has ended, stop it."""

    surroundings: Surroundings
    supervisor: Supervisor
    definition: TaskDefinition
    main: Container
    service: str
    label: str
    """``<service>/<number>``."""
    ports: Mapping[int, int] = field(default_factory=dict[int, int])
    gate: asyncio.Event | None = None
    """What the containers that nobody waits for wait for: the parts that start beside the first."""
    launched: asyncio.Event | None = None
    """Is set once all containers run, so that those that had to end first have ended."""
    command: Sequence[str] | None = None
    """Overrides the main container's command; then it is a one-off task."""
    sinks: Sinks | None = None
    prepared: bool = False
    """Whether another task of the definition has just run what has to end before its containers;
    on ECS every task runs that itself, and here at every later start."""
    restarts: int = 0
    children: dict[str, Child] = field(default_factory=dict[str, Child])

    async def start(self) -> None:
        """Start the containers in order and wait until the task is healthy."""
        waited_for = {
            name for each in self.definition.containers for name, _ in each.depends_on
        } - {self.main.name}
        skipped = self.definition.first_to_end() - {self.main.name} if self.prepared else set()
        for container in self.definition.containers:
            if container.name in skipped:
                continue
            for name, condition in container.depends_on:
                if name not in skipped:
                    await self._wait(self.definition.container(name), condition)
            if container.name not in waited_for and self.gate is not None:
                await self.gate.wait()
            await self._launch(container)
        self.prepared = False
        if self.launched is not None:
            self.launched.set()
        if self.command is None:
            for container in self.definition.containers:
                if container.essential:
                    await self._healthy(container)

    async def _launch(self, container: Container) -> None:
        overridden = self.command if container is self.main else None
        self.surroundings.agent.open_log(self.definition, container, self.label.replace("/", "-"))
        environment = await self.surroundings.environment(
            self.definition, container, self.label, self.ports
        )
        beside = container.name != self.main.name
        self.children[container.name] = await self.supervisor.spawn(
            ProcessSpec(
                name=f"{self.label}/{container.name}" if beside else self.label,
                argv=arguments(self.definition, container, environment, overridden),
                env=environment,
                cwd=self.surroundings.program,
                ready=_at_once,
                stop_seconds=min(container.stop_timeout, STOP_SECONDS),
            ),
            kind="one-off" if self.command is not None else "task",
            log=self.service,
            port=None if beside else next(iter(self.ports.values()), None),
            sinks=None if beside else self.sinks,
        )
        self.children[container.name].record.restarts = self.restarts

    async def _wait(self, container: Container, condition: str) -> None:
        child = self.children[container.name]
        if condition == "START":
            return
        if condition == "HEALTHY":
            await self._healthy(container)
            return
        try:
            code = await asyncio.wait_for(child.wait(), container.start_timeout)
        except TimeoutError:
            raise self._failed(
                child, f"has not ended within its startTimeout of {container.start_timeout:.0f} s"
            ) from None
        await self.supervisor.stop(child)
        if condition == "SUCCESS" and code != 0:
            raise self._failed(child, child.ended())

    async def _healthy(self, container: Container) -> None:
        """Poll fast until the first success; the port is looked at before the command is run."""
        child, check = self.children[container.name], container.health_check
        allowed = max(START_SECONDS, check.start_period if check else 0)
        until = asyncio.get_running_loop().time() + allowed
        port = next((self.ports[each] for each in container.ports if each in self.ports), None)
        why = "nothing listens on its port"
        while asyncio.get_running_loop().time() < until:
            if not child.running:
                await child.wait()
                raise self._failed(child, f"{child.ended()} before it was healthy")
            if port is None or await asyncio.to_thread(serves, port):
                answer = await healthy_once(check, child.spec.env, child.spec.cwd)
                if answer is None:
                    self.supervisor.health(child, "healthy")
                    return
                why = answer
            await asyncio.sleep(0.1)
        raise self._failed(child, f"was not healthy within {allowed:.0f} s: {why}")

    async def ended(self) -> str:
        """Wait until an essential container has ended or is unhealthy; say what happened."""
        watches = [
            asyncio.create_task(watch)
            for each in self.definition.containers
            if each.essential
            for watch in (self._exit(each), self._unhealthy(each))
        ]
        try:
            done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def _exit(self, container: Container) -> str:
        child = self.children[container.name]
        await child.wait()
        return child.ended()

    async def _unhealthy(self, container: Container) -> str:
        child, check = self.children[container.name], container.health_check
        failures = 0
        while check is not None and failures < check.retries:
            await asyncio.sleep(check.interval)
            why = await healthy_once(check, child.spec.env, child.spec.cwd)
            failures = 0 if why is None else failures + 1
            if why is not None and failures == check.retries:
                self.supervisor.health(child, "unhealthy")
                times = "once" if failures == 1 else f"{failures} times"
                return f"failed its health check {times}: {why}"
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def finish(self) -> int:
        """Wait for the main container of a one-off task."""
        return await self.children[self.main.name].wait()

    async def stop(self) -> None:
        """Stop all containers, the last one first."""
        for child in [*reversed(self.children.values())]:
            await self.supervisor.stop(child)
        self.children.clear()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.surroundings.tmp / self.label.replace("/", "-"))

    def _failed(self, child: Child, what: str) -> TaskFailedError:
        return TaskFailedError(
            f"{child.spec.name} {what}",
            cause="\n".join(child.tail),
            fix=f"Its log: {self.supervisor.folders.logs / f'{self.service}.log'}",
        )


async def _at_once() -> None:
    """Be ready: a container is watched by its task."""
