from dataclasses import replace
from typing import Any

import pytest

from hokusai_infra.preview.difference import differences
from hokusai_infra.preview.replacement import EVERY, REPLACED_BY, replacing
from hokusai_infra.recorder import Graph, Resource
from tests.infra.preview.graphs import PREFIX, graph, resource
from tests.infra.recordings import recorded

DATABASE = "aws:rds/instance:Instance"
GROUP = "aws:cloudwatch/logGroup:LogGroup"
BOX = "hokusai:index:Box"
CASE = "hokusai:index:Case"


def told(before: Graph, after: Graph) -> list[tuple[Any, ...]]:
    return [
        (each.kind, each.resource.name, each.properties, each.replaced_by, each.formerly)
        for each in differences(before, after)
    ]


def box(name: str, *aliases: str, component: str = BOX) -> Resource:
    return resource(component, name, component=True, aliases=aliases)


def inside(parent: Resource, name: str, *aliases: str, **inputs: object) -> Resource:
    chain = parent.urn.removeprefix(PREFIX).rpartition("::")[0]
    return Resource(
        urn=f"{PREFIX}{chain}${GROUP}::{name}",
        type=GROUP,
        name=name,
        inputs=dict(inputs),
        parent=parent.urn,
        aliases=aliases,
    )


def test_a_program_does_not_differ_from_itself() -> None:
    assert differences(recorded("prod"), recorded("prod")) == []


def test_what_comes_goes_and_changes_is_told_and_the_irreversible_first() -> None:
    before = graph(
        resource(GROUP, "gone"),
        resource(GROUP, "kept", inputs={"retentionInDays": 7, "name": "a"}),
        resource(DATABASE, "data", inputs={"engine": "one", "instanceClass": "small"}),
    )
    after = graph(
        resource(GROUP, "kept", inputs={"retentionInDays": 30, "name": "a"}),
        resource(GROUP, "new"),
        resource(DATABASE, "data", inputs={"engine": "two", "instanceClass": "large"}),
    )
    assert told(before, after) == [
        ("replace", "data", ("engine", "instanceClass"), ("engine",), ""),
        ("remove", "gone", (), (), ""),
        ("change", "kept", ("retentionInDays",), (), ""),
        ("add", "new", (), (), ""),
    ]


VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GATEWAY = "aws:ec2/natGateway:NatGateway"
ROUTE = "aws:ec2/route:Route"


def network(cidr: str, **of_route: Any) -> Graph:  # noqa: ANN401 - fields of a resource
    vpc = resource(VPC, "vpc", inputs={"cidrBlock": cidr})
    subnet = resource(
        SUBNET,
        "subnet",
        inputs={"vpcId": "vpc-id"},
        property_dependencies={"vpcId": [vpc.urn], "tags": []},
    )
    gateway = resource(
        GATEWAY,
        "gateway",
        inputs={"subnetId": "subnet-id"},
        property_dependencies={"subnetId": [subnet.urn]},
    )
    route = resource(
        ROUTE,
        "route",
        inputs={"natGatewayId": "gateway-id"},
        property_dependencies={"natGatewayId": [gateway.urn]},
        **of_route,
    )
    return graph(vpc, subnet, gateway, route)


def test_a_replacement_goes_on_to_what_is_made_of_it() -> None:
    before, after = network("10.0.0.0/16"), network("10.1.0.0/16")
    found = {each.resource.name: each for each in differences(before, after)}
    assert {name: each.kind for name, each in found.items()} == {
        "vpc": "replace",
        "subnet": "replace",
        "gateway": "replace",
        "route": "change",
    }
    assert found["gateway"].replaced_by == ("subnetId",)
    assert found["gateway"].follows == {"subnetId": (f"{PREFIX}{SUBNET}::subnet",)}
    assert found["vpc"].follows == {}


def test_what_a_program_ignores_does_not_follow_either() -> None:
    ignores = {"ignore_changes": ("natGatewayId",)}
    found = differences(network("10.0.0.0/16", **ignores), network("10.1.0.0/16", **ignores))
    assert "route" not in {each.resource.name for each in found}


def test_another_range_of_the_network_replaces_what_is_in_it() -> None:
    before = recorded("prod")
    vpc = before.one(VPC)
    moved = replace(vpc, inputs=vpc.inputs | {"cidrBlock": "10.99.0.0/16"})
    others = (moved if each is vpc else each for each in before.resources)
    found = differences(before, replace(before, resources=tuple(others)))
    replaced = {each.resource.type for each in found if each.kind == "replace"}
    assert replaced >= {
        VPC,
        SUBNET,
        GATEWAY,
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/routeTable:RouteTable",
        "aws:lb/targetGroup:TargetGroup",
    }
    changed = {each.resource.type for each in found if each.kind == "change"}
    assert "aws:rds/subnetGroup:SubnetGroup" in changed
    assert DATABASE not in replaced


def test_another_name_of_a_role_replaces_its_policies() -> None:
    before = recorded("prod")
    role = before.of("aws:iam/role:Role")[0]
    renamed = replace(role, inputs=role.inputs | {"name": "another"})
    others = (renamed if each is role else each for each in before.resources)
    found = differences(before, replace(before, resources=tuple(others)))
    policies = [
        each
        for each in before.of("aws:iam/rolePolicy:RolePolicy")
        if role.urn in (each.property_dependencies.get("role", []))
    ]
    assert policies
    replaced = {each.resource.urn for each in found if each.kind == "replace"}
    assert replaced >= {role.urn, *(each.urn for each in policies)}


def test_what_a_program_ignores_is_no_change() -> None:
    before = graph(resource(GROUP, inputs={"retentionInDays": 7}))
    after = graph(
        resource(GROUP, inputs={"retentionInDays": 9}, ignore_changes=("retentionInDays",))
    )
    assert differences(before, after) == []


@pytest.mark.parametrize("alias", [f"{PREFIX}{GROUP}::old", "name=old"])
def test_a_renamed_resource_with_an_alias_is_not_made_anew(alias: str) -> None:
    before = graph(resource(GROUP, "old"))
    after = graph(resource(GROUP, "new", aliases=(alias,)))
    assert told(before, after) == [("change", "new", (), (), f"{PREFIX}{GROUP}::old")]
    without = graph(resource(GROUP, "new"))
    assert [each[0] for each in told(before, without)] == ["remove", "add"]


def test_children_follow_a_component_that_was_renamed() -> None:
    old, new = box("old"), box("new", "name=old")
    before = graph(old, inside(old, "old"), inside(old, "old-logs"))
    after = graph(new, inside(new, "new"), inside(new, "new-logs"))
    assert {each[0] for each in told(before, after)} == {"change"}
    stray = box("new")
    without = graph(stray, inside(stray, "new"), inside(stray, "new-logs"))
    assert {each[0] for each in told(before, without)} == {"remove", "add"}


def test_children_follow_a_component_that_has_another_token() -> None:
    old, new = box("it"), box("it", f"type={BOX}", component=CASE)
    before, after = graph(old, inside(old, "logs")), graph(new, inside(new, "logs"))
    assert [each[0] for each in told(before, after)] == ["change"]


def test_a_child_that_moves_into_another_component_is_found_by_its_former_parent() -> None:
    old, new = box("old"), box("new", component=CASE)
    before = graph(old, inside(old, "logs"))
    after = graph(new, inside(new, "logs", f"parent={old.urn}"))
    assert [each[0] for each in told(before, after)] == ["change"]


def test_a_revision_of_a_task_definition_is_always_a_new_one() -> None:
    assert REPLACED_BY["aws:ecs/taskDefinition:TaskDefinition"] == EVERY
    assert replacing("aws:ecs/taskDefinition:TaskDefinition", ["cpu", "tags"]) == ["cpu"]


def test_a_setting_of_a_bucket_is_replaced_with_its_bucket_alone() -> None:
    type_ = "aws:s3/bucketPolicy:BucketPolicy"
    assert replacing(type_, ["policy"]) == []
    assert replacing(type_, ["bucket", "policy"]) == ["bucket"]


def test_every_type_of_the_table_exists_in_some_stack_or_is_known_to_the_recorder() -> None:
    from hokusai_infra.recorder.answers import ARNS, WITHOUT_ARN  # noqa: PLC0415 - data alone

    assert set(REPLACED_BY) <= {*ARNS, *WITHOUT_ARN, "aws:route53/zone:Zone"}
