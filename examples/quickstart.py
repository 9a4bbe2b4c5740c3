"""Train a tiny model with the stock MLflow client, and log what a real project would log.

Run it with ``make demo`` against the running local stack, or against any other by setting
``MLFLOW_TRACKING_URI`` and ``MLFLOW_TRACKING_TOKEN``.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

CONNECTION = Path(".hokusai/local/connection.json")


def connect() -> None:
    """Take address and key from the environment, else from the running local stack."""
    if "MLFLOW_TRACKING_URI" in os.environ and "MLFLOW_TRACKING_TOKEN" in os.environ:
        return
    if not CONNECTION.exists():
        sys.exit("No local stack is running here. Start it with: make up")
    found = json.loads(CONNECTION.read_text())
    os.environ["MLFLOW_TRACKING_URI"] = found["mlflow_url"]
    os.environ["MLFLOW_TRACKING_TOKEN"] = found["admin_key"]


def main() -> None:
    """Log a run with its parameters, metrics, an artifact and a registered model."""
    connect()
    import mlflow  # noqa: PLC0415 - it reads the environment that connect() has set
    from sklearn.datasets import load_iris  # noqa: PLC0415 - slow; not before a missing stack is told
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - the same
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - the same

    mlflow.set_experiment("quickstart")
    features, labels = load_iris(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(features, labels, random_state=0)

    with mlflow.start_run() as run:
        for step, strength in enumerate((0.01, 0.1, 1.0, 10.0)):
            model = LogisticRegression(C=strength, max_iter=500).fit(train_x, train_y)
            mlflow.log_metric("accuracy", model.score(test_x, test_y), step=step)
        mlflow.log_params({"C": strength, "max_iter": 500, "dataset": "iris"})
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder, "classes.json")
            notes.write_text(json.dumps(load_iris().target_names.tolist()))
            mlflow.log_artifact(str(notes))
        mlflow.sklearn.log_model(
            model, name="model", input_example=train_x[:2], registered_model_name="iris"
        )

    loaded = mlflow.pyfunc.load_model("models:/iris/latest")
    agree = (loaded.predict(test_x) == model.predict(test_x)).all()
    print(f"The model that came back predicts the same: {agree}")
    url = f"{os.environ['MLFLOW_TRACKING_URI']}/#/experiments/{run.info.experiment_id}"
    print(f"Open {url}/runs/{run.info.run_id}")
    print("Sign in with the key that make up printed.")


if __name__ == "__main__":
    main()
