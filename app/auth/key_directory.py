"""Everything a process knows about keys, sessions and signing keys, in memory.

One thread of this process writes, request handlers only read: each change replaces a whole
dictionary, so a reader needs no lock and never sees half of a change.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.auth.key_record import KeyRecord

TRUSTED_SECONDS: Final = 60
"""How long what is in memory counts after the last contact with PostgreSQL."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """What is left of a key after its revocation."""

    project: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """Rows of PostgreSQL that are new since the last look."""

    number: int
    revoked: dict[str, RevokedKey]
    ended_sessions: dict[str, float]
    """Session id and the end it would have had, in seconds since the epoch."""
    signing_keys: dict[str, Ed25519PublicKey]
    retired: frozenset[str]
    """Ids of signing keys that no longer verify anything."""
    key_sets: dict[str, str]
    """Project and the version of its secret that counts."""


class KeyDirectory:
    """The records of all projects, with revocations merged over them."""

    def __init__(self, *, wall: Clock = time.time, monotonic: Clock = time.monotonic) -> None:
        self.wall = wall
        self.monotonic = monotonic
        self.number = -1
        """Number of the latest change whose rows are merged; key sets may still be loading."""
        self._changed = threading.Condition()
        self._contact: float | None = None
        self._records: dict[str, KeyRecord] = {}
        self._revoked: dict[str, RevokedKey] = {}
        self._ended_sessions: dict[str, float] = {}
        self._signing_keys: dict[str, Ed25519PublicKey] = {}
        self._versions: dict[str, str] = {}
        self._wanted: dict[str, tuple[str, float]] = {}

    # What request handlers ask.

    def record(self, key_id: str) -> KeyRecord | None:
        """Look up a key, revoked or not."""
        return self._records.get(key_id)

    def revoked(self, key_id: str) -> RevokedKey | None:
        """Look up a revocation."""
        return self._revoked.get(key_id)

    def is_ended(self, session_id: str) -> bool:
        """Tell whether a session was signed out."""
        return session_id in self._ended_sessions

    def signing_key(self, kid: str) -> Ed25519PublicKey | None:
        """Look up a public key."""
        return self._signing_keys.get(kid)

    def records_of(self, project: str) -> list[KeyRecord]:
        """List the keys of a project that are not revoked."""
        return [
            each
            for each in self._records.values()
            if each.project == project and each.key_id not in self._revoked
        ]

    def seconds_since_contact(self) -> float:
        """Say how old the knowledge in memory may be."""
        return float("inf") if self._contact is None else self.monotonic() - self._contact

    def is_trusted(self) -> bool:
        """Tell whether PostgreSQL was heard of lately enough."""
        return self.seconds_since_contact() <= TRUSTED_SECONDS

    # What the follower and the loader say.

    def contact(self) -> None:
        """Note that PostgreSQL has just answered and everything it said is merged."""
        self._contact = self.monotonic()

    def merge(self, update: Update) -> None:
        """Merge what changed in PostgreSQL."""
        now = self.wall()
        with self._changed:
            self._revoked = self._revoked | update.revoked
            sessions = self._ended_sessions | update.ended_sessions
            self._ended_sessions = {each: end for each, end in sessions.items() if end > now}
            keys = self._signing_keys | update.signing_keys
            self._signing_keys = {kid: k for kid, k in keys.items() if kid not in update.retired}
            for project, version in update.key_sets.items():
                if self._versions.get(project) != version:
                    self._wanted[project] = (version, self.monotonic())
            self.number = update.number
            self._changed.notify_all()

    def replace(self, project: str, version: str, records: Iterable[KeyRecord]) -> None:
        """Take over a project's key set, unless a newer version is wanted meanwhile."""
        with self._changed:
            wanted = self._wanted.get(project)
            if wanted is not None and wanted[0] != version:
                return
            others = {
                key_id: each for key_id, each in self._records.items() if each.project != project
            }
            self._records = others | {each.key_id: each for each in records}
            self._versions[project] = version
            self._wanted.pop(project, None)
            self._changed.notify_all()

    def wanted(self) -> dict[str, str]:
        """Name the key sets that are not loaded yet, with the version to load."""
        with self._changed:
            return {project: version for project, (version, _) in self._wanted.items()}

    def wait_for_wanted(self, stop: threading.Event) -> dict[str, str]:
        """Wait until a key set is to be loaded, or until ``wake`` finds ``stop`` set."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._wanted) or stop.is_set())
        return self.wanted()

    def wake(self) -> None:
        """Let whoever waits look again."""
        with self._changed:
            self._changed.notify_all()

    def seconds_behind(self) -> float:
        """Say for how long the oldest key set that is wanted has been waited for."""
        with self._changed:
            since = [moment for _, moment in self._wanted.values()]
        return self.monotonic() - min(since) if since else 0.0

    def caught_up(self, number: int, timeout: float) -> bool:
        """Wait until everything up to a change is merged and loaded; tell whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.number >= number and not self._wanted, timeout
            )
