"""Which of MLflow's routes a request means, and what that route asks of the caller."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto, unique
from re import Pattern
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from flask import Flask
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map

from app.errors import ApiError, BadRequestError, MethodNotAllowedError, NotFoundError
from app.mlflow import route_table
from app.permissions import Permission

ASGIApp = Any
"""MLflow's FastAPI application; its router is walked, its types are not."""


@unique
class Access(Enum):
    """What a route asks for; the table of ``route_table`` says which routes those are."""

    PUBLIC = auto()
    READ = auto()
    WRITE = auto()
    DENIED = auto()


WANTED: Final[Mapping[Access, Permission]] = {
    Access.READ: Permission.MLFLOW_READ,
    Access.WRITE: Permission.MLFLOW_WRITE,
}


@dataclass(frozen=True)
class Route:
    """The one route that a request means."""

    access: Access
    template: str
    """MLflow's own spelling of the route, for logs and refusals."""
    native: bool
    """Served by MLflow's FastAPI application, not by its Flask application."""


class PathNotCanonicalError(BadRequestError):
    """A path in a spelling that no client of MLflow uses."""

    code = "path_not_canonical"


class RouteDeniedError(ApiError):
    """A route that MLflow has and this endpoint does not offer."""

    status, code = 403, "route_not_offered"


def read_table() -> dict[tuple[str, str], Access]:
    """Spell out ``route_table``: (method, template) → access."""
    table: dict[tuple[str, str], Access] = {}
    for access in Access:
        for line in getattr(route_table, access.name).split("\n"):
            if not line:
                continue
            method, template = line.split()
            for prefix in ("api", "ajax-api"):
                table[method, template.replace("{api}", prefix)] = access
    return table


# RFC 3986, 2.3: encoding one of these changes nothing, so no client does it.
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_NEVER_ENCODED: Final = _UNRESERVED | frozenset(b"/\\\x7f") | frozenset(range(0x20))
_SPACE: Final = 0x20
_DELETE: Final = 0x7F


def canonical_path(raw: bytes) -> str:
    """Decode a path that has one spelling only; refuse every other.

    Two readers that normalise a path differently are how a check is passed for one route and
    another one runs. Here nothing is normalised: a second spelling is an error.
    """
    if not raw.startswith(b"/"):
        raise _odd("does not start with a slash")
    if any(byte <= _SPACE or byte >= _DELETE or byte == ord("\\") for byte in raw):
        raise _odd("holds a character that must be percent-encoded")
    if b"//" in raw:
        raise _odd("holds an empty segment")
    first = raw.find(b"%")
    while first != -1:
        digits = raw[first + 1 : first + 3]
        if len(digits) != 2 or not _HEX.issuperset(digits):  # noqa: PLR2004 -- two hex digits
            raise _odd("holds a broken percent-encoding")
        if int(digits, 16) in _NEVER_ENCODED:
            raise _odd(f"encodes a character as %{digits.decode()} that must not be")
        first = raw.find(b"%", first + 3)
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise _odd("is not UTF-8") from None
    if "/." in path and any(segment in {".", ".."} for segment in path.split("/")):
        raise _odd("holds a dot segment")
    return path


def _odd(why: str) -> PathNotCanonicalError:
    return PathNotCanonicalError(
        f"The path {why}.", fix="Send it in its canonical form, as MLflow's client does."
    )


_PATHLIKE: Final = re.compile(r"\{(\w+):path\}")
_PLAIN: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class _Native:
    pattern: Pattern[str]
    methods: frozenset[str]
    template: str


def native_routes(fastapi_app: ASGIApp) -> Iterator[_Native]:
    """Yield the routes that MLflow's FastAPI application serves itself, in its order."""
    for entry in fastapi_app.routes:
        yield from _flattened(entry)


def _flattened(entry: Any) -> Iterator[_Native]:  # noqa: ANN401 -- FastAPI's own, private types
    if hasattr(entry, "effective_candidates"):
        for each in entry.effective_candidates():
            yield from _flattened(each)
    elif getattr(entry, "methods", None):
        template = _PLAIN.sub(r"<\1>", _PATHLIKE.sub(r"<path:\1>", entry.path))
        yield _Native(entry.path_regex, frozenset(entry.methods), template)


class Routes:
    """Finds the route of a request the way MLflow's two applications would."""

    def __init__(self, flask_app: Flask, fastapi_app: ASGIApp) -> None:
        self._table = read_table()
        self._adapter = self._bind(flask_app.url_map)
        self._static = {
            (method, rule.rule): self._route(method, rule.rule, native=False)
            for rule in flask_app.url_map.iter_rules()
            if not rule.arguments
            for method in rule.methods or ()
        }
        self._native = list(native_routes(fastapi_app))
        self._native_prefixes = tuple({each.template.partition("<")[0] for each in self._native})

    @staticmethod
    def _bind(url_map: Map) -> Any:  # noqa: ANN401 -- werkzeug's MapAdapter
        return url_map.bind("mlflow")

    def _route(self, method: str, template: str, *, native: bool) -> Route:
        looked_up = "GET" if method == "HEAD" else method
        access = self._table.get((looked_up, template), Access.DENIED)
        if method == "OPTIONS":
            access = Access.READ
        return Route(access, template, native)

    def find(self, method: str, path: str) -> Route:
        """Return the one route that would serve this request."""
        if path.startswith(self._native_prefixes):
            for each in self._native:
                if method in each.methods and each.pattern.match(path):
                    return self._route(method, each.template, native=True)
        if found := self._static.get((method, path)):
            return found
        try:
            rule, _ = self._adapter.match(path, method, return_rule=True)
        except MethodNotAllowed:
            raise MethodNotAllowedError(
                f"This path has no {method}.", fix="Use the method that MLflow documents."
            ) from None
        except HTTPException:
            raise NotFoundError(
                "MLflow has no such route.", fix="Check the path; it is case-sensitive."
            ) from None
        return self._route(method, rule.rule, native=False)
