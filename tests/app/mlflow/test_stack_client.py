"""The stock client, unmodified, against the running stack, without AWS credentials."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.app.mlflow.caller import Caller
from tests.stack import Stack

FOREIGN = ("AWS_", "MLFLOW_", "HOKUSAI_")
JOURNEY = Path(__file__).with_name("journey.py")
STEPS = (
    "first_run_without_an_experiment",
    "experiments",
    "metrics_and_batches",
    "artifacts_up_and_down",
    "model_to_prediction",
    "traces",
    "prompts",
)


def run_client(stack: Stack, *steps: str, **credential: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    done = subprocess.run(
        [sys.executable, JOURNEY, *steps],
        env=env | {"MLFLOW_TRACKING_URI": stack.mlflow_url, **credential},
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return report


@pytest.fixture(scope="module", params=["token", "password"])
def report(request: pytest.FixtureRequest, stack: Stack, left: Caller) -> dict[str, str]:
    if request.param == "token":
        return run_client(stack, MLFLOW_TRACKING_TOKEN=left.key)
    return run_client(stack, MLFLOW_TRACKING_USERNAME="any", MLFLOW_TRACKING_PASSWORD=left.key)


@pytest.mark.parametrize("step", STEPS)
def test_the_stock_client_gets_through(report: dict[str, str], step: str) -> None:
    assert report[step] == "ok"


def test_a_client_that_names_its_own_project_gets_through(stack: Stack, left: Caller) -> None:
    report = run_client(stack, STEPS[0], MLFLOW_TRACKING_TOKEN=left.key, MLFLOW_WORKSPACE="left")
    assert report["first_run_without_an_experiment"] == "ok"


def test_a_client_that_names_another_project_is_told(stack: Stack, left: Caller) -> None:
    report = run_client(stack, STEPS[0], MLFLOW_TRACKING_TOKEN=left.key, MLFLOW_WORKSPACE="right")
    assert "wrong_project" in report["first_run_without_an_experiment"]


def test_a_client_without_a_key_is_told_at_once(stack: Stack) -> None:
    report = run_client(stack, STEPS[0])
    assert "no_credential" in report["first_run_without_an_experiment"]


def test_a_stock_opentelemetry_exporter_gets_through(stack: Stack, left: Caller) -> None:
    exporter = OTLPSpanExporter(
        endpoint=f"{stack.mlflow_url}/v1/traces",
        headers={"Authorization": f"Bearer {left.key}", "x-mlflow-experiment-id": "0"},
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("from-otel") as span:
        trace_id = f"tr-{span.get_span_context().trace_id:032x}"
    provider.shutdown()
    found = left.get("/api/3.0/mlflow/traces/get", trace_id=trace_id)
    assert found.status_code == 200, found.text
    assert [each["name"] for each in found.json()["trace"]["spans"]] == ["from-otel"]


@pytest.mark.parametrize("spelling", ["{host}:{port}", "{host}"])
def test_the_host_header_may_carry_the_port_or_not(
    stack: Stack, left: Caller, spelling: str
) -> None:
    url = httpx.URL(stack.mlflow_url)
    host = spelling.format(host=url.host, port=url.port)
    asked = left.http.get("/version", headers={"Host": host})
    assert asked.status_code == 200
    exported = left.http.post(
        "/v1/traces",
        content=b"",
        headers={
            "Host": host,
            "Content-Type": "application/x-protobuf",
            "x-mlflow-experiment-id": "0",
        },
    )
    assert exported.json() == {"detail": "Invalid OpenTelemetry format - no spans found"}


def test_another_host_is_refused(left: Caller) -> None:
    refused = left.http.get("/version", headers={"Host": "evil.example"})
    assert refused.status_code == 403
    assert refused.json()["message"].startswith("host_not_allowed")
