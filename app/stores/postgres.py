"""Connections to PostgreSQL: IAM login, verified TLS, bounded waits."""

import functools
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
import psycopg
import sqlalchemy
from botocore.config import Config
from psycopg.abc import PQGen
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

_Value = TypeVar("_Value")
CONNECT_TIMEOUT_SECONDS: Final = 2
STATEMENT_TIMEOUT_MS: Final = 7_000
ANSWER_SECONDS = 8.0
"""How long a request waits for one answer of PostgreSQL; one that lives gives up sooner itself."""
POOL_TIMEOUT_SECONDS: Final = 5
UNAVAILABLE: Final = (
    psycopg.OperationalError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)
"""What drivers raise when PostgreSQL is away, does not answer in time or has no connection left."""


class BoundedConnection(psycopg.Connection):
    """A connection that is given up when its server has gone silent.

    A server that is stopped, or a host that lost its disk, keeps acknowledging on the level of TCP:
    neither keep-alives nor the server's own time limits notice, and libpq would wait for ever.
    """

    def wait(
        self, gen: PQGen[_Value], interval: float = 0.1, timeout: float | None = None
    ) -> _Value:
        """Wait for an answer, as everything does that this connection is asked for."""
        return super().wait(self._bounded(gen), interval, timeout)

    def _bounded(self, gen: PQGen[_Value]) -> PQGen[_Value]:
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            state = next(gen)
            while True:
                ready = yield state  # nothing is ready when the interval has passed
                if not ready and time.monotonic() > deadline:
                    self.close()
                    raise psycopg.OperationalError("the server does not answer")
                state = gen.send(ready)
        except StopIteration as done:
            value: _Value = done.value
            return value


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

    def connect_bounded(
        dialect: object, record: object, args: object, parameters: dict[str, Any]
    ) -> psycopg.Connection:
        _fresh_password(dialect, record, args, parameters)
        return BoundedConnection.connect(**parameters)

    event.listen(made, "do_connect", connect_bounded)
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
