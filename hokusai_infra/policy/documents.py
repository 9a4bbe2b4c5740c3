"""Policy documents of IAM, S3 and KMS, and container definitions, as rules read them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi_policy import PolicyProviderResource

from hokusai_infra.policy.rule import plain

LESS_THAN_PROD = frozenset({"local", "dev", "test", "staging"})
"""Environments that may do without what keeps prod up; every other name is held to more."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement, with each list a set, whether it was written as one or not."""

    sid: str
    allows: bool
    actions: frozenset[str]
    resources: frozenset[str]
    principals: frozenset[tuple[str, str]]
    """Kind and name, such as ``("Service", "ecs-tasks.amazonaws.com")``; ``("*", "*")``: all."""
    conditions: Mapping[str, Mapping[str, Any]]
    exceptions: frozenset[str]
    """Those of ``NotAction``, ``NotResource`` and ``NotPrincipal`` that it uses."""

    def requires(self, *keys: str) -> bool:
        """Whether a condition that fails for a request without the key names one of the keys."""
        wanted = {key.lower() for key in keys}
        return any(wanted & {key.lower() for key in of} for of in self._failing_without)

    @property
    def narrowed(self) -> bool:
        """Whether a condition has to hold that fails for a request without its key."""
        return bool(self._failing_without)

    @property
    def _failing_without(self) -> list[Mapping[str, Any]]:
        return [
            of
            for operator, of in self.conditions.items()
            if operator != "Null"
            and not operator.endswith("IfExists")
            and not operator.startswith("ForAllValues:")
            and "Not" not in operator
        ]


def statements(document: Any) -> list[Statement]:  # noqa: ANN401 (text, or the same as an object)
    """Read a policy document; an empty one has no statements."""
    if not document:
        return []
    parsed = json.loads(document) if isinstance(document, str) else plain(document)
    found = parsed["Statement"]
    return [_statement(each) for each in (found if isinstance(found, list) else [found])]


def containers(definitions: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (as above)
    """Read the container definitions of a task."""
    found: list[dict[str, Any]] = (
        json.loads(definitions) if isinstance(definitions, str) else plain(definitions)
    )
    return found


def environment(provider: PolicyProviderResource | None) -> str:
    """Return the environment that a provider puts on all its resources as a tag."""
    return default_tags(provider).get("environment", "")


def is_prod(provider: PolicyProviderResource | None) -> bool:
    """Whether what keeps prod up is wanted.

    A stack that does not say what it is fails for that, and is not told of the rest twice.
    """
    stated = environment(provider) or default_tags(provider).get("part", "")
    return bool(stated) and environment(provider) not in LESS_THAN_PROD


def default_tags(provider: PolicyProviderResource | None) -> dict[str, str]:
    """Return the tags that a provider puts on all its resources."""
    stated = _setting(provider, "defaultTags") or {}
    tags: dict[str, str] = stated.get("tags") or {}
    return tags


def allowed_accounts(provider: PolicyProviderResource | None) -> list[str]:
    """Return the only accounts that a provider may touch; none when it may touch all."""
    return [str(each) for each in _setting(provider, "allowedAccountIds") or []]


def is_own(principal: str, provider: PolicyProviderResource | None) -> bool:
    """Whether a principal of kind ``AWS`` is in the account of the stack.

    A stack that does not say which account is its own fails for that alone, so that one account is
    as good as another there; everybody is still nobody's own.
    """
    found = re.fullmatch(r"(?:arn:aws[a-z-]*:(?:iam|sts)::)?(\d{12})(?::.*)?", principal)
    accounts = allowed_accounts(provider)
    return found is not None and (not accounts or found.group(1) in accounts)


def matches(pattern: str, text: str) -> bool:
    """Whether an IAM pattern, with its ``*`` and ``?``, stands for a text."""
    form = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(form, text, re.DOTALL) is not None


def _setting(provider: PolicyProviderResource | None, name: str) -> Any:  # noqa: ANN401 (JSON)
    """Read a provider's setting, which the engine hands over as JSON in a text."""
    value = provider.props.get(name) if provider is not None else None
    return json.loads(value) if isinstance(value, str) else plain(value)


def _statement(raw: dict[str, Any]) -> Statement:
    return Statement(
        sid=raw.get("Sid", ""),
        allows=raw["Effect"] == "Allow",
        actions=_set(raw.get("Action", [])),
        resources=_set(raw.get("Resource", [])),
        principals=_principals(raw.get("Principal", {})),
        conditions=raw.get("Condition", {}),
        exceptions=frozenset({"NotAction", "NotResource", "NotPrincipal"} & raw.keys()),
    )


def _principals(raw: str | dict[str, str | list[str]]) -> frozenset[tuple[str, str]]:
    if isinstance(raw, str):
        return frozenset({("*", raw)})
    pairs = {(kind, name) for kind, names in raw.items() for name in _set(names)}
    return frozenset(("*", "*") if pair == ("AWS", "*") else pair for pair in pairs)


def _set(values: str | list[str]) -> frozenset[str]:
    return frozenset([values] if isinstance(values, str) else values)
