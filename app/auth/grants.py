"""What a new key may be given: never more than its maker has."""

import re
from collections.abc import Iterable
from typing import Final

from app.auth.key_record import KeyRecord
from app.errors import InvalidContentError, PermissionDeniedError
from app.permissions import Permission, Principal

_PATTERN: Final = re.compile(r"model:[^*?\[\]/:\x00-\x1f]*\*?")
"""A model's name, or the beginning of one and ``*``; other wildcards could not be compared."""


class ExceedsMakerError(PermissionDeniedError):
    """A key would hold more than who makes it."""

    code = "exceeds_maker"


def check_resources(resources: Iterable[str]) -> None:
    """Refuse patterns that are not ``model:<name>`` or ``model:<beginning>*``."""
    wrong = [each for each in resources if not _PATTERN.fullmatch(each) or each == "model:"]
    if wrong:
        raise InvalidContentError(
            f"Not a resource: {', '.join(map(repr, wrong))}.",
            fix="Write model:<name>, or model:<beginning of names>*.",
        )


def check_grant(
    maker: Principal, permissions: frozenset[Permission], resources: tuple[str, ...]
) -> None:
    """Refuse permissions and resources that the maker does not hold."""
    if Permission.ADMIN not in maker.permissions:
        beyond = sorted(permissions - maker.permissions)
        if beyond:
            raise ExceedsMakerError(
                f"The new key would hold {', '.join(beyond)}, which {maker.subject} lacks.",
                fix="Ask for fewer permissions, or let an admin make the key.",
                required_permission=beyond[0],
            )
    if not maker.resources:
        return
    beyond_resources = [
        each
        for each in resources or ("*",)
        if not any(_covers(held, each) for held in maker.resources)
    ]
    if beyond_resources:
        raise ExceedsMakerError(
            f"{maker.subject} is narrowed to {', '.join(maker.resources)}.",
            fix="Narrow the new key to some of these resources.",
        )


def end_within(maker: KeyRecord, expires_at: int | None) -> int | None:
    """Return when a new key ends: as asked for, but not after its maker's own end."""
    if maker.expires_at is None:
        return expires_at
    if expires_at is not None and expires_at > maker.expires_at:
        raise ExceedsMakerError(
            "The new key would outlive the key that makes it.",
            fix="Let it expire earlier, or make it with a key that lives longer.",
        )
    return expires_at or maker.expires_at


def _covers(held: str, asked: str) -> bool:
    """Tell whether everything that ``asked`` matches is matched by ``held``."""
    if held.endswith("*"):
        return asked.startswith(held[:-1])
    return asked == held
