"""What one caller may send, so that a task still serves the others."""

import gzip
import os
from urllib.parse import urlsplit

import pytest

from tests.app.mlflow.caller import API, Caller
from tests.app.mlflow.tasks import begin_upload
from tests.stack import Stack

MIB = 1024 * 1024
GIB = 1024 * MIB
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module")
def folder(left: Caller) -> str:
    return left.run()["artifact_uri"].removeprefix("mlflow-artifacts:/")


def test_spans_that_grow_without_end_are_refused(left: Caller) -> None:
    bomb = gzip.compress(bytes(256 * MIB), 9)
    headers = {
        "content-type": "application/x-protobuf",
        "content-encoding": "gzip",
        "x-mlflow-experiment-id": "0",
    }
    refused = left.http.post("/v1/traces", content=bomb, headers=headers)
    assert refused.status_code == 413, refused.text
    broken = left.http.post("/v1/traces", content=b"not gzip", headers=headers)
    assert broken.status_code == 400, broken.text


def test_compressed_spans_arrive(left: Caller) -> None:
    span = {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": "compressed",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    content = str({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).replace("'", '"')
    headers = {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "x-mlflow-experiment-id": left.run()["experiment_id"],
    }
    sent = left.http.post("/v1/traces", content=gzip.compress(content.encode()), headers=headers)
    assert sent.status_code == 200, sent.text
    found = left.get(f"/api/3.0/mlflow/traces/tr-{span['traceId']}")
    assert found.status_code == 200, found.text


@pytest.mark.parametrize("parts", [-1, 0, 10_001, 2**40])
def test_an_upload_has_a_sensible_number_of_parts(left: Caller, folder: str, parts: int) -> None:
    asked = left.post(
        f"/api/2.0/mlflow-artifacts/mpu/create/{folder}", path="x.bin", num_parts=parts
    )
    assert asked.status_code == 400, asked.text


def test_a_length_that_does_not_fit_is_refused_before_the_body(
    stack: Stack, left: Caller, folder: str
) -> None:
    with begin_upload(stack, left.key, f"{FILES}/{folder}/huge", 100 * GIB) as raw:
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_a_question_is_no_larger_than_4_mib(left: Caller) -> None:
    larger = left.post(f"{API}/runs/search", experiment_ids=["0"], filter="x" * 4 * MIB)
    assert larger.status_code == 413, larger.text
    batch = left.post(f"{API}/runs/log-batch", run_id="x", tags=[{"key": "x" * 5 * MIB}])
    assert batch.status_code not in {413, 503}, batch.text


def test_the_port_of_the_host_is_a_number(stack: Stack, left: Caller) -> None:
    port = urlsplit(stack.mlflow_url).port
    for host, status in ((f"localhost:{port}", 200), ("localhost:1.evil.example", 403)):
        response = left.http.get("/version", headers={"Host": host})
        assert response.status_code == status, host
