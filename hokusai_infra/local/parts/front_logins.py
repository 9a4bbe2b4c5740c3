"""Who may log in through the database front, decided as RDS does."""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import psycopg

from hokusai_infra.local.parts import rds_token
from hokusai_infra.local.parts.calls import Call, CallLog, Outcome
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.parts.postgres import SUPERUSER, socket_host
from hokusai_infra.local.state import read_json, write_private

_ROLE: Final = """
SELECT rolsuper, rolpassword,
       pg_has_role(oid, 'rds_iam', 'USAGE') OR pg_has_role(oid, 'rds_iam', 'SET')
  FROM pg_authid WHERE rolname = %s AND rolcanlogin
"""

# www.postgresql.org/docs/current/errcodes-appendix.html
INVALID_AUTHORIZATION: Final = "28000"
INVALID_PASSWORD: Final = "28P01"  # noqa: S105 - an error code
CANNOT_CONNECT_NOW: Final = "57P03"


class LoginError(Exception):
    """A login that is refused, in the words the client gets to read."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, kw_only=True)
class DatabaseInstance:
    """What the front must know of the recorded ``aws:rds/instance:Instance``."""

    region: str
    account_id: str
    resource_id: str
    """``resourceId`` (``db-…``), as in ``arn:aws:rds-db:…:dbuser:<resource id>/<user>``."""
    master_username: str
    master_secret_arn: str
    """Managed master secret in the control plane; read at each login, so a rotation holds."""

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read what ``write`` kept."""
        found = read_json(file)
        return None if found is None else cls(**found)

    def write(self, file: Path) -> None:
        """Keep it for the front."""
        write_private(file, asdict(self))


@dataclass(frozen=True)
class _Role:
    superuser: bool
    verifier: str | None
    iam: bool


class Logins:
    """Checks passwords and tokens; nothing is remembered between two logins."""

    def __init__(self, state: Path, port: int, control_plane: str, calls: CallLog) -> None:
        self._postgres = state / "postgres"
        self._instance_file = state / "database-instance.json"
        self._hosts = frozenset({f"localhost:{port}", f"127.0.0.1:{port}"})
        self._control_plane, self._calls = control_plane, calls
        self._credentials = Credentials.load(state)
        self._catalog: psycopg.AsyncConnection | None = None
        self._one = asyncio.Lock()

    async def check(self, user: str, password: str) -> None:
        """Return when ``user`` may log in with ``password``, raise ``LoginError`` otherwise."""
        role = await self._role(user)
        if role is None or role.superuser:
            raise LoginError(INVALID_PASSWORD, f'password authentication failed for user "{user}"')
        if (instance := DatabaseInstance.read(self._instance_file)) is None:
            raise LoginError(CANNOT_CONNECT_NOW, "the database instance is not recorded yet")
        if role.iam:
            self._check_token(instance, user, password)
        elif user == instance.master_username:
            wanted = await asyncio.to_thread(self._master_password, instance)
            self._compare(user, password, wanted)
        elif role.verifier is None or not verifies(role.verifier, password):
            raise LoginError(INVALID_PASSWORD, f'password authentication failed for user "{user}"')

    def _check_token(self, instance: DatabaseInstance, user: str, token: str) -> None:
        account = f"{instance.region}:{instance.account_id}"
        target = rds_token.Target(
            hosts=self._hosts,
            user=user,
            region=instance.region,
            user_arn=f"arn:aws:rds-db:{account}:dbuser:{instance.resource_id}/{user}",
        )
        known = {each.key.access_key_id: each for each in self._credentials.identities()}
        try:
            identity = rds_token.check(token, target, known, dt.datetime.now(dt.UTC))
            self._note(identity.name, target, "allowed")
        except rds_token.TokenError as refused:
            if isinstance(refused, rds_token.ForbiddenError):
                self._note(refused.identity.name, target, "refused")
            raise LoginError(
                INVALID_AUTHORIZATION, f'PAM authentication failed for user "{user}": {refused}'
            ) from refused

    def _note(self, role: str, target: rds_token.Target, outcome: Outcome) -> None:
        resource, action = target.user_arn, rds_token.CONNECT
        self._calls.write(
            Call(role=role, action=action, resource=resource, outcome=outcome, by="database")
        )

    def _master_password(self, instance: DatabaseInstance) -> str:
        try:
            return master_password(self._control_plane, self._credentials, instance)
        except (OSError, ValueError, KeyError) as problem:
            raise LoginError(
                CANNOT_CONNECT_NOW,
                f"the master password could not be read from the control plane: {problem}",
            ) from problem

    @staticmethod
    def _compare(user: str, given: str, wanted: str) -> None:
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise LoginError(INVALID_PASSWORD, f'password authentication failed for user "{user}"')

    async def _role(self, user: str) -> _Role | None:
        """Look the role up, over one connection that is opened again when it was lost."""
        async with self._one:
            try:
                return await self._ask(user)
            except psycopg.OperationalError:
                self._catalog = None
            try:
                return await self._ask(user)
            except psycopg.Error as problem:
                self._catalog = None
                raise LoginError(
                    CANNOT_CONNECT_NOW, f"the database does not answer: {problem}"
                ) from problem

    async def _ask(self, user: str) -> _Role | None:
        if self._catalog is None:
            with socket_host(self._postgres) as host:
                self._catalog = await psycopg.AsyncConnection.connect(
                    host=host, user=SUPERUSER, dbname="postgres", autocommit=True
                )
        row = await (await self._catalog.execute(_ROLE, (user,))).fetchone()
        return None if row is None else _Role(superuser=row[0], verifier=row[1], iam=row[2])


def master_password(
    control_plane: str, credentials: Credentials, instance: DatabaseInstance
) -> str:
    """Ask the control plane which password the master user has now (blocking).

    Raises ``OSError`` where it does not answer, ``ValueError`` or ``KeyError`` where the secret
    holds no password.
    """
    asked = urllib.request.Request(  # noqa: S310 - our own control plane
        f"{control_plane}/_control/secret-value",
        data=json.dumps({"SecretId": instance.master_secret_arn}).encode(),
        headers={"Authorization": f"Bearer {credentials.control_token}"},
    )
    with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - as above
        return str(json.loads(json.load(answer)["SecretString"])["password"])


def verifies(verifier: str, password: str) -> bool:
    """Check a clear-text password against ``pg_authid.rolpassword`` (RFC 5803)."""
    try:
        kind, parameters, keys = verifier.split("$")
        iterations, salt = parameters.split(":")
        stored_key = base64.b64decode(keys.split(":")[0])
    except ValueError:
        return False
    if kind != "SCRAM-SHA-256":
        return False
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(salt), int(iterations)
    )
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)
