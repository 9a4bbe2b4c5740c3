"""Tasks, ports and names that follow from a graph."""

import itertools
import json
from pathlib import Path

import pytest

from hokusai_infra.local.assembly import Place
from hokusai_infra.local.keepers import pauses
from hokusai_infra.local.plan import make_plan
from hokusai_infra.local.ports import Ports
from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.state import Folders, StackError


def graph(*, environment: list[dict[str, str]], desired: int = 1) -> RecordedGraph:
    container = {
        "name": "web",
        "portMappings": [{"containerPort": 8000}],
        "environment": environment,
    }
    registry = {"registryArn": "arn:d", "containerPort": 8000}
    forward = {"type": "forward", "targetGroupArn": "arn:g"}
    host = {"hostHeader": {"values": ["web.example"]}}
    rows: list[tuple[str, dict[str, object], dict[str, object]]] = [
        (
            "aws:ecs/taskDefinition:TaskDefinition",
            {"family": "web", "containerDefinitions": json.dumps([container])},
            {"arn": "arn:t"},
        ),
        (
            "aws:ecs/service:Service",
            {
                "taskDefinition": "arn:t",
                "desiredCount": desired,
                "loadBalancers": [{"targetGroupArn": "arn:g", "containerName": "web"}],
                "serviceRegistries": registry,
            },
            {},
        ),
        ("aws:lb/targetGroup:TargetGroup", {"healthCheck": {"path": "/up"}}, {"arn": "arn:g"}),
        ("aws:lb/listener:Listener", {"loadBalancerArn": "arn:b"}, {"arn": "arn:l"}),
        ("aws:lb/loadBalancer:LoadBalancer", {"idleTimeout": 300}, {"arn": "arn:b"}),
        (
            "aws:lb/listenerRule:ListenerRule",
            {"listenerArn": "arn:l", "priority": 1, "conditions": [host], "actions": [forward]},
            {},
        ),
        (
            "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace",
            {"name": "inside"},
            {"id": "ns"},
        ),
        (
            "aws:servicediscovery/service:Service",
            {"name": "web", "dnsConfig": {"namespaceId": "ns"}},
            {"arn": "arn:d"},
        ),
    ]
    resources = tuple(Recorded(type_, "web", inputs, state) for type_, inputs, state in rows)
    return RecordedGraph("p", "local", {}, {}, resources)


PORT = [{"name": "PORT", "value": "8000"}]


def test_each_task_has_a_port_and_each_name_leads_to_all_of_them(tmp_path: Path) -> None:
    plan = make_plan(graph(environment=PORT), ports := Ports(tmp_path / "ports.json"), 2)
    tasks = (ports.get("task/web/1"), ports.get("task/web/2"))
    assert [(slot.label, slot.ports) for slot in plan.slots] == [
        ("web/1", {8000: tasks[0]}),
        ("web/2", {8000: tasks[1]}),
    ]
    assert {name: group.upstreams for name, group in plan.groups.items()} == {
        "arn:g": tasks,
        "web": tasks,
    }
    public, private = ports.get("name/web.example"), ports.get("name/web.inside")
    assert plan.urls == {"web.example": f"http://127.0.0.1:{public}"}
    assert plan.https.local == {}
    assert plan.names.resolve("http://web.inside:8000/x") == f"http://127.0.0.1:{private}/x"


def test_a_service_that_wants_no_task_gets_none(tmp_path: Path) -> None:
    plan = make_plan(graph(environment=PORT, desired=0), Ports(tmp_path / "ports.json"), 2)
    assert plan.slots == ()
    assert {group.upstreams for group in plan.groups.values()} == {()}


@pytest.mark.parametrize("environment", [[], [{"name": "PORT", "value": "9000"}]])
def test_a_container_with_a_port_of_its_own_is_refused(
    tmp_path: Path, environment: list[dict[str, str]]
) -> None:
    with pytest.raises(StackError, match="maps port 8000 and takes no PORT"):
        make_plan(graph(environment=environment), Ports(tmp_path / "ports.json"), 1)


def test_pauses_between_starts_double_up_to_half_a_minute() -> None:
    assert [*itertools.islice(pauses(), 8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(
    ("project", "stack", "place"),
    [
        ("", "config: {}", Place("000000000000", "us-east-1")),
        ("config: {aws:region: {value: eu-west-1}}", "", Place("000000000000", "eu-west-1")),
        (
            "config: {aws:region: {default: eu-west-1}}",
            'config: {aws:region: eu-west-2, aws:allowedAccountIds: ["012345678901"]}',
            Place("012345678901", "eu-west-2"),
        ),
    ],
)
def test_account_and_region_are_those_of_the_provider(
    tmp_path: Path, project: str, stack: str, place: Place
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(f"name: x\n{project}\n")
    (tmp_path / "Pulumi.local.yaml").write_text(stack)
    assert Place.read(Folders.of(tmp_path), "local") == place
