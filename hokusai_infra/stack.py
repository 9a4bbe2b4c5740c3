"""What a stack file may say, the names that follow from it, and what the stack gives back."""

from typing import Literal, Self, TypedDict

import pulumi
from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EgressSection(_Section):
    """``network.egress:`` in a stack file."""

    kind: Literal["nat_gateway"]
    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one."""


class NetworkSection(_Section):
    """``network:`` in a stack file."""

    cidr: str
    """Private IPv4 range of the VPC."""
    zones: list[str] = Field(min_length=2)
    """Letters of the availability zones; load balancer and database need two."""
    egress: EgressSection
    """How tasks reach the internet."""


class DatabaseSection(_Section):
    """``database:`` in a stack file."""

    instance_class: str
    storage_gb: int = Field(ge=20)
    multi_az: bool
    backup_days: int = Field(default=7, ge=7, le=35)
    max_connections: int
    """Each takes memory of the instance whether it works or waits."""
    ca_file: str
    """PEM file of the authorities that sign the database's certificate, as a container sees it."""


class ServiceSection(_Section):
    """``api:`` and ``mlflow:`` in a stack file."""

    cpu: int
    """CPU units, 1024 a virtual CPU."""
    memory_mb: int
    min_tasks: int = Field(ge=1)
    max_tasks: int
    pool_size: int = Field(default=4, ge=1)
    """Connections that one pool to the database keeps."""
    max_overflow: int = Field(default=4, ge=1)
    """Connections that one pool may open beyond those."""

    @property
    def connections_a_pool(self) -> int:
        """Connections that one pool holds at most."""
        return self.pool_size + self.max_overflow


class StackConfig(_Section):
    """All of ``hokusai:stack`` in ``Pulumi.<stack>.yaml``, and the region of ``aws:region``."""

    environment: Literal["local", "staging", "prod"]
    account_id: str = Field(pattern=r"^\d{12}$")
    """The one account that this stack may touch; the AWS provider refuses every other."""
    region: str
    domain: str
    """The services answer at ``api.<domain>`` and ``mlflow.<domain>``."""
    hosted_zone_id: str | None = None
    """Route 53 zone of ``domain``; without one there is neither certificate nor HTTPS."""
    image: str
    """The image of both services, by digest wherever it is pulled from a registry."""
    git_sha: str = "unknown"
    """Commit that the image was built from."""
    protect_data: bool
    """Refuse to delete database and buckets, and leave a snapshot of a deleted database."""
    log_days: int
    network: NetworkSection
    database: DatabaseSection
    api: ServiceSection
    mlflow: ServiceSection

    @model_validator(mode="after")
    def _prod_survives_a_mistake(self) -> Self:
        wanted = {
            "protect_data": self.protect_data,
            "database.multi_az": self.database.multi_az,
            "network.egress.per_zone": self.network.egress.per_zone,
            "api.min_tasks of 2 or more": self.api.min_tasks > 1,
            "mlflow.min_tasks of 2 or more": self.mlflow.min_tasks > 1,
        }
        missing = [name for name, is_so in wanted.items() if not is_so]
        if self.environment == "prod" and missing:
            raise ValueError(f"prod needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _the_internet_sees_https_and_a_pinned_image(self) -> Self:
        if self.environment == "local":
            return self
        if self.hosted_zone_id is None:
            raise ValueError(f"{self.environment} needs hosted_zone_id, or keys travel in clear")
        if not self.image_digest.startswith("sha256:"):
            raise ValueError(f"image {self.image!r}: pin it as <repository>@sha256:<digest>")
        return self

    @classmethod
    def load(cls) -> Self:
        """Read the selected stack's file."""
        stated = pulumi.Config("hokusai").require_object("stack")
        return cls.model_validate({**stated, "region": pulumi.Config("aws").require("region")})

    @property
    def image_digest(self) -> str:
        """Digest that the image is pinned by."""
        return self.image.partition("@")[2] or "unknown"

    def name(self, role: str = "") -> str:
        """Name something of this environment, unique in its account and region."""
        return "-".join(filter(None, ("hokusai", self.environment, role)))

    def global_name(self, role: str) -> str:
        """Name something whose name is shared with all of AWS."""
        return f"hokusai-{role}-{self.environment}-{self.account_id}"

    def secret_name(self, role: str) -> str:
        """Name a secret, or with a trailing slash a family of secrets."""
        return f"hokusai/{self.environment}/{role}"

    def host(self, service: str) -> str:
        """Public host name of a service."""
        return f"{service}.{self.domain}"

    def url(self, service: str) -> str:
        """Public origin of a service."""
        return f"https://{self.host(service)}"


class SetupCheck(TypedDict):
    """Who answers 401 once a value that the setup task printed is valid no more."""

    url: str
    bearer: str
    """Name of the value."""


class SetupTask(TypedDict):
    """A task that is run once, after the first deployment."""

    task_definition: pulumi.Input[str]
    container: str
    command: list[str]
    again: list[str]
    """The command that replaces what was printed first."""
    check: SetupCheck


class StackOutputs(TypedDict):
    """What the deploy workflow, the smoke test and the local stack read; one name, one meaning."""

    api_url: str
    mlflow_url: str
    artifact_bucket: pulumi.Input[str]
    data_bucket: pulumi.Input[str]
    cluster: pulumi.Input[str]
    setup_task: SetupTask


def publish(outputs: StackOutputs) -> None:
    """Export every output under its own name."""
    for name, value in outputs.items():
        pulumi.export(name, value)
