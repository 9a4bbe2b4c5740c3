"""Who one is, and sessions for browsers."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.api.access import ERRORS, AnyCaller, GuardedRoute, Public
from app.api.moments import moment
from app.api.services import services_of
from app.auth.verifier import Identity
from app.errors import ConflictError
from app.permissions import Permission, Principal
from app.request_context import remember_principal
from app.text import storable

router = APIRouter(prefix="/auth", route_class=GuardedRoute, tags=["auth"])


class NoSessionError(ConflictError):
    """The caller did not come by a session."""

    code = "no_session"


class Caller(BaseModel):
    """A caller and what they may do."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    principal: str
    project: str
    """The only project in which the permissions count."""
    credential: str
    """``api_key``, ``session`` or ``internal``."""
    permissions: list[Permission]
    """``admin`` stands for all the others in ``project``, and for nothing outside of it."""
    reach: Literal["project", "resources"]
    """How far the permissions go: all of ``project``, or only ``resources`` in it."""
    resources: list[str]
    """What the permissions are narrowed to; empty means everything in the project."""
    expires_at: datetime | None
    """When the key, or the session if that is sooner, ends."""


class SessionRequest(BaseModel):
    """Body of a sign-in."""

    model_config = ConfigDict(extra="forbid")

    api_key: Annotated[SecretStr, Field(examples=["hk_dev_…"], max_length=200)]


class SessionMade(Caller):
    """A session that was just made."""

    token: str
    """Send it as ``Authorization: Bearer``; browsers get it as a cookie."""
    expires_in: int
    """Seconds until it ends."""


def _caller(identity: Identity, session_ends: float | None = None) -> Caller:
    principal: Principal = identity.principal
    claimed = identity.claims.expires_at if identity.claims else session_ends
    ends = [end for end in (identity.record.expires_at, claimed) if end is not None]
    return Caller(
        principal=principal.subject,
        project=principal.project,
        credential=principal.credential.name.lower(),
        permissions=sorted(principal.permissions),
        reach="resources" if principal.resources else "project",
        resources=[storable(each) for each in principal.resources],
        expires_at=moment(min(ends)) if ends else None,
    )


@router.get("/whoami", summary="Who am I, and what may I do?")
async def whoami(_: AnyCaller, request: Request) -> Caller:
    """Describe the credential of this request."""
    return _caller(request.state.identity)


@router.post("/session", status_code=201, summary="Sign in with an API key")
async def sign_in(
    _: Public, wanted: SessionRequest, request: Request, response: Response
) -> SessionMade:
    """Exchange an API key for a session of minutes; browsers get it as an HttpOnly cookie."""
    services = services_of(request)
    identity = services.verifier.verify_key(wanted.api_key.get_secret_value())
    principal = identity.principal
    remember_principal(request.scope, principal.subject)
    session = services.tokens.mint_session(principal.subject, principal.project)
    caller = _caller(identity, session.expires_at)
    ends = int((caller.expires_at or datetime.now(UTC)).timestamp())
    expires_in = max(0, ends - int(services.verifier.directory.wall()))
    _set_cookie(request, response, session.token, max_age=expires_in)
    return SessionMade(**caller.model_dump(), token=session.token, expires_in=expires_in)


@router.delete("/session", status_code=204, summary="Sign out", responses={409: ERRORS[409]})
def sign_out(_: AnyCaller, request: Request, response: Response) -> None:
    """End this session at both endpoints, within seconds everywhere."""
    services = services_of(request)
    identity: Identity = request.state.identity
    if identity.claims is None:
        raise NoSessionError(
            "The request came with an API key, not with a session.",
            fix="Revoke the key with DELETE /api/v1/keys/{id} if it is to end.",
        )
    number = services.keys.end_session(identity.claims.token_id, identity.claims.expires_at)
    services.verifier.directory.caught_up(number, timeout=2)
    _set_cookie(request, response, "", max_age=0)


def _set_cookie(request: Request, response: Response, value: str, *, max_age: int) -> None:
    services = services_of(request)
    response.set_cookie(
        services.verifier.cookie,
        value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=services.settings.api_url.startswith("https:"),
    )
    response.headers["Cache-Control"] = "no-store"
