"""What a deploy role can do with keys: its environment's, and no others that say whose they are."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from hokusai_infra.components.account.key_permissions import VIA
from hokusai_infra.recorder import Graph, Resource
from tests.infra.account.bootstraps import ACCOUNTS, REGION, bootstrapped, may
from tests.infra.recordings import STACKS, example, recorded

KEY = "aws:kms/key:Key"
SOME_KEY = f"arn:aws:kms:{REGION}:111122223333:key/some"
CHANGES = (
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
)
MINE = "staging"


def tags(*, said: str = MINE, **of_the_key: str) -> dict[str, str]:
    """Return the context of a request that says a tag, about a key that has some."""
    there = {f"aws:ResourceTag/{key}": value for key, value in of_the_key.items()}
    return {"aws:RequestTag/environment": said} | there


def via(service: str) -> dict[str, str]:
    return {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}


@pytest.mark.parametrize("environment", ACCOUNTS)
def test_the_account_s_keys_stay_so_whatever_their_tags_are(environment: str) -> None:
    keys = bootstrapped(environment).of(KEY)
    assert {each.name for each in keys} == {"audit", "state-key"} | (
        {"images"} if environment == "staging" else set()
    )
    pretended = tags(said=environment, environment=environment)
    for each in keys:
        for action in (*CHANGES, "kms:CreateAlias", "kms:CreateGrant"):
            context = pretended | via("rds") | {"kms:GrantIsForAWSResource": "true"}
            assert not may(environment, action, each.state["arn"], context), (each.name, action)


@pytest.mark.parametrize("action", CHANGES)
def test_a_key_of_the_environment_is_changed(action: str) -> None:
    assert may(MINE, action, SOME_KEY, tags(environment=MINE))


@pytest.mark.parametrize("action", CHANGES)
@pytest.mark.parametrize(
    "whose",
    [
        {"environment": "prod"},
        {"part": "account"},
        {"part": "account", "environment": MINE},
    ],
)
def test_a_key_with_the_tag_of_another_is_left_alone(action: str, whose: dict[str, str]) -> None:
    assert not may(MINE, action, SOME_KEY, tags(**whose))


def test_a_key_is_made_with_the_environment_s_tag() -> None:
    for action in ("kms:CreateKey", "kms:TagResource"):
        assert may(MINE, action, SOME_KEY, tags())
        assert not may(MINE, action, SOME_KEY, tags(said="prod"))
        assert not may(MINE, action, SOME_KEY)


def test_a_key_without_tags_can_be_claimed_and_nothing_else() -> None:
    """This is what remains: a request to make a key looks the same. Decision 0008 says so."""
    assert may(MINE, "kms:TagResource", SOME_KEY, tags())
    for action in ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:UntagResource"):
        assert not may(MINE, action, SOME_KEY, tags())


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_a_deployment_uses_keys_through_services_alone(action: str) -> None:
    own = {"aws:ResourceTag/environment": MINE}
    for service in (*VIA, "s3", "ecr", "lambda"):
        assert may(MINE, action, SOME_KEY, own | via(service)) == (service in VIA)
    elsewhere = {"kms:ViaService": "rds.eu-west-1.amazonaws.com"}
    for context in ({}, elsewhere):
        assert not may(MINE, action, SOME_KEY, own | context)


def test_a_grant_is_for_a_service_and_made_through_it() -> None:
    for_aws = {"kms:GrantIsForAWSResource": "true"}
    assert may(MINE, "kms:CreateGrant", SOME_KEY, for_aws | via("rds"))
    for context in ({}, for_aws, via("rds"), for_aws | via("lambda")):
        assert not may(MINE, "kms:CreateGrant", SOME_KEY, context)
    prods = for_aws | via("rds") | {"aws:ResourceTag/environment": "prod"}
    assert not may(MINE, "kms:CreateGrant", SOME_KEY, prods)


@pytest.mark.parametrize("environment", ACCOUNTS)
def test_an_alias_carries_the_environment(environment: str) -> None:
    def alias(name: str) -> str:
        return f"arn:aws:kms:{REGION}:{ACCOUNTS[environment]}:{name}"

    for each in recorded(environment).of("aws:kms/alias:Alias"):
        assert may(environment, "kms:CreateAlias", alias(each.inputs["name"])), each.name
    assert may(environment, "kms:CreateAlias", alias(f"alias/hokusai/{environment}-blue/data"))
    own = [each.inputs["name"] for each in bootstrapped(environment).of("aws:kms/alias:Alias")]
    other = "prod" if environment == "staging" else "staging"
    for name in (*own, f"alias/hokusai/{other}/data", "alias/hokusai", "alias/other"):
        for action in ("kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"):
            assert not may(environment, action, alias(name)), (action, name)


PROGRAMS: Mapping[str, Callable[[], Graph]] = {
    **{f"bootstrap-{each}": partial(bootstrapped, each) for each in ACCOUNTS},
    **{each: partial(recorded, each) for each in STACKS},
    "mlflow-alone": partial(example, "mlflow-alone", "prod"),
    "secure-bucket": partial(example, "secure-bucket", "dev"),
}
"""All that make keys here."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_account_can_always_administer_its_keys(program: str) -> None:
    """KMS is told not to check this, so that a deployment can make keys: it is checked here."""
    graph = PROGRAMS[program]()
    numbers = json.loads(graph.config["aws:allowedAccountIds"])
    assert graph.of(KEY)
    for each in graph.of(KEY):
        _is_administered(each, numbers)


def _is_administered(key: Resource, numbers: list[str]) -> None:
    statements: list[dict[str, Any]] = json.loads(key.inputs["policy"])["Statement"]
    [number] = numbers
    account = {"AWS": f"arn:aws:iam::{number}:root"}
    [administer] = [each for each in statements if each["Sid"] == "Administer"]
    assert (administer["Effect"], administer["Principal"]) == ("Allow", account)
    assert "kms:PutKeyPolicy" in administer["Action"]
    assert administer["Resource"] == "*"
    assert not {"Condition", "NotAction", "NotPrincipal", "NotResource"} & {*administer}
    assert {each["Effect"] for each in statements} == {"Allow"}
    assert key.inputs["bypassPolicyLockoutSafetyCheck"] is True


USES: Mapping[str, str] = {
    "aws:rds/instance:Instance": "rds",
    "aws:secretsmanager/secret:Secret": "secretsmanager",
    "aws:cloudwatch/logGroup:LogGroup": "",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "",
    "aws:s3/bucketPolicy:BucketPolicy": "",
    "aws:ecs/taskDefinition:TaskDefinition": "",
}
"""The service through which deploying each type uses its key; none where only the ARN is stored."""


def test_each_service_that_uses_a_key_in_the_role_s_name_is_named() -> None:
    arns = {each.state["arn"] for stack in ACCOUNTS for each in recorded(stack).of(KEY)}
    types = {
        each.type
        for stack in ACCOUNTS
        for each in recorded(stack).resources
        if each.type.startswith("aws:")
        and not each.type.startswith("aws:iam/")
        and each.type != KEY
        and any(arn in json.dumps(each.inputs) for arn in arns)
    }
    assert types <= {*USES}, "say in USES through which service deploying it uses its key"
    assert {USES[each] for each in types} - {""} == {*VIA}
