"""Promises of this program alone, in every stack; what any program should keep is a policy rule.

``tests/infra/policy`` runs all rules over all stacks.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hokusai_infra.recorder import Graph, Resource, default_answers, record
from tests.infra.recordings import ROOT, containers, recorded

BOTH = ("staging", "prod")
TASK = "aws:ecs/taskDefinition:TaskDefinition"


@dataclass(frozen=True)
class Promise:
    """Something true of every resource of one type."""

    says: str
    of: str
    holds: Callable[[Resource, Graph], object]


def _config(graph: Graph) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(graph.config["hokusai:stack"])
    return found


def _policy(resource: Resource) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(resource.inputs["policy"])["Statement"]
    return found


def _ports(graph: Graph, cidr: str) -> set[tuple[str, int]]:
    rules = (
        *graph.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"),
        *graph.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"),
    )
    return {
        (each.type.rpartition(":")[2], each.inputs["fromPort"])
        for each in rules
        if each.inputs.get("cidrIpv4") == cidr
    }


PROMISES = [
    Promise(
        "a bucket's name says whose it is",
        "aws:s3/bucket:Bucket",
        lambda bucket, graph: bucket.inputs["bucket"].endswith(
            f"-{graph.stack}-{_config(graph)['account_id']}"
        ),
    ),
    Promise(
        "where data is protected, Pulumi refuses to delete it too",
        "aws:s3/bucket:Bucket",
        lambda bucket, graph: bucket.protect == _config(graph)["protect_data"],
    ),
    Promise(
        "a database is protected as its stack says, by AWS and by Pulumi",
        "aws:rds/instance:Instance",
        lambda instance, graph: (
            instance.inputs["deletionProtection"]
            == instance.protect
            == _config(graph)["protect_data"]
        ),
    ),
    Promise(
        "requests come in at 443 and 80 alone, and tasks go out at 443 alone",
        "aws:ec2/vpc:Vpc",
        lambda _, graph: (
            _ports(graph, "0.0.0.0/0")
            == {
                ("SecurityGroupIngressRule", 443),
                ("SecurityGroupIngressRule", 80),
                ("SecurityGroupEgressRule", 443),
            }
        ),
    ),
    Promise(
        "a service waits for the migration",
        TASK,
        lambda task, _: (
            containers(task)[task.name]["dependsOn"]
            == [{"containerName": "migrate", "condition": "SUCCESS"}]
        ),
    ),
    Promise(
        "no identity policy has a condition",
        "aws:iam/rolePolicy:RolePolicy",
        lambda policy, _: not any("Condition" in each for each in _policy(policy)),
    ),
    Promise(
        "a policy names no account but the stack's and the image's",
        "aws:iam/rolePolicy:RolePolicy",
        lambda policy, graph: (
            {arn.split(":")[4] for each in _policy(policy) for arn in _arns(each)}
            <= {"", "111122223333", _config(graph)["account_id"]}
        ),
    ),
]


def _arns(statement: dict[str, Any]) -> list[str]:
    return [each for each in statement["Resource"] if each != "*"]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.says)
def test_promise(promise: Promise, graph: Graph) -> None:
    found = graph.of(promise.of)
    assert found, f"nothing left to check: {promise.of}"
    assert [each.urn for each in found if not promise.holds(each, graph)] == []


def test_the_provider_may_touch_the_stack_s_account_alone(graph: Graph) -> None:
    allowed = json.loads(graph.config["aws:allowedAccountIds"])
    assert allowed == [_config(graph)["account_id"]]
    tags = json.loads(graph.config["aws:defaultTags"])["tags"]
    assert tags["environment"] == graph.stack


def test_prod_differs_from_staging_in_data_alone() -> None:
    """Staging with what prod states of these three is prod, resource by resource."""
    staging, prod = (json.loads(recorded(each).config["hokusai:stack"]) for each in BOTH)
    staging["network"]["egress"] = prod["network"]["egress"]
    staging["waf"], staging["night"] = prod["waf"], prod.get("night")
    as_prod = record(
        ROOT,
        "staging",
        answers=default_answers,
        config_overrides={"hokusai:stack": json.dumps(staging)},
    )

    def made(graph: Graph) -> set[str]:
        return {each.urn.replace(f"urn:pulumi:{graph.stack}:", "") for each in graph.resources}

    assert made(as_prod) == made(recorded("prod"))


OF_ONE_TYPE = {
    "bucket": "aws:s3/bucket:Bucket",
    "family": "aws:ecs/taskDefinition:TaskDefinition",
    "identifier": "aws:rds/instance:Instance",
}
"""Inputs beside ``name`` that state a physical name; where a program states none, Pulumi puts
seven random digits behind the logical one."""
NAMED_INSIDE_ANOTHER = {"aws:servicediscovery/service:Service"}


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_second_stack_in_the_same_account_shares_no_name(stack: str) -> None:
    stated = json.loads(recorded(stack).config["hokusai:stack"])
    second = {**stated, "label": "b", "domain": f"b.{stated['domain']}"}
    other = record(
        ROOT,
        stack,
        answers=default_answers,
        config_overrides={"hokusai:stack": json.dumps(second)},
    )
    first_names, other_names = (_names(each) for each in (recorded(stack), other))
    assert len(first_names) == len(other_names) > 15
    assert first_names & other_names == set()


def _names(graph: Graph) -> set[tuple[str, str]]:
    found = [
        (each.type, str(each.inputs[key]))
        for each in graph.resources
        for key in ("name", *OF_ONE_TYPE)
        if key in each.inputs
        and OF_ONE_TYPE.get(key, each.type) == each.type
        and each.type not in NAMED_INSIDE_ANOTHER
    ]
    assert len(found) == len(set(found)), "two resources of one stack have one name"
    return set(found)
