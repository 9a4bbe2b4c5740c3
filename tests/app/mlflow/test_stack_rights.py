"""What a permission is for: files of versions, narrowed keys, and the registry's own two."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.app.mlflow.caller import API, Caller, Callers
from tests.stack import Stack

FILES = "/api/2.0/mlflow-artifacts/artifacts"
MPU = "/api/2.0/mlflow-artifacts/mpu"
DATA = b"what production loads"


@dataclass(frozen=True)
class Model:
    """A registered model whose first version stands on a folder of files."""

    name: str
    folder: str
    run_id: str
    logged_model: str = ""

    @property
    def file(self) -> str:
        return f"{self.folder}/model.bin"


def from_run(caller: Caller, prefix: str) -> Model:
    run = caller.run()
    place = f"{run['artifact_uri']}/model"
    return registered(caller, prefix, place, run["run_id"])


def from_logged_model(caller: Caller, prefix: str) -> Model:
    run = caller.run()
    made = caller.post(
        f"{API}/logged-models",
        experiment_id=run["experiment_id"],
        name="m",
        source_run_id=run["run_id"],
    ).json()["model"]["info"]
    return registered(caller, prefix, made["artifact_uri"], run["run_id"], made["model_id"])


def registered(
    caller: Caller, prefix: str, place: str, run_id: str, logged_model: str = ""
) -> Model:
    folder = place.removeprefix("mlflow-artifacts:/")
    model = Model(f"{prefix}-{uuid.uuid4().hex[:8]}", folder, run_id, logged_model)
    more = {"model_id": logged_model} if logged_model else {}
    done = [
        caller.http.put(f"{FILES}/{model.file}", content=DATA),
        caller.post(f"{API}/registered-models/create", name=model.name),
        caller.post(
            f"{API}/model-versions/create",
            name=model.name,
            source=f"models:/{logged_model}" if logged_model else place,
            run_id=run_id,
            **more,
        ),
    ]
    assert [each.status_code for each in done] == [200] * 3, [each.text for each in done]
    return model


@pytest.fixture(scope="module", params=[from_run, from_logged_model])
def model(request: pytest.FixtureRequest, left: Caller) -> Model:
    made: Model = request.param(left, "deployed")
    return made


@pytest.fixture(scope="module")
def promoter(callers: Callers) -> Iterator[Caller]:
    caller = callers.of("left", "mlflow:read", "mlflow:write", "models:promote")
    yield caller
    caller.http.close()


@pytest.fixture(scope="module")
def deleter(callers: Callers) -> Iterator[Caller]:
    caller = callers.of("left", "mlflow:read", "mlflow:write", "models:delete")
    yield caller
    caller.http.close()


def lacks(response: httpx.Response, permission: str) -> bool:
    return response.status_code == 403 and permission in response.json()["message"]


def test_files_of_a_deployed_version_change_by_promotion_only(
    left: Caller, promoter: Caller, model: Model
) -> None:
    assert left.http.put(f"{FILES}/{model.file}", content=DATA).status_code == 200
    alias = {"name": model.name, "alias": "production", "version": "1"}
    assert promoter.post(f"{API}/registered-models/alias", **alias).status_code == 200
    begun = promoter.post(f"{MPU}/create/{model.folder}", path="model.bin", num_parts=1)
    assert begun.status_code == 200, begun.text
    upload = {"path": "model.bin", "upload_id": begun.json()["upload_id"]}
    for response in (
        left.http.put(f"{FILES}/{model.file}", content=b"other"),
        left.http.put(f"{FILES}/{model.file}", content=bytes(6 * 1024 * 1024)),
        left.http.put(f"/ajax-api{FILES.removeprefix('/api')}/{model.file}", content=b"other"),
        left.http.put(f"{FILES}/{model.folder}/new.bin", content=b"other"),
        left.post(f"{MPU}/create/{model.folder}", path="model.bin", num_parts=1),
        left.post(
            f"{MPU}/complete/{model.folder}",
            parts=[{"part_number": 1, "etag": "x"}],
            **upload,
        ),
    ):
        assert lacks(response, "models:promote"), response.text
    if not model.logged_model:
        uploaded = left.http.post(
            "/ajax-api/2.0/mlflow/upload-artifact",
            params={"run_uuid": model.run_id, "path": "model/model.bin"},
            content=b"other",
        )
        assert lacks(uploaded, "models:promote"), uploaded.text
    assert promoter.post(f"{MPU}/abort/{model.folder}", **upload).status_code == 200
    assert left.http.get(f"{FILES}/{model.file}").content == DATA
    beside = model.folder.rpartition("/")[0] + "/beside.txt"
    assert left.http.put(f"{FILES}/{beside}", content=b"x").status_code == 200
    assert promoter.http.put(f"{FILES}/{model.file}", content=DATA).status_code == 200


def test_an_upload_that_was_begun_before_a_promotion_does_not_end_after_it(
    left: Caller, promoter: Caller
) -> None:
    run = left.run()
    place = f"{run['artifact_uri']}/model"
    path = f"{FILES}/{place.removeprefix('mlflow-artifacts:/')}/model.bin"

    def pieces() -> Iterator[bytes]:
        for _ in range(7):
            yield bytes(1024 * 1024)
        time.sleep(0.5)
        model = registered(promoter, "race", place, run["run_id"])
        alias = {"name": model.name, "alias": "staging", "version": "1"}
        assert promoter.post(f"{API}/registered-models/alias", **alias).status_code == 200
        yield b"the end"

    late = left.http.put(path, content=pieces())
    assert lacks(late, "models:promote"), late.text
    assert left.http.get(path).content == DATA


def test_files_of_a_version_are_deleted_by_who_may_delete_it(
    left: Caller, deleter: Caller, model: Model
) -> None:
    parts = model.folder.split("/")
    depth = 5 if model.logged_model else 4
    for path in (model.file, *("/".join(parts[:n]) for n in range(depth, len(parts) + 1))):
        assert lacks(left.http.delete(f"{FILES}/{path}"), "models:delete"), path
    if model.logged_model:
        response = left.http.delete(f"{API}/logged-models/{model.logged_model}")
        assert lacks(response, "models:delete"), response.text
    assert left.http.get(f"{FILES}/{model.file}").content == DATA
    assert deleter.http.delete(f"{FILES}/{model.file}").status_code == 200
    assert left.http.get(f"{FILES}/{model.file}").status_code == 404
    if model.logged_model:
        assert deleter.http.delete(f"{API}/logged-models/{model.logged_model}").is_success


def test_nobody_deletes_the_files_of_many_runs_at_once(deleter: Caller, model: Model) -> None:
    workspaces, project, experiment, *_ = model.folder.split("/")
    above = [f"{workspaces}/{project}", f"{workspaces}/{project}/{experiment}", experiment]
    if model.logged_model:
        above += [f"{workspaces}/{project}/{experiment}/models", f"{experiment}/traces"]
    for path in above:
        response = deleter.http.delete(f"{FILES}/{path}")
        assert response.status_code == 400, path
        assert "more than one run" in response.json()["message"]


def test_files_of_no_version_are_the_writers_own(left: Caller) -> None:
    run = left.run()
    folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert left.http.put(f"{FILES}/{folder}/model/x", content=b"1").status_code == 200
    assert left.http.put(f"{FILES}/{folder}/model/x", content=b"2").status_code == 200
    assert left.http.delete(f"{FILES}/{folder}").status_code == 200


def test_a_deployed_name_changes_by_promotion_only(left: Caller, promoter: Caller) -> None:
    model = from_run(left, "staged")
    moved = promoter.post(
        f"{API}/model-versions/transition-stage", name=model.name, version="1", stage="Staging"
    )
    assert moved.status_code == 200, moved.text
    renamed = {"name": model.name, "new_name": f"{model.name}-2"}
    assert lacks(left.post(f"{API}/registered-models/rename", **renamed), "models:promote")
    assert lacks(left.http.put(f"{FILES}/{model.file}", content=b"x"), "models:promote")
    assert promoter.post(f"{API}/registered-models/rename", **renamed).status_code == 200


@pytest.mark.parametrize("alias", ["product\u0456on", "\uff50roduction", "St\u00e5ging"])
def test_an_alias_cannot_only_look_like_a_protected_one(left: Caller, alias: str) -> None:
    model = from_run(left, "lookalike")
    response = left.post(
        f"{API}/registered-models/alias", name=model.name, alias=alias, version="1"
    )
    assert response.status_code == 400, response.text
    assert "ASCII" in response.json()["message"]


@dataclass(frozen=True)
class Narrowed:
    """A key for ``churn-*``, a model it is narrowed to, and one it is not."""

    caller: Caller
    mine: Model
    other: Model


@pytest.fixture(scope="module")
def narrowed(stack: Stack, left: Caller) -> Iterator[Narrowed]:
    mine, other = from_run(left, "churn"), from_run(left, "fraud")
    key = stack.key(
        "mlflow:read",
        "mlflow:write",
        "models:promote",
        "models:delete",
        project="left",
        resources=["model:churn-*"],
    )
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=stack.mlflow_url, headers=headers, timeout=60) as http:
        yield Narrowed(Caller(http, key, "left"), mine, other)


def test_a_narrowed_key_finds_its_own_models_only(narrowed: Narrowed) -> None:
    caller, other = narrowed.caller, narrowed.other
    query = (
        "query Q($run: String) {mlflowGetRun(input: {runId: $run}) {run {modelVersions {name}}}}"
    )
    for found in (
        caller.get(f"{API}/registered-models/search", max_results="1000"),
        caller.get(f"{API}/model-versions/search"),
        caller.get(f"{API}/model-versions/search", filter=f"name = '{other.name}'"),
        caller.post("/graphql", query=query, variables={"run": other.run_id}),
    ):
        assert found.status_code == 200, found.text
        assert other.name not in found.text
    everything = caller.get(f"{API}/registered-models/search", max_results="1000")
    assert narrowed.mine.name in everything.text
    mine = caller.post("/graphql", query=query, variables={"run": narrowed.mine.run_id})
    assert narrowed.mine.name in mine.text


def test_a_narrowed_key_touches_files_of_its_own_models_only(narrowed: Narrowed) -> None:
    caller, mine, other = narrowed.caller, narrowed.mine, narrowed.other
    assert caller.http.get(f"{FILES}/{mine.file}").content == DATA
    assert caller.http.put(f"{FILES}/{mine.file}", content=DATA).status_code == 200
    version = {"version": "1", "path": "model.bin"}
    got = caller.get("/model-versions/get-artifact", name=mine.name, **version)
    assert got.content == DATA
    free = other.folder.rpartition("/")[0] + "/free.txt"
    for response in (
        caller.http.get(f"{FILES}/{other.file}"),
        caller.http.get(f"{FILES}/{free}"),
        caller.http.put(f"{FILES}/{other.file}", content=b"x"),
        caller.http.put(f"{FILES}/{free}", content=b"x"),
        caller.http.delete(f"{FILES}/{other.file}"),
        caller.post(f"{MPU}/create/{other.folder}", path="model.bin", num_parts=1),
        caller.get("/get-artifact", run_id=other.run_id, path="model/model.bin"),
        caller.get("/model-versions/get-artifact", name=other.name, **version),
        caller.get(f"/api/2.0/mlflow-artifacts/presigned/{other.file}"),
    ):
        assert lacks(response, "is narrowed"), response.text
        assert DATA not in response.content


def test_a_narrowed_key_makes_versions_from_its_own_only(narrowed: Narrowed) -> None:
    caller, mine, other = narrowed.caller, narrowed.mine, narrowed.other
    for source in (
        f"models:/{other.name}/1",
        f"mlflow-artifacts:/{other.folder}",
        f"runs:/{other.run_id}/model",
    ):
        response = caller.post(
            f"{API}/model-versions/create", name=mine.name, source=source, run_id=other.run_id
        )
        assert lacks(response, "narrowed"), response.text
    copied = caller.post(
        f"{API}/model-versions/create", name=mine.name, source=f"models:/{mine.name}/1"
    )
    assert copied.status_code == 200, copied.text
    renamed = caller.post(
        f"{API}/registered-models/rename", name=mine.name, new_name="fraud-takeover"
    )
    assert lacks(renamed, "narrowed"), renamed.text


def test_a_narrowed_key_writes_nothing_outside_the_registry(narrowed: Narrowed) -> None:
    caller = narrowed.caller
    assert caller.get(f"{API}/runs/get", run_id=narrowed.other.run_id).status_code == 200
    for path in (
        f"{API}/runs/create",
        f"{API}/experiments/create",
        f"{API}/logged-models",
        f"{API}/runs/log-batch",
        "/api/3.0/mlflow/traces",
        "/v1/traces",
        "/ajax-api/2.0/mlflow/upload-artifact",
    ):
        response = caller.post(path, experiment_id="0", name="x")
        assert lacks(response, "narrowed to model:churn-*"), response.text


def test_models_read_and_write_are_enough_for_the_registry(callers: Callers, left: Caller) -> None:
    model = from_run(left, "registry")
    name, version = {"name": model.name}, {"name": model.name, "version": "1"}
    reader = callers.of("left", "models:read")
    for path, query in (
        (f"{API}/registered-models/search", {}),
        (f"{API}/registered-models/get", name),
        (f"{API}/model-versions/get", version),
        (f"{API}/model-versions/search", {}),
        (f"{API}/model-versions/get-download-uri", version),
        ("/model-versions/get-artifact", {**version, "path": "model.bin"}),
    ):
        found = reader.get(path, **query)
        assert found.status_code == 200, found.text
    tag = {**name, "key": "k", "value": "v"}
    assert lacks(reader.post(f"{API}/registered-models/set-tag", **tag), "mlflow:write")
    for response in (
        reader.get(f"{API}/experiments/get", experiment_id="0"),
        reader.http.get(f"{FILES}/{model.file}"),
    ):
        assert lacks(response, "mlflow:read"), response.text
    writer = callers.of("left", "models:write")
    assert writer.post(f"{API}/registered-models/set-tag", **tag).status_code == 200
    assert lacks(writer.get(f"{API}/registered-models/get", **name), "mlflow:read")
    assert lacks(writer.post(f"{API}/runs/create", experiment_id="0"), "mlflow:write")
    for each in (reader, writer):
        each.http.close()
