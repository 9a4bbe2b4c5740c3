"""What the processes read from their environment, and what the program therefore gives them."""

from typing import Any, Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PORT: Final = 5000
HEALTH_PATH: Final = "/health"
DATABASE: Final = "mlflow"
"""Database, and the role that MLflow logs in with and that owns it."""

ARTIFACT_ROOT: Final = "mlflow-artifacts:/"
"""What MLflow tells its clients: artifacts go through the server."""


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL answers."""

    model_config = SettingsConfigDict(
        env_prefix="TRACKING_", frozen=True, use_attribute_docstrings=True
    )

    database_host: str
    """Host name of PostgreSQL; its certificate must carry it."""
    database_port: int
    """TCP port of PostgreSQL."""
    database_ca_file: str
    """PEM file of the authorities that may sign the database's certificate."""

    def tls(self) -> dict[str, Any]:
        """Say in libpq's words that only the right server is spoken to."""
        return {"sslmode": "verify-full", "sslrootcert": self.database_ca_file}


class PrepareSettings(DatabaseSettings):
    """Settings of ``prepare``, the only process that has the master credential."""

    master_username: str
    """Name of the managed master user."""
    master_password: SecretStr
    """Its password, filled by ECS when the task starts."""


class ServerSettings(DatabaseSettings):
    """Settings of the server."""

    port: int = Field(validation_alias="PORT")
    """TCP port to listen on; the service component writes it."""
    host: str = "0.0.0.0"  # noqa: S104 - a task has an address of its own
    """Address to listen on; a laptop has others in its network."""
    artifact_bucket: str
    """S3 bucket of the artifacts."""
    url: str
    """Public origin of the server."""
