"""Session and inner tokens: EdDSA JWTs that name who, never what one may.

What a subject may do is looked up at each use, so a revoked key ends its sessions at once. A token
says in its header what it is for (RFC 8725, 3.11), and only the process that holds the private
keys can make one.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from app.auth.errors import ExpiredTokenError, InvalidTokenError
from app.permissions import Principal

ALGORITHM: Final = "EdDSA"
SESSION_SECONDS: Final = 60 * 60
INNER_SECONDS: Final = 60
LEEWAY_SECONDS: Final = 5
"""How far the clocks of two tasks may be apart."""

Audience = Literal["api", "mlflow"]
TokenType = Literal["session+jwt", "inner+jwt"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    typ: TokenType
    subject: str
    project: str
    token_id: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was just made."""

    token: str
    session_id: str
    expires_at: int


class TokenMaker:
    """Makes tokens; only the API has one."""

    def __init__(
        self,
        kid: str,
        key: Ed25519PrivateKey,
        environment: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.kid = kid
        self._key = key
        self._issuer = issuer(environment)
        self._clock = clock

    def mint_session(self, subject: str, project: str) -> Session:
        """Make a session of minutes that both endpoints take."""
        session_id = secrets.token_urlsafe(16)
        expires_at = int(self._clock()) + SESSION_SECONDS
        token = self._sign(
            "session+jwt",
            aud=["api", "mlflow"],
            sub=subject,
            project=project,
            jti=session_id,
            exp=expires_at,
        )
        return Session(token, session_id, expires_at)

    def mint_inner(self, principal: Principal) -> str:
        """Make the token of one call to MLflow on behalf of a caller."""
        return self._sign(
            "inner+jwt",
            aud=["mlflow"],
            sub=principal.subject,
            project=principal.project,
            jti=secrets.token_urlsafe(8),
            exp=int(self._clock()) + INNER_SECONDS,
        )

    def _sign(self, typ: TokenType, **claims: str | int | list[str]) -> str:
        return jwt.encode(
            {"iss": self._issuer, "iat": int(self._clock()), **claims},
            self._key,
            algorithm=ALGORITHM,
            headers={"kid": self.kid, "typ": typ},
        )


class TokenReader:
    """Verifies tokens for one endpoint."""

    def __init__(
        self,
        audience: Audience,
        environment: str,
        public_key: Callable[[str], Ed25519PublicKey | None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._audience = audience
        self._types: frozenset[str] = frozenset(
            {"session+jwt", "inner+jwt"} if audience == "mlflow" else {"session+jwt"}
        )
        self._issuer = issuer(environment)
        self._public_key = public_key
        self._clock = clock

    def read(self, token: str) -> Claims:
        """Verify a token and return what it says."""
        try:
            header = jwt.get_unverified_header(token)
            typ, kid = header.get("typ"), header.get("kid")
            key = self._public_key(kid) if isinstance(kid, str) else None
            if key is None or typ not in self._types:
                raise _invalid()
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["aud", "exp", "iat", "iss", "jti", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            read = Claims(
                typ, claims["sub"], str(claims["project"]), claims["jti"], int(claims["exp"])
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise _invalid() from None
        if self._clock() > read.expires_at + LEEWAY_SECONDS:
            raise ExpiredTokenError("The session has ended.", fix="Sign in again.")
        return read


def issuer(environment: str) -> str:
    """Name the maker of an environment's tokens."""
    return f"hokusai:{environment}"


def _invalid() -> InvalidTokenError:
    return InvalidTokenError(
        "The token was not made here, or not for this endpoint.", fix="Sign in again."
    )
