"""Serve stock MLflow."""

import os
from urllib.parse import urlsplit

import uvicorn

from tracking.login import database_uri, log_in_by_iam
from tracking.settings import ARTIFACT_ROOT, ServerSettings

IDLE_SECONDS = 310
"""Longer than the load balancer keeps a connection, so that this end never closes it first."""
GRACE_SECONDS = 90
"""Longer than a target takes to drain, shorter than the container's stop timeout."""


def mlflow_environment(settings: ServerSettings) -> dict[str, str]:
    """Spell the settings in MLflow's names."""
    database = database_uri(settings)
    host = urlsplit(settings.url).hostname or ""
    return {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACT_ROOT,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"s3://{settings.artifact_bucket}",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "4",
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "4",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{host},{host}:*",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": settings.url,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def main() -> None:
    """Serve until a signal ends it."""
    settings = ServerSettings()
    os.environ.update(mlflow_environment(settings))
    log_in_by_iam(settings)
    uvicorn.run(
        "mlflow.server.fastapi_app:app",
        host=settings.host,
        port=settings.port,
        access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
