import os
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psycopg
import pytest

from hokusai_infra.local.leftovers import start_time
from hokusai_infra.local.parts.postgres import Postgres
from hokusai_infra.local.state import StackError
from tests.local.parts.running import MASTER, Child, Parts


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Postgres:
    folder = tmp_path_factory.mktemp("cluster") / "postgres"
    postgres = Postgres(folder=folder, master_username=MASTER, master_password=secrets.token_hex())
    postgres.prepare()
    return postgres


def test_the_socket_path_is_longer_than_a_socket_address_may_be(parts: Parts) -> None:
    assert len(str(parts.postgres.folder / ".s.PGSQL.5432")) > 107
    assert (parts.postgres.folder.stat().st_mode & 0o777) == 0o700


def test_nothing_listens_on_tcp(parts: Parts) -> None:
    with parts.postgres.connect() as database:
        assert database.execute("SHOW listen_addresses").fetchone() == ("",)


def test_the_master_user_is_what_rds_gives(parts: Parts) -> None:
    with parts.postgres.connect() as database:
        role = database.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,"
            " rolpassword LIKE 'SCRAM-SHA-256$%%' FROM pg_authid WHERE rolname = %s",
            (MASTER,),
        ).fetchone()
        assert role == (False, True, True, False, False, True)
        memberships = database.execute(
            "SELECT roleid::regrole::text, admin_option, inherit_option, set_option"
            " FROM pg_auth_members WHERE member = %s::regrole AND roleid = 'rds_iam'::regrole",
            (MASTER,),
        ).fetchall()
        assert memberships == [("rds_iam", True, False, False)]


def test_committed_rows_survive_a_kill(cluster: Postgres, tmp_path: Path) -> None:
    server = Child(cluster.process(), tmp_path)
    server.start()
    with cluster.connect() as database:
        database.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.kill()
    cluster.prepare()
    server.start()
    with cluster.connect() as database:
        assert database.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert server.stop() < 2, "SIGINT must not wait for clients"
        with pytest.raises(psycopg.OperationalError):
            database.execute("SELECT 1")


def test_a_lock_that_another_process_number_holds_is_no_obstacle(
    cluster: Postgres, tmp_path: Path
) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        (cluster.folder / "postmaster.pid").write_text(
            f"{stranger.pid}\n{cluster.folder}\n0\n5432\n"
        )
        try:
            cluster.prepare()
            server = Child(cluster.process(), tmp_path)
            server.start()
            server.stop()
        finally:
            stranger.kill()


def test_it_ends_when_its_supervisor_is_killed(cluster: Postgres, tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import pathlib, subprocess, sys, time
        from hokusai_infra.local.parts.postgres import Postgres
        cluster = Postgres(
            folder=pathlib.Path(sys.argv[1]), master_username="m", master_password="unused"
        )
        spec = cluster.process()
        child = subprocess.Popen(
            spec.argv, env=dict(spec.env), cwd=spec.cwd, preexec_fn=spec.preexec(),
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        print(child.pid, flush=True)
        time.sleep(60)
    """)
    cluster.prepare()
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, str(cluster.folder)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    server = int(supervisor.stdout.readline())
    Child(cluster.process(), tmp_path, supervisor).wait()  # type: ignore[arg-type] # text or bytes
    supervisor.send_signal(signal.SIGKILL)
    supervisor.communicate()
    until = time.monotonic() + 5
    while start_time(server) is not None and time.monotonic() < until:
        time.sleep(0.02)
    if start_time(server) is not None:
        os.kill(server, signal.SIGINT)
        pytest.fail("PostgreSQL outlived its supervisor")


def test_a_folder_of_another_major_version_is_refused(cluster: Postgres, tmp_path: Path) -> None:
    other = Postgres(
        folder=tmp_path / "postgres", master_username=MASTER, master_password=secrets.token_hex()
    )
    shutil.copytree(cluster.folder, other.folder, ignore=shutil.ignore_patterns(".s.*"))
    (other.folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(StackError, match="was made by PostgreSQL 16"):
        other.prepare()
