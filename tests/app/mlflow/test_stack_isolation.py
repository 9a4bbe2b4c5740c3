"""``right`` tries to reach what belongs to ``left``, by all that MLflow's workspaces leave open."""

import uuid

import httpx
import psycopg
import pytest

from tests.app.mlflow.caller import API, Caller, Callers
from tests.app.mlflow.things import FILES, SECRET, Things, made_by
from tests.stack import Stack


def is_unknown(response: httpx.Response) -> bool:
    return response.status_code == 404 and SECRET not in response.content


@pytest.mark.parametrize("prefix", ["api", "ajax-api"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("GET", "/left"),
        ("PATCH", "/right"),
        ("DELETE", "/left?mode=CASCADE"),
    ],
)
def test_hole_1_workspaces_are_not_for_callers(
    right: Caller, method: str, path: str, prefix: str
) -> None:
    body = None if method == "GET" else {"name": "new", "default_artifact_root": "s3://other"}
    response = right.http.request(method, f"/{prefix}/3.0/mlflow/workspaces{path}", json=body)
    assert response.status_code == 403
    assert "left" not in response.json()["message"].replace("/left", "")


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_hole_1_workspaces_are_not_even_for_an_admin(stack: Stack, method: str) -> None:
    path = "" if method == "POST" else "/left"
    response = httpx.request(
        method,
        f"{stack.mlflow_url}/api/3.0/mlflow/workspaces{path}",
        json={"name": "new"},
        headers={"Authorization": f"Bearer {stack.admin_key}"},
    )
    assert response.status_code == 403
    assert "route_not_offered" in response.json()["message"]


def test_hole_2_a_model_version_comes_from_the_project_only(
    right: Caller, lefts: Things, rights: Things
) -> None:
    bucket = "s3://hokusai-mlflow-artifacts-local-123456789012"
    for source in (
        f"{bucket}/{lefts.folder}",
        lefts.run["artifact_uri"],
        f"runs:/{lefts.run['run_id']}/x",
        f"models:/{lefts.model}/1",
        "file:///etc",
        "https://evil.example/x",
    ):
        response = right.post(
            f"{API}/model-versions/create",
            name=rights.model,
            source=source,
            run_id=rights.run["run_id"],
        )
        assert response.status_code in {400, 404}, source


def test_hole_2_a_planted_source_is_not_read(
    right: Caller, lefts: Things, rights: Things, database: psycopg.Connection
) -> None:
    place = f"s3://hokusai-mlflow-artifacts-local-123456789012/{lefts.folder}"
    for source in (place, lefts.run["artifact_uri"], "file:///etc"):
        database.execute(
            "update model_versions set source = %s, storage_location = %s where name = %s",
            (source, source, rights.model),
        )
        response = right.get(
            "/model-versions/get-artifact", name=rights.model, version="1", path="secret.txt"
        )
        assert response.status_code == 403
        assert SECRET not in response.content


def test_hole_3_a_trace_does_not_say_where_its_files_are(
    right: Caller, lefts: Things, rights: Things
) -> None:
    tag = {"key": "mlflow.artifactLocation", "value": lefts.run["artifact_uri"]}
    for response in (
        right.http.patch(f"/api/3.0/mlflow/traces/{rights.trace}/tags", json=tag),
        right.http.patch(f"/api/2.0/mlflow/traces/{rights.trace}/tags", json=tag),
        right.http.patch(
            f"/api/2.0/mlflow/traces/{rights.trace}",
            json={"timestamp_ms": 1, "status": "OK", "tags": [tag]},
        ),
    ):
        assert response.status_code == 400
        assert "immutable" in response.json()["message"]


def test_hole_3_a_planted_place_is_not_read(
    left: Caller, right: Caller, lefts: Things, rights: Things, database: psycopg.Connection
) -> None:
    left.http.put(f"{FILES}/{lefts.folder}/traces.json", content=SECRET)
    bucket = "s3://hokusai-mlflow-artifacts-local-123456789012"
    for place in (
        lefts.run["artifact_uri"],
        f"{bucket}/{lefts.folder}",
        f"{bucket}/workspaces/right/../left",
        "file:///etc",
        f"http://127.0.0.1{FILES}/{lefts.folder}",
    ):
        database.execute(
            "update trace_tags set value = %s"
            " where request_id = %s and key = 'mlflow.artifactLocation'",
            (place, rights.trace),
        )
        for version in ("2.0", "3.0"):
            response = right.get(
                f"/ajax-api/{version}/mlflow/get-trace-artifact", request_id=rights.trace
            )
            assert response.status_code == 403, place
            assert SECRET not in response.content


def test_hole_4_nobody_reaches_above_the_projects(
    left: Caller, right: Caller, lefts: Things
) -> None:
    for path in ("workspaces", "workspaces/", "workspaces/left", lefts.folder):
        assert right.http.delete(f"{FILES}/{path}").status_code == 403
        assert right.get(FILES, path=path).status_code == 403
    assert "left" not in right.get(FILES).text
    assert (
        left.get("/get-artifact", run_id=lefts.run["run_id"], path="secret.txt").content == SECRET
    )


def test_hole_5_metrics_do_not_reach_anothers_model(
    left: Caller, right: Caller, lefts: Things, rights: Things
) -> None:
    metric = {"key": "planted", "value": 1, "timestamp": 1, "model_id": lefts.logged_model}
    run_id = rights.run["run_id"]
    assert is_unknown(right.post(f"{API}/runs/log-metric", run_id=run_id, **metric))
    assert is_unknown(right.post(f"{API}/runs/log-batch", run_id=run_id, metrics=[metric]))
    assert "planted" not in left.get(f"{API}/logged-models/{lefts.logged_model}").text
    assert "planted" not in right.get(f"{API}/runs/get", run_id=run_id).text


def test_hole_6_nothing_is_linked_to_what_is_anothers(
    right: Caller, lefts: Things, rights: Things, database: psycopg.Connection
) -> None:
    run_id, models = rights.run["run_id"], [{"model_id": lefts.logged_model, "step": 0}]
    inputs = [{"model_id": lefts.logged_model}]
    for response in (
        right.post(f"{API}/runs/log-inputs", run_id=run_id, models=inputs),
        right.post(f"{API}/runs/outputs", run_id=run_id, models=models),
        right.post(
            "/api/3.0/mlflow/datasets/create",
            name="d",
            experiment_ids=[lefts.run["experiment_id"]],
        ),
        right.post(
            f"{API}/logged-models",
            experiment_id=rights.run["experiment_id"],
            name="m",
            source_run_id=lefts.run["run_id"],
        ),
        right.post(
            f"{API}/traces/link-to-run", trace_ids=[rights.trace], run_id=lefts.run["run_id"]
        ),
    ):
        assert is_unknown(response), response.text
    assert is_unknown(
        right.post(f"{API}/traces/link-to-run", trace_ids=[lefts.trace], run_id=run_id)
    )
    for table, column in (("inputs", "destination_id"), ("entity_associations", "source_id")):
        found = database.execute(
            f"select count(*) from {table} where {column} = any(%s) and"  # noqa: S608 -- names of this test
            " (source_id = %s or destination_id = %s)",
            ([lefts.logged_model, lefts.trace], run_id, run_id),
        ).fetchone()
        assert found == (0,)


def test_hole_7_refusals_do_not_tell_what_exists(right: Caller, lefts: Things) -> None:
    named = [
        right.http.get("/version", headers={"X-MLFLOW-WORKSPACE": name})
        for name in ("left", "nobody", "default")
    ]
    assert {each.status_code for each in named} == {403}
    assert len({each.json()["message"] for each in named}) == 1
    files = [
        right.http.get(f"{FILES}/{path}/secret.txt")
        for path in (lefts.folder, "workspaces/nobody/1", "workspaces/left/nothing")
    ]
    assert {each.status_code for each in files} == {403}
    assert len({each.json()["message"] for each in files}) == 1


def test_hole_8_no_answer_names_the_bucket(right: Caller, rights: Things) -> None:
    uri = right.get(f"{API}/model-versions/get-download-uri", name=rights.model, version="1")
    assert "hokusai-mlflow-artifacts" not in uri.text
    run = right.get(f"{API}/runs/get", run_id=rights.run["run_id"])
    assert "s3://" not in run.text


@pytest.mark.parametrize("header", ["X_MLFLOW_WORKSPACE", "x_mlflow_workspace"])
def test_a_header_that_only_looks_like_the_workspaces_counts_for_nothing(
    right: Caller, rights: Things, header: str
) -> None:
    found = right.http.get(
        f"{API}/experiments/get", params={"experiment_id": "0"}, headers={header: "left"}
    )
    assert found.json()["experiment"]["experiment_id"] == rights.run["experiment_id"]


def test_what_is_read_by_id_is_unknown_to_the_other(right: Caller, lefts: Things) -> None:
    run_id = lefts.run["run_id"]
    for response in (
        right.get(f"{API}/runs/get", run_id=run_id),
        right.get(f"{API}/experiments/get", experiment_id=lefts.run["experiment_id"]),
        right.get(f"{API}/registered-models/get", name=lefts.model),
        right.get(f"{API}/logged-models/{lefts.logged_model}"),
        right.get(f"/api/3.0/mlflow/traces/{lefts.trace}"),
        right.get("/get-artifact", run_id=run_id, path="secret.txt"),
        right.get(
            f"/ajax-api/2.0/mlflow/logged-models/{lefts.logged_model}/artifacts/files",
            artifact_file_path="x",
        ),
        right.http.post(
            "/ajax-api/2.0/mlflow/upload-artifact",
            params={"run_uuid": run_id, "path": "x"},
            content=b"x",
        ),
    ):
        assert is_unknown(response), response.text


def test_graphql_stays_in_the_project(right: Caller, lefts: Things) -> None:
    query = "query Q($run: String) {mlflowGetRun(input: {runId: $run}) {run {info {runId}}}}"
    response = right.post("/graphql", query=query, variables={"run": lefts.run["run_id"]})
    assert response.json()["data"] == {"mlflowGetRun": None}


def test_spans_do_not_reach_anothers_experiment(right: Caller, lefts: Things) -> None:
    span = {
        "traceId": "0" * 31 + "1",
        "spanId": "0" * 15 + "1",
        "name": "planted",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    response = right.http.post(
        "/v1/traces",
        json={"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
        headers={"x-mlflow-experiment-id": lefts.run["experiment_id"]},
    )
    assert is_unknown(response)


def test_each_project_has_its_own_experiment_0(left: Caller, right: Caller) -> None:
    assert left.run()["experiment_id"] != right.run()["experiment_id"]


def test_mcp_servers_stay_in_the_project(left: Caller, right: Caller) -> None:
    path = "/api/3.0/mlflow/mcp-servers"
    name = f"acme/{uuid.uuid4().hex}"
    assert left.post(path, name=name).status_code == 200
    assert left.get(f"{path}/{name}").status_code == 200
    assert is_unknown(right.get(f"{path}/{name}"))
    assert "acme" not in right.get(path).text


def test_a_protected_alias_and_deletion_ask_for_their_own_permissions(callers: Callers) -> None:
    writer = callers.of("right", "mlflow:read", "mlflow:write")
    promoter = callers.of("right", "mlflow:read", "mlflow:write", "models:promote")
    deleter = callers.of("right", "mlflow:read", "mlflow:write", "models:delete")
    name = made_by(writer).model
    alias = {"name": name, "alias": "production", "version": "1"}

    def asked(caller: Caller, method: str, path: str, **body: str) -> str:
        response = caller.http.request(method, f"{API}/{path}", json=body)
        if response.status_code == 200:
            return "ok"
        assert response.status_code == 403, response.text
        return str(response.json()["message"])

    assert "models:promote" in asked(writer, "POST", "registered-models/alias", **alias)
    other_case = {**alias, "alias": "Production"}
    assert "models:promote" in asked(writer, "POST", "registered-models/alias", **other_case)
    assert asked(writer, "POST", "registered-models/alias", **{**alias, "alias": "mine"}) == "ok"
    assert asked(promoter, "POST", "registered-models/alias", **alias) == "ok"
    assert "models:promote" in asked(writer, "DELETE", "registered-models/alias", **alias)
    stage = {"name": name, "version": "1", "stage": "Production"}
    assert "models:promote" in asked(writer, "POST", "model-versions/transition-stage", **stage)
    renamed = {"name": name, "new_name": f"{name}-2"}
    assert "models:promote" in asked(writer, "POST", "registered-models/rename", **renamed)
    version = {"name": name, "version": "1"}
    assert "models:delete" in asked(writer, "DELETE", "model-versions/delete", **version)
    assert "models:delete" in asked(promoter, "DELETE", "registered-models/delete", name=name)
    assert asked(deleter, "DELETE", "model-versions/delete", **version) == "ok"
    assert asked(deleter, "DELETE", "registered-models/delete", name=name) == "ok"
    for each in (writer, promoter, deleter):
        each.http.close()


def test_a_narrowed_key_reaches_its_own_models_only(
    stack: Stack, right: Caller, rights: Things
) -> None:
    key = stack.key("mlflow:read", "mlflow:write", project="right", resources=["model:churn-*"])
    with httpx.Client(
        base_url=stack.mlflow_url, headers={"Authorization": f"Bearer {key}"}
    ) as narrowed:
        own = narrowed.post(f"{API}/registered-models/create", json={"name": "churn-1"})
        assert own.status_code in {200, 400}, own.text
        foreign = narrowed.get(f"{API}/registered-models/get", params={"name": rights.model})
        assert foreign.status_code == 403
        assert right.get(f"{API}/registered-models/get", name="churn-1").status_code == 200
