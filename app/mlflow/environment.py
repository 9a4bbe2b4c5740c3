"""MLflow's own settings, derived from ours and set before MLflow is imported.

MLflow reads its configuration from the environment, some of it while its modules are imported.
The names are MLflow's; nothing but this module writes them.
"""

import ipaddress
import os
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy

from app.settings import MlflowSettings
from app.stores.postgres import mlflow_database_uri

NEVER_INHERITED: Final = (
    "MLFLOW_WORKSPACE",  # would stand in for a workspace that a request does not have
    "MLFLOW_DEPLOYMENTS_TARGET",  # a server that callers could send requests to through this one
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_S3_IGNORE_TLS",
    "_MLFLOW_IN_JOB_EXECUTOR",  # lets the process rebuild scorer code that callers stored
    "_MLFLOW_SERVER_ARTIFACTS_ONLY",
    "_MLFLOW_STATIC_PREFIX",
)
SOURCES: Final = r"^((runs|models|mlflow-artifacts):/|(dummy-source|prompt-template)$)"
"""Where a model version may come from; with ``s3://`` it could name anybody's object.

The two words stand for no place: MLflow writes them for prompts, which have no files.
"""
STATEMENT_TIMEOUT_MS: Final = 60_000


def artifact_destination(settings: MlflowSettings) -> str:
    """Name the root of all artifacts."""
    return f"s3://{settings.artifact_bucket}"


def allowed_hosts(settings: MlflowSettings) -> tuple[str, ...]:
    """Return the patterns a ``Host`` header may match: the public name and the inner one.

    Services of one namespace differ in their first label only, so the API's inner name tells
    what this service's looks like. Clients send a name with or without its port.
    """
    public = urlsplit(settings.mlflow_url).hostname or ""
    inner = urlsplit(settings.api_internal_url).hostname or ""
    names = [public]
    if _is_address(public):
        names.append("localhost")
    if _is_address(inner) or "." not in inner:
        names.append(inner)
    else:
        names.append("*." + inner.partition(".")[2])
    return tuple(pattern for name in dict.fromkeys(names) for pattern in (name, f"{name}:*"))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def database_uri(settings: MlflowSettings) -> str:
    """Name MLflow's database; no statement of MLflow's may hold a connection for ever."""
    url = sqlalchemy.make_url(mlflow_database_uri(settings))
    limited = url.update_query_dict({"options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"})
    return limited.render_as_string(hide_password=False)


def mlflow_environment(settings: MlflowSettings) -> dict[str, str]:
    """Spell our settings in MLflow's names."""
    database = database_uri(settings)
    return {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifact_destination(settings),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(settings.database_pool_size),
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": str(settings.database_max_overflow),
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": SOURCES,
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(allowed_hosts(settings)),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": settings.mlflow_url,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_CONFIGURE_LOGGING": "false",
    }


def prepare(settings: MlflowSettings) -> None:
    """Set the environment that MLflow is about to read."""
    for name in NEVER_INHERITED:
        os.environ.pop(name, None)
    os.environ.update(mlflow_environment(settings))
