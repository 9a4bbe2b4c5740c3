"""The databases, their owners, and the roles that the services log in with.

Written for a master user as RDS makes it: CREATEDB and CREATEROLE, no superuser. Since PostgreSQL
16 such a user holds nothing of the roles it makes but the right to grant them, so it first grants
itself SET on an owner before it makes a database for it.
"""

import hashlib
import json
from typing import Final

import psycopg
from psycopg import sql

from app.settings import (
    API_DATABASE_ROLE,
    HOKUSAI_DATABASE,
    MLFLOW_DATABASE,
    MLFLOW_DATABASE_ROLE,
)

OWNERS: Final = {HOKUSAI_DATABASE: "hokusai_owner", MLFLOW_DATABASE: "mlflow_owner"}
"""Owner of each database: cannot log in, holds the right to change the schema."""
MAY_CONNECT: Final = {
    HOKUSAI_DATABASE: (API_DATABASE_ROLE, MLFLOW_DATABASE_ROLE),
    MLFLOW_DATABASE: (MLFLOW_DATABASE_ROLE,),
}
IAM_ROLE: Final = "rds_iam"
"""Members log in by IAM; every RDS instance has it."""
_READ: Final = "select"
_ADD: Final = "select, insert"
_KEEP: Final = "select, insert, update"
_PURGE: Final = "select, insert, delete"
HOKUSAI_GRANTS: Final[dict[str, dict[str, str]]] = {
    "alembic_version": {API_DATABASE_ROLE: _READ, MLFLOW_DATABASE_ROLE: _READ},
    "api_key_revocation": {API_DATABASE_ROLE: _KEEP, MLFLOW_DATABASE_ROLE: _READ},
    "api_key_set": {API_DATABASE_ROLE: _KEEP, MLFLOW_DATABASE_ROLE: _READ},
    "api_key_set_change": {API_DATABASE_ROLE: _PURGE},
    "change_sequence": {API_DATABASE_ROLE: "select, update", MLFLOW_DATABASE_ROLE: _READ},
    "projects": {API_DATABASE_ROLE: _KEEP, MLFLOW_DATABASE_ROLE: _READ},
    "schema_compatibility": {API_DATABASE_ROLE: _READ, MLFLOW_DATABASE_ROLE: _READ},
    "session_revocation": {API_DATABASE_ROLE: _PURGE, MLFLOW_DATABASE_ROLE: _READ},
    "signing_key_set": {API_DATABASE_ROLE: _KEEP},
    "signing_keys": {API_DATABASE_ROLE: _KEEP, MLFLOW_DATABASE_ROLE: _READ},
}
"""Table of the database ``hokusai`` → role → what it may do; nothing else is granted there."""
READ_ONLY_IN_MLFLOW: Final = ("alembic_version", "schema_compatibility")


def fingerprint() -> str:
    """Summarise what this module would grant, to see at a glance whether it was granted."""
    content = [OWNERS, MAY_CONNECT, IAM_ROLE, HOKUSAI_GRANTS, READ_ONLY_IN_MLFLOW, 1]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def make_roles(master: psycopg.Connection) -> None:
    """Make owners and service roles, and let the services log in by IAM."""
    present = {name for (name,) in master.execute("select rolname from pg_roles")}
    for owner in OWNERS.values():
        if owner not in present:
            _run(master, "create role {} nologin", owner)
        if not _holds(master, "select pg_has_role(current_user, %s, 'set')", owner):
            _run(master, "grant {} to current_user with inherit false, set true", owner)
    for role in (API_DATABASE_ROLE, MLFLOW_DATABASE_ROLE):
        if role not in present:
            _run(master, "create role {} login", role)
        if IAM_ROLE in present and not _is_member(master, role):
            _run(master, "grant {} to {}", IAM_ROLE, role)


def make_databases(master: psycopg.Connection) -> None:
    """Make each database with its owner and close it to everyone else."""
    present = {name for (name,) in master.execute("select datname from pg_database")}
    (user,) = master.execute("select current_user").fetchone() or ("",)
    for database, owner in OWNERS.items():
        if database not in present:
            _run(master, "create database {} owner {}", database, owner)
        _run(master, "set role {}", owner)
        _run(master, "revoke all on database {} from public", database)
        for role in (user, *MAY_CONNECT[database]):
            _run(master, "grant connect on database {} to {}", database, role)
        master.execute("reset role")


def grant_hokusai(owner: psycopg.Connection) -> None:
    """Grant the services what they may do in our tables."""
    for table, roles in sorted(HOKUSAI_GRANTS.items()):
        for role in (API_DATABASE_ROLE, MLFLOW_DATABASE_ROLE):
            _run(owner, "revoke all on table {} from {}", table, role)
        for role, privileges in roles.items():
            _run(owner, f"grant {privileges} on table {{}} to {{}}", table, role)


def grant_mlflow(owner: psycopg.Connection) -> None:
    """Let the MLflow server read and write rows of MLflow's tables, now and after upgrades."""
    role = MLFLOW_DATABASE_ROLE
    rows = "select, insert, update, delete"
    _run(owner, f"grant {rows} on all tables in schema public to {{}}", role)
    _run(owner, "grant usage, select on all sequences in schema public to {}", role)
    _run(owner, f"alter default privileges in schema public grant {rows} on tables to {{}}", role)
    _run(
        owner,
        "alter default privileges in schema public grant usage, select on sequences to {}",
        role,
    )
    for table in READ_ONLY_IN_MLFLOW:
        _run(owner, "revoke insert, update, delete on table {} from {}", table, role)


def remember(owner: psycopg.Connection) -> None:
    """Note what was granted, as the comment of the database."""
    statement = sql.SQL("comment on database {} is {}").format(
        sql.Identifier(HOKUSAI_DATABASE), sql.Literal(f"grants {fingerprint()}")
    )
    owner.execute(statement)


def _run(connection: psycopg.Connection, statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _holds(connection: psycopg.Connection, question: str, role: str) -> bool:
    row = connection.execute(question, (role,)).fetchone()
    return bool(row and row[0])


def _is_member(connection: psycopg.Connection, role: str) -> bool:
    return (
        connection.execute(
            "select 1 from pg_auth_members m join pg_roles g on g.oid = m.roleid"
            " join pg_roles r on r.oid = m.member where g.rolname = %s and r.rolname = %s",
            (IAM_ROLE, role),
        ).fetchone()
        is not None
    )
