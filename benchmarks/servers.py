"""The servers that are compared, each one process, all on one PostgreSQL."""

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psycopg
import sqlalchemy

from hokusai_infra.local.parts.postgres import SUPERUSER, Postgres
from hokusai_infra.local.process import NotReadyError

HERE: Final = Path(__file__).parent
PASSWORD: Final = "correct-horse-battery"  # noqa: S105 -- of a server that lives for minutes
AWS: Final = {
    "AWS_ACCESS_KEY_ID": "unused",
    "AWS_SECRET_ACCESS_KEY": "unused",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Server:
    """A running MLflow."""

    name: str
    port: int
    authorization: str | None

    def post(self, path: str, body: dict[str, object]) -> dict[str, dict[str, dict[str, str]]]:
        """Prepare something to measure."""
        headers = {} if self.authorization is None else {"Authorization": self.authorization}
        url = f"http://127.0.0.1:{self.port}/api/2.0/mlflow/{path}"
        response = httpx.post(url, json=body, headers=headers, timeout=60)
        response.raise_for_status()
        found: dict[str, dict[str, dict[str, str]]] = response.json()
        return found


@contextlib.contextmanager
def postgres() -> Iterator[Path]:
    """Run a fresh PostgreSQL and yield the folder of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="hb-"))
    folder.chmod(0o755)
    part = Postgres(folder=folder / "pg", master_username="master", master_password="unused")  # noqa: S106 -- nobody logs in with it
    part.prepare()
    spec = part.process()
    process = subprocess.Popen(
        spec.argv, env=dict(spec.env), cwd=spec.cwd, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(NotReadyError):
                asyncio.run(spec.ready())
                break
            time.sleep(0.05)
        yield folder / "pg"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def make_database(host: Path, name: str) -> str:
    """Make a database with MLflow's tables and return its URI."""
    with psycopg.connect(host=str(host), user=SUPERUSER, dbname="postgres", autocommit=True) as c:
        c.execute(f"create database {name}")
    uri = f"postgresql+psycopg://{SUPERUSER}@/{name}?host={host}"
    from app.migrations import mlflow_schema  # noqa: PLC0415 -- imports MLflow

    engine = sqlalchemy.create_engine(uri)
    mlflow_schema.upgrade(engine, empty=True)
    engine.dispose()
    return uri


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _running(argv: list[str], env: dict[str, str], port: int, log: Path) -> Iterator[None]:
    inherited = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("MLFLOW_", "_MLFLOW", "AWS_", "PYTHONDONTWRITE"))
    }
    with log.open("w") as out:
        process = subprocess.Popen(
            argv, env=inherited | AWS | env, stdout=out, stderr=out, cwd=HERE.parent
        )
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:  # noqa: PLR2004 -- OK
                    break
            if process.poll() is not None:
                raise RuntimeError(log.read_text()[-3000:])
            time.sleep(0.1)
        else:
            raise RuntimeError(f"not up in a minute: {log.read_text()[-3000:]}")
        yield
    finally:
        process.terminate()
        process.wait(20)


def _uvicorn(app: str, port: int, *more: str) -> list[str]:
    return [
        sys.executable, "-W", "ignore", "-m", "uvicorn", app, "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--log-level", "warning", *more,
    ]  # fmt: skip


@contextlib.contextmanager
def stock(host: Path, logs: Path) -> Iterator[Server]:
    """Run MLflow as it comes, without authentication."""
    port, uri = _free_port(), make_database(host, "stock")
    env = {"_MLFLOW_SERVER_FILE_STORE": uri, **_mlflow()}
    argv = _uvicorn("mlflow.server.fastapi_app:app", port)
    with _running(argv, env, port, logs / "stock.log"):
        yield Server("stock", port, None)


@contextlib.contextmanager
def basic_auth(host: Path, logs: Path) -> Iterator[Server]:
    """Run MLflow with its own Basic authentication."""
    port, uri = _free_port(), make_database(host, "basic")
    users = make_database(host, "users").replace("%", "%%")
    with psycopg.connect(host=str(host), user=SUPERUSER, dbname="users", autocommit=True) as c:
        c.execute("drop schema public cascade")
        c.execute("create schema public")
    config = logs / "basic_auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
        f"admin_password = {PASSWORD}\ndatabase_uri = {users}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    env = {
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "benchmark",
        **_mlflow(),
    }
    argv = _uvicorn("mlflow.server.auth:create_app", port, "--factory")
    credential = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    with _running(argv, env, port, logs / "basic_auth.log"):
        yield Server("basic-auth", port, f"Basic {credential}")


@contextlib.contextmanager
def ours(host: Path, logs: Path) -> Iterator[Server]:
    """Run our endpoint, with its verifier and its projects."""
    port, uri = _free_port(), make_database(host, "ours")
    env = {"PORT": str(port), "BENCHMARK_DATABASE": uri, "PYTHONPATH": str(HERE.parent)}
    log = logs / "ours.log"
    argv = [sys.executable, "-W", "ignore", str(HERE / "serve_ours.py")]
    with _running(argv, env, port, log):
        (key,) = (line[4:] for line in log.read_text().splitlines() if line.startswith("key "))
        yield Server("ours", port, f"Bearer {key}")


def _mlflow() -> dict[str, str]:
    return {
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": "s3://unused",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
    }
