"""What a recorded graph means on this machine: services, tasks, ports and names."""

from collections.abc import Mapping
from dataclasses import dataclass

from hokusai_infra.local.listeners import (
    Listener,
    TargetGroup,
    discovery_name,
    played_listeners,
    public_name,
    target_group,
)
from hokusai_infra.local.names import (
    Names,
    local_names,
    private_names,
    public_listeners,
    public_names,
)
from hokusai_infra.local.ports import Ports
from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import StackError
from hokusai_infra.local.task_definitions import Container, EcsService, ecs_services


@dataclass(frozen=True)
class Slot:
    """A place for one task of a service; it keeps its port over restarts."""

    service: EcsService
    label: str
    ports: Mapping[int, int]

    @property
    def port(self) -> int | None:
        """The port its requests go to."""
        return next(iter(self.ports.values()), None)


@dataclass(frozen=True)
class Plan:
    """Everything that follows from the graph and the number of tasks."""

    graph: RecordedGraph
    slots: tuple[Slot, ...]
    names: Names
    listeners: tuple[Listener, ...]
    groups: dict[str, TargetGroup]
    urls: dict[str, str]
    """Public host → local origin."""
    https: Names
    """The same over HTTPS, where the program has a listener for that."""


def make_plan(graph: RecordedGraph, ports: Ports, tasks: int) -> Plan:
    """Give every task and every name its port."""
    services = [each for each in ecs_services(graph) if each.desired]
    slots = tuple(
        _slot(service, number, ports) for service in services for number in range(1, tasks + 1)
    )
    public = [(each, ports.get(f"name/{each.host}")) for each in public_names(graph)]
    private = [(each, ports.get(f"name/{each.host}")) for each in private_names(graph)]
    names = local_names(public, private)
    played = played_listeners(public_listeners(graph), [name for name, _ in public], ports)
    listeners = [
        *(public_name(position, name, port) for position, (name, port) in enumerate(public)),
        *(discovery_name(name.host, port, name.service) for name, port in private),
        *played.listeners,
    ]
    upstreams = {
        service.name: [s.port for s in slots if s.service is service and s.port]
        for service in services
    }
    groups = {
        arn: target_group(graph, arn, upstreams[service.name])
        for service in services
        for arn, _ in service.target_groups
    }
    groups |= {
        name.service: TargetGroup(tuple(upstreams.get(_local(services, name.service), ())))
        for name, _ in private
    }
    for listener in listeners:
        for target in listener.targets:
            if target.target_group and target.target_group not in groups:
                # A target group that no service is in answers 503, as in AWS.
                groups[target.target_group] = target_group(graph, target.target_group, ())
    urls = {name.host: names.local[name.host.lower()] for name, _ in public}
    return Plan(graph, slots, names, tuple(listeners), groups, urls, Names(played.https))


def _local(services: list[EcsService], resource: str) -> str:
    return next((each.name for each in services if each.resource == resource), "")


def _slot(service: EcsService, number: int, ports: Ports) -> Slot:
    label = f"{service.name}/{number}"
    main = service.main
    if not main.ports:
        return Slot(service, label, {})
    stated = main.environment.get("PORT", "")
    if not stated.isdecimal() or int(stated) not in main.ports:
        raise StackError(
            f"Container {main.name!r} of {service.definition.family!r} maps port "
            f"{_listed(main)} and takes no PORT from its environment; several tasks on one "
            "machine need a port each.",
            fix="Set PORT to the containerPort in its environment, and listen on PORT.",
        )
    return Slot(service, label, {int(stated): ports.get(f"task/{label}")})


def _listed(container: Container) -> str:
    return ", ".join(str(port) for port in container.ports)
