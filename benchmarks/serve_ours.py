"""Our endpoint over a PostgreSQL without TLS and IAM, so that all compared servers reach it alike.

Everything else is what a task runs: the verifier with a real key, the project's workspace, logs.
The key is printed when the server is composed.
"""

import gc
import os
import sys

from app.auth.api_key import ApiKey
from app.auth.key_directory import KeyDirectory
from app.auth.key_record import KeyRecord
from app.auth.verifier import Verifier
from app.logs import configure_logging
from app.mlflow import environment
from app.permissions import Permission
from app.request_context import RequestContext
from app.serve import serve
from app.settings import MlflowSettings


def main() -> None:
    """Serve until a signal comes."""
    configure_logging("mlflow")
    uri, port = os.environ["BENCHMARK_DATABASE"], int(os.environ["PORT"])
    settings = MlflowSettings.model_validate(
        {
            "environment": "local",
            "database_host": "unused",
            "database_ca_file": "unused",
            "PORT": port,
            "key_secret_prefix": "unused/",
            "api_url": "http://127.0.0.1:1",
            "mlflow_url": f"http://127.0.0.1:{port}",
            "artifact_bucket": "unused",
            "api_internal_url": "http://127.0.0.1:1",
        }
    )
    setattr(environment, "mlflow_database_uri", lambda _: uri)  # noqa: B010 -- a name that the module only imports
    environment.prepare(settings)
    gc.disable()
    from app.mlflow.app import create_app  # noqa: PLC0415 -- MLflow reads the environment first

    gc.enable()
    key, directory = ApiKey.generate("local"), KeyDirectory(monotonic=lambda: 0.0)
    directory.contact()
    record = KeyRecord(
        key_id=key.key_id,
        project="bench",
        name="benchmark",
        digest=key.digest,
        permissions=frozenset({Permission.MLFLOW_READ, Permission.MLFLOW_WRITE}),
        created_at=0,
        created_by="benchmark",
    )
    directory.replace("bench", "1", [record])
    verifier = Verifier(
        directory, environment="local", audience="mlflow", origin=settings.mlflow_url
    )
    app = create_app(settings, verifier)
    configure_logging("mlflow")
    sys.stdout.write(f"key {key.reveal()}\n")
    sys.stdout.flush()
    serve(RequestContext(app), settings, service="mlflow")


if __name__ == "__main__":
    main()
