"""The examples, run on this machine as their README says."""

import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from hokusai_infra.local.parts.credentials import Credentials
from tests.stack import ROOT, start, stop

pytestmark = pytest.mark.xdist_group("examples")
PAUSE = 280
"""Seconds of silence within a request; the balancer allows 300."""


def running(name: str, folder: Path, tasks: int) -> Iterator[dict[str, str]]:
    shutil.copytree(
        ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("__pycache__", ".hokusai")
    )
    up = start(folder, tasks)
    yield {
        "folder": str(folder),
        **json.loads((folder / ".hokusai/local/connection.json").read_text()),
    }
    stop(up.pid)
    assert up.wait(10) == 0


@pytest.fixture(scope="module")
def postcards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    yield from running("own-service", tmp_path_factory.mktemp("own") / "program", 2)


def test_a_card_is_kept_by_one_task_and_given_back_by_another(postcards: dict[str, str]) -> None:
    url = f"{postcards['postcards_url']}/cards/from-kanagawa"
    kept = httpx.put(url, content="The wave is high.")
    assert (kept.status_code, kept.json()) == (201, {"url": url})
    tls = ssl.create_default_context(cafile=postcards["ca_file"])
    over_https = f"{postcards['https_postcards_url']}/cards/from-kanagawa"
    for _ in range(4):
        assert httpx.get(over_https, verify=tls).json() == {"text": "The wave is high."}
    assert httpx.get(f"{postcards['postcards_url']}/cards/none").status_code == 404
    assert httpx.put(url, content=b"x" * 10_001).status_code == 400


def test_the_service_is_refused_at_the_other_bucket(postcards: dict[str, str]) -> None:
    state = Path(postcards["folder"], ".hokusai/local/state")
    role = next(name for name in identities(state) if name.startswith("postcards-task"))
    key = Credentials.prepare(state).key_of(role)
    s3 = boto3.client(
        "s3",
        endpoint_url=postcards["s3_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
    )
    s3.put_object(Bucket=postcards["bucket"], Key="a", Body=b"a")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket="postcards-local-logs-123456789012", Key="a", Body=b"a")


def identities(state: Path) -> list[str]:
    graph = json.loads((state / "graph.json").read_text())
    return [
        each["state"]["name"] for each in graph["resources"] if each["type"] == "aws:iam/role:Role"
    ]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_upload_may_pause_as_long_as_behind_an_alb(postcards: dict[str, str]) -> None:
    where = urlsplit(postcards["https_postcards_url"])
    tls = ssl.create_default_context(cafile=postcards["ca_file"])
    sending = http.client.HTTPSConnection(
        where.hostname or "", where.port, context=tls, timeout=PAUSE + 60
    )
    sending.putrequest("PUT", "/cards/slow")
    sending.putheader("Content-Length", "8")
    sending.endheaders()
    sending.send(b"slow")
    time.sleep(PAUSE)
    sending.send(b"wave")
    assert sending.getresponse().status == 201
    sending.close()
    assert httpx.get(f"{postcards['postcards_url']}/cards/slow").json() == {"text": "slowwave"}


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    yield from running("mlflow-alone", tmp_path_factory.mktemp("alone") / "program", 2)


CLIENT = """
import mlflow
mlflow.set_experiment("waves")
with mlflow.start_run() as run:
    mlflow.log_metric("height", 36)
    mlflow.log_text("The wave is high.", "a.txt")
print(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/a.txt"))
"""


@pytest.mark.slow
def test_stock_mlflow_serves_the_stock_client_over_https(tracking: dict[str, str]) -> None:
    foreign = ("AWS_", "MLFLOW_", "HOKUSAI_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        env=env
        | {
            "MLFLOW_TRACKING_URI": tracking["https_mlflow_url"],
            "MLFLOW_TRACKING_SERVER_CERT_PATH": tracking["ca_file"],
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "The wave is high." in done.stdout
