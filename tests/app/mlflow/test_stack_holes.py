"""Ways between two projects that MLflow's stores leave open besides those of its workspaces."""

import uuid

import httpx
import psycopg
import pytest

from tests.app.mlflow.caller import API, Caller
from tests.app.mlflow.things import Things
from tests.stack import Stack

TRACES = "/api/3.0/mlflow/traces"


def start_trace(caller: Caller, things: Things, *assessment_ids: str) -> httpx.Response:
    return caller.post(
        TRACES,
        trace={
            "trace_info": {
                "trace_id": things.trace,
                "trace_location": {
                    "type": "MLFLOW_EXPERIMENT",
                    "mlflow_experiment": {"experiment_id": things.run["experiment_id"]},
                },
                "request_time": "2026-01-01T00:00:00Z",
                "state": "OK",
                "assessments": [
                    assessment(caller.project) | {"assessment_id": each} for each in assessment_ids
                ],
            }
        },
    )


def assessment(value: str) -> dict[str, object]:
    return {
        "assessment_name": "judged",
        "source": {"source_type": "HUMAN", "source_id": "someone"},
        "create_time": "2026-01-01T00:00:00Z",
        "last_update_time": "2026-01-01T00:00:00Z",
        "feedback": {"value": value},
    }


def test_a_trace_does_not_take_over_anothers_assessment(
    left: Caller, right: Caller, lefts: Things, rights: Things
) -> None:
    made = left.post(f"{TRACES}/{lefts.trace}/assessments", assessment=assessment("left's"))
    assert made.status_code == 200, made.text
    theirs = made.json()["assessment"]["assessment_id"]
    place = f"{TRACES}/{lefts.trace}/assessments/{theirs}"
    before = left.get(place).json()
    taken = start_trace(right, rights, theirs)
    assert taken.status_code == 400, taken.text
    assert left.get(place).json() == before
    foreign = start_trace(right, lefts, theirs)
    assert not foreign.is_success
    assert left.get(place).json() == before
    mine = f"a-{uuid.uuid4().hex}"
    for _ in range(2):
        again = start_trace(right, rights, mine)
        assert again.status_code == 200, again.text


def test_an_assessments_id_is_used_once(right: Caller, rights: Things) -> None:
    given = assessment("x") | {"assessment_id": f"a-{uuid.uuid4().hex}"}
    made = right.post(f"{TRACES}/{rights.trace}/assessments", assessment=given)
    assert made.status_code == 200, made.text
    again = right.post(f"{TRACES}/{rights.trace}/assessments", assessment=given)
    assert again.status_code == 400, again.text
    assert again.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"


def test_a_version_comes_from_a_run_of_the_project(
    right: Caller, lefts: Things, rights: Things
) -> None:
    model = right.post(
        f"{API}/logged-models", experiment_id=rights.run["experiment_id"], name="m"
    ).json()["model"]["info"]["model_id"]
    foreign_run = right.post(
        f"{API}/model-versions/create",
        name=rights.model,
        source=f"models:/{model}",
        model_id=model,
        run_id=lefts.run["run_id"],
    )
    assert foreign_run.status_code == 404, foreign_run.text
    for missing in (f"m-{uuid.uuid4().hex}", lefts.logged_model):
        unknown = right.post(
            f"{API}/model-versions/create",
            name=rights.model,
            source=f"models:/{missing}",
            model_id=missing,
        )
        assert unknown.status_code == 404, unknown.text
    encoded = rights.run["artifact_uri"].replace("/artifacts", "/%61rtifacts")
    spelled = right.post(
        f"{API}/model-versions/create",
        name=rights.model,
        source=encoded,
        run_id=rights.run["run_id"],
    )
    assert spelled.status_code == 400, spelled.text


def test_spans_are_not_linked_to_anothers_run(
    right: Caller, lefts: Things, rights: Things, database: psycopg.Connection
) -> None:
    span = {
        "traceId": uuid.uuid4().hex,
        "spanId": uuid.uuid4().hex[:16],
        "name": "planted",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }

    def sent(run_id: str) -> httpx.Response:
        return right.http.post(
            "/v1/traces",
            json={"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
            headers={
                "x-mlflow-experiment-id": rights.run["experiment_id"],
                "x-mlflow-run-id": run_id,
            },
        )

    refused = sent(lefts.run["run_id"])
    assert refused.status_code == 404, refused.text
    query = "select count(*) from spans where name = 'planted' and experiment_id = %s"
    assert database.execute(query, (rights.run["experiment_id"],)).fetchone() == (0,)
    assert sent(rights.run["run_id"]).status_code == 200


def test_the_tag_that_names_a_traces_files_stays(right: Caller, rights: Things) -> None:
    for version in ("2.0", "3.0"):
        response = right.http.request(
            "DELETE",
            f"/api/{version}/mlflow/traces/{rights.trace}/tags",
            params={"key": "mlflow.artifactLocation"},
            json={"key": "mlflow.artifactLocation"},
        )
        assert response.status_code == 400, response.text
        assert "immutable" in response.json()["message"]


def test_what_is_not_there_or_not_readable_is_no_failure_of_the_server(
    left: Caller, right: Caller
) -> None:
    made = left.post("/api/3.0/mlflow/datasets/create", name=f"d-{uuid.uuid4().hex}")
    assert made.status_code == 200, made.text
    place = f"/api/3.0/mlflow/datasets/{made.json()['dataset']['dataset_id']}"
    for path in (f"{place}/records", f"{place}/experiment-ids"):
        found = right.get(path)
        assert found.status_code == 404 or found.json() == {}, found.text
    assert right.get("/graphql", query="{test {output}}").status_code == 403
    for query in ({}, {"query": "{"}, {"query": 1}):
        refused = right.post("/graphql", **query)
        assert refused.status_code == 400, refused.text
        assert refused.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("path", ["2.0/mlflow/webhooks", "3.0/mlflow/workspaces"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_not_even_an_admin_makes_webhooks_or_lists_projects(
    stack: Stack, method: str, path: str
) -> None:
    response = httpx.request(
        method,
        f"{stack.mlflow_url}/api/{path}",
        json={"name": "w", "url": "https://example.org"} if method == "POST" else None,
        headers={"Authorization": f"Bearer {stack.admin_key}"},
    )
    assert response.status_code == 403
    assert "route_not_offered" in response.json()["message"]
