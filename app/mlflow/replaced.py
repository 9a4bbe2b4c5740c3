"""What is replaced inside MLflow, each with the digest of the source that was read for it.

A test compares the digests with the MLflow that is installed: when one differs, the function that
stands in for it has to be read again beside its new original.
"""

import hashlib
import importlib
import inspect
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import mlflow.server
import sqlalchemy
from flask import Response
from mlflow.exceptions import MlflowException
from mlflow.server import fastapi_app, handlers
from mlflow.store.db import utils as db_utils
from mlflow.store.jobs import sqlalchemy_store as job_store
from mlflow.store.model_registry import sqlalchemy_store as registry_store

from app.mlflow import guard, views
from app.mlflow.artifacts import Artifacts
from app.stores.schema import verify_mlflow


@dataclass(frozen=True)
class Original:
    """A function of MLflow's that does not run here."""

    module: str
    name: str
    digest: str
    """SHA-256 of its source, the first 16 digits."""

    def current_digest(self) -> str:
        """Digest the source of the MLflow that is installed."""
        found: Any = importlib.import_module(self.module)
        for part in self.name.split("."):
            found = getattr(found, part)
        return hashlib.sha256(inspect.getsource(found).encode()).hexdigest()[:16]


ORIGINALS: Final = (
    Original("mlflow.server.handlers", "_send_artifact", "33313e2a5d4049b3"),
    Original(
        "mlflow.server.handlers", "_get_workspace_scoped_repo_path_if_enabled", "69dd51c5b41cd2da"
    ),
    Original("mlflow.server.handlers", "upload_artifact_handler", "f6e652462579a5fe"),
    Original("mlflow.server.handlers", "get_trace_artifact_handler", "f700d0ac1b833096"),
    Original(
        "mlflow.server.handlers",
        "TrackingStoreRegistryWrapper._get_sqlalchemy_store",
        "7e6d626580ab91f4",
    ),
    Original(
        "mlflow.server.handlers",
        "ModelRegistryStoreRegistryWrapper._get_sqlalchemy_store",
        "b703f8862eabc611",
    ),
    Original("mlflow.server.handlers", "_graphql", "9505d676f1164c47"),
    Original("mlflow.server.artifact_router", "download_artifact", "9b41d1eff05a3c2d"),
    Original("mlflow.server.artifact_router", "upload_artifact", "53e9da2f9c9fb321"),
    Original("mlflow.server.server_info_api", "get_server_info", "7ac821756be5402f"),
    Original("mlflow.server.fastapi_app", "add_fastapi_workspace_middleware", "d8d5ee8b68c37228"),
    Original("mlflow.server.fastapi_app", "_lifespan", "4566c846a1d3b37d"),
    Original(
        "mlflow.server.workspace_helpers",
        "resolve_workspace_for_request_if_enabled",
        "6a120d154ab0367e",
    ),
    Original(
        "mlflow.server.workspace_helpers", "workspace_before_request_handler", "1925ef4fea8001d4"
    ),
    Original("mlflow.store.db.utils", "_verify_schema", "3d99283d1892865c"),
    Original("mlflow.store.db.utils", "_all_tables_exist", "51a48ca902671aee"),
    Original("mlflow.store.db.utils", "_safe_initialize_tables", "83e71ebf51535d48"),
    Original(
        "mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore.log_batch", "5616623d30fd5426"
    ),
    Original(
        "mlflow.store.tracking.sqlalchemy_store",
        "SqlAlchemyStore._log_metrics_once",
        "f1c94a7256af5033",
    ),
    Original(
        "mlflow.store.tracking.sqlalchemy_store",
        "SqlAlchemyStore._update_latest_metrics_if_necessary",
        "9a68eb580f007f5e",
    ),
    Original(
        "mlflow.store.tracking.sqlalchemy_store",
        "SqlAlchemyStore._get_eager_experiment_query_options",
        "b226c92be2f4041f",
    ),
    Original("mlflow.store.artifact.s3_artifact_repo", "S3ArtifactRepository", "dc35e2362be6f7a7"),
)


def install(artifacts: Artifacts) -> None:
    """Put our functions in the places from which MLflow calls its own."""
    guard.install()
    handlers._send_artifact = views.send_artifact  # noqa: SLF001 -- MLflow calls it by this name
    handlers._get_workspace_scoped_repo_path_if_enabled = views.scoped  # noqa: SLF001 -- the same
    mlflow.server.upload_artifact_handler = handlers.catch_mlflow_exception(
        _named("upload_artifact_handler", partial(views.upload_artifact, artifacts))
    )
    mlflow.server.get_trace_artifact_handler = handlers.catch_mlflow_exception(
        views.get_trace_artifact
    )
    # Some of MLflow's views leave out its decorator, and answer with a crash what others refuse.
    mlflow.server.app.register_error_handler(MlflowException, _mlflow_answer)
    mlflow.server.app.view_functions["_graphql"] = handlers.catch_mlflow_exception(views.graphql)
    fastapi_app.resolve_workspace_for_request_if_enabled = _trusted_workspace
    db_utils._verify_schema = _verify_schema  # noqa: SLF001 -- MLflow calls it by this name
    db_utils._all_tables_exist = registry_store._all_tables_exist = _assume_tables  # noqa: SLF001 -- the same
    db_utils._safe_initialize_tables = job_store._safe_initialize_tables = _make_nothing  # noqa: SLF001 -- the same


def _named(name: str, function: Any) -> Any:  # noqa: ANN401 -- a partial, which has no name of its own
    function.__name__ = name
    return function


def _mlflow_answer(error: MlflowException) -> Response:
    def failed() -> None:
        raise error

    answer: Response = handlers.catch_mlflow_exception(failed)()
    return answer


def _trusted_workspace(_path: str, header: str) -> SimpleNamespace:
    """Believe the header: this endpoint has just written it, and MLflow would ask the database."""
    return SimpleNamespace(name=header)


def _verify_schema(engine: sqlalchemy.Engine) -> None:
    """Check what MLflow checks, but let a newer, compatible schema pass."""
    with engine.connect() as connection:
        verify_mlflow(connection)


def _assume_tables(_: sqlalchemy.Engine) -> bool:
    """Say that no table is missing: a service never makes one, ``migrate`` does."""
    return True


def _make_nothing(_: sqlalchemy.Engine) -> None:
    """Leave the schema alone."""
