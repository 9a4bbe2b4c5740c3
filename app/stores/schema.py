"""Which schema this code needs, and whether the one it meets will do.

Old code runs on a newer schema as long as the newer one says so: each revision records
``compatible_from``, the oldest revision whose code still works on it. Code that meets an older
schema than its own never runs.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import psycopg
import sqlalchemy

HOKUSAI_REVISIONS: Final = ("0001",)
"""Revisions of the database ``hokusai`` that this code knows, oldest first; the last is its own."""
MLFLOW_REVISION: Final = "dc11669786a5"
"""Head of MLflow's own revisions in the release this code is built with."""
MLFLOW_COMPATIBLE_FROM: Final = MLFLOW_REVISION
"""Oldest MLflow revision whose code was tried on ``MLFLOW_REVISION``."""

STATE: Final = """
select v.version_num, c.compatible_from
from alembic_version v left join schema_compatibility c on c.revision = v.version_num
"""


class SchemaError(Exception):
    """The schema of a database does not fit this code."""


@dataclass(frozen=True)
class SchemaState:
    """What a database says about its schema."""

    revision: str | None
    compatible_from: str | None = None

    def runs(self, own: str, known: Collection[str]) -> bool:
        """Tell whether code whose newest revision is ``own`` may run on this schema."""
        return self.revision == own or (self.is_ahead(known) and self.compatible_from in known)

    def is_ahead(self, known: Collection[str]) -> bool:
        """Tell whether the schema was made by newer code than one that knows ``known``."""
        return self.revision is not None and self.revision not in known


def read_state(connection: psycopg.Connection | sqlalchemy.Connection) -> SchemaState:
    """Ask a database for its revision; an empty one has none."""
    try:
        if isinstance(connection, psycopg.Connection):
            row = connection.execute(STATE).fetchone()
        else:
            row = connection.execute(sqlalchemy.text(STATE)).first()
    except (psycopg.errors.UndefinedTable, sqlalchemy.exc.ProgrammingError):
        return SchemaState(None)
    return SchemaState(*row) if row else SchemaState(None)


def verify_hokusai(connection: psycopg.Connection | sqlalchemy.Connection) -> None:
    """Refuse a ``hokusai`` database that this code cannot run on."""
    _verify(read_state(connection), "hokusai", HOKUSAI_REVISIONS[-1], HOKUSAI_REVISIONS)


def verify_mlflow(
    connection: psycopg.Connection | sqlalchemy.Connection, known: Collection[str] = ()
) -> None:
    """Refuse an ``mlflow`` database that this MLflow cannot run on.

    ``known`` are MLflow's own revisions, oldest first, where the caller has them at hand.
    """
    _verify(read_state(connection), "mlflow", MLFLOW_REVISION, {MLFLOW_REVISION, *known})


def _verify(state: SchemaState, database: str, own: str, known: Collection[str]) -> None:
    if not state.runs(own, known):
        raise SchemaError(
            f"The schema of database {database} is at revision {state.revision}, compatible from "
            f"{state.compatible_from}; this code needs {own}."
        )
