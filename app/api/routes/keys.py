"""API keys: make, list, show, revoke."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.api.access import ERRORS, GuardedRoute, KeyReader, KeyWriter
from app.api.moments import moment
from app.api.services import Services, services_of
from app.auth import grants
from app.auth.api_key import ApiKey, is_key_id
from app.auth.key_record import KeyRecord
from app.auth.key_store import Revocation
from app.auth.verifier import Identity
from app.errors import InvalidContentError, NotFoundError, PermissionDeniedError
from app.permissions import Credential, Permission, Principal
from app.text import printable

CATCH_UP_SECONDS = 2.0
"""How long an answer waits for this process to know what another one has just written."""

router = APIRouter(prefix="/keys", route_class=GuardedRoute, tags=["keys"])
KeyId = Annotated[str, Path(description="Public id of a key.", examples=["0Zk3mQx81LcVbN5t"])]


KeyState = Literal["active", "expired", "revoked", "unreadable"]
Resource = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(printable)]


class ApiKeyRequiredError(PermissionDeniedError):
    """A session may not do this, whatever its key holds."""

    code = "api_key_required"


class NewKey(BaseModel):
    """Body of a request for a key."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Annotated[
        str,
        Field(min_length=1, max_length=100, examples=["training pipeline"]),
        AfterValidator(printable),
    ]
    permissions: Annotated[
        frozenset[Permission], Field(min_length=1, examples=[["mlflow:read", "mlflow:write"]])
    ]
    resources: Annotated[
        tuple[Resource, ...], Field(max_length=20, examples=[["model:churn-*"]])
    ] = ()
    """Narrow the key to these; empty means everything in the project."""
    expires_at: AwareDatetime | None = None
    """When the key ends: within ten years, and not later than the key that makes it. A key without
    an end works until it is revoked."""


class Key(BaseModel):
    """A key without its secret."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    name: str
    project: str
    permissions: list[Permission]
    resources: list[str]
    state: KeyState
    """``unreadable``: its record is damaged, so it opens nothing; it can be revoked."""
    created_at: datetime | None
    """``null`` where it cannot be read."""
    created_by: str | None
    """``null`` where it cannot be read."""
    expires_at: datetime | None
    revoked_at: datetime | None = None
    revoked_by: str | None = None


class KeyMade(Key):
    """A key that was just made."""

    key: str
    """The whole key. It is shown this once and stored nowhere."""


class KeyPage(BaseModel):
    """Some keys, and how to get the next ones."""

    keys: list[Key]
    next_page_token: str | None


@router.post(
    "", status_code=201, summary="Make a key", responses={409: ERRORS[409], 429: ERRORS[429]}
)
def create(caller: KeyWriter, wanted: NewKey, request: Request, response: Response) -> KeyMade:
    """Make a key in the caller's project that holds no more than the caller does.

    The request must carry an API key itself: a session lasts an hour at most, and whoever got hold
    of one must not be able to turn it into a key that stays.
    """
    if caller.credential is not Credential.API_KEY:
        raise ApiKeyRequiredError(
            "A session does not make keys, since they would outlive it.",
            fix="Send the API key itself, as Authorization: Bearer or X-API-Key.",
        )
    services = services_of(request)
    identity: Identity = request.state.identity
    now = int(services.verifier.directory.wall())
    ends = int(wanted.expires_at.timestamp()) if wanted.expires_at else None
    grants.check_end(ends, now)
    grants.check_resources(wanted.resources)
    grants.check_grant(caller, wanted.permissions, wanted.resources)
    key = ApiKey.generate(services.settings.environment)
    record = KeyRecord(
        key_id=key.key_id,
        project=caller.project,
        name=wanted.name,
        digest=key.digest,
        permissions=wanted.permissions,
        resources=wanted.resources or caller.resources,
        created_at=now,
        created_by=caller.subject,
        expires_at=grants.end_within(identity.record, ends),
    )
    made = KeyMade(**_shown(record, now).model_dump(), key=key.reveal())
    made.model_dump_json()  # a key whose answer cannot be written must not be made
    number = services.keys.add(record, made_by=identity.record.key_id)
    services.verifier.directory.caught_up(number, CATCH_UP_SECONDS)
    response.headers["Location"] = f"/api/v1/keys/{key.key_id}"
    response.headers["Cache-Control"] = "no-store"
    return made


@router.get("", summary="List keys")
def list_keys(
    caller: KeyReader,
    request: Request,
    page_size: Annotated[int, Query(ge=1, le=200)] = 50,
    page_token: Annotated[str | None, Query(max_length=100)] = None,
) -> KeyPage:
    """List the keys of the caller's project, revoked ones too, by id."""
    if page_token is not None and not is_key_id(page_token):
        raise InvalidContentError(
            "page_token is not one of this list.", fix="Use next_page_token of the page before."
        )
    found = sorted(_keys_of(services_of(request), caller), key=lambda each: each.id)
    rest = [each for each in found if page_token is None or each.id > page_token]
    page = rest[:page_size]
    return KeyPage(keys=page, next_page_token=page[-1].id if len(rest) > page_size else None)


@router.get("/{key_id}", summary="Show a key", responses={404: ERRORS[404]})
def show(caller: KeyReader, key_id: KeyId, request: Request) -> Key:
    """Show a key of the caller's project."""
    for each in _keys_of(services_of(request), caller):
        if each.id == key_id:
            return each
    raise _no_such_key()


@router.delete("/{key_id}", status_code=204, summary="Revoke a key", responses={404: ERRORS[404]})
def revoke(caller: KeyWriter, key_id: KeyId, request: Request) -> None:
    """Revoke a key of the caller's project; it holds at both endpoints within five seconds.

    The caller must hold everything that the key holds, unless it is the caller's own.
    """
    services = services_of(request)
    directory = services.verifier.directory
    record = directory.record(key_id)
    if record is None:
        directory.caught_up(services.keys.current_number(), CATCH_UP_SECONDS)
        record = directory.record(key_id)
    if record is None:
        revoked = [each.record for each in services.keys.revocations(caller.project)]
        record = next((each for each in revoked if each.key_id == key_id), None)
    if record is None or record.project != caller.project:
        raise _no_such_key()
    grants.check_revoke(caller, record)
    number = services.keys.revoke(record, by=caller.subject)
    directory.caught_up(number, CATCH_UP_SECONDS)
    services.folder.soon()


def _keys_of(services: Services, caller: Principal) -> list[Key]:
    directory = services.verifier.directory
    directory.caught_up(services.keys.current_number(), CATCH_UP_SECONDS)
    now = int(directory.wall())
    revoked = services.keys.revocations(caller.project)
    gone = {each.record.key_id for each in revoked}
    live = [each for each in directory.records_of(caller.project) if each.key_id not in gone]
    return [
        *(_shown(each, now) for each in live),
        *(_shown(each.record, now, each) for each in revoked),
    ]


def _shown(record: KeyRecord, now: int, revocation: Revocation | None = None) -> Key:
    """Show any record there may be: one that cannot be shown would hide all the others."""
    record = record.storable()
    return Key(
        id=record.key_id,
        name=record.name,
        project=record.project,
        permissions=sorted(record.permissions),
        resources=list(record.resources),
        state="revoked" if revocation is not None else _state(record, now),
        created_at=moment(record.created_at) if record.is_readable else None,
        created_by=record.created_by if record.is_readable else None,
        expires_at=None if record.expires_at is None else moment(record.expires_at),
        revoked_at=revocation.revoked_at if revocation else None,
        revoked_by=revocation.revoked_by if revocation else None,
    )


def _state(record: KeyRecord, now: int) -> KeyState:
    if not record.is_readable:
        return "unreadable"
    has_ended = record.expires_at is not None and record.expires_at <= now
    return "expired" if has_ended else "active"


def _no_such_key() -> NotFoundError:
    return NotFoundError("There is no such key in this project.", fix="List the keys to see.")
