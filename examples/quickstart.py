"""Train a tiny model with the stock MLflow client, and log what a real project would log.

Run it with ``make demo`` against the running local stack, or against any other by setting
``MLFLOW_TRACKING_URI`` and ``MLFLOW_TRACKING_TOKEN``; and over HTTPS, where no public authority has
signed the certificate, ``MLFLOW_TRACKING_SERVER_CERT_PATH``.
"""

import json
import logging
import os
import sys
import tempfile
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import requests

CONNECTION = Path(__file__).resolve().parents[1] / ".hokusai/local/connection.json"
NO_STACK = "No local stack is running here. Start it with: make up"
CA_VARIABLE = "MLFLOW_TRACKING_SERVER_CERT_PATH"
UNKNOWN_AUTHORITY = f"""\
{{uri}} shows a certificate of an authority that is not known here. Name the authority's file:
  export {CA_VARIABLE}=<file>
For the local stack it is ca_file in {CONNECTION}.
({{error}})"""
NO_KEY = "The key is valid no more. For the local stack, make a new one with: make key"


def connect() -> None:
    """Take address and key from the environment, else from the running local stack; try them."""
    if "MLFLOW_TRACKING_URI" not in os.environ or "MLFLOW_TRACKING_TOKEN" not in os.environ:
        if not CONNECTION.exists():
            sys.exit(NO_STACK)
        found = json.loads(CONNECTION.read_text())
        if "admin_key" not in found:
            sys.exit(NO_KEY)
        os.environ["MLFLOW_TRACKING_URI"] = found["mlflow_url"]
        os.environ["MLFLOW_TRACKING_TOKEN"] = found["admin_key"]
    uri = os.environ["MLFLOW_TRACKING_URI"]
    try:  # MLflow itself would go on trying for minutes
        answer = requests.get(
            f"{uri}/api/2.0/mlflow/experiments/search?max_results=1",
            headers={"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"},
            timeout=30,
            # As MLflow itself does; without it, requests asks REQUESTS_CA_BUNDLE.
            verify=os.environ.get(CA_VARIABLE) or True,
        )
    except requests.exceptions.SSLError as error:
        sys.exit(UNKNOWN_AUTHORITY.format(uri=uri, error=error))
    except requests.RequestException:
        sys.exit(f"Nothing answers at {uri}. The local stack is started with: make up")
    except OSError as error:  # what requests says of a file of authorities that is not there
        sys.exit(f"{CA_VARIABLE} or REQUESTS_CA_BUNDLE: {error}")
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        sys.exit(NO_KEY)
    if not answer.ok:
        sys.exit(f"{uri} answers {answer.status_code}: {answer.text[:300]}")


def main() -> None:
    """Log a run with its parameters, metrics, an artifact and a registered model."""
    connect()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # else it writes to the home folder
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    import mlflow  # noqa: PLC0415 - it reads the environment that is set above
    from sklearn.datasets import load_iris  # noqa: PLC0415 - slow; not before a missing stack is told
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - the same
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - the same

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_experiment("quickstart")
    features, labels = load_iris(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(features, labels, random_state=0)

    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        print(f"Run {run.info.run_name} in experiment quickstart")
        for step, strength in enumerate((0.01, 0.1, 1.0, 10.0)):
            model = LogisticRegression(C=strength, max_iter=500).fit(train_x, train_y)
            accuracy = model.score(test_x, test_y)
            mlflow.log_metric("accuracy", accuracy, step=step)
        mlflow.log_params({"C": strength, "max_iter": 500, "dataset": "iris"})
        print(f"Logged 4 accuracies, the last {accuracy:.3f}, and 3 parameters")
        notes = Path(folder, "classes.json")
        notes.write_text(json.dumps(load_iris().target_names.tolist()))
        mlflow.log_artifact(str(notes))
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=train_x[:2],
            registered_model_name="iris",
            pip_requirements=[f"{each}=={version(each)}" for each in ("mlflow", "scikit-learn")],
        )

        name = f"models:/iris/{logged.registered_model_version}"
        loaded = mlflow.pyfunc.load_model(name, dst_path=folder)
        agree = (loaded.predict(test_x) == model.predict(test_x)).all()
        print(f"The model that came back predicts the same: {agree}")
    url = f"{os.environ['MLFLOW_TRACKING_URI']}/#/experiments/{run.info.experiment_id}"
    print(f"Open {url}/runs/{run.info.run_id}")
    print(f"and sign in with the key, which stands in {CONNECTION}")


if __name__ == "__main__":
    main()
