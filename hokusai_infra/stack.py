"""What a stack file may say, the names that follow from it, and what the stack gives back."""

from typing import Annotated, Literal, Self, TypedDict

import pulumi
from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class NatGatewaySection(_Section):
    """``network.egress:`` in a stack file, where AWS runs the way out."""

    kind: Literal["nat_gateway"]
    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one."""


class NatInstanceSection(_Section):
    """``network.egress:`` in a stack file, where an instance of one's own is the way out."""

    kind: Literal["nat_instance"]
    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one."""
    instance_type: str = "t4g.nano"
    """An ARM type, for the image is Amazon Linux 2023 for ARM."""


class NetworkSection(_Section):
    """``network:`` in a stack file."""

    cidr: str
    """Private IPv4 range of the VPC."""
    zones: list[str] = Field(min_length=2)
    """Letters of the availability zones; load balancer and database need two."""
    egress: Annotated[NatGatewaySection | NatInstanceSection, Field(discriminator="kind")]
    """How tasks reach the internet."""
    flow_logs: Literal["ALL", "REJECT"] = "REJECT"
    """Which connections are written to the log bucket."""


class Route53Section(_Section):
    """``dns:`` in a stack file, where Route 53 of this account has the domain."""

    kind: Literal["route53"]
    hosted_zone_id: str
    """Zone of ``domain``; records and certificate are made in it."""


class ElsewhereSection(_Section):
    """``dns:`` in a stack file, where somebody else has the domain: records are made by hand."""

    kind: Literal["elsewhere"]


class NoDnsSection(_Section):
    """``dns:`` in a stack file of a laptop: neither records nor HTTPS."""

    kind: Literal["none"]


class WafSection(_Section):
    """``waf:`` in a stack file."""

    requests_a_source: int = Field(default=10_000, ge=100)
    """Requests of one IP address in five minutes, beyond which it is blocked."""


class NightSection(_Section):
    """``night:`` in a stack file: when nothing of it runs."""

    stop: str
    """When tasks and database stop: ``cron(…)`` of six fields, as EventBridge Scheduler has it."""
    start: str
    """When they start again."""
    timezone: str = "UTC"
    """IANA name of the time zone of both."""


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
    """What holds here: kinds of key, and how much is protected."""
    label: str = Field(default="", pattern=r"^([a-z][a-z0-9]{0,11})?$")
    """Part of all names: tells a second stack of this environment in one account apart."""
    account_id: str = Field(pattern=r"^\d{12}$")
    """The one account that this stack may touch; the AWS provider refuses every other."""
    region: str
    domain: str
    """The services answer at ``api.<domain>`` and ``mlflow.<domain>``."""
    dns: Annotated[Route53Section | ElsewhereSection | NoDnsSection, Field(discriminator="kind")]
    """Who has the domain."""
    image: str
    """The image of both services, by digest wherever it is pulled from a registry."""
    git_sha: str = "unknown"
    """Commit that the image was built from."""
    protect_data: bool
    """Refuse to delete database and buckets, and leave a snapshot of a deleted database."""
    log_days: int
    """Days that the services' logs are kept in CloudWatch."""
    access_log_days: int = Field(default=365, ge=30)
    """Days that access and flow logs are kept in the log bucket."""
    waf: WafSection | None = None
    """Web application firewall in front of the load balancer."""
    night: NightSection | None = None
    """When nothing runs, to save money."""
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
            "waf": self.waf is not None,
            "no night": self.night is None,
        }
        missing = [name for name, is_so in wanted.items() if not is_so]
        if self.environment == "prod" and missing:
            raise ValueError(f"prod needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _the_internet_sees_https_and_a_pinned_image(self) -> Self:
        if self.environment == "local":
            return self
        if self.dns.kind == "none":
            raise ValueError(
                f"{self.environment} with dns.kind none would send keys in clear: "
                "take route53, or elsewhere"
            )
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

    @property
    def _stack(self) -> str:
        return "-".join(filter(None, (self.environment, self.label)))

    @property
    def hosted_zone_id(self) -> str | None:
        """Zone to make records in, where there is one."""
        return self.dns.hosted_zone_id if self.dns.kind == "route53" else None

    def name(self, role: str = "") -> str:
        """Name something of this stack, unique in its account and region."""
        return "-".join(filter(None, ("hokusai", self._stack, role)))

    def global_name(self, role: str) -> str:
        """Name something whose name is shared with all of AWS."""
        return f"hokusai-{role}-{self._stack}-{self.account_id}"

    def secret_name(self, role: str) -> str:
        """Name a secret, or with a trailing slash a family of secrets."""
        return f"hokusai/{self._stack}/{role}"

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
