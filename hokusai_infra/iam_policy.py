"""IAM policy documents as typed data."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import pulumi

# docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
SID: Final = re.compile(r"[A-Za-z0-9]+")
ACTION: Final = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
ACTIONS: Final = re.compile(r"[a-z0-9-]+:[A-Za-z0-9*]+")
"""One action, or with ``*`` several."""
ACCOUNT_ID: Final = re.compile(r"\d{12}")


@dataclass(frozen=True)
class Unscoped:
    """``Resource: "*"``, for the few actions that take no ARN."""

    because: str

    def __post_init__(self) -> None:
        if not self.because.strip():
            raise ValueError("Unscoped needs its reason: why do these actions take no ARN?")


Resources = tuple[pulumi.Input[str], ...] | Unscoped
_ITSELF: Final = Unscoped(because="a resource's own policy is about that resource")

Operator = Literal["ArnLike", "Bool", "StringEquals", "StringLike"]
"""Operators that are false for a key that a request lacks.

Negated ones and ``ForAllValues:`` are not among them: they are true then. ``OtherThan`` stands for
the one negated comparison that a ``Deny`` needs.
docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One line of a statement's ``Condition``; the statement counts only if all of them hold."""

    operator: Operator
    key: str
    """Condition key of IAM or of the service, such as ``iam:PermissionsBoundary``."""
    values: tuple[pulumi.Input[str], ...]
    """One of them has to fit."""

    def __post_init__(self) -> None:
        if self.operator not in get_args(Operator):
            raise ValueError(
                f"operator {self.operator!r} of {self.key}: take one of "
                f"{', '.join(get_args(Operator))}"
            )
        if not self.values:
            raise ValueError(f"{self.key}: a condition without values; name what it has to be")


@dataclass(frozen=True, kw_only=True)
class OtherThan:
    """A key that the request has, with none of these values: for ``Deny`` alone.

    It is spelt with ``Null``, because ``StringNotEquals`` is true for a key that a request lacks.
    """

    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.key}: OtherThan without values; name what is left alone")


@dataclass(frozen=True, kw_only=True)
class Allow:
    """One ``Allow`` statement without conditions: what the roles of running services get."""

    sid: str
    actions: frozenset[str]
    resources: Resources

    def __post_init__(self) -> None:
        _check(self.sid, self.actions, self.resources)

    def rendered(self) -> dict[str, Any]:
        """Spell the statement as IAM does."""
        return _rendered(self.sid, "Allow", self.actions, self.resources)


@dataclass(frozen=True, kw_only=True)
class AllowIf:
    """One ``Allow`` statement under conditions, for the roles of people and pipelines.

    A running service gets ``Allow``: nothing local can tell whether a condition holds.
    """

    sid: str
    actions: frozenset[str]
    resources: Resources
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        _check(self.sid, self.actions, self.resources)
        if not self.conditions:
            raise ValueError(f"{self.sid}: no conditions; spell it as Allow")

    def rendered(self) -> dict[str, Any]:
        """Spell the statement as IAM does."""
        return {
            **_rendered(self.sid, "Allow", self.actions, self.resources),
            "Condition": _conditions(self.sid, self.conditions),
        }


@dataclass(frozen=True, kw_only=True)
class Deny:
    """One ``Deny`` statement: it wins over every ``Allow``, so it may be wide."""

    sid: str
    actions: frozenset[str]
    """May contain ``*``, as in ``s3:Put*``."""
    resources: Resources
    except_resources: bool = False
    """Whether ``resources`` are those that are *not* denied."""
    conditions: tuple[Condition | OtherThan, ...] = ()

    def __post_init__(self) -> None:
        _check(self.sid, self.actions, self.resources, wide=True)
        if self.except_resources and isinstance(self.resources, Unscoped):
            raise ValueError(f"{self.sid}: denies everything except everything, so nothing")

    def rendered(self) -> dict[str, Any]:
        """Spell the statement as IAM does."""
        statement = _rendered(self.sid, "Deny", self.actions, self.resources)
        if self.except_resources:
            statement["NotResource"] = statement.pop("Resource")
        if self.conditions:
            statement["Condition"] = _conditions(self.sid, self.conditions)
        return statement


@dataclass(frozen=True, kw_only=True)
class AllowTo:
    """One ``Allow`` statement of a resource's own policy: to a service, or to whole accounts."""

    sid: str
    service: str = ""
    """A service of AWS, such as ``cloudtrail.amazonaws.com``."""
    account_ids: tuple[str, ...] = ()
    """Accounts, each of which says itself who of it may."""
    actions: frozenset[str]
    resources: Resources | None
    """``None`` where the policy is about its resource alone and takes none, as in ECR."""
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        _check(self.sid, self.actions, self.resources or _ITSELF)
        if bool(self.service) == bool(self.account_ids):
            raise ValueError(f"{self.sid}: name either a service or accounts")
        for each in self.account_ids:
            if not ACCOUNT_ID.fullmatch(each):
                raise ValueError(f"{self.sid}: account {each!r} is not 12 digits")

    def rendered(self) -> dict[str, Any]:
        """Spell the statement as IAM does."""
        accounts = [f"arn:aws:iam::{each}:root" for each in self.account_ids]
        statement = {
            **_rendered(self.sid, "Allow", self.actions, self.resources or _ITSELF),
            "Principal": {"Service": self.service} if self.service else {"AWS": accounts},
        }
        if self.resources is None:
            del statement["Resource"]
        if self.conditions:
            statement["Condition"] = _conditions(self.sid, self.conditions)
        return statement


Statement = Allow | AllowIf | Deny
"""What a policy of an identity consists of."""


def policy(*statements: Statement) -> pulumi.Output[str]:
    """Render the statements of a role to the JSON that AWS takes."""
    return _document(statements)


def resource_policy(*statements: AllowTo) -> pulumi.Output[str]:
    """Render the statements of a resource's own policy to the JSON that AWS takes."""
    return _document(statements)


def trust(service: str) -> str:
    """Let an AWS service take on a role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def token_trust(
    provider_arn: pulumi.Input[str], conditions: tuple[Condition, ...]
) -> pulumi.Output[str]:
    """Let whoever has a token of an identity provider take on a role, if the token fits.

    Only ``StringEquals`` is taken: a pattern in such a policy is how a stranger's token fits.
    """
    if not conditions or any(each.operator != "StringEquals" for each in conditions):
        raise ValueError("a token's claims are compared by StringEquals, and by nothing else")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": _conditions("token_trust", conditions),
    }
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})


def _check(sid: str, actions: frozenset[str], resources: Resources, *, wide: bool = False) -> None:
    if not SID.fullmatch(sid):
        raise ValueError(f"sid {sid!r}: IAM takes letters and digits")
    if not actions or not resources:
        raise ValueError(f"{sid}: allows nothing; name an action and a resource")
    for action in sorted(actions):
        if "*" in action and not wide:
            raise ValueError(f"{sid}: name the actions instead of {action!r}")
        if not (ACTIONS if wide else ACTION).fullmatch(action):
            raise ValueError(f"{sid}: {action!r} is not of the form service:Action")
    if isinstance(resources, tuple) and "*" in resources:
        raise ValueError(f"{sid}: spell Resource '*' as Unscoped(because=…)")


def _rendered(
    sid: str, effect: Literal["Allow", "Deny"], actions: frozenset[str], resources: Resources
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": effect,
        "Action": sorted(actions),
        "Resource": "*" if isinstance(resources, Unscoped) else list(resources),
    }


def _conditions(sid: str, conditions: Iterable[Condition | OtherThan]) -> dict[str, Any]:
    found: dict[str, dict[str, list[pulumi.Input[str]]]] = {}
    for operator, key, values in (line for each in conditions for line in _lines(each)):
        lines = found.setdefault(operator, {})
        if key in lines:
            raise ValueError(f"{sid}: two conditions {operator} on {key}; IAM keeps one")
        lines[key] = list(values)
    return found


def _lines(
    condition: Condition | OtherThan,
) -> tuple[tuple[str, str, tuple[pulumi.Input[str], ...]], ...]:
    key, values = condition.key, condition.values
    if isinstance(condition, OtherThan):
        return (("Null", key, ("false",)), ("StringNotEquals", key, values))
    return ((condition.operator, key, values),)


def _document(statements: Iterable[Statement | AllowTo]) -> pulumi.Output[str]:
    listed = list(statements)
    twice = [sid for sid, times in Counter(each.sid for each in listed).items() if times > 1]
    if twice:
        raise ValueError(f"two statements are {', '.join(twice)}: AWS refuses the policy")
    document = {"Version": "2012-10-17", "Statement": [each.rendered() for each in listed]}
    return pulumi.Output.json_dumps(document)
