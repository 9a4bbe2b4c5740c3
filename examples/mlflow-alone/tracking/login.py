"""Log in to PostgreSQL by IAM, so that there is no password that rotates."""

from typing import Any

import boto3
import sqlalchemy
from sqlalchemy import event

from tracking.settings import DATABASE, DatabaseSettings


def log_in_by_iam(settings: DatabaseSettings) -> None:
    """Sign a token for each new connection; RDS accepts one for 15 minutes.

    docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
    """
    rds = boto3.client("rds")

    def fresh(_dialect: object, _record: object, _args: object, wanted: dict[str, Any]) -> None:
        if wanted.get("host") == settings.database_host:
            wanted["password"] = rds.generate_db_auth_token(
                DBHostname=settings.database_host,
                Port=settings.database_port,
                DBUsername=DATABASE,
            )

    event.listen(sqlalchemy.Engine, "do_connect", fresh)


def database_uri(settings: DatabaseSettings) -> str:
    """Name MLflow's database for MLflow's own engines; the password comes at each connect."""
    return sqlalchemy.URL.create(
        "postgresql+psycopg",
        username=DATABASE,
        host=settings.database_host,
        port=settings.database_port,
        database=DATABASE,
        query=settings.tls(),
    ).render_as_string(hide_password=False)
