"""Who may call a route: declared in its signature, checked before its body is read.

A route says ``caller: KeyWriter`` or ``_: Public``; one that says neither does not construct, so
the application cannot be imported with a route that everybody may call by accident.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.api.services import services_of
from app.auth.verifier import Identity
from app.errors import PermissionDeniedError
from app.permissions import Permission, Principal, decide


@dataclass(frozen=True)
class Rule:
    """What a caller needs; ``None`` is any credential that holds."""

    permission: Permission | None

    async def __call__(self, request: Request) -> Principal:
        """Hand the caller to the route."""
        identity: Identity = request.state.identity
        return identity.principal


@dataclass(frozen=True)
class Nobody:
    """No credential is needed, and none is looked at."""

    async def __call__(self) -> None:
        """Hand nothing to the route."""


Public = Annotated[None, Depends(Nobody())]
AnyCaller = Annotated[Principal, Depends(Rule(None))]
KeyReader = Annotated[Principal, Depends(Rule(Permission.KEYS_READ))]
KeyWriter = Annotated[Principal, Depends(Rule(Permission.KEYS_WRITE))]
ModelReader = Annotated[Principal, Depends(Rule(Permission.MODELS_READ))]


class Problem(BaseModel):
    """An error, as RFC 9457 describes one."""

    type: str
    """Where the error is explained."""
    title: str
    status: int
    detail: str
    """What was wrong with this request, and what to do about it."""
    instance: str
    code: str
    """Stable name of the error; branch on this."""
    request_id: str
    required_permission: str | None = None
    errors: list[dict[str, str]] | None = None


def _answer(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


COMMON_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    422: _answer("The content is invalid; `errors` names each field."),
    500: _answer("The server failed; its log has the rest under `request_id`."),
    503: _answer("A dependency is away; `Retry-After` says when to try again."),
}
BODY_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: _answer("The body cannot be read."),
    413: _answer("The body is too large."),
    415: _answer("The body is not JSON."),
}
"""What every route with a body may answer."""
AUTHENTICATION_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: _answer("Several credentials, one in the query string, or a request that is malformed."),
    401: _answer("No credential, or one that does not hold; `code` says why."),
    403: _answer("The permission is missing; `required_permission` names it."),
}
ERRORS: Final[dict[int, dict[str, Any]]] = {
    404: _answer("Not there, or not yours to know."),
    409: _answer("The request is fine, the state it meets is not."),
    429: _answer("A limit is reached; `Retry-After` says when it is not."),
}
"""Answers that single routes add by their status."""


class GuardedRoute(APIRoute):
    """A route that knows who may call it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 -- FastAPI's options, passed on
        super().__init__(path, endpoint, **options)
        calls = [each.call for each in self.dependant.dependencies]
        rules = [each for each in calls if isinstance(each, Rule | Nobody)]
        if len(rules) != 1:
            raise TypeError(
                f"{endpoint.__name__} ({path}) declares {len(rules)} access rules: "
                "give it one parameter such as 'caller: KeyReader' or '_: Public'"
            )
        self.rule = rules[0]
        extra: dict[int | str, dict[str, Any]] = dict(COMMON_ERRORS)
        if self.body_field is not None:
            extra |= BODY_ERRORS
        if isinstance(self.rule, Rule):
            extra |= AUTHENTICATION_ERRORS
            self.openapi_extra = {
                "security": [{"bearer": []}, {"apiKey": []}, {"basic": []}],
                "x-permission": str(self.rule.permission or "any"),
            }
        self.responses = extra | dict(self.responses)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Check the caller first, then let FastAPI read and serve the request."""
        serve = super().get_route_handler()

        async def checked(request: Request) -> Response:
            if isinstance(self.rule, Rule):
                identity = services_of(request).verifier.identify(request.scope)
                _check(identity.principal, self.rule.permission)
                request.state.identity = identity
            return await serve(request)

        return checked


def _check(principal: Principal, wanted: Permission | None) -> None:
    denied = decide(principal, wanted) if wanted is not None else None
    if denied is not None:
        raise denied_error(denied.reason, denied.permission)


def denied_error(reason: str, permission: Permission) -> PermissionDeniedError:
    """Say which permission is missing and who can grant it."""
    return PermissionDeniedError(
        reason,
        fix=f"Ask for a key with {permission}; a key with keys:write that holds it can make one.",
        required_permission=permission,
    )
