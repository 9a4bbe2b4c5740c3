"""The sections of a stack file, each with the rules of what it becomes."""

import ipaddress
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hokusai_infra.components.connections import must_fit
from hokusai_infra.components.database import SUFFIX, TOO_SMALL
from hokusai_infra.components.network import NatGateways, NatInstances, NetworkArgs
from hokusai_infra.components.night import NightSchedule
from hokusai_infra.components.service_scaling import Scaling
from hokusai_infra.components.task_definition import FREE_SCRATCH_GB, TaskSize

DNS_LABEL: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


class Section(BaseModel):
    """A mapping of a stack file: nothing is converted, and unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class NatGatewaySection(Section):
    """``network.egress:`` in a stack file, where AWS runs the way out."""

    kind: Literal["nat_gateway"]
    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one."""

    def egress(self) -> NatGateways:
        """Return what a network takes."""
        return NatGateways(per_zone=self.per_zone)


class NatInstanceSection(Section):
    """``network.egress:`` in a stack file, where an instance of one's own is the way out."""

    kind: Literal["nat_instance"]
    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one."""
    instance_type: str = "t4g.nano"
    """An ARM type, for the image is Amazon Linux 2023 for ARM."""

    @model_validator(mode="after")
    def _is_arm(self) -> Self:
        self.egress()
        return self

    def egress(self) -> NatInstances:
        """Return what a network takes."""
        return NatInstances(per_zone=self.per_zone, instance_type=self.instance_type)


class NetworkSection(Section):
    """``network:`` in a stack file."""

    cidr: str
    """Private IPv4 range of the VPC, /16 to /24, such as 10.20.0.0/16."""
    zones: list[str] = Field(min_length=2)
    """Letters of the availability zones; load balancer and database need two."""
    egress: Annotated[NatGatewaySection | NatInstanceSection, Field(discriminator="kind")]
    """How tasks reach the internet."""
    flow_logs: Literal["ALL", "REJECT"] = "REJECT"
    """Which connections are written to the log bucket."""

    @field_validator("cidr")
    @classmethod
    def _is_a_range(cls, cidr: str) -> str:
        try:
            ipaddress.IPv4Network(cidr)
        except ValueError:
            raise ValueError(
                f"cidr is {cidr!r}, which is no range of addresses: take one like 10.20.0.0/16"
            ) from None
        return cidr

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        NetworkArgs(
            region="us-east-1",
            account_id="0" * 12,
            zones=self.zones,
            cidr=self.cidr,
            egress=self.egress.egress(),
            namespace="internal",
            edges=[],
        )
        return self


class Route53Section(Section):
    """``dns:`` in a stack file, where Route 53 of this account has the domain."""

    kind: Literal["route53"]
    hosted_zone_id: str = Field(
        pattern=r"^Z[A-Z0-9]+$",
        json_schema_extra={"write": "take the zone's id alone, as Z0123456789ABC"},
    )
    """Zone of ``domain``, as Z0123456789ABC; records and certificate are made in it."""


class ElsewhereSection(Section):
    """``dns:`` in a stack file, where somebody else has the domain: records are made by hand."""

    kind: Literal["elsewhere"]


class WafSection(Section):
    """``waf:`` in a stack file."""

    requests_a_source: int = Field(default=60_000, ge=100)
    """Requests of one IP address in five minutes, beyond which it is blocked.

    200 a second on average: a training loop that logs without pause, or an office behind one
    address, stays below it.
    """


class NightSection(Section):
    """``night:`` in a stack file: when nothing of it runs."""

    stop: str
    """When tasks and database stop: ``cron(0 19 ? * MON-FRI *)``, six fields."""
    start: str
    """When the database starts again, in the same form; the tasks follow a quarter of an hour
    later."""
    timezone: str = "UTC"
    """IANA name of the time zone of both."""

    @model_validator(mode="after")
    def _can_be_scheduled(self) -> Self:
        Scaling(min_tasks=1, max_tasks=1, requests_a_minute=1, night=self.schedule())
        return self

    def schedule(self) -> NightSchedule:
        """Return what database and services take."""
        return NightSchedule(stop=self.stop, start=self.start, timezone=self.timezone)


class DatabaseSection(Section):
    """``database:`` in a stack file."""

    instance_class: str = Field(
        pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$",
        json_schema_extra={"write": "take one like db.t4g.small"},
    )
    """Class of the instance, db.t4g.small or larger."""
    storage_gb: int = Field(ge=20, le=65_536)
    """GiB of disk at first; RDS makes it larger, up to five times that."""
    multi_az: bool
    """A second instance in another zone, that takes over within a minute or two."""
    backup_days: int = Field(default=7, ge=7, le=35)
    """Days back to which the database can be restored."""
    max_connections: int = Field(ge=20)
    """Each takes memory of the instance whether it works or waits."""
    final_snapshot_suffix: str = Field(
        default="final",
        pattern=SUFFIX.pattern,
        max_length=64,
        json_schema_extra={"write": "take letters and digits, with single hyphens, as final-2"},
    )
    """End of the name of the snapshot that a deleted database leaves; take another one, as final-2,
    where an earlier database has left one."""
    ca_file: str
    """PEM file of the authorities that sign the database's certificate, as a container sees it."""

    @model_validator(mode="after")
    def _has_memory(self) -> Self:
        if self.instance_class.rpartition(".")[2] in TOO_SMALL:
            raise ValueError(
                f"instance_class is {self.instance_class}: IAM authentication needs more memory, "
                "take db.t4g.small or larger"
            )
        must_fit(self.instance_class, self.max_connections)
        return self


class ServiceSection(Section):
    """``api:`` and ``mlflow:`` in a stack file."""

    cpu: int
    """CPU units, 1024 a virtual CPU."""
    memory_mb: int
    """MiB of memory."""
    scratch_gb: int = FREE_SCRATCH_GB
    """GiB of disk for the image and for ``/tmp``; the first 20 are free."""
    min_tasks: int
    """Tasks that run when there is nothing to do."""
    max_tasks: int
    """Tasks that run at most; the database must hold twice that while a deployment runs."""
    requests_a_minute: int = 3_000
    """Requests of one task in a minute, beyond which another one starts; a guess until measured."""
    host: str = Field(
        default="",
        pattern=rf"^({DNS_LABEL})?$",
        json_schema_extra={"write": "take one label, with at most 63 of a-z, 0-9 and hyphens"},
    )
    """First label of the public host, in front of ``domain``; the service's name when left out."""
    pool_size: int = Field(default=4, ge=1)
    """Connections that one pool to the database keeps."""
    max_overflow: int = Field(default=4, ge=1)
    """Connections that one pool may open beyond those."""

    @model_validator(mode="after")
    def _can_run(self) -> Self:
        self.size()
        self.scaling(None)
        return self

    @property
    def connections_a_pool(self) -> int:
        """Connections that one pool holds at most."""
        return self.pool_size + self.max_overflow

    def size(self) -> TaskSize:
        """Return the size of a task."""
        return TaskSize(cpu=self.cpu, memory_mb=self.memory_mb, scratch_gb=self.scratch_gb)

    def scaling(self, night: NightSchedule | None) -> Scaling:
        """Return how many tasks run, and when."""
        return Scaling(
            min_tasks=self.min_tasks,
            max_tasks=self.max_tasks,
            requests_a_minute=self.requests_a_minute,
            night=night,
        )
