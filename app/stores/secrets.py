"""Secrets Manager: documents that the application writes, each read at the version that counts.

Secrets Manager is eventually consistent and knows no transaction, so nobody here asks for
``AWSCURRENT``: a row in PostgreSQL names the version.
"""

import contextlib
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

MAX_BYTES: Final = 65_536
"""docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
VERSIONS_A_DAY: Final = 80
"""Versions younger than a day are never removed and about 100 fit: stay below with a reserve."""
RECOVERY_DAYS: Final = 30

log = structlog.get_logger()


class SecretsUnavailableError(UnavailableError):
    """Secrets Manager does not answer, or refuses."""

    code = "secrets_unavailable"

    def __init__(self, operation: str, cause: str) -> None:
        super().__init__("The store of secrets does not answer.")
        self.operation = operation
        self.cause = cause
        """AWS' own code; for the log, not for the caller."""

    def __str__(self) -> str:
        return f"{self.operation}: {self.cause}"


class VersionNotFoundError(SecretsUnavailableError):
    """The version is not visible, or not visible yet."""


@contextlib.contextmanager
def _answered(operation: str) -> Iterator[None]:
    try:
        yield
    except ClientError as refusal:
        code = refusal.response.get("Error", {}).get("Code", "Unknown")
        if code == "ResourceNotFoundException":
            raise VersionNotFoundError(operation, code) from None
        raise SecretsUnavailableError(operation, code) from None
    except BotoCoreError as failure:
        raise SecretsUnavailableError(operation, type(failure).__name__) from None


class Secrets:
    """A client with waits short enough for a request that depends on it."""

    def __init__(self) -> None:
        self._client: SecretsManagerClient = boto3.client(
            "secretsmanager",
            config=Config(
                connect_timeout=1,
                read_timeout=3,
                retries={"total_max_attempts": 2, "mode": "standard"},
                max_pool_connections=16,
            ),
        )

    def read(self, secret_id: str, version_id: str) -> str:
        """Read one version."""
        with _answered("GetSecretValue"):
            answer = self._client.get_secret_value(SecretId=secret_id, VersionId=version_id)
        return answer["SecretString"]

    def write(self, secret_id: str, text: str) -> str:
        """Add a version and return its id; it counts once a committed row names it."""
        version_id = str(uuid.uuid4())
        with _answered("PutSecretValue"):
            self._client.put_secret_value(
                SecretId=secret_id, SecretString=text, ClientRequestToken=version_id
            )
        return version_id

    def create(self, name: str, *, kms_key: str, tags: dict[str, str], text: str) -> str:
        """Make a secret with its first version; add a version where it exists already."""
        version_id = str(uuid.uuid4())
        try:
            with _answered("CreateSecret"):
                self._client.create_secret(
                    Name=name,
                    KmsKeyId=kms_key,
                    SecretString=text,
                    ClientRequestToken=version_id,
                    Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
                )
        except SecretsUnavailableError as failure:
            if failure.cause != "ResourceExistsException":
                raise
            return self.write(name, text)
        return version_id

    def answers(self, secret_id: str) -> bool:
        """Tell whether Secrets Manager answers; that it knows no such secret is an answer too."""
        try:
            with _answered("DescribeSecret"):
                self._client.describe_secret(SecretId=secret_id)
        except VersionNotFoundError:
            return True
        except SecretsUnavailableError as failure:
            log.warning("secrets_unavailable", operation=failure.operation, cause=failure.cause)
            return False
        return True
