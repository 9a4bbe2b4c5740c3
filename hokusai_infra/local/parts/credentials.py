"""Every secret the local stack makes for itself, and who holds which key pair."""

import hashlib
import hmac
import json
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from hokusai_infra.local.state import read_json, write_private

OPERATOR: Final = "local-operator"
"""Name of the identity with every right: the supervisor's own."""
EVERYTHING: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)

_ID_ALPHABET: Final = string.ascii_uppercase + "234567"
_SECRET_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True)
class KeyPair:
    """A long-lived access key, of the form AWS uses."""

    access_key_id: str
    secret_access_key: str

    @classmethod
    def random(cls) -> Self:
        """Make a new one."""
        return cls(
            "AKIA" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16)),
            "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40)),
        )


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A role that signs requests, and the policy documents (JSON) that say what it may do."""

    name: str
    """Physical name of the IAM role."""
    arn: str
    """ARN of the IAM role."""
    key: KeyPair
    policies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The secrets of one stack, made once and kept in ``state/credentials.json`` (0600)."""

    folder: Path
    """The state folder."""
    values: Mapping[str, Any]

    @classmethod
    def prepare(cls, folder: Path) -> Self:
        """Read the secrets of a stack; make those that do not exist yet."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = read_json(folder / _FILE) or {}
        found = cls(folder=folder, values={**_fresh(), **kept})
        if found.values != kept:
            found._save()
        if not found.identities_file.exists():
            found.publish([])
        return found

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the secrets of a stack without changing anything, as its processes do."""
        return cls(folder=folder, values=json.loads((folder / _FILE).read_text(encoding="utf-8")))

    @property
    def file(self) -> Path:
        """Where the secrets are; the control plane and the database front read it too."""
        return self.folder / _FILE

    @property
    def identities_file(self) -> Path:
        """Who may sign requests; read again by both whenever it changes."""
        return self.folder / "identities.json"

    @property
    def control_token(self) -> str:
        """Opens the routes of the control plane that are no AWS API."""
        return str(self.values["control_token"])

    @property
    def master_password(self) -> str:
        """First password of the database's master user."""
        return str(self.values["master_password"])

    @property
    def object_store_keys(self) -> Mapping[str, str]:
        """Values of SeaweedFS' JWT signing keys, by environment variable."""
        return {name: str(self.values["object_store"][name]) for name in _JWT_VARIABLES}

    def key_of(self, role: str) -> KeyPair:
        """Give a role its key pair: the same one for ever."""
        pairs: dict[str, dict[str, str]] = self.values["key_pairs"]
        if role not in pairs:
            pairs[role] = asdict(KeyPair.random())
            self._save()
        return KeyPair(**pairs[role])

    def identity(self, *, name: str, arn: str, policies: Sequence[str]) -> Identity:
        """Describe a role with its key pair."""
        return Identity(name=name, arn=arn, key=self.key_of(name), policies=tuple(policies))

    @property
    def operator(self) -> Identity:
        """The supervisor's identity; it may do everything."""
        arn = f"arn:aws:iam::000000000000:user/{OPERATOR}"
        return self.identity(name=OPERATOR, arn=arn, policies=[EVERYTHING])

    def publish(self, identities: Sequence[Identity]) -> None:
        """Replace who may sign requests; control plane and database front follow at once.

        The operator is always one of them.
        """
        listed = [self.operator, *(each for each in identities if each.name != OPERATOR)]
        write_private(self.identities_file, {"identities": [asdict(each) for each in listed]})

    def identities(self) -> tuple[Identity, ...]:
        """Who may sign requests, as published last."""
        return read_identities(self.identities_file)

    def task_environment(self, control_plane: str, role: str, task: str) -> dict[str, str]:
        """Build the variables by which a task gets the credentials of its role, as on ECS.

        ``control_plane`` is the URL of the control plane, ``task`` any id without a slash.
        """
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{control_plane}/_credentials/{role}/{task}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.task_token(role, task),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def task_token(self, role: str, task: str) -> str:
        """Derive the token with which one task asks for the credentials of its role."""
        seed = str(self.values["task_token_seed"]).encode()
        return hmac.new(seed, f"{role}/{task}".encode(), hashlib.sha256).hexdigest()

    def _save(self) -> None:
        write_private(self.folder / _FILE, dict(self.values))


def read_identities(file: Path) -> tuple[Identity, ...]:
    """Read the published identities; a missing file holds none."""
    listed = (read_json(file) or {}).get("identities", [])
    return tuple(
        Identity(
            name=each["name"],
            arn=each["arn"],
            key=KeyPair(**each["key"]),
            policies=tuple(each["policies"]),
        )
        for each in listed
    )


_FILE: Final = "credentials.json"
_JWT_VARIABLES: Final = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)


def _fresh() -> dict[str, Any]:
    return {
        "control_token": secrets.token_urlsafe(32),
        "task_token_seed": secrets.token_urlsafe(32),
        "master_password": secrets.token_urlsafe(24),
        "object_store": {name: secrets.token_urlsafe(32) for name in _JWT_VARIABLES},
        "key_pairs": {},
    }
