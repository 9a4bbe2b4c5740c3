"""Make MLflow's database, the role that owns it, and the tables; once, however many tasks ask.

The role has no password: whoever holds the task role logs in as it by IAM.
"""

import psycopg
from psycopg import sql

from tracking.login import database_uri, log_in_by_iam
from tracking.settings import ARTIFACT_ROOT, DATABASE, PrepareSettings

IAM_ROLE = "rds_iam"
"""Members log in by IAM; every RDS instance has it."""


def main() -> None:
    """Prepare the server that the environment names."""
    settings = PrepareSettings()
    with psycopg.connect(
        host=settings.database_host,
        port=settings.database_port,
        dbname="postgres",
        user=settings.master_username,
        password=settings.master_password.get_secret_value(),
        autocommit=True,
        connect_timeout=5,
        **settings.tls(),
    ) as master:
        # Two tasks that start together take turns.
        master.execute("select pg_advisory_lock(hashtext('tracking.prepare'))")
        name = sql.Identifier(DATABASE)
        if not _there(master, "pg_roles", "rolname", DATABASE):
            master.execute(sql.SQL("create role {} login").format(name))
        if _there(master, "pg_roles", "rolname", IAM_ROLE):
            master.execute(sql.SQL("grant {} to {}").format(sql.Identifier(IAM_ROLE), name))
        if not _there(master, "pg_database", "datname", DATABASE):
            # A master that is no superuser makes a database for a role that it may become.
            become = sql.SQL("grant {} to current_user with inherit false, set true")
            master.execute(become.format(name))
            master.execute(sql.SQL("create database {} owner {}").format(name, name))
        make_tables(settings)


def make_tables(settings: PrepareSettings) -> None:
    """Let MLflow make its tables where there are none; an upgrade is ``mlflow db upgrade``."""
    from mlflow.store.tracking.sqlalchemy_store import (  # noqa: PLC0415 - slow to import
        SqlAlchemyStore,
    )

    log_in_by_iam(settings)
    SqlAlchemyStore(database_uri(settings), ARTIFACT_ROOT)


def _there(master: psycopg.Connection, table: str, column: str, name: str) -> bool:
    query = sql.SQL("select 1 from {} where {} = %s").format(
        sql.Identifier(table), sql.Identifier(column)
    )
    return master.execute(query, (name,)).fetchone() is not None


if __name__ == "__main__":
    main()
