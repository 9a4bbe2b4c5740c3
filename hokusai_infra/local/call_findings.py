"""What a trail of calls says about the policies: what they lack, and what nobody used."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hokusai_infra.local.parts import policy
from hokusai_infra.local.parts.calls import UNREAD, Call

Policies = Mapping[str, Sequence[str]]
"""Policy documents (JSON) by role."""


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource that a policy allows a role; both may hold wildcards."""

    role: str
    action: str
    resource: str

    def covers(self, call: Call) -> bool:
        """Tell whether a call was one of those that this allows."""
        return (
            call.role == self.role
            and policy.matches(self.action, call.action, fold=True)
            and policy.matches(self.resource, call.resource)
        )


def grants(policies: Policies) -> list[Grant]:
    """List everything that policies allow, by action and resource."""
    return sorted(
        {
            Grant(role, action, resource)
            for role, documents in policies.items()
            for document in documents
            for statement in _listed(json.loads(document)["Statement"])
            if statement["Effect"] == "Allow"
            for action in _listed(statement.get("Action", ()))
            for resource in _listed(statement.get("Resource", ()))
        }
    )


def not_allowed(calls: Iterable[Call], policies: Policies) -> list[Call]:
    """List, once each, the calls of these roles that their policies do not allow, and the unread.

    It is decided anew, from the documents: who answered may have been more generous than IAM.
    """
    once = {(each.role, each.action, each.resource): each for each in calls}
    return [
        each
        for each in once.values()
        if each.action == UNREAD
        or (
            each.role in policies
            and not policy.decide(policies[each.role], each.action, each.resource).allowed
        )
    ]


def unused(calls: Iterable[Call], policies: Policies) -> list[Grant]:
    """List what is allowed and was never asked for with success."""
    once = {(e.role, e.action, e.resource): e for e in calls if e.outcome == "allowed"}.values()
    return [each for each in grants(policies) if not any(map(each.covers, once))]


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return [*value] if isinstance(value, list | tuple) else [value]
