"""Keys in a directory whose clocks stand still until a test moves them."""

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.auth.api_key import ApiKey
from app.auth.key_directory import KeyDirectory, RevokedKey, Update
from app.auth.key_record import KeyRecord
from app.auth.tokens import Audience, TokenMaker
from app.auth.verifier import Verifier
from app.permissions import Permission

API_ORIGIN = "http://127.0.0.1:8000"


@dataclass
class Clock:
    """Wall and monotonic time, moved by hand."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def update(number: int = 0, **changed: object) -> Update:
    nothing: dict[str, Any] = {
        "revoked": {},
        "ended_sessions": {},
        "signing_keys": {},
        "retired": frozenset(),
        "key_sets": {},
    }
    return Update(number=number, **(nothing | changed))


def record_of(key: ApiKey, **fields: object) -> KeyRecord:
    values: dict[str, Any] = {
        "key_id": key.key_id,
        "project": "main",
        "name": "a key",
        "digest": key.digest,
        "permissions": frozenset({Permission.MLFLOW_READ}),
        "created_at": 1_700_000_000,
        "created_by": "operator",
    }
    return KeyRecord(**(values | fields))


@dataclass
class Keys:
    """A directory, and verifiers and tokens that go with it."""

    clock: Clock
    records: dict[str, list[KeyRecord]] = field(default_factory=dict[str, list[KeyRecord]])

    def __post_init__(self) -> None:
        self.directory = KeyDirectory(wall=self.clock, monotonic=self.clock)
        self.directory.contact()
        self.private = Ed25519PrivateKey.generate()
        self.directory.merge(update(signing_keys={"one": self.private.public_key()}))
        self.tokens = TokenMaker("one", self.private, "local", clock=self.clock)

    def add(self, **fields: object) -> ApiKey:
        key = ApiKey.generate("local")
        record = record_of(key, **fields)
        of_project = self.records.setdefault(record.project, [])
        of_project.append(record)
        self.directory.replace(record.project, f"v{len(of_project)}", of_project)
        return key

    def revoke(self, key: ApiKey, project: str = "main") -> None:
        gone = {key.key_id: RevokedKey(project, key.digest)}
        self.directory.merge(update(self.directory.number + 1, revoked=gone))

    def verifier(self, audience: Audience = "api", origin: str = API_ORIGIN) -> Verifier:
        return Verifier(self.directory, environment="local", audience=audience, origin=origin)


def request(*headers: tuple[str, str], method: str = "GET", query: str = "") -> dict[str, Any]:
    """Make the scope of a request."""
    return {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("10.0.0.1", 1234),
    }


def bearer(value: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {value}")
