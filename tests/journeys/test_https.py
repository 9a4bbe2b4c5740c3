"""Over HTTPS, through the balancer that plays the recorded listeners: what clients rely on."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from hokusai_infra.local.parts.certificates import Certificates
from tests.stack import ROOT, Stack

JOURNEY = ROOT / "tests/app/mlflow/journey.py"
FOREIGN = ("AWS_", "MLFLOW_", "HOKUSAI_", "REQUESTS_", "SSL_", "CURL_")
FILES = "/api/2.0/mlflow-artifacts/artifacts"
EXPERIMENTS = "/api/2.0/mlflow/experiments/search?max_results=1"
PIECE = os.urandom(64 * 1024)
IDLE_SECONDS = 280
"""Silence that a connection must bear; the balancer ends it at 300."""


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    return stack.key("mlflow:read", "mlflow:write", project="secure")


def trust(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def connection(stack: Stack, seconds: float = 30) -> http.client.HTTPSConnection:
    where = urlsplit(stack.https_mlflow_url)
    return http.client.HTTPSConnection(
        where.hostname or "", where.port, context=trust(stack.ca_file), timeout=seconds
    )


def journey(stack: Stack, key: str, ca_file: str, *steps: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    done = subprocess.run(
        [sys.executable, JOURNEY, *steps],
        env=env
        | {
            "MLFLOW_TRACKING_URI": stack.https_mlflow_url,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": ca_file,
            "MLFLOW_TRACKING_TOKEN": key,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_the_stock_client_gets_through(stack: Stack, key: str) -> None:
    report = journey(stack, key, stack.ca_file)
    assert {step: said for step, said in report.items() if said != "ok"} == {}
    assert "artifacts_up_and_down" in report


def test_a_client_that_trusts_another_authority_does_not_come_in(
    stack: Stack, key: str, tmp_path: Path
) -> None:
    other = Certificates(folder=tmp_path / "ca")
    other.prepare()
    report = journey(stack, key, str(other.ca_file), "experiments")
    assert "CERTIFICATE_VERIFY_FAILED" in report["experiments"]
    for url in (stack.https_api_url, stack.https_mlflow_url):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/health", verify=trust(str(other.ca_file)))


def test_the_same_key_works_at_both_endpoints(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.admin_key}"}
    with httpx.Client(verify=trust(stack.ca_file), headers=headers, timeout=30) as client:
        assert client.get(f"{stack.https_api_url}/api/v1/auth/whoami").status_code == 200
        assert client.get(f"{stack.https_mlflow_url}{EXPERIMENTS}").status_code == 200
        nobody = client.get(f"{stack.https_api_url}/api/v1/auth/whoami", headers={"Host": "x.org"})
    assert (nobody.status_code, nobody.text) == (404, "No service answers at this host.")


def upload(stack: Stack, key: str, path: str, pieces: int, pause: float) -> None:
    """Send an artifact in pieces, with pauses between them, as one request."""
    sending = connection(stack, 60 + pause)
    sending.putrequest("PUT", path)
    sending.putheader("Authorization", f"Bearer {key}")
    sending.putheader("Transfer-Encoding", "chunked")
    sending.endheaders()
    for number in range(pieces):
        if number:
            time.sleep(pause)
        sending.send(f"{len(PIECE):x}\r\n".encode() + PIECE + b"\r\n")
    sending.send(b"0\r\n\r\n")
    answer = sending.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    sending.close()


def artifact(stack: Stack, key: str) -> str:
    """Name the path of an artifact of a run that was just begun."""
    answer = httpx.post(
        f"{stack.https_mlflow_url}/api/2.0/mlflow/runs/create",
        json={"experiment_id": "0"},
        headers={"Authorization": f"Bearer {key}"},
        verify=trust(stack.ca_file),
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    folder = answer.json()["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    return f"{FILES}/{folder}/{uuid.uuid4().hex}.bin"


def download(stack: Stack, key: str, path: str) -> bytes:
    receiving = connection(stack)
    receiving.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    answer = receiving.getresponse()
    assert answer.status == 200
    data = b"".join(iter(lambda: answer.read(8192), b""))
    receiving.close()
    return data


def test_an_artifact_streams_up_with_a_pause_and_down_again(stack: Stack, key: str) -> None:
    path = artifact(stack, key)
    upload(stack, key, path, pieces=3, pause=2)
    assert download(stack, key, path) == 3 * PIECE


def test_a_connection_is_used_again_after_a_pause(stack: Stack, key: str) -> None:
    idle_then_used(stack, key, 3).close()


def idle_then_used(stack: Stack, key: str, seconds: float) -> http.client.HTTPSConnection:
    line = connection(stack)
    used = []
    for pause in (seconds, 0):
        line.request("GET", EXPERIMENTS, headers={"Authorization": f"Bearer {key}"})
        answer = line.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        used.append(line.sock)
        time.sleep(pause)
    assert used[0] is used[1]
    return line


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_idle_connection_lasts_as_long_as_behind_an_alb_which_ends_it(
    stack: Stack, key: str
) -> None:
    left = connection(stack)
    left.request("GET", EXPERIMENTS, headers={"Authorization": f"Bearer {key}"})
    assert left.getresponse().read()
    begun = time.monotonic()
    idle_then_used(stack, key, IDLE_SECONDS).close()
    # 300 seconds after its answer the balancer ends a connection; the server behind waits 310.
    left.sock.settimeout(60)
    assert left.sock.recv(1) == b""
    left.close()
    assert time.monotonic() - begun == pytest.approx(300, abs=8)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_upload_may_pause_as_long_as_behind_an_alb(stack: Stack, key: str) -> None:
    path = artifact(stack, key)
    upload(stack, key, path, pieces=2, pause=IDLE_SECONDS)
    assert download(stack, key, path) == 2 * PIECE
