"""What IAM would say: identity policies, evaluated for one request.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

_NO_CONTEXT: Final[Mapping[str, str]] = {}


@dataclass(frozen=True)
class Decision:
    """Whether a request is allowed, and what stood in the way."""

    allowed: bool
    reason: str
    not_evaluated: tuple[str, ...] = ()
    """Statements whose condition cannot be told here: an ``Allow`` among them grants nothing, a
    ``Deny`` refuses nothing."""


def decide(
    documents: Iterable[str],
    action: str,
    resource: str,
    context: Mapping[str, str] = _NO_CONTEXT,
) -> Decision:
    """Evaluate policy documents (JSON) as IAM does: a matching ``Deny`` wins, else one ``Allow``.

    ``context`` holds the condition keys that are known of this request.
    """
    allowed, unknown = False, list[str]()
    for statement in (each for text in documents for each in _statements(text)):
        if not _concerns(statement, action, resource):
            continue
        holds = _holds(statement.get("Condition", {}), context)
        label = f"{statement['Effect']} {statement.get('Sid', 'without Sid')}"
        if holds is None:
            unknown.append(label)
        elif holds and statement["Effect"] == "Deny":
            return Decision(allowed=False, reason=f"refused by {label}")
        elif holds:
            allowed = True
    reason = "allowed" if allowed else "no statement allows it"
    if unknown and not allowed:
        reason += f" (of {', '.join(unknown)}, the condition cannot be told locally)"
    return Decision(allowed, reason, tuple(unknown))


@lru_cache(maxsize=256)
def _statements(text: str) -> tuple[dict[str, Any], ...]:
    return tuple(_listed(json.loads(text)["Statement"]))


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Make a list of what IAM takes as one element or as a list of them."""
    return value if isinstance(value, list) else [value]


def _concerns(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if "NotAction" in statement:
        acts = not _any_matches(statement["NotAction"], action, fold=True)
    else:
        acts = _any_matches(statement["Action"], action, fold=True)
    if "NotResource" in statement:
        return acts and not _any_matches(statement["NotResource"], resource)
    return acts and _any_matches(statement.get("Resource", []), resource)


def _any_matches(patterns: Any, value: str, *, fold: bool = False) -> bool:  # noqa: ANN401 - JSON
    return any(matches(pattern, value, fold=fold) for pattern in _listed(patterns))


@lru_cache(maxsize=4096)
def _compiled(pattern: str, *, fold: bool) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if fold else re.NOFLAG))


def matches(pattern: str, value: str, *, fold: bool = False) -> bool:
    """Match IAM's wildcards: ``*`` any run, ``?`` one character, all else itself."""
    return _compiled(pattern, fold=fold).fullmatch(value) is not None


def _holds(conditions: Mapping[str, Any], context: Mapping[str, str]) -> bool | None:
    """Tell whether all conditions hold; ``None`` when that depends on what is not known here."""
    known = {key.lower(): value for key, value in context.items()}
    for operator, wanted in conditions.items():
        for key, patterns in wanted.items():
            value = known.get(key.lower())
            if value is None or operator not in _OPERATORS:
                return None
            fits = any(_OPERATORS[operator](str(each), value) for each in _listed(patterns))
            if fits is (operator in _NEGATED):
                return False
    return True


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "ArnEquals": matches,
    "ArnLike": matches,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "Null": lambda absent, _: absent == "false",
    "StringEquals": str.__eq__,
    "StringLike": matches,
    "StringNotEquals": str.__eq__,
}
_NEGATED: Final = frozenset({"StringNotEquals"})
"""None of its values may fit."""
