"""The key that signs tokens: private in Secrets Manager, public in PostgreSQL.

As with API keys, PostgreSQL says which version of the secret counts: two API tasks that start at
once, one of which does not see yet what the other wrote, must not sign with different sets.
"""

import json
import secrets as random
import time
from dataclasses import dataclass
from typing import Final

import sqlalchemy
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from sqlalchemy import func, insert, select

from app.auth.tokens import TokenMaker
from app.stores.changes import announce
from app.stores.secrets import Secrets, VersionNotFoundError
from app.stores.tables import signing_key_set, signing_keys

ADVISORY_LOCK: Final = 0x7369676E
VISIBLE_WITHIN: Final = (0.1, 0.3, 0.6, 1.0)
"""Waits for a version that another task has just written."""


@dataclass(frozen=True)
class SigningKey:
    """A private key and the id that its tokens carry."""

    kid: str
    key: Ed25519PrivateKey


def token_maker(
    engine: sqlalchemy.Engine, secrets: Secrets, secret_id: str, environment: str
) -> TokenMaker:
    """Load the signing key, or make the first one of this environment."""
    with engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        version = connection.execute(select(signing_key_set.c.version_id)).scalar()
        if version is None:
            signing_key = _make(connection, secrets, secret_id)
        else:
            signing_key = _parse(_read(secrets, secret_id, version))
    return TokenMaker(signing_key.kid, signing_key.key, environment)


def _make(connection: sqlalchemy.Connection, secrets: Secrets, secret_id: str) -> SigningKey:
    made = SigningKey(random.token_hex(8), Ed25519PrivateKey.generate())
    private = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = made.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys = [{"kid": made.kid, "private_key": private.decode("ascii")}]
    version = secrets.write(secret_id, json.dumps({"format": 1, "keys": keys}))
    number = announce(connection)
    connection.execute(insert(signing_key_set).values(version_id=version))
    connection.execute(
        insert(signing_keys).values(
            kid=made.kid, public_key=public.decode("ascii"), sequence=number
        )
    )
    return made


def _read(secrets: Secrets, secret_id: str, version: str) -> str:
    for wait in VISIBLE_WITHIN:
        try:
            return secrets.read(secret_id, version)
        except VersionNotFoundError:
            time.sleep(wait)
    return secrets.read(secret_id, version)


def _parse(text: str) -> SigningKey:
    """Take the newest key, which stands last."""
    newest = json.loads(text)["keys"][-1]
    key = load_pem_private_key(newest["private_key"].encode("ascii"), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("a signing key is not an Ed25519 key")
    return SigningKey(newest["kid"], key)
