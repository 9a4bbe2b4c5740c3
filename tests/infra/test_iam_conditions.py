"""Statements under conditions, denials, and the policies of resources themselves."""

import json
from collections.abc import Callable
from typing import Any, cast

import pulumi
import pytest

from hokusai_infra.iam_policy import (
    Allow,
    AllowIf,
    AllowTo,
    Condition,
    Deny,
    Operator,
    OtherThan,
    Unscoped,
    policy,
    resource_policy,
    token_trust,
)
from hokusai_infra.recorder import default_answers, record_program

READ = frozenset({"s3:GetObject"})
HERE = Condition(operator="StringEquals", key="aws:RequestedRegion", values=("us-east-1",))
EVERYTHING = Unscoped(because="a test")


def rendered(document: Callable[[], pulumi.Output[str]]) -> list[dict[str, Any]]:
    graph = record_program(lambda: pulumi.export("policy", document()), answers=default_answers)
    found: list[dict[str, Any]] = json.loads(graph.outputs["policy"])["Statement"]
    return found


def test_conditions_are_grouped_by_operator() -> None:
    by_tag = Condition(operator="StringEquals", key="aws:ResourceTag/a", values=("b", "c"))
    for_aws = Condition(operator="Bool", key="kms:GrantIsForAWSResource", values=("true",))
    statement = AllowIf(
        sid="Grant",
        actions=frozenset({"kms:CreateGrant"}),
        resources=("arn:k",),
        conditions=(HERE, by_tag, for_aws),
    )
    assert statement.rendered() == {
        "Sid": "Grant",
        "Effect": "Allow",
        "Action": ["kms:CreateGrant"],
        "Resource": ["arn:k"],
        "Condition": {
            "StringEquals": {"aws:RequestedRegion": ["us-east-1"], "aws:ResourceTag/a": ["b", "c"]},
            "Bool": {"kms:GrantIsForAWSResource": ["true"]},
        },
    }


def test_two_conditions_on_one_key_are_refused_because_iam_would_keep_one() -> None:
    statement = AllowIf(sid="Read", actions=READ, resources=("arn:x",), conditions=(HERE, HERE))
    with pytest.raises(ValueError, match="two conditions StringEquals on aws:RequestedRegion"):
        statement.rendered()


@pytest.mark.parametrize(
    "operator", ["StringNotEquals", "ForAllValues:StringEquals", "StringEqualsIfExists", "Null"]
)
def test_an_operator_that_holds_for_a_request_without_the_key_does_not_construct(
    operator: str,
) -> None:
    with pytest.raises(ValueError, match="take one of ArnLike, Bool, StringEquals, StringLike"):
        Condition(operator=cast("Operator", operator), key="k", values=("v",))


def test_a_condition_says_what_it_wants() -> None:
    with pytest.raises(ValueError, match="k: a condition without values"):
        Condition(operator="Bool", key="k", values=())


def test_a_conditional_statement_has_a_condition_and_names_its_actions() -> None:
    with pytest.raises(ValueError, match="spell it as Allow"):
        AllowIf(sid="Read", actions=READ, resources=("arn:x",), conditions=())
    with pytest.raises(ValueError, match="name the actions instead"):
        AllowIf(sid="Read", actions=frozenset({"s3:*"}), resources=("arn:x",), conditions=(HERE,))


def test_a_running_service_s_statement_takes_no_condition() -> None:
    """The local stack enforces policies, and cannot tell whether a condition would hold."""
    with pytest.raises(TypeError, match="conditions"):
        Allow(sid="Read", actions=READ, resources=("a",), conditions=(HERE,))  # type: ignore[call-arg] # refused


def test_a_denial_may_be_wide() -> None:
    one = Deny(
        sid="No", actions=frozenset({"s3:Put*", "iam:*"}), resources=EVERYTHING, conditions=(HERE,)
    )
    but = Deny(sid="NoOther", actions=READ, resources=("arn:x", "arn:y"), except_resources=True)
    assert rendered(lambda: policy(one, but)) == [
        {
            "Sid": "No",
            "Effect": "Deny",
            "Action": ["iam:*", "s3:Put*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": ["us-east-1"]}},
        },
        {
            "Sid": "NoOther",
            "Effect": "Deny",
            "Action": ["s3:GetObject"],
            "NotResource": ["arn:x", "arn:y"],
        },
    ]


def test_a_denial_compares_what_a_request_has_with_what_is_left_alone() -> None:
    others = OtherThan(key="aws:ResourceTag/environment", values=("staging",))
    one = Deny(sid="No", actions=READ, resources=EVERYTHING, conditions=(HERE, others))
    [statement] = rendered(lambda: policy(one))
    assert statement["Condition"] == {
        "StringEquals": {"aws:RequestedRegion": ["us-east-1"]},
        "Null": {"aws:ResourceTag/environment": ["false"]},
        "StringNotEquals": {"aws:ResourceTag/environment": ["staging"]},
    }
    with pytest.raises(ValueError, match="k: OtherThan without values"):
        OtherThan(key="k", values=())


def test_a_denial_of_nothing_does_not_construct() -> None:
    with pytest.raises(ValueError, match="so nothing"):
        Deny(sid="No", actions=READ, resources=EVERYTHING, except_resources=True)


def test_a_resource_s_own_policy_names_a_service_or_accounts() -> None:
    service = AllowTo(
        sid="Publish",
        service="events.amazonaws.com",
        actions=frozenset({"sns:Publish"}),
        resources=("arn:t",),
        conditions=(HERE,),
    )
    accounts = AllowTo(
        sid="Pull",
        account_ids=("444455556666", "777788889999"),
        actions=frozenset({"ecr:BatchGetImage"}),
        resources=None,
    )
    assert rendered(lambda: resource_policy(service, accounts)) == [
        {
            "Sid": "Publish",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["sns:Publish"],
            "Resource": ["arn:t"],
            "Condition": {"StringEquals": {"aws:RequestedRegion": ["us-east-1"]}},
        },
        {
            "Sid": "Pull",
            "Effect": "Allow",
            "Principal": {
                "AWS": ["arn:aws:iam::444455556666:root", "arn:aws:iam::777788889999:root"]
            },
            "Action": ["ecr:BatchGetImage"],
        },
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "either a service or accounts"),
        ({"service": "a", "account_ids": ("444455556666",)}, "either a service or accounts"),
        ({"account_ids": ("*",)}, "account '\\*' is not 12 digits"),
    ],
)
def test_a_resource_that_is_open_to_anybody_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        AllowTo(sid="Read", actions=READ, resources=None, **wrong)


@pytest.mark.parametrize(
    "conditions",
    [(), (Condition(operator="StringLike", key="issuer:sub", values=("repo:*",)),)],
    ids=["none", "a pattern"],
)
def test_tokens_are_compared_exactly(conditions: tuple[Condition, ...]) -> None:
    with pytest.raises(ValueError, match="by StringEquals, and by nothing else"):
        token_trust("arn:provider", conditions)
