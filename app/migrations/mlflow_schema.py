"""Bring the database ``mlflow`` to the revision of the MLflow in this image.

MLflow is imported inside the function: it takes seconds, and most starts find nothing to do.
"""

import sqlalchemy

from app.logs import adopt_libraries
from app.migrations.hokusai_schema import record_compatibility
from app.stores.schema import MLFLOW_COMPATIBLE_FROM, MLFLOW_REVISION
from app.stores.tables import schema_compatibility


def upgrade(engine: sqlalchemy.Engine, *, empty: bool) -> None:
    """Make MLflow's tables or apply the steps that are missing."""
    from mlflow.store.db import utils  # noqa: PLC0415 -- see above

    adopt_libraries()
    if empty:
        utils._initialize_tables(engine)  # noqa: SLF001 -- what the stores and 'mlflow db upgrade' call
    else:
        utils._upgrade_db(engine)  # noqa: SLF001 -- the same
    with engine.begin() as connection:
        schema_compatibility.create(connection, checkfirst=True)
        record_compatibility(connection, MLFLOW_REVISION, MLFLOW_COMPATIBLE_FROM)


def known_revisions() -> frozenset[str]:
    """List every revision that this MLflow can upgrade from."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 -- see above
    from mlflow.store.db import utils  # noqa: PLC0415 -- the same

    scripts = ScriptDirectory.from_config(utils._get_alembic_config(""))  # noqa: SLF001 -- its only way
    return frozenset(each.revision for each in scripts.walk_revisions())
