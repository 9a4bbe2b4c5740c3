import contextvars
from collections.abc import Iterator

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.workspace_context import ServerWorkspaceContext

from app.mlflow.guard import ProjectArtifacts, within_project
from app.mlflow.views import scoped

OUTSIDE = [
    "",
    "workspaces",
    "workspaces/",
    "workspaces/beta/x",
    "workspaces/alphabet/x",
    "workspaces/alph",
    "workspaces/alpha/../beta/x",
    "workspaces/alpha/./x",
    "workspaces/alpha//x",
    "workspaces/alpha/..",
    "workspaces/alpha/a\\b",
    "/workspaces/alpha/x",
    "other/alpha/x",
]


@pytest.fixture
def alpha(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "s3://bucket")
    with ServerWorkspaceContext("alpha"):
        yield


@pytest.mark.usefixtures("alpha")
@pytest.mark.parametrize(
    "key", ["workspaces/alpha", "workspaces/alpha/1/x.txt", "workspaces/alpha/1/"]
)
def test_a_key_of_the_project_passes(key: str) -> None:
    assert within_project(key) == key.rstrip("/")


@pytest.mark.usefixtures("alpha")
@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_outside_is_refused(key: str) -> None:
    with pytest.raises(MlflowException, match="not one of this project"):
        within_project(key)


@pytest.mark.usefixtures("alpha")
@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/workspaces/beta",
        "s3://bucket/workspaces",
        "s3://bucket/other",
        "s3://elsewhere/workspaces/alpha/x",
        "s3://bucket/workspaces/alpha/../beta",
        "s3://bucket/workspaces/alpha/x?versionId=1",
        "s3://bucket/workspaces/alpha/x#y",
        "s3://user@bucket/workspaces/alpha/x",
    ],
)
def test_a_repository_outside_cannot_be_made(uri: str) -> None:
    with pytest.raises(MlflowException, match="not one of this project"):
        ProjectArtifacts(uri)


@pytest.mark.usefixtures("alpha")
@pytest.mark.parametrize("path", [None, "", "workspaces/beta/x", "1/../../beta/x", "../x"])
def test_the_repository_of_the_destination_checks_each_path(path: str | None) -> None:
    repository = ProjectArtifacts("s3://bucket")
    for method in (
        repository.list_artifacts,
        repository.delete_artifacts,
        lambda each: repository.create_presigned_upload_url(each or ""),
        lambda each: repository.get_download_presigned_url(each or ""),
        lambda each: repository._download_file(each or "", "/dev/null"),  # noqa: SLF001 -- the one way down
        lambda each: repository.create_multipart_upload("f", 1, each),
        lambda each: repository.complete_multipart_upload("f", "id", [], each),
        lambda each: repository.abort_multipart_upload("f", "id", each),
        lambda each: repository.log_artifact("f", each),
        lambda each: repository.log_artifacts("d", each),
    ):
        with pytest.raises(MlflowException, match="not one of this project"):
            method(path)


def test_without_a_project_everything_is_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "s3://bucket")
    monkeypatch.delenv("MLFLOW_WORKSPACE", raising=False)

    def check() -> None:
        with pytest.raises(MlflowException):
            within_project("workspaces/alpha/x")
        with pytest.raises(MlflowException):
            ProjectArtifacts("s3://bucket").list_artifacts("workspaces/alpha")

    contextvars.Context().run(check)


@pytest.mark.usefixtures("alpha")
def test_threads_of_a_repository_know_the_project() -> None:
    repository = ProjectArtifacts("s3://bucket")
    key = repository.thread_pool.submit(repository.key, "workspaces/alpha/x").result()
    assert key == "workspaces/alpha/x"


@pytest.mark.usefixtures("alpha")
@pytest.mark.parametrize(
    ("path", "key"),
    [
        (None, "workspaces/alpha"),
        ("", "workspaces/alpha"),
        ("1/run/artifacts/x", "workspaces/alpha/1/run/artifacts/x"),
        ("workspaces/alpha/1/x", "workspaces/alpha/1/x"),
        ("workspacesfile", "workspaces/alpha/workspacesfile"),
    ],
)
def test_a_path_of_the_artifact_routes_is_placed_in_the_project(path: str | None, key: str) -> None:
    assert scoped(path) == key


@pytest.mark.usefixtures("alpha")
def test_the_refusal_is_the_same_whether_the_other_project_exists() -> None:
    said = set()
    for path in ("workspaces/beta/x", "workspaces/nobody/x", "workspaces"):
        with pytest.raises(MlflowException) as refused:
            scoped(path)
        said.add(refused.value.message)
    assert len(said) == 1
