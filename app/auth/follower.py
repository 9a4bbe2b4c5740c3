"""Two threads that keep the directory true: one follows PostgreSQL, one loads key sets.

PostgreSQL alone says what counts, so the thread that listens to it never waits for AWS: a
revocation holds within the poll interval even while Secrets Manager is away.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg
import structlog
from botocore.exceptions import BotoCoreError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.auth.key_directory import KeyDirectory, RevokedKey, Update
from app.auth.key_record import DocumentError, KeyDocument
from app.stores.changes import Changes, read_changes, read_number
from app.stores.secrets import Secrets, SecretsUnavailableError
from app.stores.tables import CHANGE_CHANNEL

POLL_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 3.0
"""How long PostgreSQL may take to answer a poll before the connection is given up."""
RETRY_SECONDS: Final = 1.0
PARALLEL_LOADS: Final = 8

log = structlog.get_logger()


def secret_name(prefix: str, project: str) -> str:
    """Name the secret that holds a project's keys."""
    return f"{prefix}{project}/api-keys"


def merge(directory: KeyDirectory, changes: Changes) -> None:
    """Merge rows of PostgreSQL into the directory."""
    public_keys: dict[str, Ed25519PublicKey] = {}
    for kid, pem, retired in changes.signing_keys:
        key = load_pem_public_key(pem.encode("ascii"))
        if isinstance(key, Ed25519PublicKey) and not retired:
            public_keys[kid] = key
    directory.merge(
        Update(
            number=changes.number,
            revoked={
                key_id: RevokedKey(project, _digest(record))
                for key_id, project, record in changes.revoked
            },
            ended_sessions=dict(changes.ended_sessions),
            signing_keys=public_keys,
            retired=frozenset(kid for kid, _, retired in changes.signing_keys if retired),
            key_sets=dict(changes.key_sets),
        )
    )


def _digest(record: object) -> bytes:
    """Read the digest of a revoked key; without one its secret is unknown instead of revoked."""
    try:
        return bytes.fromhex(record["digest"])  # type: ignore[index] # what else it may be is caught
    except (KeyError, TypeError, ValueError):
        return b""


class Loader:
    """Loads key sets from Secrets Manager at the version that PostgreSQL names."""

    def __init__(self, directory: KeyDirectory, secrets: Secrets, prefix: str) -> None:
        self.directory = directory
        self.secrets = secrets
        self.prefix = prefix
        self._reported: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key-set-loader", daemon=True)

    def load(self, project: str, version: str) -> None:
        """Load one key set or raise."""
        text = self.secrets.read(secret_name(self.prefix, project), version)
        self.directory.replace(project, version, KeyDocument.parse(project, text).records())

    def load_wanted(self) -> None:
        """Load everything that is wanted or raise; for the start-up gate."""
        with ThreadPoolExecutor(PARALLEL_LOADS) as pool:
            loads = [pool.submit(self.load, *each) for each in self.directory.wanted().items()]
            for load in loads:
                load.result()

    def start(self) -> None:
        """Load what is wanted from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self.directory.wake()
        self._thread.join(ANSWER_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            wanted = self.directory.wait_for_wanted(self._stop)
            failed = sum(not self._loaded(*each) for each in wanted.items())
            if failed:
                self._stop.wait(RETRY_SECONDS)

    def _loaded(self, project: str, version: str) -> bool:
        """Load one key set; say once, not at every try, that and why it fails."""
        try:
            self.load(project, version)
        except (SecretsUnavailableError, DocumentError) as failure:
            if self._reported.get(project) != str(failure):
                log.warning("key_set_not_loaded", project=project, cause=str(failure))
            self._reported[project] = str(failure)
            return False
        except Exception:
            log.exception("key_set_not_loaded", project=project)
            return False
        if self._reported.pop(project, None) is not None:
            log.info("key_set_loaded_again", project=project)
        return True


class Follower:
    """Follows the change sequence by LISTEN and by a poll, on a connection of its own."""

    def __init__(
        self,
        directory: KeyDirectory,
        connect: Callable[[], psycopg.Connection],
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.directory = directory
        self.connect = connect
        self.poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._connection: psycopg.Connection | None = None
        self._thread = threading.Thread(target=self._run, name="key-follower", daemon=True)

    def start(self) -> None:
        """Follow from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop, out of the middle of a wait."""
        self._stop.set()
        connection = self._connection
        if connection is not None and not connection.closed:
            with _wire(connection) as wire:
                _cut(wire)
        self._thread.join(self.poll_seconds + ANSWER_SECONDS)

    def poll(self, connection: psycopg.Connection) -> None:
        """Ask once, and merge what is new."""
        number = read_number(connection)
        if number != self.directory.number:
            # A lower number is a database restored from a backup: read everything again.
            since = self.directory.number if number > self.directory.number else -1
            merge(self.directory, read_changes(connection, since))
        self.directory.contact()

    def _run(self) -> None:
        away = False
        while not self._stop.is_set():
            try:
                with contextlib.closing(self.connect()) as connection:
                    self._connection = connection
                    connection.execute(f"listen {CHANGE_CHANNEL}")
                    if away:
                        log.info("database_followed_again")
                    away = False
                    self._follow(connection)
            except (psycopg.Error, BotoCoreError) as failure:
                if not away and not self._stop.is_set():
                    log.warning("database_not_followed", cause=type(failure).__name__)
                away = True
            except Exception:
                log.exception("database_not_followed")
            self._stop.wait(RETRY_SECONDS)

    def _follow(self, connection: psycopg.Connection) -> None:
        while not self._stop.is_set():
            with _cut_after(connection, ANSWER_SECONDS):
                self.poll(connection)
            for _ in connection.notifies(timeout=self.poll_seconds, stop_after=1):
                pass


def _wire(connection: psycopg.Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def _cut(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _cut_after(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Cut a connection whose server does not answer: libpq itself would wait for ever."""
    with _wire(connection) as wire:
        timer = threading.Timer(seconds, _cut, (wire,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
