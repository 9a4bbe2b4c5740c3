import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_infra.local.parts.policy import decide, matches
from tests.local.parts.running import allow, policy

STORED = "arn:aws:secretsmanager:us-east-1:111111111111:secret:a.b/c-AbCdEf"


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("a.b/c-??????", "a.b/c-AbCdEf", True),
        ("a.b/c-??????", "aXb/c-AbCdEf", False),
        ("a.b/c-??????", "a.b/c-AbCdEf7", False),
        ("a*c", "a/b/c", True),
        ("*", "", True),
        ("a+", "aa", False),
        ("[a]", "a", False),
        ("A", "a", False),
    ],
)
def test_wildcards_are_those_of_iam(pattern: str, value: str, *, fits: bool) -> None:
    assert matches(pattern, value) is fits


@given(st.text())
def test_any_text_matches_itself(text: str) -> None:
    plain = text.replace("*", "").replace("?", "")
    assert matches(plain, plain)


@pytest.mark.parametrize(
    ("document", "allowed"),
    [
        (policy(allow("secretsmanager:getsecretvalue", STORED)), True),
        (policy(allow("secretsmanager:Get*", f"{STORED[:-6]}??????")), True),
        (policy(allow(["kms:Decrypt", "secretsmanager:GetSecretValue"], "*")), True),
        (policy(allow("secretsmanager:PutSecretValue", STORED)), False),
        (policy(allow("secretsmanager:GetSecretValue", f"{STORED}x")), False),
        (policy(), False),
        (policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), True),
        (policy({"Effect": "Allow", "NotAction": "secretsmanager:*", "Resource": "*"}), False),
        (policy({"Effect": "Allow", "Action": "*", "NotResource": STORED}), False),
        (
            policy(allow("*", "*"), {**allow("secretsmanager:*", STORED), "Effect": "Deny"}),
            False,
        ),
    ],
)
def test_a_request_needs_an_allow_and_no_deny(document: str, *, allowed: bool) -> None:
    assert decide([document], "secretsmanager:GetSecretValue", STORED).allowed is allowed


def test_a_deny_in_one_document_beats_an_allow_in_another() -> None:
    denying = policy({**allow("*", "*", Sid="Stop"), "Effect": "Deny"})
    decision = decide([policy(allow("*", "*")), denying], "a:B", "c")
    assert (decision.allowed, decision.reason) == (False, "refused by Deny Stop")


def test_a_condition_on_what_is_known_decides() -> None:
    condition = {"StringEquals": {"kms:ViaService": ["sns", "secretsmanager"]}}
    documents = [policy(allow("kms:Decrypt", "*", Condition=condition))]
    assert decide(documents, "kms:Decrypt", "key", {"kms:viaservice": "secretsmanager"}).allowed
    assert not decide(documents, "kms:Decrypt", "key", {"kms:viaservice": "s3"}).allowed


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"StringNotEquals": {"k": ["a", "b"]}}, "c", True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, "b", False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, None, False),
        ({"Null": {"k": ["false"]}}, "a", True),
        ({"Null": {"k": ["true"]}}, "a", False),
        ({"Null": {"k": ["false"]}, "StringNotEquals": {"k": ["a"]}}, "b", True),
        ({"Null": {"k": ["false"]}, "StringNotEquals": {"k": ["a"]}}, "a", False),
        ({"Bool": {"k": ["true"]}}, "True", True),
        ({"Bool": {"k": "true"}}, "false", False),
        ({"Bool": {"k": "true"}}, None, False),
    ],
)
def test_operators_are_those_of_iam(
    condition: dict[str, object], value: str | None, *, holds: bool
) -> None:
    documents = [policy(allow("a:B", "*", Condition=condition))]
    context = {} if value is None else {"K": value}
    assert decide(documents, "a:B", "c", context).allowed is holds


def test_a_condition_on_what_is_not_known_neither_allows_nor_denies() -> None:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    denying = policy({**allow("*", "*", Sid="Tls", Condition=condition), "Effect": "Deny"})
    both = decide([denying, policy(allow("*", "*"))], "a:B", "c")
    assert (both.allowed, both.not_evaluated) == (True, ("Deny Tls",))
    granting = decide([policy(allow("*", "*", Sid="Maybe", Condition=condition))], "a:B", "c")
    assert not granting.allowed
    assert "Allow Maybe" in granting.reason
