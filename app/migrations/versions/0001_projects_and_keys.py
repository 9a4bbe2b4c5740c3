"""Projects, key sets, revocations, signing keys and the change sequence."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: Final = "0001"
down_revision: Final = None
COMPATIBLE_FROM: Final = "0001"
"""Oldest revision whose code runs on this schema."""


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _project(*, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(
        "project", sa.Text, sa.ForeignKey("projects.name"), nullable=False, primary_key=primary_key
    )


def upgrade() -> None:
    """Make the tables and the first project."""
    op.create_table(
        "schema_compatibility",
        sa.Column("revision", sa.Text, primary_key=True),
        sa.Column("compatible_from", sa.Text, nullable=False),
        _now("recorded_at"),
        comment="For each schema revision, the oldest one whose code still runs on it.",
    )
    op.create_table(
        "projects",
        sa.Column("name", sa.Text, primary_key=True),
        _now("created_at"),
        _moment("deleted_at", nullable=True),
        comment="The tenants; a row stays after deletion, so that no name is used twice.",
    )
    op.create_table(
        "change_sequence",
        sa.Column("singleton", sa.Boolean, primary_key=True, server_default="true"),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.CheckConstraint("singleton", name="one_row"),
    )
    op.create_table(
        "api_key_set",
        _project(primary_key=True),
        sa.Column("version_id", sa.Text),
        sa.Column("sequence", sa.BigInteger, nullable=False, server_default="0"),
        comment="The version of each project's secret that counts; null before the first key.",
    )
    op.create_table(
        "api_key_set_change",
        _project(primary_key=True),
        sa.Column("version_id", sa.Text, primary_key=True),
        _now("changed_at"),
        comment="Versions written lately, counted against the daily limit.",
    )
    op.create_table(
        "api_key_revocation",
        sa.Column("key_id", sa.Text, primary_key=True),
        _project(),
        sa.Column("record", JSONB, nullable=False),
        _now("revoked_at"),
        sa.Column("revoked_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("folded", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Index(None, "sequence"),
        sa.Index(None, "project"),
        comment="Revoked keys with the record they had; folded once the secret lost them.",
    )
    op.create_table(
        "session_revocation",
        sa.Column("session_id", sa.Text, primary_key=True),
        _moment("expires_at"),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Index(None, "sequence"),
        comment="Sessions that were signed out before their end.",
    )
    op.create_table(
        "signing_key_set",
        sa.Column("singleton", sa.Boolean, primary_key=True, server_default="true"),
        sa.Column("version_id", sa.Text, nullable=False),
        sa.CheckConstraint("singleton", name="one_row"),
        comment="The version of the secret with the private signing keys that counts.",
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("algorithm", sa.Text, nullable=False, server_default="EdDSA"),
        sa.Column("public_key", sa.Text, nullable=False),
        _now("published_at"),
        _moment("retired_at", nullable=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        comment="Public halves of the signing keys; whoever verifies needs nothing else.",
    )
    op.execute("insert into change_sequence (value) values (0)")
    op.execute("insert into projects (name) values ('main')")
    op.execute("insert into api_key_set (project) values ('main')")
