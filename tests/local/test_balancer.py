"""What Caddy is told."""

from pathlib import Path

import pytest

from hokusai_infra.local.balancer import configuration
from hokusai_infra.local.listeners import (
    LOOPBACK_NAMES,
    Listener,
    Site,
    TargetGroup,
    discovery_name,
    played_listeners,
    public_name,
    target_group,
)
from hokusai_infra.local.names import PublicListener, PublicName, Redirect, Target
from hokusai_infra.local.parts.certificates import Leaf
from hokusai_infra.local.ports import Ports, loopback
from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.state import StackError

EVERYWHERE = tuple(f"[{host}]" if ":" in host else host for _, host in loopback())
GROUP = TargetGroup((20_011, 20_012), "/health", 200)


def proxies(server: dict[str, object]) -> list[dict[str, object]]:
    routes = server["routes"]
    assert isinstance(routes, list)
    handlers = [handler for route in routes for handler in route["handle"]]
    return [handler for handler in handlers if handler["handler"] == "reverse_proxy"]


def test_a_load_balancer_idles_as_long_as_the_recorded_one_on_both_sides() -> None:
    name = PublicName("a.example", (Target(1, (), "arn:g"),), 300)
    config = configuration([public_name(0, name, 20_001)], {"arn:g": GROUP}, {})
    server = config["apps"]["http"]["servers"]["a.example"]
    assert server["idle_timeout"] == "300s"
    assert server["read_idle_timeout"] == "300s"
    assert [proxy["transport"] for proxy in proxies(server)] == [
        {
            "protocol": "http",
            "versions": ["1.1"],
            "compression": False,
            "dial_timeout": "3s",
            "response_header_timeout": "300s",
            "keep_alive": {"enabled": True, "idle_timeout": "300s"},
        }
    ] * 2


def test_nothing_is_sent_twice_and_nothing_is_held_back() -> None:
    name = PublicName("a.example", (Target(1, (), "arn:g"),), 300)
    listeners = [public_name(0, name, 20_001), discovery_name("a.in", 20_002, "a")]
    servers = configuration(listeners, {"arn:g": GROUP, "a": GROUP}, {})["apps"]["http"]["servers"]
    found = [proxy for server in servers.values() for proxy in proxies(server)]
    assert len(found) == 4
    for proxy in found:
        assert proxy["flush_interval"] == -1
        balancing = proxy["load_balancing"]
        assert isinstance(balancing, dict)
        assert balancing["retry_match"] == [{"method": ["NONE"]}]
        assert balancing["selection_policy"] == {"policy": "round_robin"}


def test_the_first_host_is_an_address_and_the_others_are_a_name() -> None:
    name = PublicName("a.example", ())
    assert public_name(0, name, 1).addresses == ("127.0.0.1",)
    assert public_name(1, name, 1).addresses == EVERYWHERE


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ({"path": "/health", "matcher": "200", "timeout": 3}, TargetGroup((1,), "/health", 200, 3)),
        ({"path": "/", "matcher": "200-299"}, TargetGroup((1,), "/", 2, 5)),
        (None, TargetGroup((1,), "/", 200, 5)),
    ],
)
def test_targets_are_asked_as_the_target_group_says(
    check: dict[str, object] | None, found: TargetGroup
) -> None:
    inputs = {"healthCheck": check}
    group = Recorded("aws:lb/targetGroup:TargetGroup", "g", inputs, {"arn": "arn:g"})
    graph = RecordedGraph("p", "local", {}, {}, (group,))
    assert target_group(graph, "arn:g", [1]) == found


def test_a_target_group_that_nobody_makes_is_refused() -> None:
    with pytest.raises(StackError, match="arn:g, which the program does not register"):
        target_group(RecordedGraph("p", "local", {}, {}, ()), "arn:g", [])


NOBODY = Target(50_001, status=404)
A, B = Target(1, (), "arn:a"), Target(2, ("/b/*",), "arn:b")
TO_HTTPS = Target(50_001, status=301, redirect=Redirect("HTTPS", port="443"))
HOSTS = {"a.example": (A, NOBODY), "b.example": (B, NOBODY)}
HTTPS = PublicListener("secure", 443, 300, HOSTS, NOBODY, tls=True, certificate_names=("*.x",))
HTTP = PublicListener("clear", 80, 300, {}, TO_HTTPS, tls=False)
NAMES = [PublicName("a.example", (A, NOBODY)), PublicName("b.example", (B, NOBODY))]


def test_an_https_listener_plays_all_its_rules_at_a_port_for_each_host(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    played = played_listeners([HTTP, HTTPS], NAMES, ports)
    a, b = ports.get("https/a.example"), ports.get("https/b.example")
    assert played.https == {
        "a.example": f"https://127.0.0.1:{a}",
        "b.example": f"https://localhost:{b}",
    }
    assert played.listeners[0] == Listener(
        "listener/secure",
        (a, b),
        EVERYWHERE,
        (
            Site((A, NOBODY), ("a.example",), a),
            Site((B, NOBODY), ("b.example",), b),
            Site((NOBODY,)),
        ),
        300,
        tls=True,
        certificate_names=("*.x",),
    )


def test_a_redirect_leads_each_host_to_its_own_https_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    redirecting = played_listeners([HTTP, HTTPS], NAMES, ports).listeners[1]
    assert redirecting.ports == (ports.get("listener/clear"),)
    a, b = (str(ports.get(f"https/{name.host}")) for name in NAMES)
    assert [
        (site.hosts, [target.redirect for target in site.targets]) for site in redirecting.sites
    ] == [
        (("a.example",), [Redirect("HTTPS", port=a)]),
        (("127.0.0.1",), [Redirect("HTTPS", port=a)]),
        (("b.example",), [Redirect("HTTPS", port=b)]),
        (("localhost",), [Redirect("HTTPS", port=b)]),
        ((), [Redirect("HTTPS", port=a)]),
    ]
    server = configuration([redirecting], {}, {})["apps"]["http"]["servers"]["listener/clear"]
    assert server["routes"][1] == {
        "match": [{"host": ["a.example"]}],
        "handle": [
            {
                "handler": "static_response",
                "status_code": 301,
                "headers": {"Location": [f"https://{{http.request.host}}:{a}{{http.request.uri}}"]},
            }
        ],
        "terminal": True,
    }


def test_a_program_without_https_gets_none(tmp_path: Path) -> None:
    played = played_listeners([HTTP], NAMES, Ports(tmp_path / "ports.json"))
    assert (played.listeners, played.https) == ((), {})


def test_tls_is_what_an_alb_offers_and_the_tasks_hear_of_it(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    listener = played_listeners([HTTPS], NAMES, ports).listeners[0]
    leaf = Leaf(tmp_path / "l.crt", tmp_path / "l.key")
    config = configuration([listener], {"arn:a": GROUP, "arn:b": GROUP}, {"listener/secure": leaf})[
        "apps"
    ]
    assert config["tls"]["certificates"]["load_files"] == [
        {"certificate": str(leaf.file), "key": str(leaf.key_file), "tags": ["listener/secure"]}
    ]
    server = config["http"]["servers"]["listener/secure"]
    assert server["protocols"] == ["h1", "h2"]
    assert server["tls_connection_policies"] == [
        {
            "certificate_selection": {"any_tag": ["listener/secure"]},
            "default_sni": "localhost",
            "fallback_sni": "localhost",
            "protocol_min": "tls1.2",
        }
    ]
    port = ports.get("https/b.example")
    wanted = [
        {"path": ["/b/*"], "host": ["b.example"]},
        {
            "path": ["/b/*"],
            "host": list(LOOPBACK_NAMES),
            "vars": {"{http.request.local.port}": [str(port)]},
        },
    ]
    (route,) = (each for each in server["routes"] if each.get("match") == wanted)
    assert route["handle"][0]["headers"]["request"]["set"] == {
        "X-Forwarded-Proto": ["https"],
        "X-Forwarded-Port": ["{http.request.local.port}"],
    }
    assert "health_checks" in route["handle"][0]
