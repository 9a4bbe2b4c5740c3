import pytest

from app.mlflow.environment import allowed_hosts, mlflow_environment
from app.mlflow.hosts import is_own
from app.settings import MlflowSettings


def settings(mlflow_url: str, api_internal_url: str) -> MlflowSettings:
    return MlflowSettings.model_validate(
        {
            "environment": "staging",
            "database_host": "db.internal",
            "database_ca_file": "ca.crt",
            "PORT": 5000,
            "key_secret_prefix": "hokusai/staging/projects/",
            "api_url": "https://api.example.org",
            "mlflow_url": mlflow_url,
            "artifact_bucket": "artifacts",
            "api_internal_url": api_internal_url,
        }
    )


ON_AWS = settings("https://mlflow.example.org", "http://api.hokusai-staging.internal:8000")
LOCAL = settings("http://127.0.0.1:41234", "http://127.0.0.1:41235")


@pytest.mark.parametrize(
    ("where", "host", "known"),
    [
        (ON_AWS, "mlflow.example.org", True),
        (ON_AWS, "mlflow.example.org:443", True),
        (ON_AWS, "mlflow.hokusai-staging.internal", True),
        (ON_AWS, "mlflow.hokusai-staging.internal:5000", True),
        (ON_AWS, "evil.example", False),
        (ON_AWS, "mlflow.example.org.evil.example", False),
        (ON_AWS, "10.0.0.12:5000", False),
        (ON_AWS, "", False),
        (LOCAL, "127.0.0.1:41234", True),
        (LOCAL, "localhost:41234", True),
        (LOCAL, "localhost", True),
        (LOCAL, "LOCALHOST:41234", True),
        (LOCAL, "localhost:1.evil.example", False),
        (LOCAL, "localhost:", False),
        (LOCAL, "evil.example", False),
        (ON_AWS, "evil.example:1.hokusai-staging.internal", False),
    ],
)
def test_the_hosts_that_are_this_service(where: MlflowSettings, host: str, known: bool) -> None:  # noqa: FBT001 -- a column of the table
    assert is_own(host, allowed_hosts(where)) is known


def test_mlflow_finds_its_settings_and_no_password() -> None:
    found = mlflow_environment(ON_AWS)
    assert found["MLFLOW_ENABLE_WORKSPACES"] == "true"
    assert found["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"] == "4"
    assert found["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] == "s3://artifacts"
    assert found["_MLFLOW_SERVER_FILE_STORE"].startswith(
        "postgresql+psycopg://hokusai_mlflow@db.internal:5432/mlflow?"
    )
    assert "sslmode=verify-full" in found["_MLFLOW_SERVER_FILE_STORE"]
