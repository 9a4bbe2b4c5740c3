"""Promises that hold in every stack, whatever component keeps them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hokusai_infra.recorder import Graph, Resource
from tests.infra.recordings import containers, recorded

TASK = "aws:ecs/taskDefinition:TaskDefinition"


@dataclass(frozen=True)
class Promise:
    """Something true of every resource of one type."""

    says: str
    of: str
    holds: Callable[[Resource, Graph], object]


def _each_container(holds: Callable[[dict[str, Any]], object]) -> Callable[[Resource, Graph], bool]:
    return lambda task, _: all(map(holds, containers(task).values()))


def _bucket_has(type_: str) -> Callable[[Resource, Graph], bool]:
    return lambda bucket, graph: any(bucket.urn in each.dependencies for each in graph.of(type_))


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
    *(
        Promise(f"every bucket has its {what}", "aws:s3/bucket:Bucket", _bucket_has(type_))
        for what, type_ in {
            "versioning": "aws:s3/bucketVersioning:BucketVersioning",
            "encryption": "aws:s3/bucketServerSideEncryptionConfiguration:"
            "BucketServerSideEncryptionConfiguration",
            "block of public access": "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            "refusal of clear text": "aws:s3/bucketPolicy:BucketPolicy",
            "lifecycle": "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        }.items()
    ),
    Promise(
        "no current object ever expires",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        lambda lifecycle, _: all(
            rule.get("expiration", {}).keys() <= {"expiredObjectDeleteMarker"}
            for rule in lifecycle.inputs["rules"]
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
        "a database lies in isolated subnets and is not public",
        "aws:rds/instance:Instance",
        lambda instance, graph: (
            not instance.inputs["publiclyAccessible"]
            and all(
                "isolated" in each
                for each in graph.one("aws:rds/subnetGroup:SubnetGroup").inputs["subnetIds"]
            )
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
        "HTTP only redirects where there is HTTPS",
        "aws:lb/listener:Listener",
        lambda listener, graph: (
            listener.inputs["protocol"] == "HTTPS"
            or len(graph.of("aws:lb/listener:Listener")) == 1
            or listener.inputs["defaultActions"][0]["type"] == "redirect"
        ),
    ),
    Promise(
        "there is HTTPS wherever there is an internet",
        "aws:lb/loadBalancer:LoadBalancer",
        lambda _, graph: (
            graph.stack == "local"
            or "HTTPS" in {e.inputs["protocol"] for e in graph.of("aws:lb/listener:Listener")}
        ),
    ),
    Promise(
        "rules are on the listener that serves, not on one that redirects",
        "aws:lb/listenerRule:ListenerRule",
        lambda rule, graph: (
            rule.inputs["listenerArn"]
            == max(graph.of("aws:lb/listener:Listener"), key=lambda e: e.inputs["port"]).state[
                "arn"
            ]
        ),
    ),
    Promise(
        "a service runs in private subnets, without a public address",
        "aws:ecs/service:Service",
        lambda service, _: (
            not service.inputs["networkConfiguration"]["assignPublicIp"]
            and all("private" in e for e in service.inputs["networkConfiguration"]["subnets"])
        ),
    ),
    Promise(
        "service discovery is attached to the service",
        "aws:ecs/service:Service",
        lambda service, graph: (
            service.inputs["serviceRegistries"]["registryArn"]
            == graph.one("aws:servicediscovery/service:Service", service.name).state["arn"]
        ),
    ),
    Promise(
        "a load balancer sends to a container and port that there are",
        "aws:ecs/service:Service",
        lambda service, graph: all(
            target["containerPort"]
            in {
                mapping["containerPort"]
                for mapping in containers(graph.one(TASK, service.name))[target["containerName"]][
                    "portMappings"
                ]
            }
            for target in service.inputs["loadBalancers"]
        ),
    ),
    Promise(
        "a deployment that fails is rolled back, and fails",
        "aws:ecs/service:Service",
        lambda service, _: (
            service.inputs["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
            and service.inputs["waitForSteadyState"]
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
        "a container writes nowhere but to /tmp, and is nobody's root",
        TASK,
        _each_container(
            lambda each: (
                each["readonlyRootFilesystem"]
                and not each["user"].startswith("0")
                and [mount["containerPath"] for mount in each["mountPoints"]] == ["/tmp"]  # noqa: S108
            )
        ),
    ),
    Promise(
        "every container logs to a group that the program makes, and that forgets",
        TASK,
        lambda task, graph: (
            {e["logConfiguration"]["options"]["awslogs-group"] for e in containers(task).values()}
            <= {
                e.inputs["name"]
                for e in graph.of("aws:cloudwatch/logGroup:LogGroup")
                if e.inputs["retentionInDays"]
            }
        ),
    ),
    Promise(
        "wherever an image is pulled, it is pinned by digest",
        TASK,
        lambda task, graph: (
            graph.stack == "local"
            or all("@sha256:" in each["image"] for each in containers(task).values())
        ),
    ),
    Promise(
        "no identity policy has a condition or a wildcard action",
        "aws:iam/rolePolicy:RolePolicy",
        lambda policy, _: all(
            "Condition" not in each and not any("*" in action for action in each["Action"])
            for each in _policy(policy)
        ),
    ),
    Promise(
        "only a token of the registry is not scoped to a resource",
        "aws:iam/rolePolicy:RolePolicy",
        lambda policy, _: all(
            each["Action"] == ["ecr:GetAuthorizationToken"]
            for each in _policy(policy)
            if each["Resource"] == "*"
        ),
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


def test_no_secret_has_a_value_from_the_program(graph: Graph) -> None:
    assert graph.of("aws:secretsmanager/secret:Secret")
    assert graph.of("aws:secretsmanager/secretVersion:SecretVersion") == []


def test_the_provider_may_touch_the_stack_s_account_alone(graph: Graph) -> None:
    allowed = json.loads(graph.config["aws:allowedAccountIds"])
    assert allowed == [_config(graph)["account_id"]]
    tags = json.loads(graph.config["aws:defaultTags"])["tags"]
    assert tags["environment"] == graph.stack


def test_prod_differs_from_staging_in_data_alone() -> None:

    def kinds(stack: str) -> set[str]:
        per_zone = ("nat", "eip")
        return {
            each.urn.replace(f"urn:pulumi:{stack}", "")
            for each in recorded(stack).resources
            if not any(kind in each.type.lower() for kind in per_zone)
        }

    assert kinds("prod") == kinds("staging")
