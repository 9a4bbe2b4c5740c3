"""What each process reads from its environment, and what the infrastructure therefore gives it."""

from typing import Final, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

HEALTH_PATH: Final = "/health"
"""What load balancer and container health check ask; touches no dependency."""
API_PORT: Final = 8000
MLFLOW_PORT: Final = 5000
KEEP_ALIVE_SECONDS: Final = 310
"""Longer than a load balancer keeps an idle connection, so that the server never closes first."""
GRACEFUL_SHUTDOWN_SECONDS: Final = 90
"""Longer than a target takes to drain, shorter than the container's stop timeout."""

HOKUSAI_DATABASE: Final = "hokusai"
"""Database of projects, key sets, revocations and everything else that is ours."""
MLFLOW_DATABASE: Final = "mlflow"
"""Database of MLflow's own tables."""
API_DATABASE_ROLE: Final = "hokusai_api"
MLFLOW_DATABASE_ROLE: Final = "hokusai_mlflow"

Environment = Literal["local", "staging", "prod"]


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL answers; every process that opens a connection reads these."""

    model_config = SettingsConfigDict(
        env_prefix="HOKUSAI_", frozen=True, use_attribute_docstrings=True
    )

    environment: Environment
    """Where this process runs."""
    database_host: str
    """Host name of PostgreSQL; its certificate must carry it."""
    database_port: int = 5432
    """TCP port of PostgreSQL."""
    database_ca_file: str
    """PEM file of the authorities that may sign the database's certificate."""


class MigrateSettings(DatabaseSettings):
    """Settings of the ``migrate`` container, the only one that holds the master credential."""

    master_username: str
    """Name of the managed master user."""
    master_password: SecretStr
    """Password of the managed master user, filled by ECS when the task starts."""


class ServiceSettings(DatabaseSettings):
    """What the API and the MLflow server have in common."""

    port: int = Field(validation_alias="PORT")
    """TCP port this process listens on; the service component writes it."""
    database_pool_size: int = Field(default=4, ge=1)
    """Connections one engine keeps open."""
    database_max_overflow: int = Field(default=4, ge=1)
    """Connections one engine may open beyond its pool."""
    key_secret_prefix: str
    """Name prefix of the secrets that hold API keys, one secret a project; ends with ``/``."""
    api_url: str
    """Public origin of the API, without a trailing slash."""
    mlflow_url: str
    """Public origin of the MLflow server, without a trailing slash."""
    trusted_proxies: int = Field(default=1, ge=0)
    """Hops of ``X-Forwarded-For``, counted from the right, that our own load balancers wrote."""
    image_digest: str = "unknown"
    """Digest of the image this task was deployed with."""
    git_sha: str = "unknown"
    """Commit the image was built from."""


class ApiSettings(ServiceSettings):
    """Settings of one API process."""

    signing_keys_secret_arn: str
    """Secret with the private session signing keys; the API writes it, nobody else reads it."""
    key_secrets_kms_key_arn: str
    """KMS key under which the API makes key secrets."""
    mlflow_internal_url: str
    """Origin of the MLflow server inside the network."""


class MlflowSettings(ServiceSettings):
    """Settings of one MLflow process."""

    artifact_bucket: str
    """S3 bucket of models and artifacts."""
    api_internal_url: str
    """Origin of the API inside the network; the sign-in page hands the pasted key there."""
