"""The most that a role of a stack can do, held against what such roles are given."""

import json

import pytest

from hokusai_infra.local.parts.policy import decide
from tests.infra.account.bootstraps import ACCOUNTS, POLICY, bootstrapped
from tests.infra.recordings import recorded


def listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("environment", ACCOUNTS)
def test_the_boundary_leaves_the_roles_of_the_stack_all_that_they_are_given(
    environment: str,
) -> None:
    inside = [bootstrapped(environment).one(POLICY, "boundary").inputs["policy"]]
    outside = set[str]()
    for each in recorded(environment).of("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(each.inputs["policy"])["Statement"]:
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    here = resource.replace(":111122223333:", f":{ACCOUNTS[environment]}:")
                    if ":ecr:" in resource:
                        here = resource  # images are another account's
                    if not decide(inside, action, here).allowed:
                        outside.add(f"{each.name}: {action} on {here}")
    assert outside == set(), "widen permissions_boundary.py, if the role is to have it"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateRole", "arn:aws:iam::111122223333:role/hokusai/x"),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:role/hokusai-pipeline/hokusai-build"),
        ("ec2:RunInstances", "*"),
        ("rds:DeleteDBInstance", "arn:aws:rds:us-east-1:111122223333:db:hokusai-staging"),
        ("s3:GetObject", "arn:aws:s3:::hokusai-state-111122223333/.pulumi/stacks/x"),
        ("s3:DeleteObject", "arn:aws:s3:::hokusai-audit-111122223333/AWSLogs/x"),
        ("s3:GetObject", "arn:aws:s3:::somebody-elses/x"),
        ("s3:DeleteObjectVersion", "arn:aws:s3:::hokusai-pipeline-data-staging-111122223333/x"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:x"),
        (
            "secretsmanager:DeleteSecret",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:hokusai/x",
        ),
    ],
)
def test_no_role_of_a_stack_gets_beyond_the_boundary(action: str, resource: str) -> None:
    inside = [bootstrapped("staging").one(POLICY, "boundary").inputs["policy"]]
    assert not decide(inside, action, resource).allowed


@pytest.mark.parametrize("environment", ACCOUNTS)
def test_every_role_of_the_stack_carries_the_boundary_of_its_account(environment: str) -> None:
    expected = bootstrapped(environment).outputs["permissions_boundary"]
    roles = recorded(environment).of("aws:iam/role:Role")
    assert roles
    assert {each.inputs.get("permissionsBoundary") for each in roles} == {expected}
