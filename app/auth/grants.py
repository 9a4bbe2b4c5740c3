"""What a new key may be given: never more than its maker has."""

import re
from collections.abc import Iterable
from typing import Final

from app.auth.key_record import KeyRecord
from app.errors import InvalidContentError, PermissionDeniedError
from app.permissions import Permission, Principal

_PATTERN: Final = re.compile(r"model:[^*?\[\]/:\x00-\x1f]*\*?")
"""A model's name, or the beginning of one and ``*``; other wildcards could not be compared."""


LONGEST_LIFE_SECONDS: Final = 10 * 366 * 24 * 3600
"""Ten years, leap years or not."""


class ExceedsMakerError(PermissionDeniedError):
    """A key would hold more than who makes it."""

    code = "exceeds_maker"


class StrongerKeyError(PermissionDeniedError):
    """A key holds more than who would revoke it."""

    code = "stronger_key"


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
    beyond = _beyond(maker, permissions)
    if beyond:
        raise ExceedsMakerError(
            f"The new key would hold {', '.join(beyond)}, which {maker.subject} lacks.",
            fix="Ask for fewer permissions, or let an admin make the key.",
            required_permission=beyond[0],
        )
    if not _reaches(maker, resources):
        raise ExceedsMakerError(
            f"{maker.subject} is narrowed to {', '.join(maker.resources)}.",
            fix="Narrow the new key to some of these resources.",
        )


def check_revoke(caller: Principal, record: KeyRecord) -> None:
    """Refuse to revoke a key that holds more than the caller does; oneself one may revoke."""
    if record.subject == caller.subject:
        return
    # What cannot be read may have held anything.
    permissions = record.permissions if record.is_readable else frozenset({Permission.ADMIN})
    beyond = _beyond(caller, permissions)
    if beyond:
        raise StrongerKeyError(
            f"{record.subject} holds {', '.join(beyond)}, which {caller.subject} lacks.",
            fix="Let a key that holds them revoke it, or an admin.",
            required_permission=beyond[0],
        )
    if not _reaches(caller, record.resources):
        raise StrongerKeyError(
            f"{caller.subject} is narrowed to {', '.join(caller.resources)}, "
            f"and {record.subject} is not, or to others.",
            fix="Let a key with keys:write that is not narrowed revoke it.",
            required_permission=Permission.KEYS_WRITE,
        )


def check_end(expires_at: int | None, now: int) -> None:
    """Refuse an end that has passed, or that is so far away that it is none."""
    if expires_at is not None and not now < expires_at <= now + LONGEST_LIFE_SECONDS:
        raise InvalidContentError(
            "expires_at lies in the past or more than ten years ahead.",
            fix="Name a moment within ten years, or none.",
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


def _beyond(holder: Principal, permissions: frozenset[Permission]) -> list[Permission]:
    """List the permissions that the holder lacks."""
    return (
        [] if Permission.ADMIN in holder.permissions else sorted(permissions - holder.permissions)
    )


def _reaches(holder: Principal, resources: tuple[str, ...]) -> bool:
    """Tell whether the holder may touch everything that ``resources`` match; none is everything."""
    return not holder.resources or all(
        any(_covers(held, each) for held in holder.resources) for each in resources or ("*",)
    )


def _covers(held: str, asked: str) -> bool:
    """Tell whether everything that ``asked`` matches is matched by ``held``."""
    if held.endswith("*"):
        return asked.startswith(held[:-1])
    return asked == held
