"""Find the one credential on a request."""

import base64
import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from app.auth.errors import (
    CredentialInQueryError,
    MalformedCredentialError,
    NoCredentialError,
    SeveralCredentialsError,
)

HOW_TO: Final = (
    "Send an API key as 'Authorization: Bearer hk_…', as X-API-Key, or as Basic password."
)
_QUERY_VALUE: Final = re.compile(
    rb"hk_(?:live|test|dev)_[0-9A-Za-z]{16}|=eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16}"
)
_QUERY_NAME: Final = re.compile(
    rb"(?:^|[&;])(?:x[-_])?(?:api[-_]?key|access[-_]token|authorization|hokusai[-_]session)=",
    re.IGNORECASE,
)


class Kind(Enum):
    """How a credential travelled."""

    KEY = auto()
    TOKEN = auto()
    COOKIE = auto()


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it was presented; nothing about it is verified yet."""

    kind: Kind
    value: str = field(repr=False)


def cookie_name(origin: str) -> str:
    """Name the session cookie of a public origin.

    The prefix ``__Host-`` binds a cookie to one host, and browsers take it over HTTPS only.
    """
    return "__Host-hokusai_session" if origin.startswith("https:") else "hokusai_session"


def find(scope: MutableMapping[str, Any], cookie: bytes) -> Presented:
    """Return the one credential of a request, or raise the reason why there is none."""
    query: bytes = scope.get("query_string", b"")
    if query and _is_in_query(query):
        raise CredentialInQueryError(
            "The query string holds a credential; it would end up in logs and histories.",
            fix=f"Treat it as leaked and revoke it. {HOW_TO}",
        )
    found: list[tuple[bytes, bytes]] = []
    for name, value in scope["headers"]:
        if name in (b"authorization", b"x-api-key"):
            found.append((name, value))
        elif name == b"cookie" and cookie in value:
            found += [(b"cookie", each) for each in _cookies(value, cookie)]
    if not found:
        raise NoCredentialError("The request carries no credential.", fix=HOW_TO)
    if len(found) > 1:
        raise SeveralCredentialsError(
            "The request carries more than one credential.", fix="Send exactly one."
        )
    name, value = found[0]
    text = value.decode("latin-1").strip()
    if name == b"x-api-key":
        return Presented(Kind.KEY, text)
    if name == b"cookie":
        return Presented(Kind.COOKIE, text)
    return _authorization(text)


def _is_in_query(query: bytes) -> bool:
    if b"%" in query:
        query = unquote_to_bytes(query)
    return bool(_QUERY_VALUE.search(query) or _QUERY_NAME.search(query))


def _cookies(header: bytes, wanted: bytes) -> list[bytes]:
    pairs = (each.strip().partition(b"=") for each in header.split(b";"))
    return [value for name, _, value in pairs if name == wanted and value]


def _authorization(text: str) -> Presented:
    scheme, _, value = text.partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            return Presented(Kind.TOKEN if value.count(".") == 2 else Kind.KEY, value)  # noqa: PLR2004 -- a JWT has three parts
        case "basic":
            return Presented(Kind.KEY, _password(value))
        case _:
            raise MalformedCredentialError(
                "The Authorization header is neither Bearer nor Basic.", fix=HOW_TO
            )


def _password(value: str) -> str:
    try:
        pair = base64.b64decode(value, validate=True).decode("utf-8")
    except ValueError:  # of base64, of UTF-8, or of characters that are not ASCII
        pair = ""
    _user, colon, password = pair.partition(":")
    if not colon:
        raise MalformedCredentialError(
            "The Basic credential is not base64 of 'user:password'.",
            fix="Any user name will do; the password is the API key.",
        )
    return password
