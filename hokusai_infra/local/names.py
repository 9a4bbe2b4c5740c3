"""Public and private names of the recorded services, and what they are on loopback."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.state import StackError

DEFAULT_PRIORITY: Final = 50_001
"""A listener's default action comes after every rule; 50000 is the last one AWS takes."""


@dataclass(frozen=True)
class Target:
    """A rule's way: requests for these paths go to this target group, or get a fixed answer."""

    priority: int
    paths: tuple[str, ...] = ()
    target_group: str = ""
    status: int = 0
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True)
class PublicName:
    """A host that a load balancer routes."""

    host: str
    targets: tuple[Target, ...]
    idle_seconds: int = 60
    """The load balancer's ``idleTimeout``; 60 is what AWS sets where the program does not."""


@dataclass(frozen=True)
class PrivateName:
    """A name that Cloud Map keeps for an ECS service, with the port that its tasks listen on."""

    host: str
    port: int
    service: str
    """Logical name of the ECS service."""


def public_names(graph: RecordedGraph) -> list[PublicName]:
    """List the routed hosts, sorted."""
    found: dict[str, list[Target]] = {}
    idle: dict[str, int] = {}
    for listener in graph.of("aws:lb/listener:Listener"):
        balancer = graph.by_arn("aws:lb/loadBalancer:LoadBalancer", listener.get("loadBalancerArn"))
        seconds = int(balancer.get("idleTimeout", 60)) if balancer else 60
        default = _action(listener, listener.get("defaultActions", []), DEFAULT_PRIORITY, ())
        rules = [
            rule
            for rule in graph.of("aws:lb/listenerRule:ListenerRule")
            if rule.get("listenerArn") in (listener.get("arn"), listener.get("id"))
        ]
        hosts: dict[str, list[Target]] = {}
        for rule in rules:
            names, paths = _conditions(rule)
            action = _action(rule, rule.get("actions", []), int(rule.get("priority", 1)), paths)
            for host in names:
                hosts.setdefault(host, []).extend([action] if action else [])
        if default and default.target_group and balancer:
            hosts.setdefault(str(balancer.get("dnsName")), [])
        for host, targets in hosts.items():
            found.setdefault(host, []).extend([*targets, *([default] if default else [])])
            idle[host] = seconds
    return [
        PublicName(host, tuple(sorted(found[host], key=lambda each: each.priority)), idle[host])
        for host in sorted(found)
        if any(each.target_group for each in found[host])
    ]


def _conditions(rule: Recorded) -> tuple[list[str], tuple[str, ...]]:
    hosts: list[str] = []
    paths: list[str] = []
    for condition in rule.get("conditions", []):
        known = condition.keys() & {"hostHeader", "pathPattern"}
        if known != {key for key, value in condition.items() if value}:
            raise StackError(
                f"{rule.where} has a condition that the local load balancer does not know: "
                f"{', '.join(sorted(condition.keys() - known))}.",
                fix="Use hostHeader and pathPattern.",
            )
        hosts += condition.get("hostHeader", {}).get("values", [])
        paths += condition.get("pathPattern", {}).get("values", [])
    return hosts, tuple(paths)


def _action(
    of: Recorded, actions: list[dict[str, Any]], priority: int, paths: tuple[str, ...]
) -> Target | None:
    for action in actions:
        match action:
            case {"type": "forward", "targetGroupArn": str(arn)}:
                return Target(priority, paths, target_group=arn)
            case {"type": "forward", "forward": {"targetGroups": [{"arn": str(arn)}]}}:
                return Target(priority, paths, target_group=arn)
            case {"type": "fixed-response", "fixedResponse": dict(fixed)}:
                return Target(
                    priority,
                    paths,
                    status=int(fixed.get("statusCode", 200)),
                    body=str(fixed.get("messageBody", "")),
                    content_type=str(fixed.get("contentType", "text/plain")),
                )
            case {"type": "redirect"}:  # to HTTPS: there is none on loopback
                continue
            case _:
                raise StackError(
                    f"{of.where} has an action that the local load balancer does not know: "
                    f"{action.get('type')!r}.",
                    fix="Use forward (to one target group), fixed-response or redirect.",
                )
    return None


def private_names(graph: RecordedGraph) -> list[PrivateName]:
    """List the names that ECS services register in Cloud Map, sorted."""
    found = []
    for service in graph.of("aws:ecs/service:Service"):
        registries = service.get("serviceRegistries") or {}
        if not registries:
            continue
        entry = graph.by_arn("aws:servicediscovery/service:Service", registries["registryArn"])
        if entry is None:
            raise StackError(
                f"{service.where} names a Cloud Map service that the program does not make.",
                fix="Make it with aws.servicediscovery.Service and pass its arn.",
            )
        space = _namespace(graph, entry)
        port = registries.get("containerPort") or registries.get("port") or _port(graph, service)
        found.append(PrivateName(f"{entry.get('name')}.{space}", int(port), service.name))
    return sorted(found, key=lambda each: each.host)


def _namespace(graph: RecordedGraph, entry: Recorded) -> str:
    reference = (entry.get("dnsConfig") or {}).get("namespaceId") or entry.get("namespaceId")
    for kind in ("PrivateDnsNamespace", "HttpNamespace"):
        type_ = f"aws:servicediscovery/{kind[0].lower()}{kind[1:]}:{kind}"
        if space := graph.by_arn(type_, reference):
            return str(space.get("name"))
    raise StackError(
        f"{entry.where} is in no namespace that the program makes.",
        fix="Make it with aws.servicediscovery.PrivateDnsNamespace and pass its id.",
    )


def _port(graph: RecordedGraph, service: Recorded) -> int:
    """Port of the only container that maps one: Cloud Map's A records carry none."""
    import json  # noqa: PLC0415 - only where Cloud Map is used

    definition = graph.by_arn(
        "aws:ecs/taskDefinition:TaskDefinition", service.get("taskDefinition")
    )
    containers = json.loads(definition.get("containerDefinitions")) if definition else []
    ports = [
        mapping["containerPort"]
        for container in containers
        for mapping in container.get("portMappings", [])
    ]
    if len(ports) != 1:
        raise StackError(
            f"{service.where} is in Cloud Map and maps {len(ports)} ports.",
            fix="Name the containerPort in serviceRegistries, or map exactly one port.",
        )
    return int(ports[0])


class Names:
    """Says in texts what recorded URLs are on loopback."""

    def __init__(self, local: Mapping[str, str]) -> None:
        """Take ``host`` (any scheme, the scheme's own port) or ``host:port`` → local origin."""
        self.local = dict(local)
        hosts = sorted((re.escape(name) for name in local), key=len, reverse=True)
        self._pattern = re.compile(
            rf"(?i)https?://({'|'.join(hosts) or '(?!)'})(?::(?:80|443))?(?![\w.:-])"
        )

    def resolve(self, text: str) -> str:
        """Replace each URL's origin."""
        return self._pattern.sub(lambda found: self.local[found[1].lower()], text)

    def resolved(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Replace in every text of a JSON value."""
        match value:
            case str():
                return self.resolve(value)
            case list():
                return [self.resolved(each) for each in value]
            case dict():
                return {key: self.resolved(each) for key, each in value.items()}
        return value


def public_origin(position: int, port: int) -> str:
    """Give the first host 127.0.0.1, the others localhost: cookies heed hosts, not ports."""
    return f"http://{'127.0.0.1' if position == 0 else 'localhost'}:{port}"


def local_names(
    public: Iterable[tuple[PublicName, int]], private: Iterable[tuple[PrivateName, int]]
) -> Names:
    """Say what each name is, given the ports of the balancer."""
    local = {
        name.host.lower(): public_origin(position, port)
        for position, (name, port) in enumerate(public)
    }
    for name, port in private:
        local[f"{name.host}:{name.port}".lower()] = f"http://127.0.0.1:{port}"
    return Names(local)
