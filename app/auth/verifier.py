"""The verifier: from the credential on a request to a principal, without any I/O."""

import contextlib
import hmac
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Self

import psycopg
import structlog
from botocore.exceptions import BotoCoreError

from app.auth import api_key, credentials
from app.auth.credentials import Kind
from app.auth.errors import (
    EndedSessionError,
    ExpiredKeyError,
    InvalidTokenError,
    KeysUnavailableError,
    OriginMismatchError,
    RevokedKeyError,
    UnknownKeyError,
    WrongProjectError,
)
from app.auth.follower import Follower, Loader
from app.auth.key_directory import KeyDirectory
from app.auth.key_record import DocumentError, KeyRecord
from app.auth.tokens import Audience, Claims, TokenReader
from app.permissions import Credential, Principal
from app.request_context import remember_principal
from app.settings import HOKUSAI_DATABASE, Environment, ServiceSettings
from app.start_gate import StartRefusedError
from app.stores import postgres
from app.stores.schema import SchemaError, verify_hokusai
from app.stores.secrets import Secrets, SecretsUnavailableError

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PROJECT_HEADERS: Final = frozenset({b"x-hokusai-project", b"x-mlflow-workspace"})

Scope = MutableMapping[str, Any]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, and the token that said so if it was one."""

    principal: Principal
    record: KeyRecord
    claims: Claims | None = None


class Verifier:
    """Turns a request's credential into a principal."""

    def __init__(
        self,
        directory: KeyDirectory,
        *,
        environment: Environment,
        audience: Audience,
        origin: str,
        background: tuple[Follower, Loader] | None = None,
    ) -> None:
        self.directory = directory
        self.environment = environment
        self.cookie = credentials.cookie_name(origin)
        self._cookie = self.cookie.encode("ascii")
        self._origin = origin.encode("ascii")
        self._background = background
        self._tokens = TokenReader(
            audience, environment, directory.signing_key, clock=directory.wall
        )

    @classmethod
    def start(cls, settings: ServiceSettings, audience: Audience) -> Self:
        """Pass the start-up gate or raise ``StartRefusedError``; then follow every change."""
        directory = KeyDirectory()
        secrets = Secrets()
        role = postgres.database_role(audience)
        follower = Follower(directory, lambda: postgres.connect(settings, HOKUSAI_DATABASE, role))
        loader = Loader(directory, secrets, settings.key_secret_prefix)
        try:
            with contextlib.closing(follower.connect()) as connection:
                verify_hokusai(connection)
                follower.poll(connection)
            loader.load_wanted()
        except (psycopg.Error, BotoCoreError) as failure:
            raise StartRefusedError(
                f"PostgreSQL does not let {role} in or does not answer "
                f"({type(failure).__name__}: {str(failure).strip()}).",
                fix="Check the database, its role, and rds-db:connect of the task role.",
            ) from failure
        except SchemaError as failure:
            raise StartRefusedError(
                str(failure), fix="Run the migrate container of this image."
            ) from failure
        except (SecretsUnavailableError, DocumentError) as failure:
            raise StartRefusedError(
                f"The API keys cannot be loaded ({failure}).",
                fix=f"Check the secrets under {settings.key_secret_prefix} and the task role.",
            ) from failure
        follower.start()
        loader.start()
        log.info("keys_loaded", number=directory.number)
        return cls(
            directory,
            environment=settings.environment,
            audience=audience,
            origin=settings.api_url if audience == "api" else settings.mlflow_url,
            background=(follower, loader),
        )

    def authenticate(self, scope: Scope) -> Principal:
        """Identify the caller or raise the ``ApiError`` to answer with."""
        return self.identify(scope).principal

    def identify(self, scope: Scope) -> Identity:
        """Identify the caller, and say by which token."""
        presented = credentials.find(scope, self._cookie)
        if presented.kind is Kind.KEY:
            identity = self._by_key(presented.value)
        else:
            if presented.kind is Kind.COOKIE and scope["method"] not in SAFE_METHODS:
                self._check_origin(scope)
            identity = self._by_token(presented.value)
        _check_project(scope, identity.principal)
        remember_principal(scope, identity.principal.subject)
        return identity

    def verify_key(self, text: str) -> Identity:
        """Check an API key that came in a body."""
        return self._by_key(text)

    def close(self) -> None:
        """Stop following changes."""
        for each in self._background or ():
            each.close()

    def _by_key(self, text: str) -> Identity:
        key = api_key.parse(text, self.environment)
        self._check_trusted()
        record = self.directory.record(key.key_id)
        revoked = self.directory.revoked(key.key_id)
        if revoked is not None and hmac.compare_digest(key.digest, revoked.digest):
            raise _revoked()
        if record is None or revoked is not None or not self._matches(key.digest, record):
            raise UnknownKeyError("The API key is not known here.", fix="Ask for a new key.")
        self._check_expiry(record)
        return Identity(_principal(record, Credential.API_KEY), record)

    def _matches(self, digest: bytes, record: KeyRecord) -> bool:
        if hmac.compare_digest(digest, record.digest):
            return True
        previous = record.previous
        return (
            previous is not None
            and self.directory.wall() < previous.valid_until
            and hmac.compare_digest(digest, previous.digest)
        )

    def _by_token(self, token: str) -> Identity:
        self._check_trusted()
        claims = self._tokens.read(token)
        if self.directory.is_ended(claims.token_id):
            raise EndedSessionError("The session was signed out.", fix="Sign in again.")
        key_id = claims.subject.removeprefix("key:")
        record = self.directory.record(key_id)
        if self.directory.revoked(key_id) is not None:
            raise _revoked()
        if record is None or not record.is_readable or record.project != claims.project:
            raise InvalidTokenError(
                "The token names a caller that does not exist.", fix="Sign in again."
            )
        self._check_expiry(record)
        credential = Credential.INTERNAL if claims.typ == "inner+jwt" else Credential.SESSION
        return Identity(_principal(record, credential), record, claims)

    def _check_trusted(self) -> None:
        if not self.directory.is_trusted():
            raise KeysUnavailableError("This server cannot verify credentials at the moment.")

    def _check_expiry(self, record: KeyRecord) -> None:
        if record.expires_at is not None and self.directory.wall() >= record.expires_at:
            raise ExpiredKeyError("The API key has expired.", fix="Ask for a new key.")

    def _check_origin(self, scope: Scope) -> None:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if origins != [self._origin]:
            raise OriginMismatchError(
                "A request that changes something by cookie must come from a page of this host.",
                fix="Send an API key instead of the cookie.",
            )


def _principal(record: KeyRecord, credential: Credential) -> Principal:
    return Principal(
        subject=record.subject,
        project=record.project,
        credential=credential,
        permissions=record.permissions,
        resources=record.resources,
    )


def _check_project(scope: Scope, principal: Principal) -> None:
    for name, value in scope["headers"]:
        if name in PROJECT_HEADERS and value != principal.project.encode("utf-8"):
            raise WrongProjectError(
                f"The credential belongs to project {principal.project}, "
                f"and {name.decode('ascii')} names another one.",
                fix="Leave the header out, or use a key of that project.",
            )


def _revoked() -> RevokedKeyError:
    return RevokedKeyError("The API key was revoked.", fix="Ask for a new key.")
