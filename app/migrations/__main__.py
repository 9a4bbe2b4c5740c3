"""``python -m app.migrations``: make databases, roles, grants and schemas what this image needs.

Runs before every service starts, so it is quick when there is nothing to do, and safe to run twice
at once. ``--unhurried`` lifts the time limits, for the one-off task that upgrades MLflow.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import psycopg
import sqlalchemy
import structlog

from app.logs import configure_logging
from app.migrations import cluster
from app.settings import HOKUSAI_DATABASE, MLFLOW_DATABASE, MigrateSettings
from app.stores.schema import (
    HOKUSAI_REVISIONS,
    MLFLOW_REVISION,
    SchemaState,
    read_state,
)

DEADLINE_SECONDS: Final = 100
LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "60s"
ADVISORY_LOCK: Final = 0x686F6B75
"""Number of the lock under which migrations run, in the database ``postgres``."""

log = structlog.get_logger()


class MigrationError(Exception):
    """The databases cannot be made what this image needs."""


@dataclass(frozen=True)
class Master:
    """How the master user connects."""

    settings: MigrateSettings
    unhurried: bool = False

    def arguments(self, owner: str | None = None) -> dict[str, Any]:
        """Say how every connection is made; ``owner`` is the role it acts as."""
        options = [] if owner is None else [f"-c role={owner}"]
        if not self.unhurried:
            options += [
                f"-c lock_timeout={LOCK_TIMEOUT}",
                f"-c statement_timeout={STATEMENT_TIMEOUT}",
            ]
        return {
            "host": self.settings.database_host,
            "port": self.settings.database_port,
            "user": self.settings.master_username,
            "password": self.settings.master_password.get_secret_value(),
            "sslmode": "verify-full",
            "sslrootcert": self.settings.database_ca_file,
            "connect_timeout": 10,
            "options": " ".join(options),
        }

    def connect(self, database: str, owner: str | None = None) -> psycopg.Connection:
        """Open a connection in autocommit mode."""
        return psycopg.connect(dbname=database, autocommit=True, **self.arguments(owner))

    def engine(self, database: str, owner: str) -> sqlalchemy.Engine:
        """Make an engine that acts as an owner."""
        arguments = self.arguments(owner)
        return sqlalchemy.create_engine(
            sqlalchemy.URL.create("postgresql+psycopg", database=database),
            connect_args=arguments,
            poolclass=sqlalchemy.NullPool,
        )


@dataclass(frozen=True)
class Found:
    """What the databases look like."""

    hokusai: SchemaState
    mlflow: SchemaState
    granted: bool = False

    @property
    def is_current(self) -> bool:
        """Tell whether nothing is left to do."""
        return (
            self.granted
            and self.hokusai.revision == HOKUSAI_REVISIONS[-1]
            and self.mlflow.revision == MLFLOW_REVISION
            and None not in (self.hokusai.compatible_from, self.mlflow.compatible_from)
        )


def look(master: Master) -> Found:
    """Look at both databases; one that is not there yet has no revision."""
    nothing = SchemaState(None)
    try:
        with master.connect(HOKUSAI_DATABASE, cluster.OWNERS[HOKUSAI_DATABASE]) as connection:
            row = connection.execute(
                "select shobj_description(oid, 'pg_database') from pg_database where datname = %s",
                (HOKUSAI_DATABASE,),
            ).fetchone()
            granted = row is not None and row[0] == f"grants {cluster.fingerprint()}"
            hokusai = read_state(connection)
        with master.connect(MLFLOW_DATABASE, cluster.OWNERS[MLFLOW_DATABASE]) as connection:
            return Found(hokusai, read_state(connection), granted)
    except psycopg.OperationalError as failure:
        # libpq reports a missing database, role or right at connect time without a code of its own.
        text = str(failure)
        if "does not exist" in text or "permission denied" in text:
            return Found(nothing, nothing)
        raise


def migrate(master: Master) -> None:
    """Do what is left to do, once at a time."""
    if look(master).is_current:
        log.info("migrate_up_to_date")
        return
    with _alone(master):
        found = look(master)
        if found.is_current:
            log.info("migrate_up_to_date")
            return
        _migrate(master, found)


def _migrate(master: Master, found: Found) -> None:
    if found.hokusai.is_ahead(HOKUSAI_REVISIONS):
        _check_ahead("hokusai", found.hokusai, HOKUSAI_REVISIONS)
        _migrate_mlflow(master, found)
        return
    with master.connect("postgres") as connection:
        cluster.make_roles(connection)
        cluster.make_databases(connection)
    owner = cluster.OWNERS[HOKUSAI_DATABASE]
    if found.hokusai.revision != HOKUSAI_REVISIONS[-1]:
        from app.migrations import hokusai_schema  # noqa: PLC0415 -- Alembic only when needed

        hokusai_schema.upgrade(master.engine(HOKUSAI_DATABASE, owner))
        log.info("schema_upgraded", database="hokusai", revision=HOKUSAI_REVISIONS[-1])
    _migrate_mlflow(master, found)
    with master.connect(MLFLOW_DATABASE, cluster.OWNERS[MLFLOW_DATABASE]) as connection:
        cluster.grant_mlflow(connection)
    with master.connect(HOKUSAI_DATABASE, owner) as connection:
        cluster.grant_hokusai(connection)
        cluster.remember(connection)


def _migrate_mlflow(master: Master, found: Found) -> None:
    state = found.mlflow
    if state.revision == MLFLOW_REVISION and state.compatible_from is not None:
        return
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when MLflow is imported
    from app.migrations import mlflow_schema  # noqa: PLC0415 -- MLflow only when needed

    if state.revision is not None and state.is_ahead(mlflow_schema.known_revisions()):
        _check_ahead("mlflow", state, mlflow_schema.known_revisions())
        return
    engine = master.engine(MLFLOW_DATABASE, cluster.OWNERS[MLFLOW_DATABASE])
    mlflow_schema.upgrade(engine, empty=state.revision is None)
    log.info("schema_upgraded", database="mlflow", revision=MLFLOW_REVISION)


def _check_ahead(
    database: str, state: SchemaState, known: tuple[str, ...] | frozenset[str]
) -> None:
    if state.compatible_from not in known:
        raise MigrationError(
            f"Database {database} is at revision {state.revision}, newer than this image and not "
            f"compatible with it (compatible from {state.compatible_from}). "
            "Deploy a newer image, or restore the snapshot from before the upgrade."
        )
    log.info("schema_ahead", database=database, revision=state.revision)


@contextlib.contextmanager
def _alone(master: Master) -> Iterator[None]:
    """Hold the advisory lock; it falls with its transaction, whatever happens to this process."""
    with master.connect("postgres") as connection, connection.transaction():
        connection.execute("select set_config('lock_timeout', '0', true)")
        connection.execute("select set_config('statement_timeout', '0', true)")
        connection.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        yield


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    raise MigrationError(
        f"Not finished after {DEADLINE_SECONDS} s; run it as a one-off task with --unhurried."
    )


def main() -> int:
    """Migrate, and say how it went."""
    configure_logging("migrate")
    started = time.perf_counter()
    master = Master(MigrateSettings(), unhurried="--unhurried" in sys.argv[1:])
    if not master.unhurried:
        signal.signal(signal.SIGALRM, _give_up)
        signal.alarm(DEADLINE_SECONDS)
    try:
        migrate(master)
    except (MigrationError, psycopg.Error, sqlalchemy.exc.SQLAlchemyError) as failure:
        log.error("migrate_failed", reason=str(failure), kind=type(failure).__name__)  # noqa: TRY400 -- the reason says it
        return 1
    log.info("migrate_done", seconds=round(time.perf_counter() - started, 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
