"""The ports of the local load balancer, and what happens to the requests that come in there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hokusai_infra.local.names import PublicListener, PublicName, Redirect, Target, public_origin
from hokusai_infra.local.ports import Ports, loopback
from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import StackError

DISCOVERY_IDLE_SECONDS: Final = 300
"""Cloud Map is only a name; the connections behind it are the callers' own."""
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
"""What a client here can ask for, since no DNS knows the recorded names."""


@dataclass(frozen=True)
class TargetGroup:
    """The tasks behind a rule, and how they are asked for their health."""

    upstreams: tuple[int, ...]
    health_path: str = "/"
    health_status: int = 2
    """As Caddy has it: 2 stands for 2xx."""
    timeout: int = 5


@dataclass(frozen=True)
class Site:
    """What happens to requests of some hosts."""

    targets: tuple[Target, ...]
    hosts: tuple[str, ...] = ()
    """None stands for all."""
    port: int | None = None
    """Port at which ``localhost`` and its addresses mean these hosts, too."""


@dataclass(frozen=True)
class Listener:
    """One or more ports of the balancer that answer alike."""

    name: str
    ports: tuple[int, ...]
    addresses: tuple[str, ...]
    """Addresses to listen on."""
    sites: tuple[Site, ...]
    """The first that a request fits decides about it."""
    idle_seconds: int
    forwarded: bool = True
    """Whether it is a load balancer, which writes ``X-Forwarded-*``, or only a name."""
    tls: bool = False
    certificate_names: tuple[str, ...] = ()
    server_header: bool = True
    """Whether answers of the balancer's own say whose they are."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that its sites lead to."""
        return tuple(target for site in self.sites for target in site.targets)


def public_name(position: int, name: PublicName, port: int) -> Listener:
    """Listen for a routed host in clear: the first on 127.0.0.1, the others on ``localhost``."""
    addresses = ("127.0.0.1",) if position == 0 else _everywhere()
    return Listener(name.host, (port,), addresses, (Site(name.targets),), name.idle_seconds)


def discovery_name(name: str, port: int, service: str) -> Listener:
    """Listen for a Cloud Map name."""
    site = Site((Target(1, target_group=service),))
    return Listener(name, (port,), ("127.0.0.1",), (site,), DISCOVERY_IDLE_SECONDS, forwarded=False)


@dataclass(frozen=True)
class Played:
    """The recorded listeners as they are played, and where that puts the hosts."""

    listeners: tuple[Listener, ...]
    https: Mapping[str, str]
    """Routed host → local origin over HTTPS."""


def played_listeners(
    recorded: Iterable[PublicListener], names: Iterable[PublicName], ports: Ports
) -> Played:
    """Play each HTTPS listener with all its rules, and each HTTP one that only redirects to it.

    An HTTPS listener has a port for each host that it routes. The recorded names are known at all
    of them; ``localhost`` and its addresses mean the host whose port was asked.
    """
    position = {name.host: index for index, name in enumerate(names)}
    listeners: list[Listener] = []
    https: dict[str, int] = {}
    for each in recorded:
        if not each.tls:
            continue
        own = {host: ports.get(f"https/{host}") for host in each.hosts if host in position}
        if own:
            https |= own
            listeners.append(_over_tls(each, own))
    origins = {host: public_origin(position[host], port, "https") for host, port in https.items()}
    if https:
        listeners += [
            _redirecting(each, each.default, ports.get(f"listener/{each.name}"), origins)
            for each in recorded
            if not each.tls and each.default is not None and each.default.to_https
        ]
    return Played(tuple(listeners), {host.lower(): origin for host, origin in origins.items()})


def _over_tls(recorded: PublicListener, own: Mapping[str, int]) -> Listener:
    last = () if recorded.default is None else (recorded.default,)
    sites = [Site(targets, (host,), own.get(host)) for host, targets in recorded.hosts.items()]
    return Listener(
        f"listener/{recorded.name}",
        tuple(own.values()),
        _everywhere(),
        (*sites, Site(last)),
        recorded.idle_seconds,
        tls=True,
        certificate_names=recorded.certificate_names or tuple(recorded.hosts),
        server_header=recorded.server_header,
    )


def _redirecting(
    recorded: PublicListener, default: Target, port: int, origins: Mapping[str, str]
) -> Listener:
    """Send each host to its own HTTPS port, since 443 is another program's here."""
    sites: dict[str, Site] = {}
    for host, origin in origins.items():
        _, _, authority = origin.partition("://")
        name, _, https = authority.rpartition(":")
        way = (replace(default, redirect=replace(default.redirect or Redirect(), port=https)),)
        sites[host] = Site(way, (host,))
        sites.setdefault(name, Site(way, (name,)))
        sites.setdefault("", Site(way))
    rest = sites.pop("")
    return Listener(
        f"listener/{recorded.name}",
        (port,),
        _everywhere(),
        (*sites.values(), rest),
        recorded.idle_seconds,
    )


def _everywhere() -> tuple[str, ...]:
    return tuple(host if ":" not in host else f"[{host}]" for _, host in loopback())


def target_group(graph: RecordedGraph, arn: str, upstreams: Iterable[int]) -> TargetGroup:
    """Read how a target group checks its targets."""
    recorded = graph.by_arn("aws:lb/targetGroup:TargetGroup", arn)
    if recorded is None:
        raise StackError(
            f"A listener forwards to {arn}, which the program does not register.",
            fix="Pass the arn of an aws.lb.TargetGroup.",
        )
    check = recorded.get("healthCheck") or {}
    matcher = str(check.get("matcher") or "200")
    exact = int(matcher) if matcher.isdecimal() else int(matcher[0])
    return TargetGroup(
        tuple(upstreams), str(check.get("path") or "/"), exact, int(check.get("timeout") or 5)
    )
