import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_infra.iam_policy import Allow, Unscoped, policy, trust
from hokusai_infra.recorder import default_answers, record_program

READ = frozenset({"s3:GetObject"})


def test_a_policy_is_what_iam_takes() -> None:
    def main() -> None:
        read = Allow(
            sid="ReadObjects",
            actions=frozenset({"s3:ListBucket", "s3:GetObject"}),
            resources=("arn:aws:s3:::b", pulumi.Output.concat("arn:aws:s3:::b", "/*")),
        )
        sign_in = Allow(
            sid="SignIn",
            actions=frozenset({"ecr:GetAuthorizationToken"}),
            resources=Unscoped(because="it takes no ARN"),
        )
        pulumi.export("policy", policy(read, sign_in))

    rendered = record_program(main, answers=default_answers).outputs["policy"]
    assert json.loads(rendered) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadObjects",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
            },
            {
                "Sid": "SignIn",
                "Effect": "Allow",
                "Action": ["ecr:GetAuthorizationToken"],
                "Resource": "*",
            },
        ],
    }


ACTIONS = st.from_regex(r"[a-z0-9-]+:[A-Z][A-Za-z]+", fullmatch=True)


@given(
    st.lists(ACTIONS, min_size=1, unique=True).flatmap(
        lambda a: st.tuples(*[st.permutations(a)] * 2)
    )
)
def test_the_same_statement_is_the_same_text(orders: tuple[list[str], list[str]]) -> None:
    one, other = (
        Allow(sid="One", actions=frozenset(order), resources=("arn:x",)).rendered()
        for order in orders
    )
    assert json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"actions": frozenset({"s3:*"})}, "name the actions instead of 's3:\\*'"),
        ({"actions": frozenset({"s3:Get*"})}, "name the actions"),
        ({"actions": frozenset({"s3GetObject"})}, "not of the form service:Action"),
        ({"actions": frozenset()}, "allows nothing"),
        ({"resources": ()}, "allows nothing"),
        ({"resources": ("*",)}, "Unscoped"),
        ({"sid": "read objects"}, "letters and digits"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_a_statement_that_allows_too_much_or_nothing_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    right = {"sid": "Read", "actions": READ, "resources": ("arn:x",)}
    with pytest.raises(ValueError, match=says):
        Allow(**(right | wrong))


def test_everything_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        Unscoped(because=" ")


def test_two_statements_of_one_name_are_refused() -> None:
    one = Allow(sid="Read", actions=READ, resources=("arn:x",))
    with pytest.raises(ValueError, match="two statements are Read"):
        policy(one, one)


def test_a_service_is_trusted_by_name() -> None:
    assert json.loads(trust("ecs-tasks.amazonaws.com"))["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
