"""RDS IAM tokens: a presigned URL without its scheme, in place of a password.

docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote

from hokusai_infra.local.parts import policy
from hokusai_infra.local.parts.credentials import Identity

CONNECT: Final = "rds-db:connect"
"""The action that a login needs."""
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_LIFE: Final = 900
_SKEW: Final = dt.timedelta(minutes=5)
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


class TokenError(Exception):
    """A token that does not open the database; the text says why."""


class ForbiddenError(TokenError):
    """A good token of a role that may not log in as this user."""

    def __init__(self, identity: Identity, message: str) -> None:
        super().__init__(message)
        self.identity = identity


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a token must be for."""

    hosts: frozenset[str]
    """``host:port`` in every form the server answers to."""
    user: str
    region: str
    user_arn: str
    """``arn:aws:rds-db:<region>:<account>:dbuser:<resource id>/<user>``."""


def check(
    token: str, target: Target, identities: Mapping[str, Identity], now: dt.datetime
) -> Identity:
    """Return whose token it is (``identities`` are by access key id), or raise ``TokenError``."""
    host, separator, query = token.partition("/?")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    if not separator or fields.get("X-Amz-Algorithm") != _ALGORITHM:
        raise TokenError("the password is no IAM token, which this user needs")
    key_id, *scope = fields.get("X-Amz-Credential", "").split("/")
    if (identity := identities.get(key_id)) is None:
        raise TokenError("the token is signed with a key that is not known here")
    signature = _signature(host, query, identity.key.secret_access_key, scope, fields)
    if not hmac.compare_digest(signature, fields.get("X-Amz-Signature", "")):
        raise TokenError("the token's signature is wrong")
    if fields.get("Action") != "connect" or scope[1:] != [target.region, "rds-db", "aws4_request"]:
        raise TokenError(f"the token is not for {CONNECT} in {target.region}")
    if fields.get("DBUser") != target.user:
        raise TokenError(f"the token is for the user {fields.get('DBUser')!r}")
    if host not in target.hosts:
        raise TokenError(f"the token is for {host}")
    _check_time(fields, now)
    decision = policy.decide(identity.policies, CONNECT, target.user_arn)
    if not decision.allowed:
        raise ForbiddenError(
            identity, f"{identity.name} may not {CONNECT} as {target.user_arn}: {decision.reason}"
        )
    return identity


def _check_time(fields: Mapping[str, str], now: dt.datetime) -> None:
    try:
        signed = dt.datetime.strptime(fields["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        life = dt.timedelta(seconds=min(int(fields["X-Amz-Expires"]), _LIFE))
    except (KeyError, ValueError) as broken:
        raise TokenError("the token says no readable time") from broken
    if now < signed - _SKEW:
        raise TokenError("the token's time lies in the future")
    if now >= signed + life:
        raise TokenError(f"the token expired {(now - signed - life).seconds} s ago")


def _signature(
    host: str, query: str, secret: str, scope: list[str], fields: Mapping[str, str]
) -> str:
    signed = sorted(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name != "X-Amz-Signature"
    )
    request = "\n".join(["GET", "/", "&".join(signed), f"host:{host}", "", "host", _EMPTY])
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join([_ALGORITHM, fields.get("X-Amz-Date", ""), "/".join(scope), digest])
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
