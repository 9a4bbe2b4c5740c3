"""Views of MLflow's that touch artifact files, written anew so that none of them touches a disk."""

import posixpath
from typing import Final

from flask import Response, request
from graphql import GraphQLError, parse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INVALID_PARAMETER_VALUE,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.server.handlers import (
    _content_disposition_attachment,
    _fetch_trace_data_from_store,
    _get_proxied_run_artifact_destination_path,
    _get_trace_archive_repo,
    _get_trace_artifact_repo,
    _get_tracking_store,
    _graphql,
)
from mlflow.store.artifact.artifact_repo import _validate_attachment_path
from mlflow.tracing.constant import SpansLocation, TraceTagKey
from mlflow.tracing.utils.artifact_utils import TRACE_DATA_FILE_NAME
from mlflow.utils.uri import validate_path_is_safe

from app.mlflow import versions
from app.mlflow.artifacts import Artifacts, Download
from app.mlflow.bridge import DOWNLOAD
from app.mlflow.guard import ProjectArtifacts, project_prefix, within_project
from app.mlflow.untyped import Entity

UPLOAD_LIMIT: Final = 10 * 1024 * 1024
"""Of a file that the UI uploads; MLflow's own number."""


def scoped(artifact_path: str | None) -> str:
    """Place a path of the artifact routes below the active project's prefix."""
    path = (artifact_path or "").lstrip("/")
    if path == "workspaces" or path.startswith("workspaces/"):
        return within_project(path)
    return within_project(posixpath.join(project_prefix(), path))


def send_artifact(repository: ProjectArtifacts, path: str) -> Response:
    """Let the bridge stream an object, where MLflow would fetch it into a file first."""
    return _hand_over(repository.key(path), path)


def _hand_over(key: str, name: str) -> Response:
    versions.allow_read(key)
    request.environ[DOWNLOAD] = Download(key, name)
    return Response()


def upload_artifact(artifacts: Artifacts) -> Response:
    """Store a file that the UI sends to a run."""
    run_id, path = request.args.get("run_uuid"), request.args.get("path")
    if not run_id:
        raise _invalid("Request must specify run_uuid.")
    if not path:
        raise _invalid("Request must specify path.")
    path = validate_path_is_safe(path)
    data = request.get_data()
    if not data:
        raise _invalid("Request must specify data.")
    if len(data) > UPLOAD_LIMIT:
        raise _invalid("Artifact size is too large. Max size is 10MB.")
    run = _get_tracking_store().get_run(run_id)
    place = _get_proxied_run_artifact_destination_path(run.info.artifact_uri, path)
    key = scoped(place)
    versions.allow_write(key)
    artifacts.put(key, data)
    return Response(mimetype="application/json")


def graphql() -> Response:
    """Answer a query; MLflow's own view fails on one that cannot be parsed."""
    asked = request.get_json(force=True, silent=True)
    query = asked.get("query") if isinstance(asked, dict) else None
    if not isinstance(query, str):
        raise _invalid("Request must specify query.")
    try:
        parse(query)
    except GraphQLError as error:
        raise _invalid(f"The query cannot be read: {error.message}") from None
    response: Response = _graphql()
    return response


def get_trace_artifact() -> Response:
    """Send a trace's spans, or a file attached to it."""
    trace_id, path = request.args.get("request_id"), request.args.get("path")
    if not trace_id:
        raise MlflowException(
            'Request must include the "request_id" query parameter.', error_code=BAD_REQUEST
        )
    store = _get_tracking_store()
    if path:
        _validate_attachment_path(path)
        repository = _trace_repository(store, trace_id)
        return _hand_over(repository.key("attachments", path), path)
    data = _fetch_trace_data_from_store(store, trace_id)
    if data is None:
        trace = _trace(store, trace_id)
        if trace.tags.get(TraceTagKey.SPANS_LOCATION) != SpansLocation.ARCHIVE_REPO.value:
            repository = _get_trace_artifact_repo(trace)
            return _hand_over(repository.key(TRACE_DATA_FILE_NAME), TRACE_DATA_FILE_NAME)
        archive = _get_trace_archive_repo(trace)
        data = archive.download_archived_trace_data().to_json_bytes()
    disposition = _content_disposition_attachment(TRACE_DATA_FILE_NAME)
    return Response(
        data,
        mimetype="application/octet-stream",
        headers={"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"},
    )


def _trace(store: Entity, trace_id: str) -> Entity:
    trace = store.get_trace_info(trace_id)
    if trace is None:
        raise MlflowException(
            f"Trace with ID '{trace_id}' not found.", error_code=RESOURCE_DOES_NOT_EXIST
        )
    return trace


def _trace_repository(store: Entity, trace_id: str) -> ProjectArtifacts:
    repository: ProjectArtifacts = _get_trace_artifact_repo(_trace(store, trace_id))
    return repository


def _invalid(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
