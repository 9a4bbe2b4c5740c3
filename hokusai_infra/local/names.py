"""Public and private names of the recorded services, and what they are on loopback."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.state import StackError

DEFAULT_PRIORITY: Final = 50_001
"""A listener's default action comes after every rule; 50000 is the last one AWS takes."""


@dataclass(frozen=True)
class Redirect:
    """Where a rule sends a client, in the words of the load balancer."""

    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


_PARTS: Final = tuple(each.name for each in fields(Redirect))


@dataclass(frozen=True)
class Target:
    """A rule's way: to a target group, to a fixed answer, or elsewhere."""

    priority: int
    paths: tuple[str, ...] = ()
    target_group: str = ""
    status: int = 0
    body: str = ""
    content_type: str = "text/plain"
    redirect: Redirect | None = None

    @property
    def to_https(self) -> bool:
        """Whether it only asks to come back over HTTPS; a name's plain port does not ask that."""
        return self.redirect is not None and self.redirect.protocol == "HTTPS"


@dataclass(frozen=True)
class PublicName:
    """A host that a load balancer routes."""

    host: str
    targets: tuple[Target, ...]
    idle_seconds: int = 60
    """The load balancer's ``idleTimeout``; 60 is what AWS sets where the program does not."""


@dataclass(frozen=True)
class PublicListener:
    """A port of a load balancer, with the hosts that its rules know."""

    name: str
    port: int
    idle_seconds: int
    hosts: Mapping[str, tuple[Target, ...]]
    """What happens to requests of each host, the listener's default at the end."""
    default: Target | None
    """What happens to requests of every other host."""
    tls: bool
    certificate_names: tuple[str, ...] = ()
    """Names in its certificates, as far as the program makes those."""
    server_header: bool = True
    """Whether its own answers say that they are a load balancer's."""


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
    for listener in public_listeners(graph):
        for host, targets in listener.hosts.items():
            found.setdefault(host, []).extend(
                each for each in targets if not (each.to_https and not listener.tls)
            )
            idle[host] = listener.idle_seconds
    return [
        PublicName(host, tuple(sorted(found[host], key=lambda each: each.priority)), idle[host])
        for host in sorted(found)
        if any(each.target_group for each in found[host])
    ]


def public_listeners(graph: RecordedGraph) -> list[PublicListener]:
    """List the listeners of all load balancers, with their rules in order, by name."""
    found = []
    for listener in graph.of("aws:lb/listener:Listener"):
        balancer = graph.by_arn("aws:lb/loadBalancer:LoadBalancer", listener.get("loadBalancerArn"))
        default = _action(listener, listener.get("defaultActions", []), DEFAULT_PRIORITY, ())
        last = [default] if default else []
        hosts: dict[str, list[Target]] = {}
        for rule in graph.of("aws:lb/listenerRule:ListenerRule"):
            if rule.get("listenerArn") not in (listener.get("arn"), listener.get("id")):
                continue
            names, paths = _conditions(rule)
            action = _action(rule, rule.get("actions", []), int(rule.get("priority", 1)), paths)
            for host in names:
                hosts.setdefault(host, []).extend([action] if action else [])
        if default and default.target_group and balancer:
            hosts.setdefault(str(balancer.get("dnsName")), [])
        found.append(
            PublicListener(
                name=listener.name,
                tls=listener.get("protocol") == "HTTPS",
                port=int(listener.get("port", 80)),
                idle_seconds=int(balancer.get("idleTimeout", 60)) if balancer else 60,
                hosts={
                    host: tuple(sorted([*targets, *last], key=lambda each: each.priority))
                    for host, targets in sorted(hosts.items())
                },
                default=default,
                certificate_names=_certificate_names(graph, listener),
                server_header=bool(listener.get("routingHttpResponseServerEnabled", default=True)),
            )
        )
    return sorted(found, key=lambda each: each.name)


def _certificate_names(graph: RecordedGraph, listener: Recorded) -> tuple[str, ...]:
    """Read whom the listener's certificates name; one that the program does not make is unread."""
    arns = [listener.get("certificateArn")]
    arns += [
        more.get("certificateArn")
        for more in graph.of("aws:lb/listenerCertificate:ListenerCertificate")
        if more.get("listenerArn") in (listener.get("arn"), listener.get("id"))
    ]
    names: list[str] = []
    for arn in filter(None, arns):
        if certificate := graph.by_arn("aws:acm/certificate:Certificate", arn):
            names += [
                certificate.get("domainName"),
                *certificate.get("subjectAlternativeNames", []),
            ]
    return tuple(dict.fromkeys(names))


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
            case {"type": "redirect", "redirect": dict(way)}:
                return _redirect(of, way, priority, paths)
            case _:
                raise StackError(
                    f"{of.where} has an action that the local load balancer does not know: "
                    f"{action.get('type')!r}.",
                    fix="Use forward (to one target group), fixed-response or redirect.",
                )
    return None


def _redirect(of: Recorded, way: dict[str, Any], priority: int, paths: tuple[str, ...]) -> Target:
    stated = {part: str(way[part]) for part in _PARTS if way.get(part)}
    redirect = Redirect(**stated)
    if (redirect.path, redirect.query) != (Redirect.path, Redirect.query) and (
        "#{" in redirect.path + redirect.query
    ):
        raise StackError(
            f"{of.where} redirects to path {redirect.path!r} and query {redirect.query!r}, which "
            "the local load balancer does not put together.",
            fix="Leave both out, or state both without #{…}.",
        )
    status = int(str(way.get("statusCode", "HTTP_302")).removeprefix("HTTP_"))
    return Target(priority, paths, status=status, redirect=redirect)


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


def public_origin(position: int, port: int, scheme: str = "http") -> str:
    """Give the first host 127.0.0.1, the others localhost: cookies heed hosts, not ports."""
    return f"{scheme}://{'127.0.0.1' if position == 0 else 'localhost'}:{port}"


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
