"""ECS task definitions and services of the recorded graph."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Self

from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.state import StackError


@dataclass(frozen=True)
class HealthCheck:
    """The command ECS runs inside a container, with ECS's own defaults."""

    command: tuple[str, ...]
    interval: float = 30
    timeout: float = 5
    retries: int = 3
    start_period: float = 0

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> Self | None:
        """Read ``healthCheck``; ``NONE`` is none."""
        command = tuple((raw or {}).get("command", ()))
        if raw is None or not command or command[0] == "NONE":
            return None
        argv = ("/bin/sh", "-c", *command[1:]) if command[0] == "CMD-SHELL" else command
        return cls(
            argv[1:] if argv[0] == "CMD" else argv,
            float(raw.get("interval") or 30),
            float(raw.get("timeout") or 5),
            int(raw.get("retries") or 3),
            float(raw.get("startPeriod") or 0),
        )


@dataclass(frozen=True)
class Container:
    """One container definition, as far as a process needs it."""

    name: str
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    depends_on: tuple[tuple[str, str], ...]
    health_check: HealthCheck | None
    essential: bool
    ports: tuple[int, ...]
    start_timeout: float
    stop_timeout: float
    log_options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the driver ``awslogs``; empty where another one, or none, is used."""

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Read one element of ``containerDefinitions``."""
        return cls(
            name=raw["name"],
            entry_point=tuple(raw.get("entryPoint") or ()),
            command=tuple(raw.get("command") or ()),
            environment={each["name"]: each["value"] for each in raw.get("environment") or ()},
            secrets={each["name"]: each["valueFrom"] for each in raw.get("secrets") or ()},
            depends_on=tuple(
                (each["containerName"], each["condition"]) for each in raw.get("dependsOn") or ()
            ),
            health_check=HealthCheck.read(raw.get("healthCheck")),
            essential=bool(raw.get("essential", True)),
            ports=tuple(int(each["containerPort"]) for each in raw.get("portMappings") or ()),
            # docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html:
            # Fargate's defaults are 3 minutes and 30 seconds.
            start_timeout=float(raw.get("startTimeout") or 180),
            stop_timeout=float(raw.get("stopTimeout") or 30),
            log_options=_awslogs(raw.get("logConfiguration") or {}),
        )


def _awslogs(raw: Mapping[str, Any]) -> dict[str, str]:
    options: dict[str, str] = raw.get("options") or {}
    return options if raw.get("logDriver") == "awslogs" else {}


@dataclass(frozen=True)
class TaskDefinition:
    """A task definition; its containers stand in an order that honours ``dependsOn``."""

    family: str
    arn: str
    task_role: str
    execution_role: str
    containers: tuple[Container, ...]

    @classmethod
    def read(cls, recorded: Recorded) -> Self:
        """Read a recorded task definition."""
        raw = recorded.get("containerDefinitions")
        definitions = json.loads(raw) if isinstance(raw, str) else raw
        containers = {each["name"]: Container.read(each) for each in definitions}
        return cls(
            family=recorded.get("family"),
            arn=str(recorded.get("arn", "")),
            task_role=str(recorded.get("taskRoleArn", "")),
            execution_role=str(recorded.get("executionRoleArn", "")),
            containers=_ordered(recorded, containers),
        )

    def first_to_end(self) -> set[str]:
        """Name the containers that only precede others: whoever depends on one awaits its end."""
        conditions: dict[str, set[str]] = {}
        for each in self.containers:
            for name, condition in each.depends_on:
                conditions.setdefault(name, set()).add(condition)
        return {name for name, found in conditions.items() if found <= {"COMPLETE", "SUCCESS"}}

    def container(self, name: str) -> Container:
        """Find a container by name."""
        for each in self.containers:
            if each.name == name:
                return each
        there = ", ".join(each.name for each in self.containers)
        raise StackError(
            f"Task definition {self.family!r} has no container {name!r}.",
            fix=f"It has: {there}.",
        )


def _ordered(recorded: Recorded, containers: dict[str, Container]) -> tuple[Container, ...]:
    needs = {each.name: [name for name, _ in each.depends_on] for each in containers.values()}
    unknown = {name for names in needs.values() for name in names} - containers.keys()
    if unknown:
        raise StackError(
            f"{recorded.where}: dependsOn names {', '.join(sorted(unknown))}, "
            "which is no container of it.",
            fix="Correct dependsOn.",
        )
    try:
        return tuple(containers[name] for name in TopologicalSorter(needs).static_order())
    except CycleError as cycle:
        raise StackError(
            f"{recorded.where}: containers wait for each other: {' → '.join(cycle.args[1])}.",
            fix="Correct dependsOn.",
        ) from None


@dataclass(frozen=True)
class EcsService:
    """A service: which task definition it runs, and who sends requests to it."""

    name: str
    """The container that gets its requests, which is what people call it, where no two services
    share that; else the resource's name."""
    resource: str
    """Logical name of the resource."""
    physical: str
    definition: TaskDefinition
    target_groups: tuple[tuple[str, str], ...]
    """ARN and container of each target group it is in."""
    desired: int = 1

    @property
    def main(self) -> Container:
        """The container that gets requests, else the first essential one."""
        return _main(self.definition, self.target_groups)


def _main(definition: TaskDefinition, groups: tuple[tuple[str, str], ...]) -> Container:
    if groups:
        return definition.container(groups[0][1])
    essential = [each for each in definition.containers if each.essential]
    if not essential:
        raise StackError(
            f"Task definition {definition.family!r} has no essential container.",
            fix="Leave `essential` out of the one that does the work.",
        )
    return next((each for each in essential if each.ports), essential[0])


def ecs_services(graph: RecordedGraph) -> list[EcsService]:
    """List the services, sorted by name."""
    found = []
    for service in graph.of("aws:ecs/service:Service"):
        reference = service.get("taskDefinition")
        definition = graph.by_arn("aws:ecs/taskDefinition:TaskDefinition", reference)
        if definition is None:
            raise StackError(
                f"{service.where} runs {reference!r}, which the program does not register.",
                fix="Pass the arn of an aws.ecs.TaskDefinition.",
            )
        groups = tuple(
            (str(each.get("targetGroupArn", "")), str(each["containerName"]))
            for each in service.get("loadBalancers") or ()
        )
        task = TaskDefinition.read(definition)
        physical = str(service.get("name") or service.name)
        desired = int(service.get("desiredCount", 1))
        name = _main(task, groups).name
        found.append(EcsService(name, service.name, physical, task, groups, desired))
    shared = [each.name for each in found]
    distinct = [
        replace(each, name=each.resource) if shared.count(each.name) > 1 else each for each in found
    ]
    return sorted(distinct, key=lambda each: each.name)


def find_task(
    graph: RecordedGraph, wanted: str, container: str = ""
) -> tuple[str, TaskDefinition, Container]:
    """Find what a one-off task runs: service name, task definition and container.

    ``wanted`` is a service (by any of its names), a family, or a task definition's ARN or name.
    """
    services = ecs_services(graph)
    for service in services:
        names = (service.name, service.resource, service.physical, service.definition.family)
        if wanted in (*names, service.definition.arn):
            main = service.definition.container(container) if container else service.main
            return service.name, service.definition, main
    for each in graph.of("aws:ecs/taskDefinition:TaskDefinition"):
        if wanted in (each.get("family"), each.get("arn"), each.name):
            definition = TaskDefinition.read(each)
            main = definition.container(container) if container else _main(definition, ())
            return main.name, definition, main
    raise StackError(
        f"The program registers no service or task definition {wanted!r}.",
        fix=f"There are: {', '.join(each.name for each in services) or 'none'}.",
    )
