"""``python -m app.mlflow``: the MLflow server of one task."""

import gc
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy
from pydantic import ValidationError

from app.auth.verifier import Verifier
from app.logs import configure_logging
from app.mlflow import environment
from app.request_context import RequestContext
from app.serve import serve
from app.settings import MlflowSettings
from app.start_gate import StartRefusedError, start_gate
from app.stores.postgres import install_iam_login
from app.stores.schema import SchemaError


def main() -> None:
    """Pass the gate, then serve.

    The imports take seconds of this process, the gate waits for others: they run side by side.
    Nothing that the imports make is garbage, so nothing is collected until they are done.
    """
    configure_logging("mlflow")
    with start_gate():
        settings = _settings()
        environment.prepare(settings)
        install_iam_login(settings)
        with ThreadPoolExecutor(1) as beside:
            gate = beside.submit(Verifier.start, settings, "mlflow")
            gc.disable()
            from app.mlflow.app import create_app  # noqa: PLC0415 -- MLflow reads the environment first

            gc.enable()
            verifier = gate.result()
        try:
            app = create_app(settings, verifier)
        except (SchemaError, sqlalchemy.exc.SQLAlchemyError) as failure:
            raise StartRefusedError(
                f"MLflow's database does not fit ({failure}).",
                fix="Run the migrate container of this image.",
            ) from failure
    configure_logging("mlflow")  # once more: MLflow's modules have made loggers of their own
    serve(RequestContext(app, trusted_proxies=settings.trusted_proxies), settings, service="mlflow")


def _settings() -> MlflowSettings:
    try:
        return MlflowSettings()
    except ValidationError as failure:
        raise StartRefusedError(
            f"The environment is not complete: {failure}.",
            fix="Set the variables that are named.",
        ) from failure


if __name__ == "__main__":
    main()
