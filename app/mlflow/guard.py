"""The artifact repository of this server: one bucket, and in it one project at a time."""

import contextlib
import contextvars
import functools
import os
import posixpath
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    TEMPORARILY_UNAVAILABLE,
)
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow.utils.workspace_context import get_request_workspace

from app.mlflow import versions
from app.mlflow.artifacts import MOST_PARTS
from app.mlflow.untyped import Entity, Passed

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")
_WORKSPACES: Final = "workspaces"


class _ContextThreads(ThreadPoolExecutor):
    """Threads that know the request they work for."""

    def submit(self, fn: Callable[..., T], /, *args: Passed, **kwargs: Passed) -> "Future[T]":
        return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)


def _outside() -> MlflowException:
    return MlflowException(
        "The artifact path is not one of this project. "
        "Use the artifact URIs that MLflow gives you.",
        error_code=PERMISSION_DENIED,
    )


def project_prefix() -> str:
    """Return the prefix, without a slash at the end, of the active project's objects."""
    workspace = get_request_workspace()
    if not workspace or "/" in workspace or workspace in {".", ".."}:
        raise _outside()
    return f"{_WORKSPACES}/{workspace}"


def within_project(key: str) -> str:
    """Return ``key`` if it is, or lies below, the active project's prefix."""
    prefix = project_prefix()
    segments = key.split("/")
    if segments and not segments[-1]:
        segments.pop()
    odd = any(each in {"", ".", ".."} or "\\" in each for each in segments)
    if odd or segments[:2] != prefix.split("/"):
        raise _outside()
    return "/".join(segments)


@functools.cache
def _client() -> "S3Client":
    """Make the client that lists, deletes and signs; MLflow's own waits for minutes."""
    return boto3.client(
        "s3",
        config=Config(
            signature_version="s3v4",
            connect_timeout=2,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 3},
        ),
    )


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    """Say that S3 is away where boto3 says that it cannot connect."""
    try:
        yield
    except BotoCoreError as error:
        raise MlflowException(
            "The artifact store does not answer.", error_code=TEMPORARILY_UNAVAILABLE
        ) from error


class ProjectArtifacts(S3ArtifactRepository):  # type: ignore[misc] # MLflow ships no types
    """Everything MLflow reads or writes in S3; what lies outside the project is refused.

    Stands for the destination itself, or for a place below the active project's prefix. MLflow
    resolves URIs that callers stored (trace tags, sources of model versions) to repositories of
    any root, and passes paths to the one repository of the destination: both are checked.
    """

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        destination = urlsplit(os.environ["_MLFLOW_SERVER_ARTIFACT_DESTINATION"])
        wanted = urlsplit(artifact_uri)
        self._root = wanted.path.strip("/")
        if (wanted.scheme, wanted.netloc) != (destination.scheme, destination.netloc):
            raise _outside()
        if wanted.query or wanted.fragment:
            raise _outside()
        if self._root:
            within_project(self._root)
        super().__init__(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def _create_thread_pool(self) -> ThreadPoolExecutor:
        return _ContextThreads(
            max_workers=self.max_workers, thread_name_prefix=f"Mlflow{type(self).__name__}"
        )

    def _get_s3_client(self) -> "S3Client":
        return _client()

    def key(self, *path: str | None) -> str:
        """Return the key of an object of the project, or of the folder that ``path`` names."""
        return within_project(posixpath.join(self._root, *(each for each in path if each)))

    def _key_of_file(self, local_file: str, artifact_path: str | None) -> str:
        return self.key(artifact_path, os.path.basename(local_file))  # noqa: PTH119 -- a name, not a path

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Upload a file."""
        versions.allow_write(self._key_of_file(local_file, artifact_path))
        with _reaching():
            super().log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Upload a folder."""
        versions.allow_write(self.key(artifact_path))
        with _reaching():
            super().log_artifacts(local_dir, artifact_path)

    def upload_archived_trace_data_bytes(self, data: bytes) -> None:
        """Upload the archive of a trace."""
        versions.allow_write(self.key())
        with _reaching():
            super().upload_archived_trace_data_bytes(data)

    def list_artifacts(self, path: str | None = None) -> Entity:
        """List a folder."""
        self.key(path)
        with _reaching():
            return super().list_artifacts(path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        versions.allow_read(self.key(remote_file_path))
        with _reaching():
            super()._download_file(remote_file_path, local_path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete an object or everything below a folder."""
        versions.allow_delete(self.key(artifact_path))
        with _reaching():
            super().delete_artifacts(artifact_path)

    def create_multipart_upload(
        self, local_file: str, num_parts: int = 1, artifact_path: str | None = None
    ) -> Entity:
        """Begin an upload that the client makes by presigned URLs, one for each part."""
        versions.allow_write(self._key_of_file(local_file, artifact_path))
        if not 1 <= num_parts <= MOST_PARTS:
            raise MlflowException(
                f"An upload has 1 to {MOST_PARTS} parts, not {num_parts}.",
                error_code=INVALID_PARAMETER_VALUE,
            )
        with _reaching():
            return super().create_multipart_upload(local_file, num_parts, artifact_path)

    def complete_multipart_upload(
        self,
        local_file: str,
        upload_id: str,
        parts: Entity = None,
        artifact_path: str | None = None,
    ) -> None:
        """End an upload by presigned URLs."""
        versions.allow_write(self._key_of_file(local_file, artifact_path))
        with _reaching():
            super().complete_multipart_upload(local_file, upload_id, parts, artifact_path)

    def abort_multipart_upload(
        self, local_file: str, upload_id: str, artifact_path: str | None = None
    ) -> None:
        """Give up an upload by presigned URLs."""
        versions.allow_write(self._key_of_file(local_file, artifact_path))
        with _reaching():
            super().abort_multipart_upload(local_file, upload_id, artifact_path)

    def create_presigned_upload_url(self, artifact_path: str, expiration: int = 900) -> Entity:
        """Sign an upload for the client."""
        versions.allow_write(self.key(artifact_path))
        return super().create_presigned_upload_url(artifact_path, expiration)

    def get_download_presigned_url(self, artifact_path: str, expiration: int = 300) -> Entity:
        """Sign a download for the client."""
        versions.allow_read(self.key(artifact_path))
        return super().get_download_presigned_url(artifact_path, expiration)


def install() -> None:
    """Make ``s3`` the only kind of place this server can reach, and guard it."""
    schemes = _artifact_repository_registry.get_registered_artifact_repositories()
    for scheme in schemes:
        schemes[scheme] = _refuse
    schemes["s3"] = ProjectArtifacts
    _client()


def _refuse(_artifact_uri: str, **_: object) -> None:
    """Stand for every other kind of place: local files, other clouds, other servers."""
    raise _outside()
