"""Against a real PostgreSQL with a master user as RDS makes it."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.migrations import cluster, hokusai_schema, mlflow_schema
from app.migrations.__main__ import Master, MigrationError, migrate
from app.stores import postgres, schema
from app.stores.tables import metadata
from hokusai_infra.local.parts.certificates import Certificates
from tests.app.core.parts import Backend

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("core-migrations")]


@pytest.fixture(scope="module")
def migrated(backend: Backend) -> Backend:
    """Both databases, made by two processes that start at once on an empty cluster."""
    backend.clear()
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: run(backend), range(2)))
    assert [each.returncode for each in runs] == [0, 0], runs
    return backend


SOON = """
import sys
from app.migrations import __main__ as program
program.LOCK_TIMEOUT = "300ms"
sys.exit(program.main())
"""


def run(backend: Backend, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = backend.migrate_settings()
    environment = os.environ | {
        "HOKUSAI_ENVIRONMENT": "local",
        "HOKUSAI_DATABASE_HOST": settings.database_host,
        "HOKUSAI_DATABASE_PORT": str(settings.database_port),
        "HOKUSAI_DATABASE_CA_FILE": settings.database_ca_file,
        "HOKUSAI_MASTER_USERNAME": settings.master_username,
        "HOKUSAI_MASTER_PASSWORD": settings.master_password.get_secret_value(),
    }
    return subprocess.run(
        [sys.executable, *(arguments or ("-m", "app.migrations"))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_two_at_once_make_everything_and_a_third_finds_nothing_to_do(migrated: Backend) -> None:
    assert migrated.sql("select name from projects") == [("main",)]
    again = run(migrated)
    assert again.returncode == 0
    assert "migrate_up_to_date" in again.stdout
    assert "schema_upgraded" not in again.stdout


def test_the_migrated_database_has_the_tables_that_the_code_uses(migrated: Backend) -> None:
    master = Master(migrated.migrate_settings())
    with master.engine("hokusai", "hokusai_owner").connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_table_has_its_grants() -> None:
    ours = {"alembic_version", *metadata.tables}
    assert set(cluster.HOKUSAI_GRANTS) == ours


def test_the_revisions_that_the_code_names_are_those_that_exist() -> None:
    scripts = ScriptDirectory.from_config(hokusai_schema.configuration())
    found = [each.revision for each in scripts.walk_revisions()]
    assert tuple(reversed(found)) == schema.HOKUSAI_REVISIONS
    for each in scripts.walk_revisions():
        assert each.module.COMPATIBLE_FROM in schema.HOKUSAI_REVISIONS


def test_the_mlflow_revision_is_the_head_of_the_installed_mlflow() -> None:
    from mlflow.store.db.utils import _get_latest_schema_revision  # noqa: PLC0415 -- slow

    assert _get_latest_schema_revision() == schema.MLFLOW_REVISION
    assert schema.MLFLOW_REVISION in mlflow_schema.known_revisions()


def test_migrate_neither_imports_the_web_application_nor_mlflow() -> None:
    code = (
        "import sys, app.migrations.__main__, app.migrations.hokusai_schema\n"
        "print([m for m in ('fastapi', 'starlette', 'uvicorn', 'mlflow', 'boto3')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def denied(backend: Backend, role: str, database: str, statement: str) -> bool:
    settings = backend.api_settings()
    with postgres.connect(settings, database, role) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
        return False


@pytest.mark.parametrize(
    ("role", "database", "statement"),
    [
        ("hokusai_api", "hokusai", "create table x (y int)"),
        ("hokusai_api", "hokusai", "create schema x"),
        ("hokusai_api", "hokusai", "create temp table x (y int)"),
        ("hokusai_api", "hokusai", "alter table projects add x int"),
        ("hokusai_api", "hokusai", "drop table projects"),
        ("hokusai_api", "hokusai", "delete from projects"),
        ("hokusai_api", "hokusai", "delete from api_key_revocation"),
        ("hokusai_api", "hokusai", "update alembic_version set version_num = 'x'"),
        ("hokusai_api", "hokusai", "set role hokusai_owner"),
        ("hokusai_mlflow", "hokusai", "create table x (y int)"),
        ("hokusai_mlflow", "hokusai", "update change_sequence set value = 0"),
        ("hokusai_mlflow", "hokusai", "update api_key_set set version_id = 'x'"),
        ("hokusai_mlflow", "hokusai", "delete from api_key_revocation"),
        ("hokusai_mlflow", "hokusai", "delete from session_revocation"),
        ("hokusai_mlflow", "hokusai", "update signing_keys set public_key = 'x'"),
        ("hokusai_mlflow", "hokusai", "select * from signing_key_set"),
        ("hokusai_mlflow", "hokusai", "insert into projects (name) values ('x')"),
        ("hokusai_mlflow", "mlflow", "create table x (y int)"),
        ("hokusai_mlflow", "mlflow", "drop table runs"),
        ("hokusai_mlflow", "mlflow", "alter table runs add x int"),
        ("hokusai_mlflow", "mlflow", "update alembic_version set version_num = 'x'"),
        ("hokusai_mlflow", "mlflow", "set role mlflow_owner"),
    ],
)
def test_a_service_may_not(migrated: Backend, role: str, database: str, statement: str) -> None:
    assert denied(migrated, role, database, statement)


@pytest.mark.parametrize(
    ("role", "database", "statement"),
    [
        ("hokusai_api", "hokusai", "update change_sequence set value = value"),
        ("hokusai_api", "hokusai", "listen hokusai_change"),
        ("hokusai_mlflow", "hokusai", "listen hokusai_change"),
        ("hokusai_mlflow", "hokusai", "select * from api_key_revocation, session_revocation"),
        ("hokusai_mlflow", "hokusai", "select * from projects, signing_keys, api_key_set"),
        ("hokusai_mlflow", "mlflow", "delete from runs"),
        ("hokusai_mlflow", "mlflow", "update experiments set name = name"),
    ],
)
def test_a_service_may(migrated: Backend, role: str, database: str, statement: str) -> None:
    assert not denied(migrated, role, database, statement)


def test_the_api_cannot_enter_the_database_of_mlflow(migrated: Backend) -> None:
    settings = migrated.api_settings()
    with pytest.raises(psycopg.OperationalError, match="CONNECT privilege"):
        postgres.connect(settings, "mlflow", "hokusai_api")


def test_services_log_in_by_iam_and_the_master_does_not(migrated: Backend) -> None:
    members = migrated.sql(
        "select r.rolname, m.inherit_option from pg_auth_members m"
        " join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member"
        " where g.rolname = 'rds_iam' order by 1"
    )
    assert members == [("hokusai_api", True), ("hokusai_mlflow", True), ("master", False)]
    assert (
        migrated.sql("select rolname from pg_roles where rolname ~ 'owner' and rolcanlogin") == []
    )


def test_a_newer_schema_is_left_alone_when_it_says_that_this_code_runs_on_it(
    migrated: Backend,
) -> None:
    master = Master(migrated.migrate_settings())
    migrated.sql("update alembic_version set version_num = '9999'")
    try:
        with pytest.raises(MigrationError, match="newer than this image"):
            migrate(master)
        with (
            postgres.connect(migrated.api_settings(), "hokusai", "hokusai_api") as connection,
            pytest.raises(schema.SchemaError, match="9999"),
        ):
            schema.verify_hokusai(connection)
        migrated.sql("insert into schema_compatibility values ('9999', '0001')")
        migrate(master)
        with postgres.connect(migrated.api_settings(), "hokusai", "hokusai_api") as connection:
            schema.verify_hokusai(connection)
        assert migrated.sql("select version_num from alembic_version") == [("9999",)]
    finally:
        migrated.sql("update alembic_version set version_num = '0001'")
        migrated.sql("delete from schema_compatibility where revision = '9999'")


def test_a_newer_mlflow_schema_is_judged_by_the_same_rule(migrated: Backend) -> None:
    master = Master(migrated.migrate_settings())
    migrated.sql("update alembic_version set version_num = 'f00'", "mlflow")
    try:
        with pytest.raises(MigrationError, match="mlflow is at revision f00"):
            migrate(master)
        migrated.sql(
            "insert into schema_compatibility"
            " select 'f00', revision from schema_compatibility limit 1",
            "mlflow",
        )
        migrate(master)
        with postgres.connect(migrated.api_settings(), "mlflow", "hokusai_mlflow") as connection:
            schema.verify_mlflow(connection)
    finally:
        migrated.sql("delete from schema_compatibility where revision = 'f00'", "mlflow")
        migrated.sql(
            "update alembic_version set version_num = (select revision from schema_compatibility)",
            "mlflow",
        )


def test_a_lost_grant_comes_back_when_what_is_granted_changes(migrated: Backend) -> None:
    migrated.sql("revoke all on table projects from hokusai_api")
    migrated.sql("comment on database hokusai is 'grants of another image'")
    migrate(Master(migrated.migrate_settings()))
    assert not denied(migrated, "hokusai_api", "hokusai", "select * from projects")


def test_a_lock_that_is_held_makes_migrate_fail_instead_of_hang(migrated: Backend) -> None:
    migrated.sql("comment on database hokusai is 'grants of another image'")
    release = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with migrated.postgres.connect("hokusai") as connection:
            connection.execute("lock table projects in access exclusive mode")
            held.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        done = run(migrated, "-c", SOON)
    finally:
        release.set()
        holder.join()
    assert done.returncode == 1
    assert "migrate_failed" in done.stdout
    assert "lock timeout" in done.stdout
    migrate(Master(migrated.migrate_settings()))


def test_a_server_that_our_authority_did_not_sign_is_never_talked_to(
    migrated: Backend, tmp_path: Path
) -> None:
    other = Certificates(folder=tmp_path / "ca")
    other.prepare()
    foreign = {"database_ca_file": str(other.ca_file)}
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        migrate(Master(migrated.migrate_settings().model_copy(update=foreign)))
    settings = migrated.api_settings(database_ca_file=str(other.ca_file))
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        postgres.connect(settings, "hokusai", "hokusai_api")
    with (
        pytest.raises(sqlalchemy.exc.OperationalError, match="certificate verify failed"),
        sqlalchemy.create_engine(postgres.mlflow_database_uri(settings)).connect(),
    ):
        pass
