import inspect

import pytest
from mlflow.store.artifact.artifact_repo import (
    ArtifactRepository,
    MultipartDownloadMixin,
    MultipartUploadMixin,
    PresignedUploadMixin,
)
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

from app.mlflow.guard import ProjectArtifacts
from app.mlflow.registry import ProjectModelRegistry
from app.mlflow.replaced import ORIGINALS, Original
from app.mlflow.tracking import NAMES_EXPERIMENTS, ProjectTrackingStore

TOUCHES_NO_OBJECT = {
    "get_s3_file_upload_extra_args",
    "get_local_path",
    "flush_async_logging",
    "max_workers",
    "parse_s3_compliant_uri",
}
BUILT_ON_GUARDED_METHODS = {
    "download_archived_trace_data",
    "download_artifacts",
    "download_trace_attachment",
    "download_trace_attachment_to_file",
    "download_trace_data",
    "download_trace_data_to_file",
    "upload_archived_trace_data",
    "upload_attachment",
    "upload_trace_data",
}


@pytest.mark.parametrize("original", ORIGINALS, ids=lambda each: each.name)
def test_what_is_replaced_is_still_what_was_read(original: Original) -> None:
    assert original.current_digest() == original.digest, (
        f"{original.module}.{original.name} changed: read it beside what stands in for it, "
        "then write the new digest"
    )


def test_every_method_that_reaches_an_object_is_guarded() -> None:
    bases = (
        S3ArtifactRepository,
        ArtifactRepository,
        MultipartUploadMixin,
        MultipartDownloadMixin,
        PresignedUploadMixin,
    )
    public = {name for base in bases for name in vars(base) if not name.startswith("_")}
    guarded = {name for name in vars(ProjectArtifacts) if not name.startswith("_")}
    assert public - guarded - TOUCHES_NO_OBJECT - BUILT_ON_GUARDED_METHODS == set()
    assert "_download_file" in vars(ProjectArtifacts)


def test_every_method_that_takes_experiments_takes_id_0() -> None:
    missed = [
        name
        for name, method in inspect.getmembers(Tracking, inspect.isfunction)
        if not name.startswith("_")
        and NAMES_EXPERIMENTS & set(inspect.signature(method).parameters)
        and name not in vars(ProjectTrackingStore)
    ]
    assert missed == []


def test_a_parameter_that_names_experiments_is_known_as_one() -> None:
    names = {
        parameter
        for name, method in inspect.getmembers(Tracking, inspect.isfunction)
        if not name.startswith("_")
        for parameter in inspect.signature(method).parameters
        if "experiment" in parameter and parameter != "experiment_name"
    }
    assert names - NAMES_EXPERIMENTS == set()


def test_every_method_about_one_model_respects_narrowing() -> None:
    missed = [
        name
        for name, method in inspect.getmembers(Registry, inspect.isfunction)
        if not name.startswith("_")
        and "webhook" not in name
        and "name" in inspect.signature(method).parameters
        and name not in vars(ProjectModelRegistry)
    ]
    assert missed == []
