"""Make and revoke API keys.

A project's keys are one document in Secrets Manager, which has no transactions. So the row of
``api_key_set`` is the commit point: a writer holds it, reads the version that it names, writes a
new one and names that. A version whose commit failed is never named and never read. A revocation
is a row of its own and needs nobody but PostgreSQL.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy
import structlog
from sqlalchemy import delete, func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.auth.errors import RevokedKeyError
from app.auth.follower import secret_name
from app.auth.key_record import KeyDocument, KeyRecord
from app.errors import ConflictError, InvalidContentError, NotFoundError, TooManyError
from app.stores.changes import announce, current_number
from app.stores.secrets import (
    MAX_BYTES,
    VERSIONS_A_DAY,
    Secrets,
    VersionNotFoundError,
)
from app.stores.tables import (
    api_key_revocation,
    api_key_set,
    api_key_set_change,
    projects,
    session_revocation,
)
from app.text import storable

MAX_RECORD_BYTES: Final = 4096
"""What one key may take of its project's document, so that no key keeps the others out."""
FOLDS_A_DAY: Final = 40
"""Changes a day after which revocations wait to be folded in, so that keys can still be made."""
KEEP_EXPIRED_SECONDS: Final = 30 * 24 * 3600
"""How long the document remembers that a key has expired rather than never existed."""
VISIBLE_WITHIN: Final = (0.1, 0.3, 0.6)
"""Waits for a version that another process has just written."""

log = structlog.get_logger()


class KeyChangeLimitError(TooManyError):
    """A project's keys changed too often within a day."""

    code = "key_change_limit"


class KeySetFullError(ConflictError):
    """A project has as many keys as its document holds."""

    code = "key_set_full"


class KnownKeyIdError(ConflictError):
    """The id of a key that was made elsewhere is taken."""

    code = "known_key_id"


class AlreadySetUpError(ConflictError):
    """The project has had its first key."""

    code = "already_set_up"


@dataclass(frozen=True)
class Revocation:
    """A revoked key as it is listed."""

    record: KeyRecord
    revoked_at: datetime
    revoked_by: str
    reason: str | None


class KeyStore:
    """Writes keys; reading them is the directory's."""

    def __init__(
        self,
        engine: sqlalchemy.Engine,
        secrets: Secrets,
        *,
        prefix: str,
        kms_key: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine = engine
        self.secrets = secrets
        self.prefix = prefix
        self.kms_key = kms_key
        self.clock = clock

    def add(
        self,
        record: KeyRecord,
        *,
        made_by: str | None = None,
        only_first: bool = False,
        chosen_id: bool = False,
    ) -> int:
        """Add a key and return the number of the change.

        ``made_by`` is the id of the key that makes it, which must not be revoked by then.
        ``only_first`` refuses a project's second key. ``chosen_id`` says that the id was not drawn
        here, so that every project is asked whether it is taken.
        """
        _check_size(record)
        with self.engine.begin() as connection:
            known = self._known_ids(connection) if chosen_id else frozenset[str]()
            version = self._hold(connection, record.project)
            if only_first and version is not None:
                raise AlreadySetUpError(
                    f"Project {record.project} has had its first key.",
                    fix="Use it to make more, or say --again if it is lost.",
                )
            if record.key_id in known:
                raise KnownKeyIdError(
                    f"There is or was a key {record.key_id}.", fix="Generate another key."
                )
            self._check_changes(connection, record.project)
            number = self._change(
                connection, record.project, version, lambda keys: keys.with_key(record)
            )
            # The number was taken, so each earlier revocation is committed and seen here, and each
            # later one waits for this transaction: nothing comes between this look and the commit.
            if made_by is not None and self._is_revoked(connection, made_by):
                raise RevokedKeyError(
                    "The API key was revoked meanwhile; no key was made.", fix="Ask for a new key."
                )
            return number

    def revoke(self, record: KeyRecord, *, by: str, reason: str | None = None) -> int:
        """Revoke a key and return the number of the change; once more changes nothing.

        It must work for every key that works, so nothing that the record holds can prevent it.
        """
        with self.engine.begin() as connection:
            known = connection.execute(
                select(api_key_revocation.c.sequence).where(
                    api_key_revocation.c.key_id == record.key_id
                )
            ).scalar()
            if known is not None:
                return int(known)
            number = announce(connection)
            connection.execute(
                upsert(api_key_revocation)
                .values(
                    key_id=record.key_id,
                    project=record.project,
                    record=record.storable().to_json(),
                    revoked_by=storable(by),
                    reason=None if reason is None else storable(reason),
                    sequence=number,
                )
                .on_conflict_do_nothing()
            )
            return number

    def revocations(self, project: str) -> list[Revocation]:
        """List the revoked keys of a project."""
        columns = api_key_revocation.c
        query = select(
            columns.key_id, columns.record, columns.revoked_at, columns.revoked_by, columns.reason
        ).where(columns.project == project)
        with self.engine.connect() as connection:
            return [
                Revocation(KeyRecord.read(record, key_id, project), *others)
                for key_id, record, *others in connection.execute(query)
            ]

    def current_number(self) -> int:
        """Read the number of the latest change, to wait until this process has seen it."""
        with self.engine.connect() as connection:
            return current_number(connection)

    def end_session(self, session_id: str, expires_at: float) -> int:
        """Sign a session out; forget those that have ended by themselves."""
        with self.engine.begin() as connection:
            connection.execute(
                delete(session_revocation).where(
                    session_revocation.c.expires_at < func.now() - text("interval '1 hour'")
                )
            )
            number = announce(connection)
            connection.execute(
                upsert(session_revocation)
                .values(
                    session_id=session_id,
                    expires_at=func.to_timestamp(expires_at),
                    sequence=number,
                )
                .on_conflict_do_nothing()
            )
            return number

    def make_project(self, name: str) -> None:
        """Make a project with no keys, where it is not there yet."""
        with self.engine.begin() as connection:
            connection.execute(upsert(projects).values(name=name).on_conflict_do_nothing())
            connection.execute(upsert(api_key_set).values(project=name).on_conflict_do_nothing())

    def fold(self) -> None:
        """Take revoked keys out of the documents, where the daily limit leaves room for it."""
        query = select(api_key_revocation.c.project).where(~api_key_revocation.c.folded).distinct()
        with self.engine.connect() as connection:
            waiting = list(connection.execute(query).scalars())
        for project in waiting:
            with self.engine.begin() as connection:
                version = self._hold(connection, project)
                if version is None or not self._waiting(connection, project):
                    continue  # another task was quicker
                if self._changes(connection, project)[0] < FOLDS_A_DAY:
                    self._change(connection, project, version, lambda keys: keys)
                    log.info("revocations_folded", project=project)

    def _known_ids(self, connection: sqlalchemy.Connection) -> frozenset[str]:
        """Collect the ids of all keys, revoked ones too, while no other can be added.

        It reads every project's document: for an operator's task, not for a request.
        """
        connection.execute(text("set local lock_timeout = '5s'"))
        key_sets = connection.execute(
            select(api_key_set.c.project, api_key_set.c.version_id)
            .order_by(api_key_set.c.project)
            .with_for_update()
        ).all()
        known = set(connection.execute(select(api_key_revocation.c.key_id)).scalars())
        for project, version in key_sets:
            known |= {each.key_id for each in self._read(project, version).records()}
        return frozenset(known)

    def _is_revoked(self, connection: sqlalchemy.Connection, key_id: str) -> bool:
        revoked = api_key_revocation.c.key_id
        return connection.execute(select(revoked).where(revoked == key_id)).first() is not None

    def _hold(self, connection: sqlalchemy.Connection, project: str) -> str | None:
        """Lock a project's row and return the version that it names."""
        connection.execute(text("set local lock_timeout = '5s'"))
        row = connection.execute(
            select(api_key_set.c.version_id)
            .where(api_key_set.c.project == project)
            .with_for_update()
        ).first()
        if row is None:
            raise NotFoundError(f"There is no project {project}.", fix="Check the name.")
        version: str | None = row.version_id
        return version

    def _change(
        self,
        connection: sqlalchemy.Connection,
        project: str,
        version: str | None,
        change: Callable[[KeyDocument], KeyDocument],
    ) -> int:
        waiting = self._waiting(connection, project)
        keys = self._read(project, version).without(
            waiting, expired_before=int(self.clock()) - KEEP_EXPIRED_SECONDS
        )
        new_version = self._write(project, version, change(keys))
        number = announce(connection)
        connection.execute(
            update(api_key_set)
            .where(api_key_set.c.project == project)
            .values(version_id=new_version, sequence=number)
        )
        connection.execute(
            insert(api_key_set_change).values(project=project, version_id=new_version)
        )
        self._mark_folded(connection, waiting)
        return number

    def _waiting(self, connection: sqlalchemy.Connection, project: str) -> list[str]:
        """List revoked keys that the document still holds."""
        revoked = api_key_revocation.c
        query = select(revoked.key_id).where(revoked.project == project, ~revoked.folded)
        return list(connection.execute(query).scalars())

    def _mark_folded(self, connection: sqlalchemy.Connection, key_ids: Iterable[str]) -> None:
        connection.execute(
            update(api_key_revocation)
            .where(api_key_revocation.c.key_id.in_(list(key_ids)))
            .values(folded=True)
        )

    def _read(self, project: str, version: str | None) -> KeyDocument:
        if version is None:
            return KeyDocument(project)
        name = secret_name(self.prefix, project)
        for wait in VISIBLE_WITHIN:
            try:
                return KeyDocument.parse(project, self.secrets.read(name, version))
            except VersionNotFoundError:
                time.sleep(wait)
        return KeyDocument.parse(project, self.secrets.read(name, version))

    def _write(self, project: str, version: str | None, keys: KeyDocument) -> str:
        document = keys.text()
        if len(document.encode()) > MAX_BYTES:
            raise KeySetFullError(
                f"The {len(keys.keys)} keys of project {project} would take "
                f"{len(document.encode())} bytes with this one, and {MAX_BYTES} fit.",
                fix="Revoke keys that are no longer used, the ones with many resources first.",
            )
        name = secret_name(self.prefix, project)
        if version is None:
            tags = {"hokusai:project": project}
            return self.secrets.create(name, kms_key=self.kms_key, tags=tags, text=document)
        return self.secrets.write(name, document)

    def _changes(self, connection: sqlalchemy.Connection, project: str) -> tuple[int, float]:
        """Count the changes of the last 24 hours; say in how many seconds the oldest drops out."""
        changed = api_key_set_change.c
        day = text("interval '1 day'")
        connection.execute(
            delete(api_key_set_change).where(
                changed.project == project, changed.changed_at < func.now() - day
            )
        )
        age = func.extract("epoch", func.now() - func.min(changed.changed_at))
        count, oldest = connection.execute(
            select(func.count(), func.coalesce(age, literal(0))).where(changed.project == project)
        ).one()
        return int(count), 24 * 3600 - float(oldest)

    def _check_changes(self, connection: sqlalchemy.Connection, project: str) -> None:
        count, seconds = self._changes(connection, project)
        if count >= VERSIONS_A_DAY:
            raise KeyChangeLimitError(
                f"The keys of project {project} changed {count} times within a day, "
                "which is the limit; revoking still works.",
                fix="Make keys that live longer, or try again later.",
                headers={"Retry-After": str(max(1, int(seconds)))},
            )


def _check_size(record: KeyRecord) -> None:
    size = len(KeyDocument(record.project).with_key(record).text().encode())
    if size > MAX_RECORD_BYTES:
        raise InvalidContentError(
            f"The key would take {size} bytes as it is stored, and {MAX_RECORD_BYTES} are allowed.",
            fix="Name fewer or shorter resources; model:<beginning>* covers many models.",
        )
