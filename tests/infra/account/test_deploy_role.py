"""What the roles of the pipeline can do, held against the stacks that they deploy."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hokusai_infra.components.account.deploy_permissions import PASSED_TO, DeployTarget
from hokusai_infra.components.account.pipeline_role import PATH
from hokusai_infra.components.account.provider_calls import CALLS
from hokusai_infra.local.parts.policy import decide
from hokusai_infra.recorder import Resource
from tests.infra.account.bootstraps import (
    ACCOUNTS,
    HERE,
    POLICY,
    REGION,
    ROLE,
    bootstrapped,
    documents,
    may,
)
from tests.infra.recordings import recorded

ENVIRONMENTS = tuple(ACCOUNTS)


def boundary(environment: str) -> str:
    return f"arn:aws:iam::{ACCOUNTS[environment]}:policy/hokusai-boundary"


def role_arn(environment: str, name: str = "") -> str:
    return f"arn:aws:iam::{ACCOUNTS[environment]}:role/{name or f'hokusai/{environment}/api-task'}"


def touched(environment: str) -> Iterator[tuple[Resource, str]]:
    """Yield each resource of the stack with its ARN, in the account that it is deployed to."""
    for each in recorded(environment).resources:
        if each.type.startswith("aws:"):
            arn = str(each.state.get("arn", f"arn:aws:any:::{each.name}"))
            if each.type.startswith("aws:s3/bucket"):
                arn = _bucket(each, environment)
            yield each, arn.replace(":111122223333:", f":{ACCOUNTS[environment]}:")


def _bucket(each: Resource, environment: str) -> str:
    graph = recorded(environment)
    names = {bucket.id: bucket.inputs["bucket"] for bucket in graph.of("aws:s3/bucket:Bucket")}
    name = each.inputs["bucket"]
    return f"arn:aws:s3:::{names.get(name, name)}"


NEEDS: Mapping[str, Mapping[str, str]] = {
    "iam": {"iam:PermissionsBoundary": "boundary"},
    "kms": {
        "aws:ResourceTag/environment": "environment",
        "aws:RequestTag/environment": "environment",
    },
    "route53": {"aws:ViaAWSService": "through_a_service"},
}
OF_A_ROLE = "arn:aws:iam::{account}:role/hokusai/{environment}/any"
ON_OTHERS = {
    "aws:kms/alias:Alias": "arn:aws:kms:us-east-1:{account}:alias/hokusai/{environment}/data",
    "aws:rds/parameterGroup:ParameterGroup": "arn:aws:rds:us-east-1:{account}:pg:any",
    "aws:rds/subnetGroup:SubnetGroup": "arn:aws:rds:us-east-1:{account}:subgrp:any",
    "aws:iam/rolePolicy:RolePolicy": OF_A_ROLE,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": OF_A_ROLE,
    "aws:iam/instanceProfile:InstanceProfile": (
        "arn:aws:iam::{account}:instance-profile/hokusai/{environment}/any"
    ),
    "aws:route53/record:Record": "arn:aws:route53:::hostedzone/{zone}",
}
"""ARNs that calls about resources without one of their own are decided on."""
OF_ACTIONS = {
    "route53:DeleteHealthCheck": "arn:aws:route53:::healthcheck/any",
    "route53:DeleteHostedZone": "arn:aws:route53:::hostedzone/OF-A-NAMESPACE",
    "route53:GetHealthCheck": "arn:aws:route53:::healthcheck/any",
    "route53:UpdateHealthCheck": "arn:aws:route53:::healthcheck/any",
    "ssm:GetParameters": (
        f"arn:aws:ssm:{REGION}::parameter/aws/service/ami-amazon-linux-latest/any"
    ),
}
"""ARNs that calls of another service are decided on."""
ZONES = {"staging": "Z00000000STAGING", "prod": "Z0000000000PROD"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_pipeline_may_make_change_and_delete_all_that_the_stack_consists_of(
    environment: str,
) -> None:
    values = {
        "boundary": boundary(environment),
        "environment": environment,
        "through_a_service": "true",
    }
    missing = set[str]()
    for each, own in touched(environment):
        assert each.type in CALLS, f"{each.type} is not in provider_calls.py: add what it calls"
        usual = ON_OTHERS.get(each.type, own).format(
            account=ACCOUNTS[environment], environment=environment, zone=ZONES[environment]
        )
        for action in CALLS[each.type].writes:
            arn = OF_ACTIONS.get(action, usual)
            context = {
                key: values[value] for key, value in NEEDS.get(action.partition(":")[0], {}).items()
            }
            if not may(environment, action, arn, context):
                missing.add(f"{action} on {arn}")
    assert missing == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("role", ["preview", "deploy"])
def test_a_pipeline_may_describe_all_that_the_stack_consists_of(
    environment: str, role: str
) -> None:
    name = role if role == "preview" else f"deploy-{environment}"
    missing = {
        action
        for each, arn in touched(environment)
        for action in CALLS[each.type].reads
        if not may(environment, action, arn, role=name)
    }
    assert missing == set()


UNDER_BOUNDARY = (
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("action", UNDER_BOUNDARY)
def test_no_role_is_made_or_widened_without_the_boundary(environment: str, action: str) -> None:
    other = boundary(environment).replace("hokusai-boundary", "AdministratorAccess")
    arn = role_arn(environment)
    with_it = {"iam:PermissionsBoundary": boundary(environment)}
    assert may(environment, action, arn, with_it)
    assert not may(environment, action, arn)
    assert not may(environment, action, arn, {"iam:PermissionsBoundary": other})
    assert not may(environment, action, role_arn(environment, "somebody-else"), with_it)


REFUSED = [
    ("iam:DeleteRolePermissionsBoundary", "role/hokusai/staging/api-task"),
    ("iam:CreatePolicyVersion", "policy/hokusai-boundary"),
    ("iam:SetDefaultPolicyVersion", "policy/hokusai-boundary"),
    ("iam:DeletePolicy", "policy/hokusai-boundary"),
    ("iam:CreatePolicy", "policy/anything"),
    ("iam:CreatePolicyVersion", "policy/hokusai-pipeline/hokusai-preview-describe"),
    ("iam:UpdateAssumeRolePolicy", "role/hokusai-pipeline/hokusai-preview"),
    ("iam:PutRolePolicy", "role/hokusai-pipeline/hokusai-build"),
    ("iam:AttachRolePolicy", "role/hokusai-pipeline/hokusai-build"),
    ("iam:DeleteRole", "role/hokusai-pipeline/hokusai-build"),
    ("iam:PassRole", "role/hokusai-pipeline/hokusai-build"),
    ("iam:PassRole", "role/administrator"),
    ("iam:UpdateOpenIDConnectProviderThumbprint", "oidc-provider/token.actions"),
    ("iam:DeleteOpenIDConnectProvider", "oidc-provider/token.actions"),
    ("iam:AddClientIDToOpenIDConnectProvider", "oidc-provider/token.actions"),
    ("iam:CreateUser", "user/me"),
    ("iam:CreateAccessKey", "user/me"),
]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize(("action", "what"), REFUSED)
def test_a_deployment_does_not_widen_itself(environment: str, action: str, what: str) -> None:
    every = {
        "iam:PermissionsBoundary": boundary(environment),
        "iam:PassedToService": "ecs-tasks.amazonaws.com",
    }
    assert not may(environment, action, f"arn:aws:iam::{ACCOUNTS[environment]}:{what}", every)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("kind", ["state", "audit"])
@pytest.mark.parametrize(
    "action",
    [
        "s3:DeleteBucket",
        "s3:DeleteBucketPolicy",
        "s3:DeleteObjectVersion",
        "s3:PutBucketLogging",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
    ],
)
def test_the_account_s_buckets_are_not_a_deployment_s(
    environment: str, kind: str, action: str
) -> None:
    bucket = f"arn:aws:s3:::hokusai-{kind}-{ACCOUNTS[environment]}"
    assert not may(environment, action, bucket)
    assert not may(environment, action, f"{bucket}/any")


@pytest.mark.parametrize("role", ["preview", "deploy-staging"])
def test_a_pipeline_reaches_the_states_of_stacks_and_not_its_own(role: str) -> None:
    bucket = "arn:aws:s3:::hokusai-state-111122223333/.pulumi"
    writes = role.startswith("deploy")
    for folder in ("stacks", "history", "locks/organization"):
        ours, own = f"{bucket}/{folder}/hokusai/staging", f"{bucket}/{folder}/hokusai-bootstrap/x"
        assert may("staging", "s3:GetObject", ours, role=role)
        assert may("staging", "s3:PutObject", ours, role=role) == writes
        assert not may("staging", "s3:GetObject", own, role=role)
        assert not may("staging", "s3:PutObject", own, role=role)
    assert not may("staging", "s3:DeleteObjectVersion", f"{bucket}/stacks/hokusai/x", role=role)


CONTENTS = [
    ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:1:secret:hokusai/x"),
    ("ssm:GetParameter", "arn:aws:ssm:us-east-1:1:parameter/x"),
    ("s3:GetObject", "arn:aws:s3:::hokusai-mlflow-artifacts-staging-111122223333/model"),
    ("s3:GetObjectVersion", "arn:aws:s3:::hokusai-audit-111122223333/log"),
    ("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/other"),
    ("logs:GetLogEvents", "arn:aws:logs:us-east-1:1:log-group:/ecs/x"),
    ("logs:FilterLogEvents", "arn:aws:logs:us-east-1:1:log-group:/ecs/x"),
    ("rds-db:connect", "arn:aws:rds-db:us-east-1:1:dbuser:x/y"),
]


@pytest.mark.parametrize(("action", "resource"), CONTENTS)
def test_a_preview_reads_no_contents_even_if_somebody_attaches_read_only_access(
    action: str, resource: str
) -> None:
    everything = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    texts = [*documents("staging", "preview"), everything]
    assert not decide(texts, action, resource, HERE).allowed
    assert decide(texts, "s3:ListBucket", resource, HERE).allowed


def test_a_preview_changes_nothing() -> None:
    actions = _allowed(documents("staging", "preview"))
    verbs = {each.partition(":")[2] for each in actions}
    assert {each for each in verbs if not each.startswith(("Describe", "Get", "List"))} == {
        "Decrypt"
    }


def test_a_build_pushes_images_and_does_nothing_else() -> None:
    actions = _allowed(documents("staging", "build"))
    assert {each.partition(":")[0] for each in actions} == {"ecr"}
    ours = "arn:aws:ecr:us-east-1:111122223333:repository/hokusai"
    assert may("staging", "ecr:PutImage", ours, role="build")
    assert not may("staging", "ecr:PutImage", f"{ours}-other", role="build")
    assert not may("staging", "ecr:BatchDeleteImage", ours, role="build")
    assert not may("staging", "ecr:DeleteLifecyclePolicy", ours, role="build")


def test_a_role_is_passed_to_the_services_of_a_stack_alone() -> None:
    for service in (*PASSED_TO, "lambda.amazonaws.com", ""):
        context = {"iam:PassedToService": service} if service else {}
        assert may("staging", "iam:PassRole", role_arn("staging"), context) == (
            service in PASSED_TO
        )


def test_an_environment_s_role_leaves_the_other_s_named_resources() -> None:
    for resource in (
        "arn:aws:s3:::hokusai-mlflow-artifacts-prod-111122223333",
        "arn:aws:rds:us-east-1:111122223333:db:hokusai-prod",
        "arn:aws:ecs:us-east-1:111122223333:service/hokusai-prod/hokusai-prod-api",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:hokusai/prod/signing-keys",
        "arn:aws:iam::111122223333:role/hokusai/prod/api-task",
    ):
        for action in (
            "s3:DeleteBucket",
            "rds:DeleteDBInstance",
            "ecs:DeleteService",
            "secretsmanager:DeleteSecret",
            "iam:DeleteRole",
        ):
            assert not may("staging", action, resource)
            own = resource.replace("prod", "staging")
            if own.split(":")[2] == action.partition(":")[0]:
                assert may("staging", action, own)


def test_a_zone_outlives_the_deployments_into_it() -> None:
    zone = "arn:aws:route53:::hostedzone/"
    assert may("staging", "route53:ChangeResourceRecordSets", f"{zone}{ZONES['staging']}")
    assert not may("staging", "route53:ChangeResourceRecordSets", f"{zone}ANOTHER")
    through_cloud_map = {"aws:ViaAWSService": "true"}
    for resource, context, expected in (
        (ZONES["staging"], through_cloud_map, False),
        (ZONES["staging"], {}, False),
        ("OF-A-NAMESPACE", through_cloud_map, True),
        ("OF-A-NAMESPACE", {}, False),
        ("OF-A-NAMESPACE", {"aws:ViaAWSService": "false"}, False),
    ):
        may_delete = may("staging", "route53:DeleteHostedZone", f"{zone}{resource}", context)
        assert may_delete == expected
    assert not may("staging", "route53:AssociateVPCWithHostedZone", f"{zone}ANY", through_cloud_map)


OBJECTS = ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions")


@pytest.mark.parametrize("action", OBJECTS)
def test_a_bucket_is_emptied_where_nothing_is_kept(action: str) -> None:
    """A stack without ``protect_data`` deletes its buckets with all that is in them."""
    for environment in ENVIRONMENTS:
        account = ACCOUNTS[environment]
        bucket = f"arn:aws:s3:::hokusai-mlflow-artifacts-{environment}-{account}"
        resource = bucket if action.endswith("Versions") else f"{bucket}/any"
        assert may(environment, action, resource) == (environment == "staging")
        assert not may(environment, action, resource.replace("hokusai", "somebody"))
    assert not may("staging", action, "arn:aws:s3:::hokusai-audit-111122223333/log")


def test_a_deployment_has_three_hours_and_all_else_one() -> None:
    for environment in ENVIRONMENTS:
        hours = {
            each.name: each.inputs["maxSessionDuration"] // 3600
            for each in bootstrapped(environment).of(ROLE)
            if each.inputs.get("path") == PATH
        }
        assert hours.pop(f"deploy-{environment}") == 3
        assert {*hours.values()} == {1}


def test_a_firewall_is_put_before_a_load_balancer_by_the_names_old_and_new() -> None:
    balancer = f"arn:aws:elasticloadbalancing:{REGION}:111122223333:loadbalancer/app/x/1"
    for each in ("CreateWebACLAssociation", "DeleteWebACLAssociation", "SetWebAcl"):
        assert may("staging", f"elasticloadbalancing:{each}", balancer)
        assert not may("staging", f"elasticloadbalancing:{each}", balancer, role="preview")
    for role in ("deploy-staging", "preview"):
        assert may("staging", "elasticloadbalancing:GetLoadBalancerWebACL", balancer, role=role)


def test_cloud_map_may_ask_for_what_a_namespace_needs() -> None:
    for action in ("ec2:DescribeRegions", "ec2:DescribeVpcs", "route53:GetHostedZone"):
        assert may("staging", action, "any")
    for action in ("route53:CreateHostedZone", "route53:ListHostedZonesByName"):
        assert may("staging", action, "any")


def test_parameters_are_read_if_they_are_aws_s_own() -> None:
    ours = f"arn:aws:ssm:{REGION}:111122223333:parameter/aws/service/secret"
    assert not may("staging", "ssm:GetParameters", ours)


def test_a_second_stack_of_the_environment_is_deployed_by_the_same_role() -> None:
    name = "hokusai-staging-blue"
    for action, resource in {
        "s3:CreateBucket": "arn:aws:s3:::hokusai-pipeline-data-staging-blue-111122223333",
        "rds:CreateDBInstance": f"arn:aws:rds:us-east-1:111122223333:db:{name}",
        "ecs:CreateService": f"arn:aws:ecs:us-east-1:111122223333:service/{name}/{name}-api",
        "iam:DeleteRole": "arn:aws:iam::111122223333:role/hokusai/staging-blue/api-task",
        "secretsmanager:CreateSecret": (
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:hokusai/staging-blue/projects/x"
        ),
    }.items():
        assert may("staging", action, resource)


def test_a_deployment_stays_in_its_region() -> None:
    for region, expected in (("us-east-1", True), ("eu-west-1", False)):
        context = {"aws:RequestedRegion": region}
        assert may("staging", "ec2:CreateVpc", "arn:aws:ec2:x", context) == expected


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_policy_is_no_longer_than_iam_takes(environment: str) -> None:
    # docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: spaces do not count
    lengths = {
        each.name: len("".join(each.inputs["policy"].split()))
        for each in bootstrapped(environment).of(POLICY)
    }
    assert {name: length for name, length in lengths.items() if length > 6144} == {}


@pytest.mark.parametrize("field", ["project", "environment"])
@pytest.mark.parametrize("value", ["", "*", "hokusai-pipeline", "a/b"])
def test_a_name_that_would_reach_further_does_not_construct(field: str, value: str) -> None:
    values: dict[str, Any] = {
        "account_id": "1",
        "region": REGION,
        "environment": "staging",
        "project": "hokusai",
        "boundary_arn": "arn",
        "closed_buckets": (),
        "closed_keys": (),
    }
    with pytest.raises(ValueError, match=f"{field} "):
        DeployTarget(**values | {field: value})


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _allowed(texts: list[str]) -> set[str]:
    return {
        action
        for text in texts
        for statement in json.loads(text)["Statement"]
        if statement["Effect"] == "Allow"
        for action in _listed(statement["Action"])
    }
