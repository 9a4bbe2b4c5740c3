"""One mistake in a stack, and the rule that has to catch it."""

from dataclasses import dataclass
from typing import Any, Final

from tests.infra.policy.changes import Change

STRANGER: Final = "arn:aws:iam::999999999999:root"
EVERYBODY: Final = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A change of one stack, after which a rule speaks."""

    rule: str
    change: Change
    stack: str = "staging"
    seen_at: tuple[str, str] = ("", "")
    """Type and name of the resource that is told of, where it is not the changed one."""
    config: dict[str, str] | None = None
    """Configuration that changes instead of a resource."""


def turned(of: str, named: str = "", **to: Any) -> Change:  # noqa: ANN401 (JSON)
    return Change(of=of, named=named, to={path.replace("__", "."): v for path, v in to.items()})
