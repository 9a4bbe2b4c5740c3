"""${message}."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = ${repr(up_revision)}
down_revision: Final = ${repr(down_revision)}
COMPATIBLE_FROM: Final = ${repr(up_revision)}
"""Oldest revision whose code runs on this schema; lower it once that was tried."""


def upgrade() -> None:
    """Expand the schema."""
    ${upgrades if upgrades else "raise NotImplementedError"}
