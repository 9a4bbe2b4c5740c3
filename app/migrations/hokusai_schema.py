"""Bring the database ``hokusai`` to the newest revision that this code knows."""

from pathlib import Path
from typing import Final

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.stores.tables import schema_compatibility

FOLDER: Final = Path(__file__).parent


def configuration() -> Config:
    """Configure Alembic without a file."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: sqlalchemy.Engine) -> None:
    """Apply what is missing, and record what each revision is compatible with."""
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        for script in ScriptDirectory.from_config(config).walk_revisions():
            record_compatibility(connection, script.revision, script.module.COMPATIBLE_FROM)
        connection.commit()


def record_compatibility(
    connection: sqlalchemy.Connection, revision: str, compatible_from: str
) -> None:
    """Say which is the oldest code that runs on a revision."""
    present = connection.execute(
        sqlalchemy.select(schema_compatibility.c.revision).where(
            schema_compatibility.c.revision == revision
        )
    ).first()
    if present is None:
        connection.execute(
            sqlalchemy.insert(schema_compatibility).values(
                revision=revision, compatible_from=compatible_from
            )
        )
