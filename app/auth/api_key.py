"""The form of an API key.

====================  ======  ==================================================================
part                  length  what
====================  ======  ==================================================================
``hk_live_``          7 or 8  whose it is and where it works: ``hk_live_`` in prod,
                              ``hk_test_`` in staging, ``hk_dev_`` in a local stack
id                    16      public: names the key in answers, logs and ``key:<id>`` subjects
secret                43      256 random bits as one base62 number, padded with ``0``
checksum              6       CRC32 (zlib) of everything before it as one base62 number, padded
====================  ======  ==================================================================

The digits are ``0-9A-Za-z`` in this order, so that padded numbers sort as their values do. There
is no separator after the prefix: a double click selects the whole key, and scanners find it with
``hk_(live|test|dev)_[0-9A-Za-z]{65}``. What is stored is the SHA-256 of the 43 characters of the
secret; with 256 random bits behind it, a slow hash would add nothing.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import Final

from app.auth.errors import MalformedKeyError, WrongEnvironmentError
from app.settings import Environment

PREFIXES: Final[dict[Environment, str]] = {
    "local": "hk_dev_",
    "prod": "hk_live_",
    "staging": "hk_test_",
}
DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH: Final = 16
SECRET_LENGTH: Final = 43
CHECKSUM_LENGTH: Final = 6
_ENVIRONMENTS: Final = {prefix: environment for environment, prefix in PREFIXES.items()}
_FORM: Final = re.compile(
    rf"(?P<prefix>hk_(?:live|test|dev)_)"
    rf"(?P<key_id>[0-9A-Za-z]{{{ID_LENGTH}}})"
    rf"(?P<secret>[0-9A-Za-z]{{{SECRET_LENGTH}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)
_KEY_ID: Final = re.compile(rf"[0-9A-Za-z]{{{ID_LENGTH}}}")


def base62(number: int, length: int) -> str:
    """Write ``number`` with exactly ``length`` digits."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    if number:
        raise ValueError(f"the number needs more than {length} digits")
    return "".join(reversed(digits))


HIGHEST_SECRET: Final = base62(2**256 - 1, SECRET_LENGTH)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in its parts; the secret stays out of ``repr``."""

    environment: Environment
    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def generate(cls, environment: Environment) -> "ApiKey":
        """Make a new key."""
        key_id = "".join(secrets.choice(DIGITS) for _ in range(ID_LENGTH))
        return cls(environment, key_id, base62(secrets.randbits(256), SECRET_LENGTH))

    @property
    def digest(self) -> bytes:
        """What is stored of the secret."""
        return hashlib.sha256(self.secret.encode("ascii")).digest()

    def reveal(self) -> str:
        """Spell the whole key, the one time that its owner sees it."""
        body = f"{PREFIXES[self.environment]}{self.key_id}{self.secret}"
        return body + checksum(body)


def checksum(body: str) -> str:
    """Compute the last six characters of a key."""
    return base62(zlib.crc32(body.encode("ascii")), CHECKSUM_LENGTH)


def is_key_id(text: str) -> bool:
    """Tell whether ``text`` may be the public id of a key."""
    return _KEY_ID.fullmatch(text) is not None


def parse(text: str, environment: Environment) -> ApiKey:
    """Take a key apart; refuse garbage and other environments before anything is looked up."""
    form = _FORM.fullmatch(text)
    if form is None or form["secret"] > HIGHEST_SECRET:
        raise MalformedKeyError(
            "The credential does not have the form of a Hokusai API key.",
            fix="Send the whole key, hk_…, as it was shown when it was made.",
        )
    if checksum(text[:-CHECKSUM_LENGTH]) != form["checksum"]:
        raise MalformedKeyError(
            "The checksum inside the API key does not match.",
            fix="The key is mistyped or cut; copy it again.",
        )
    if form["prefix"] != PREFIXES[environment]:
        raise WrongEnvironmentError(
            f"The API key is one of {_ENVIRONMENTS[form['prefix']]}, this is {environment}.",
            fix=f"Use a key that starts with {PREFIXES[environment]}.",
        )
    return ApiKey(environment, form["key_id"], form["secret"])
