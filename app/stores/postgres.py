"""Connections to PostgreSQL: IAM login, verified TLS, bounded waits."""

import functools
from typing import TYPE_CHECKING, Any, Final

import boto3
import psycopg
import sqlalchemy
from botocore.config import Config
from sqlalchemy import event

from app.errors import DatabaseUnavailableError
from app.settings import (
    API_DATABASE_ROLE,
    MLFLOW_DATABASE,
    MLFLOW_DATABASE_ROLE,
    DatabaseSettings,
)

if TYPE_CHECKING:
    from types_boto3_rds import RDSClient

CONNECT_TIMEOUT_SECONDS: Final = 2
STATEMENT_TIMEOUT_MS: Final = 15_000
POOL_TIMEOUT_SECONDS: Final = 5
UNAVAILABLE: Final = (
    psycopg.OperationalError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)
"""What drivers raise when PostgreSQL is away, does not answer in time or has no connection left."""


def database_role(audience: str) -> str:
    """Name the database role that a service logs in with."""
    return {"api": API_DATABASE_ROLE, "mlflow": MLFLOW_DATABASE_ROLE}[audience]


@functools.cache
def _rds() -> "RDSClient":
    return boto3.client("rds", config=Config(connect_timeout=2, read_timeout=5))


def iam_token(host: str, port: int, user: str) -> str:
    """Sign a login that RDS accepts for 15 minutes; made locally, so one for each connection.

    docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
    """
    return _rds().generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Say how every connection is made, whoever makes it: libpq's own parameters."""
    return {
        "sslmode": "verify-full",
        "sslrootcert": settings.database_ca_file,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": 3000,
        "keepalives": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
    }


def connect(settings: DatabaseSettings, database: str, role: str) -> psycopg.Connection:
    """Open one connection of one's own, outside every pool, in autocommit mode."""
    return psycopg.connect(
        host=settings.database_host,
        port=settings.database_port,
        dbname=database,
        user=role,
        password=iam_token(settings.database_host, settings.database_port, role),
        autocommit=True,
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
        **connect_arguments(settings),
    )


def engine(
    settings: DatabaseSettings,
    database: str,
    role: str,
    *,
    pool_size: int = 4,
    max_overflow: int = 4,
) -> sqlalchemy.Engine:
    """Make a pooled engine that logs in as ``role``; no connection is opened yet."""
    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        username=role,
        host=settings.database_host,
        port=settings.database_port,
        database=database,
    )
    made = sqlalchemy.create_engine(
        url,
        connect_args=connect_arguments(settings)
        | {"options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"},
        pool_pre_ping=True,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_size=pool_size,
        max_overflow=max_overflow,
    )
    event.listen(made, "do_connect", _fresh_password)
    return made


def _fresh_password(
    _dialect: object, _record: object, _args: object, parameters: dict[str, Any]
) -> None:
    parameters["password"] = iam_token(
        parameters["host"], int(parameters["port"]), parameters["user"]
    )


def install_iam_login(settings: DatabaseSettings) -> None:
    """Log every engine of this process in by IAM that connects to our PostgreSQL, MLflow's too."""

    def fresh_password(
        dialect: object, record: object, args: object, parameters: dict[str, Any]
    ) -> None:
        where = (parameters.get("host"), int(parameters.get("port") or 0))
        if where == (settings.database_host, settings.database_port):
            _fresh_password(dialect, record, args, parameters)

    event.listen(sqlalchemy.Engine, "do_connect", fresh_password)


def mlflow_database_uri(settings: DatabaseSettings) -> str:
    """Name MLflow's database for MLflow's own engines; the password comes at each connect."""
    return sqlalchemy.URL.create(
        "postgresql+psycopg",
        username=MLFLOW_DATABASE_ROLE,
        host=settings.database_host,
        port=settings.database_port,
        database=MLFLOW_DATABASE,
        query={name: str(value) for name, value in connect_arguments(settings).items()},
    ).render_as_string(hide_password=False)


def away() -> DatabaseUnavailableError:
    """Say that PostgreSQL does not answer."""
    return DatabaseUnavailableError("The database does not answer.")
