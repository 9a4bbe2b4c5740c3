"""What a project has that another one must not reach."""

from dataclasses import dataclass

from tests.app.mlflow.caller import API, Caller

FILES = "/api/2.0/mlflow-artifacts/artifacts"
SECRET = b"what left has logged"


@dataclass(frozen=True)
class Things:
    """What a project has."""

    run: dict[str, str]
    model: str
    logged_model: str
    trace: str

    @property
    def folder(self) -> str:
        """The run's artifacts as the artifact routes name them."""
        return self.run["artifact_uri"].removeprefix("mlflow-artifacts:/")


def made_by(caller: Caller) -> Things:
    run = caller.run()
    things = Things(
        run=run,
        model=f"{caller.project}-{run['run_id'][:6]}",
        logged_model=caller.post(
            f"{API}/logged-models", experiment_id=run["experiment_id"], name="m"
        ).json()["model"]["info"]["model_id"],
        trace=f"tr-{run['run_id']}",
    )
    done = [
        caller.http.put(f"{FILES}/{things.folder}/secret.txt", content=SECRET),
        caller.post(f"{API}/registered-models/create", name=things.model),
        caller.post(
            f"{API}/model-versions/create",
            name=things.model,
            source=run["artifact_uri"],
            run_id=run["run_id"],
        ),
        caller.post(
            "/api/3.0/mlflow/traces",
            trace={
                "trace_info": {
                    "trace_id": things.trace,
                    "trace_location": {
                        "type": "MLFLOW_EXPERIMENT",
                        "mlflow_experiment": {"experiment_id": run["experiment_id"]},
                    },
                    "request_time": "2026-01-01T00:00:00Z",
                    "state": "OK",
                }
            },
        ),
    ]
    assert [each.status_code for each in done] == [200] * 4, [each.text for each in done]
    return things
