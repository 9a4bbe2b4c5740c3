"""The change sequence: how a process learns that something it holds in memory is no longer true."""

from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import func, select, update

from app.stores.tables import CHANGE_CHANNEL, change_sequence


def announce(connection: sqlalchemy.Connection) -> int:
    """Take the next number, and tell every process once this transaction is committed.

    Call it late in a transaction and never before waiting for AWS: everyone else who announces
    waits for this one's commit.
    """
    number = connection.execute(
        update(change_sequence)
        .values(value=change_sequence.c.value + 1)
        .returning(change_sequence.c.value)
    ).scalar_one()
    connection.execute(select(func.pg_notify(CHANGE_CHANNEL, str(number))))
    return int(number)


def current_number(connection: sqlalchemy.Connection) -> int:
    """Read the number of the latest committed change."""
    return int(connection.execute(select(change_sequence.c.value)).scalar_one())


@dataclass(frozen=True)
class Changes:
    """Rows that a reader has not seen yet."""

    number: int
    revoked: list[tuple[str, str, dict[str, Any]]]
    """Key id, project, and the record the key had."""
    ended_sessions: list[tuple[str, float]]
    """Session id and the end it would have had, in seconds since the epoch."""
    signing_keys: list[tuple[str, str, bool]]
    """Key id, PEM of the public key, and whether it is retired."""
    key_sets: list[tuple[str, str]]
    """Project and the version of its secret."""


def read_number(connection: psycopg.Connection) -> int:
    """Read the number of the latest committed change on a connection of one's own."""
    row = connection.execute("select value from change_sequence").fetchone()
    if row is None:
        raise psycopg.DataError("the table change_sequence is empty")
    return int(row[0])


def read_changes(connection: psycopg.Connection, since: int) -> Changes:
    """Read everything that carries a higher number than ``since``.

    The number is read first: a row committed in between is read now and once more next time.
    """
    number = read_number(connection)

    def rows(query: str) -> list[Any]:
        return connection.execute(query, (since,)).fetchall()

    return Changes(
        number=number,
        revoked=rows("select key_id, project, record from api_key_revocation where sequence > %s"),
        ended_sessions=rows(
            "select session_id, extract(epoch from expires_at)::float8"
            " from session_revocation where sequence > %s and expires_at > now()"
        ),
        signing_keys=rows(
            "select kid, public_key, retired_at is not null from signing_keys where sequence > %s"
        ),
        key_sets=rows(
            "select project, version_id from api_key_set"
            " where sequence > %s and version_id is not null"
        ),
    )
