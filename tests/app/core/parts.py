"""Real PostgreSQL behind TLS, and a control plane, both of which a test can take away."""

import asyncio
import contextlib
import os
import selectors
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from moto.server import ThreadedMotoServer
from psycopg import sql
from pydantic import SecretStr

from app.migrations import cluster, hokusai_schema
from app.migrations.__main__ import Master
from app.request_context import ASGIApp
from app.settings import ApiSettings, MigrateSettings
from hokusai_infra.local.parts.certificates import Certificates
from hokusai_infra.local.parts.postgres import SOCKET, Postgres
from hokusai_infra.local.process import NotReadyError

MASTER = "master"
TEMPLATE = "hokusai_template"
DROP = "drop database if exists {} with (force)"
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TlsFront:
    """Speaks TLS to clients and pipes to the server's socket."""

    def __init__(self, certificates: Certificates, folder: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificates.leaf_file, certificates.leaf_key_file)
        self.folder = folder
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        self.is_away = False
        self.stalled = threading.Event()
        self.stalled.set()
        self.open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Refuse every connection, and end the open ones."""
        self.is_away = True
        for each in list(self.open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self.is_away = False

    @contextlib.contextmanager
    def stall(self) -> Iterator[None]:
        """Keep connections open and carry nothing."""
        self.stalled.clear()
        try:
            yield
        finally:
            self.stalled.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if self.is_away or client.recv(8) != SSL_REQUEST:
                return
            client.sendall(b"S")
            with self.context.wrap_socket(client, server_side=True) as tls, self._server() as back:
                self.open.add(tls)
                try:
                    self._pipe(tls, back)
                finally:
                    self.open.discard(tls)

    def _server(self) -> socket.socket:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            back = socket.socket(socket.AF_UNIX)
            back.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
            return back
        finally:
            os.close(descriptor)

    def _pipe(self, tls: ssl.SSLSocket, back: socket.socket) -> None:
        tls.setblocking(False)  # noqa: FBT003 -- takes no keyword -- the standard library's signature
        with selectors.DefaultSelector() as ready:
            ready.register(tls, selectors.EVENT_READ)
            ready.register(back, selectors.EVENT_READ)
            while True:
                ready.select(1)
                self.stalled.wait()
                with contextlib.suppress(ssl.SSLWantReadError):
                    while data := tls.recv(65536):
                        back.sendall(data)
                    return
                with contextlib.suppress(BlockingIOError):
                    data = back.recv(65536, socket.MSG_DONTWAIT)
                    if not data:
                        return
                    tls.setblocking(True)  # noqa: FBT003 -- takes no keyword
                    tls.sendall(data)
                    tls.setblocking(False)  # noqa: FBT003 -- takes no keyword


class ControlPlane:
    """moto as a server that can be stopped and started with what it holds."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self.server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self.server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Forget everything."""
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Refuse every connection; what it holds stays."""
        self.server.stop()
        try:
            yield
        finally:
            self.start()


@contextlib.contextmanager
def serving(app: ASGIApp, port: int) -> Iterator[None]:
    """Serve an application as ``app.serve`` does, in a thread."""
    config = uvicorn.Config(
        app, port=port, ws="none", log_config=None, access_log=False, lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


@dataclass
class Backend:
    """What the core needs around it."""

    folder: Path
    front: TlsFront
    control_plane: ControlPlane
    postgres: Postgres
    process: subprocess.Popen[bytes]
    ca_file: Path
    is_prepared: bool = False
    """Whether the template of the database ``hokusai`` is made."""

    @classmethod
    def start(cls, folder: Path) -> "Backend":
        certificates = Certificates(folder=folder / "ca")
        certificates.prepare()
        postgres = Postgres(
            folder=folder / "postgres", master_username=MASTER, master_password=MASTER
        )
        postgres.prepare()
        spec = postgres.process()
        process = subprocess.Popen(
            [*spec.argv, "-c", "fsync=off"],
            env=dict(spec.env),
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(NotReadyError):
                asyncio.run(spec.ready())
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        front = TlsFront(certificates, postgres.folder)
        return cls(folder, front, ControlPlane(), postgres, process, certificates.ca_file)

    def stop(self) -> None:
        self.front.server.close()
        self.control_plane.server.stop()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)

    def sql(self, statement: str, database: str = "hokusai") -> list[tuple[object, ...]]:
        """Run a statement as superuser, past the front."""
        with self.postgres.connect(database) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def clear(self) -> None:
        """Drop everything that migrations make."""
        self.is_prepared = False
        with self.postgres.connect() as connection:
            connection.autocommit = True
            for database in ("hokusai", TEMPLATE, "mlflow"):
                connection.execute(sql.SQL(DROP).format(sql.Identifier(database)))
            for role in ("hokusai_api", "hokusai_mlflow", "hokusai_owner", "mlflow_owner"):
                connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))

    def make_hokusai(self) -> None:
        """Make a fresh database ``hokusai``: migrated once, and copied from then on."""
        master, owner = Master(self.migrate_settings()), cluster.OWNERS["hokusai"]
        if not self.is_prepared:
            self.clear()
            with master.connect("postgres") as connection:
                cluster.make_roles(connection)
                cluster.make_databases(connection)
            hokusai_schema.upgrade(master.engine("hokusai", owner))
            with master.connect("hokusai", owner) as connection:
                cluster.grant_hokusai(connection)
            self._copy("hokusai", TEMPLATE)
            self.is_prepared = True
            return
        self._copy(TEMPLATE, "hokusai")
        with master.connect("postgres") as connection:
            cluster.make_databases(connection)

    def _copy(self, source: str, target: str) -> None:
        with self.postgres.connect() as connection:
            connection.autocommit = True
            connection.execute(sql.SQL(DROP).format(sql.Identifier(target)))
            connection.execute(
                sql.SQL("create database {} template {} owner hokusai_owner").format(
                    sql.Identifier(target), sql.Identifier(source)
                )
            )

    def migrate_settings(self) -> MigrateSettings:
        return MigrateSettings(
            environment="local",
            database_host="localhost",
            database_port=self.front.port,
            database_ca_file=str(self.ca_file),
            master_username=MASTER,
            master_password=SecretStr(MASTER),
        )

    def api_settings(self, **more: object) -> ApiSettings:
        values: dict[str, object] = {
            "environment": "local",
            "database_host": "localhost",
            "database_port": self.front.port,
            "database_ca_file": str(self.ca_file),
            "PORT": 8000,
            "key_secret_prefix": "hokusai/local/projects/",
            "api_url": "http://127.0.0.1:8000",
            "mlflow_url": "http://localhost:5000",
            "signing_keys_secret_arn": "hokusai/local/signing-keys",
            "key_secrets_kms_key_arn": "alias/aws/secretsmanager",
            "mlflow_internal_url": "http://127.0.0.1:1",
        }
        return ApiSettings.model_validate(values | more)
