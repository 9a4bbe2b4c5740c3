"""What Caddy is told."""

import pytest

from hokusai_infra.local.balancer import (
    TargetGroup,
    configuration,
    discovery_listener,
    public_listener,
    target_group,
)
from hokusai_infra.local.names import PublicName, Target
from hokusai_infra.local.ports import loopback
from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.state import StackError

GROUP = TargetGroup((20_011, 20_012), "/health", 200)


def proxies(server: dict[str, object]) -> list[dict[str, object]]:
    routes = server["routes"]
    assert isinstance(routes, list)
    handlers = [handler for route in routes for handler in route["handle"]]
    return [handler for handler in handlers if handler["handler"] == "reverse_proxy"]


def test_a_load_balancer_idles_as_long_as_the_recorded_one_on_both_sides() -> None:
    name = PublicName("a.example", (Target(1, (), "arn:g"),), 300)
    config = configuration([public_listener(0, name, 20_001)], {"arn:g": GROUP})
    server = config["apps"]["http"]["servers"]["a.example"]
    assert server["idle_timeout"] == "300s"
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
    listeners = [public_listener(0, name, 20_001), discovery_listener("a.in", 20_002, "a")]
    servers = configuration(listeners, {"arn:g": GROUP, "a": GROUP})["apps"]["http"]["servers"]
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
    assert public_listener(0, name, 1).hosts == ("127.0.0.1",)
    every = {f"[{host}]" if ":" in host else host for _, host in loopback()}
    assert {*public_listener(1, name, 1).hosts} == every


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
