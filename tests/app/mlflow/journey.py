"""What a user does with the stock client, step by step; says as JSON how each step went."""

import json
import os
import sys
import tempfile
import time
import traceback
import uuid
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, load_text
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

BYTES = os.urandom(6 * 1024 * 1024)
NAME = f"journey-{uuid.uuid4().hex[:8]}"


class Shout(mlflow.pyfunc.PythonModel):  # type: ignore[misc] # MLflow ships no types
    """The smallest model."""

    def predict(self, model_input: list[str]) -> list[str]:
        return [each.upper() for each in model_input]


def first_run_without_an_experiment(client: MlflowClient) -> None:
    with mlflow.start_run() as run:
        mlflow.log_metric("first", 1)
    experiment = client.get_experiment("0")
    assert experiment.name == "Default"
    assert run.info.experiment_id == experiment.experiment_id != "0"
    assert run.info.run_id in set(mlflow.search_runs().run_id)


def experiments(client: MlflowClient) -> None:
    made = mlflow.set_experiment(NAME)
    client.set_experiment_tag(made.experiment_id, "team", "blue")
    found = client.search_experiments(filter_string=f"name = '{NAME}'")
    assert [each.tags["team"] for each in found] == ["blue"]


def metrics_and_batches(client: MlflowClient) -> None:
    with mlflow.start_run() as run:
        mlflow.log_params({"alpha": 0.1, "beta": "x"})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"nan": float("nan"), "inf": float("inf")}, step=3)
        mlflow.log_metrics({f"m{each}": each for each in range(100)})
        mlflow.set_tag("kind", "journey")
    data = client.get_run(run.info.run_id).data
    assert data.metrics["loss"] == 0.2
    assert np.isnan(data.metrics["nan"])
    assert data.metrics["m99"] == 99
    assert data.params == {"alpha": "0.1", "beta": "x"}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [each.step for each in history] == [0, 1, 2, 3, 4]
    found = mlflow.search_runs(filter_string="metrics.m7 = 7 and tags.kind = 'journey'")
    assert list(found.run_id) == [run.info.run_id]


def artifacts_up_and_down(client: MlflowClient) -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "ünï cöde 1%.bin").write_bytes(BYTES)
    (folder / "empty").touch()
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder), "some/where")
        mlflow.log_text("thirty-six views", "views.txt")
    listed = {each.path for each in client.list_artifacts(run.info.run_id, "some/where")}
    assert listed == {"some/where/ünï cöde 1%.bin", "some/where/empty"}
    assert load_text(f"{run.info.artifact_uri}/views.txt") == "thirty-six views"
    local = Path(download_artifacts(run_id=run.info.run_id, artifact_path="some/where"))
    assert (local / "ünï cöde 1%.bin").read_bytes() == BYTES
    assert (local / "empty").read_bytes() == b""
    repository = get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("views.txt")
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["some"]


def model_to_prediction(client: MlflowClient) -> None:
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="shout",
            python_model=Shout(),
            registered_model_name=NAME,
            pip_requirements=[],
            input_example=["a"],
        )
    client.set_registered_model_alias(NAME, "champion", "1")
    client.set_model_version_tag(NAME, "1", "tested", "yes")
    assert client.get_model_version_by_alias(NAME, "champion").version == "1"
    for uri in (logged.model_uri, f"models:/{NAME}/1", f"models:/{NAME}@champion"):
        assert mlflow.pyfunc.load_model(uri).predict(["ok"]) == ["OK"]
    assert [each.name for each in client.search_registered_models(f"name = '{NAME}'")] == [NAME]
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1
    assert [each.name for each in mlflow.search_logged_models(output_format="list")] == ["shout"]


def traces(client: MlflowClient) -> None:
    @mlflow.trace  # type: ignore[untyped-decorator] # MLflow ships no types
    def answer(question: str) -> str:
        with mlflow.start_span("think") as span:
            span.set_inputs({"question": question})
        return "42"

    answer("why")
    mlflow.flush_trace_async_logging()
    trace_id = mlflow.get_last_active_trace_id()
    deadline = time.monotonic() + 10
    while len(found := mlflow.search_traces(return_type="list")) == 0:
        assert time.monotonic() < deadline, "the trace did not arrive"
        time.sleep(0.1)
    assert [each.info.trace_id for each in found] == [trace_id]
    assert {each.name for each in mlflow.get_trace(trace_id).data.spans} == {"answer", "think"}
    client.set_trace_tag(trace_id, "reviewed", "yes")
    assert mlflow.get_trace(trace_id).info.tags["reviewed"] == "yes"


def prompts(client: MlflowClient) -> None:
    name = f"greeting-{NAME}"
    mlflow.genai.register_prompt(name, "Good morning, {{name}}.")
    prompt = mlflow.genai.load_prompt(f"prompts:/{name}/1")
    assert prompt.format(name="Hokusai") == "Good morning, Hokusai."
    client.set_prompt_alias(name, "current", 1)
    assert mlflow.genai.load_prompt(f"prompts:/{name}@current").version == 1


STEPS = (
    first_run_without_an_experiment,
    experiments,
    metrics_and_batches,
    artifacts_up_and_down,
    model_to_prediction,
    traces,
    prompts,
)


def main() -> None:
    client = MlflowClient()
    report = {}
    wanted = sys.argv[1:]
    for step in STEPS:
        if wanted and step.__name__ not in wanted:
            continue
        try:
            step(client)
        except Exception:  # noqa: BLE001 -- the test that reads the report fails with it
            report[step.__name__] = traceback.format_exc()
        else:
            report[step.__name__] = "ok"
    sys.stdout.write("\n" + json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
