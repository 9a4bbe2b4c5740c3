"""The tables of the database ``hokusai``; Alembic's revisions make them, these names use them.

``change_sequence`` is one row that every change of what processes hold in memory counts up, last in
its transaction. Its row lock makes the order of the numbers the order of the commits, so a reader
that has seen number N has seen every row that carries N or less.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

CHANGE_CHANNEL: Final = "hokusai_change"
"""Channel of NOTIFY; its payload is the number of the change."""

metadata = MetaData(
    naming_convention={
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_name)s_idx",
        "pk": "%(table_name)s_pkey",
    }
)


def _moment(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


projects = Table(
    "projects",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _moment("deleted_at", nullable=True),
    comment="The tenants; a row stays after deletion, so that no name is used twice.",
)

change_sequence = Table(
    "change_sequence",
    metadata,
    Column("singleton", Boolean, primary_key=True, server_default="true"),
    Column("value", BigInteger, nullable=False),
    CheckConstraint("singleton", name="one_row"),
)

api_key_set = Table(
    "api_key_set",
    metadata,
    Column("project", Text, ForeignKey("projects.name"), primary_key=True),
    Column("version_id", Text),
    Column("sequence", BigInteger, nullable=False, server_default="0"),
    comment="The version of each project's secret that counts; null before the first key.",
)

api_key_set_change = Table(
    "api_key_set_change",
    metadata,
    Column("project", Text, ForeignKey("projects.name"), primary_key=True),
    Column("version_id", Text, primary_key=True),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="Versions written lately, counted against the daily limit.",
)

api_key_revocation = Table(
    "api_key_revocation",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("project", Text, ForeignKey("projects.name"), nullable=False),
    Column("record", JSONB, nullable=False),
    Column("revoked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("revoked_by", Text, nullable=False),
    Column("reason", Text),
    Column("folded", Boolean, nullable=False, server_default="false"),
    Column("sequence", BigInteger, nullable=False),
    Index(None, "sequence"),
    Index(None, "project"),
    comment="Revoked keys with the record they had; folded once the secret lost them.",
)

session_revocation = Table(
    "session_revocation",
    metadata,
    Column("session_id", Text, primary_key=True),
    _moment("expires_at"),
    Column("sequence", BigInteger, nullable=False),
    Index(None, "sequence"),
    comment="Sessions that were signed out before their end.",
)

signing_key_set = Table(
    "signing_key_set",
    metadata,
    Column("singleton", Boolean, primary_key=True, server_default="true"),
    Column("version_id", Text, nullable=False),
    CheckConstraint("singleton", name="one_row"),
    comment="The version of the secret with the private signing keys that counts.",
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _moment("retired_at", nullable=True),
    Column("sequence", BigInteger, nullable=False),
    Column("algorithm", Text, nullable=False, server_default="EdDSA"),
    comment="Public halves of the signing keys; whoever verifies needs nothing else.",
)

schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("revision", Text, primary_key=True),
    Column("compatible_from", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="For each schema revision, the oldest one whose code still runs on it.",
)
