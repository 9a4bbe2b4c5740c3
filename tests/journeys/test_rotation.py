"""The master password changes, three times, while clients write; nobody notices."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import boto3
import httpx
import psycopg
import pytest

from hokusai_infra.local.assembly import LocalFacts
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.state import Folders
from tests.journeys.conftest import Running
from tests.journeys.test_survival import eventually, processes
from tests.stack import Stack, start, stop

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

pytestmark = [
    pytest.mark.xdist_group("survival"),
    pytest.mark.timeout(240),
    pytest.mark.slow,  # clients write for a while, and the whole stack starts once more
]
ROTATIONS = 3
WRITES = """
import sys
import mlflow
done = 0
with mlflow.start_run():
    for line in iter(sys.stdin.readline, ""):
        mlflow.log_metric("height", done, step=done)
        mlflow.log_text("the great wave", f"{done}.txt")
        done += 1
        print(done, flush=True)
"""


@dataclass
class Writers:
    """Clients that write without a pause; what fails is an error of theirs."""

    stopped: threading.Event = field(default_factory=threading.Event)
    counts: dict[str, int] = field(default_factory=dict[str, int])
    errors: list[str] = field(default_factory=list[str])

    def more(self) -> None:
        """Wait until each has written twice more."""
        wanted = {name: count + 2 for name, count in self.counts.items()}
        eventually(lambda: all(self.counts[name] >= count for name, count in wanted.items()), 60)


@contextmanager
def writing(running: Running) -> Iterator[Writers]:
    writers = Writers(counts={"client": 0, "api": 0})
    threads = [
        threading.Thread(target=target, args=(running, writers)) for target in (stock_client, keys)
    ]
    for each in threads:
        each.start()
    try:
        yield writers
    finally:
        writers.stopped.set()
        for each in threads:
            each.join()


def stock_client(running: Running, writers: Writers) -> None:
    """Write with the stock client, whose own retries are off."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_"))}
    env |= {
        "MLFLOW_TRACKING_URI": running.stack.mlflow_url,
        "MLFLOW_TRACKING_TOKEN": running.stack.admin_key,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-c", WRITES],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stderr is not None
        while not writers.stopped.is_set():
            client.stdin.write("\n")
            client.stdin.flush()
            if not (line := client.stdout.readline()).strip().isdecimal():
                writers.errors.append(line + client.stderr.read())
                return
            writers.counts["client"] = int(line)
        client.stdin.close()
        said = client.stderr.read()
        if client.wait():
            writers.errors.append(said)


def keys(running: Running, writers: Writers) -> None:
    """Make API keys, use and revoke them."""
    url = f"{running.stack.api_url}/api/v1/keys"
    admin = {"Authorization": f"Bearer {running.stack.admin_key}"}
    body = {"name": "rotation", "permissions": ["mlflow:read"]}
    with httpx.Client(headers=admin, timeout=30) as client:
        while not writers.stopped.is_set():
            made = client.post(url, json=body)
            if made.status_code == httpx.codes.TOO_MANY_REQUESTS:  # 80 versions a day and secret
                asked = client.get(url)
            else:
                asked = client.delete(f"{url}/{made.json()['id']}") if made.is_success else made
            if not asked.is_success:
                writers.errors.append(f"{asked.status_code} {asked.text}")
                return
            writers.counts["api"] += 1
            time.sleep(0.1)


@dataclass(frozen=True)
class Master:
    """The master user's secret, and how it logs in."""

    manager: "SecretsManagerClient"
    arn: str
    url: str

    @classmethod
    def of(cls, running: Running) -> "Master":
        folders = Folders(running.stack.folder)
        facts = LocalFacts.read(folders.graph)
        assert facts is not None
        assert facts.database is not None
        key = Credentials.load(folders.state).operator.key
        manager: SecretsManagerClient = boto3.client(
            "secretsmanager",
            endpoint_url=running.stack.aws_endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
        )
        return cls(manager, facts.database["secret_arn"], running.stack.database_url)

    def password(self, stage: str = "AWSCURRENT") -> str:
        value = self.manager.get_secret_value(SecretId=self.arn, VersionStage=stage)
        return str(json.loads(value["SecretString"])["password"])

    def log_in(self, password: str) -> None:
        user = urlsplit(self.url).username
        had = quote(unquote(urlsplit(self.url).password or ""))
        psycopg.connect(self.url.replace(f"{user}:{had}@", f"{user}:{quote(password)}@")).close()


def test_clients_write_while_the_master_password_is_rotated(running: Running) -> None:
    master = Master.of(running)
    first = master.password()
    assert master.url.count(quote(first)) == 1
    with writing(running) as writers:
        for _ in range(ROTATIONS):
            writers.more()
            before = master.password()
            master.manager.rotate_secret(SecretId=master.arn)
            after = master.password()
            assert after != before
            assert master.password("AWSPREVIOUS") == before
            master.log_in(after)
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                master.log_in(before)
        writers.more()
    assert writers.errors == []

    log = running.stack.folder / ".hokusai/local/logs/api.log"
    migrated = log.read_text().count("migrate_done")
    pid = processes(running.stack.folder)["api/1"]
    os.kill(pid, 9)
    eventually(lambda: processes(running.stack.folder).get("api/1", pid) != pid, 20)
    eventually(lambda: set(running.ready().values()) == {"pass"}, 40)
    assert log.read_text().count("migrate_done") == migrated + 1

    stop(running.up.pid)
    running.up.wait()
    running.up = start(running.stack.folder, tasks=1)
    running.stack = Stack.read(running.stack.folder)
    assert running.stack.database_url != master.url
    psycopg.connect(running.stack.database_url).close()
