"""All that a stack file says, and the names that follow from it."""

import contextlib
import re
from typing import Annotated, Final, Literal, Self

import pulumi
from pydantic import Field, ValidationError, model_validator

from hokusai_infra.components.mlflow_server import LEAST_MEMORY_MB
from hokusai_infra.components.night import NightSchedule
from hokusai_infra.components.service_role import RoleBounds
from hokusai_infra.components.task_definition import ECR
from hokusai_infra.stack.sections import (
    DNS_LABEL,
    DatabaseSection,
    ElsewhereSection,
    NetworkSection,
    NightSection,
    Route53Section,
    Section,
    ServiceSection,
    WafSection,
)
from hokusai_infra.stack.sentences import StackFileError, about, sentences

# docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)


DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# RFC 1035, section 2.3.4: 63 octets a label, 253 letters a name; "mlflow." goes before it.
LONGEST_DOMAIN: Final = 253 - len("mlflow.")


class StackConfig(Section):
    """All of ``hokusai:stack`` in ``Pulumi.<stack>.yaml``, and the region of ``aws:region``."""

    environment: Literal["local", "staging", "prod"]
    """What holds here: kinds of key, and how much is protected."""
    label: str = Field(
        default="",
        pattern=r"^([a-z][a-z0-9]{0,11})?$",
        json_schema_extra={"write": "take up to 12 of a-z and 0-9, a letter first"},
    )
    """Part of all names: tells a second stack of this environment in one account apart."""
    account_id: str = Field(
        pattern=r"^\d{12}$", json_schema_extra={"write": "take the account's 12 digits, in quotes"}
    )
    """The one account that this stack may touch, 12 digits in quotes; the AWS provider refuses
    every other."""
    region: str
    domain: str = Field(
        pattern=rf"^{DNS_LABEL}(\.{DNS_LABEL})*$",
        max_length=LONGEST_DOMAIN,
        json_schema_extra={
            "write": "take one like ml.example.com, in lower case, each part with at most 63 of "
            "a-z, 0-9 and hyphens"
        },
    )
    """The services answer at ``api.<domain>`` and ``mlflow.<domain>``."""
    dns: Annotated[Route53Section | ElsewhereSection, Field(discriminator="kind")]
    """Who has the domain."""
    image: str
    """The image of both services, by digest wherever it is pulled from a registry."""
    git_sha: str = "unknown"
    """Commit that the image was built from."""
    protect_data: bool
    """Refuse to delete database and buckets, and leave a snapshot of a deleted database."""
    permissions_boundary: str = Field(
        default="hokusai-boundary",
        pattern=r"^[A-Za-z0-9_+=,.@-]*$",
        json_schema_extra={"write": "take the name of a policy of this account, not its ARN"},
    )
    """Managed policy that bounds every role of the stack, of ``bootstrap/``; empty for none."""
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
        if self.environment != "prod":
            return self
        wanted = {
            "protect_data is false: prod takes true, or one command deletes everything": (
                self.protect_data
            ),
            "database.multi_az is false: prod takes true, or a zone that fails takes it along": (
                self.database.multi_az
            ),
            "network.egress.per_zone is false: prod takes true, or one zone cuts off all": (
                self.network.egress.per_zone
            ),
            f"api.min_tasks is {self.api.min_tasks}: prod takes 2 or more, in two zones": (
                self.api.min_tasks > 1
            ),
            f"mlflow.min_tasks is {self.mlflow.min_tasks}: prod takes 2 or more, in two zones": (
                self.mlflow.min_tasks > 1
            ),
            "waf is missing: prod takes a firewall, as waf: {} with its defaults": (
                self.waf is not None
            ),
            "night is there: prod never stops, leave it out": self.night is None,
        }
        if wrong := [says for says, holds in wanted.items() if not holds]:
            raise ValueError("\n".join(wrong))
        return self

    @model_validator(mode="after")
    def _the_image_is_pinned_and_near(self) -> Self:
        if self.environment == "local":
            return self
        if not DIGEST.fullmatch(self.image_digest):
            raise ValueError(
                f"image is {self.image!r}: pin it as <repository>@sha256:<digest>, with the 64 "
                "hexadecimal digits of the digest"
            )
        registry = ECR.match(self.image)
        if registry is not None and registry[2] != self.region:
            raise ValueError(
                f"image is in {registry[2]} and the stack in {self.region}: name its copy in "
                f"{self.region}, or every start of a task reads it from afar"
            )
        return self

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if self.log_days not in RETENTION_DAYS:
            there = ", ".join(map(str, RETENTION_DAYS))
            raise ValueError(f"log_days is {self.log_days}: CloudWatch takes {there}")
        if self.mlflow.memory_mb < LEAST_MEMORY_MB:
            raise ValueError(
                f"mlflow.memory_mb is {self.mlflow.memory_mb}: MLflow needs {LEAST_MEMORY_MB} "
                "or more"
            )
        if self.host("api") == self.host("mlflow"):
            raise ValueError(
                f"mlflow.host is that of the API, {self.host('api')}: give each a name of its own"
            )
        return self

    @classmethod
    def load(cls) -> Self:
        """Read the selected stack's file.

        Raises:
            StackFileError: something in it is wrong; says what to change.

        """
        aws, file = pulumi.Config("aws"), _file()
        region = aws.require("region")
        loaded = cls.checked(pulumi.Config("hokusai").get_object("stack"), region, file)
        allowed = aws.get_object("allowedAccountIds")
        if allowed != [loaded.account_id]:
            raise StackFileError(
                f'{file}: aws:allowedAccountIds is {allowed}: write ["{loaded.account_id}"], the '
                "account_id of hokusai:stack, so that the provider refuses every other account"
            )
        tags = (aws.get_object("defaultTags") or {}).get("tags") or {}
        if tags.get("environment") != loaded.environment:
            raise StackFileError(
                f"{file}: aws:defaultTags.tags.environment is {tags.get('environment')!r}: write "
                f"{loaded.environment}, the environment of hokusai:stack, for costs and policies "
                "go by the tag"
            )
        return loaded

    @classmethod
    def checked(cls, stated: object, region: str, file: str) -> Self:
        """Check what a file states.

        Raises:
            StackFileError: something in it is wrong; says what to change.

        """
        if not isinstance(stated, dict):
            shown = "empty" if stated is None else repr(stated)
            raise StackFileError(f"{file}: hokusai:stack is {shown}: write keys below it")
        if "region" in stated:
            raise StackFileError(f"{file}: region belongs into aws:region, not hokusai:stack")
        try:
            return cls.model_validate({**stated, "region": region})
        except ValidationError as error:
            raise sentences(file, cls, error) from None

    def about(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Say of an error inside which key of the stack file it is about."""
        return about(_file(), key)

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

    @property
    def nights(self) -> NightSchedule | None:
        """When tasks and database stop and start, where they do."""
        return None if self.night is None else self.night.schedule()

    @property
    def roles(self) -> RoleBounds:
        """Where the stack's roles stand, and what bounds them."""
        policy = self.permissions_boundary
        return RoleBounds(
            # Below the environment: that is where the account's deploy role may make roles.
            path="/".join(filter(None, ("/hokusai", self.environment, self.label))) + "/",
            boundary_arn=f"arn:aws:iam::{self.account_id}:policy/{policy}" if policy else None,
        )

    def name(self, role: str = "") -> str:
        """Name something of this stack, unique in its account and region."""
        return "-".join(filter(None, ("hokusai", self._stack, role)))

    def global_name(self, role: str) -> str:
        """Name something whose name is shared with all of AWS."""
        return f"hokusai-{role}-{self._stack}-{self.account_id}"

    def secret_name(self, role: str) -> str:
        """Name a secret, or with a trailing slash a family of secrets."""
        return f"hokusai/{self._stack}/{role}"

    def label_of(self, service: Literal["api", "mlflow"]) -> str:
        """First label of a service's public host name."""
        section: ServiceSection = getattr(self, service)
        return section.host or service

    def host(self, service: Literal["api", "mlflow"]) -> str:
        """Public host name of a service."""
        return f"{self.label_of(service)}.{self.domain}"

    def url(self, service: Literal["api", "mlflow"]) -> str:
        """Public origin of a service."""
        return f"https://{self.host(service)}"


def _file() -> str:
    return f"Pulumi.{pulumi.get_stack()}.yaml"
