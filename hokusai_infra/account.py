"""What a stack file of the bootstrap project may say, and what that project gives back."""

from typing import Any, Literal, Self, TypedDict

import pulumi
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hokusai_infra.components.account.audit_baseline import AuditPart
from hokusai_infra.components.account.findings import MAIL
from hokusai_infra.components.account.github import GitHubRepository
from hokusai_infra.components.account.key_permissions import ACCOUNT_PART, PART_TAG
from hokusai_infra.stack.sentences import sentences

PROJECT = "hokusai"
"""First word of all physical names."""
KEY = "hokusai-bootstrap:account"
MadeOrExisting = Literal["made", "existing"]
"""``existing`` for what the account has already: whoever runs it goes on running it."""


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class GitHubSection(_Section):
    """``github:`` in a stack file."""

    owner: str
    owner_id: str
    """Number of the owner, in quotes: ``gh api repos/OWNER/NAME --jq .owner.id``."""
    repository: str
    repository_id: str
    """Number of the repository, in quotes: ``gh api repos/OWNER/NAME --jq .id``."""
    branch: str = "main"
    """The one branch that is deployed."""
    provider: MadeOrExisting = "made"
    """GitHub as an identity provider of the account."""

    @model_validator(mode="after")
    def _names_a_repository(self) -> Self:
        self.named()
        return self

    def named(self) -> GitHubRepository:
        """Return the repository as roles know it."""
        return GitHubRepository(
            owner=self.owner,
            owner_id=self.owner_id,
            name=self.repository,
            repository_id=self.repository_id,
            branch=self.branch,
        )


class ImagesSection(_Section):
    """``images:`` in the stack file of the one account that images are pushed to."""

    repositories: list[str] = Field(min_length=1)
    pulled_by: list[str] = Field(default_factory=list[str])
    """Ids of the other accounts that run the images."""


class DeploySection(_Section):
    """One of ``deploys:`` in a stack file."""

    environment: Literal["staging", "prod"]
    hosted_zone_ids: list[str] = Field(default_factory=list[str])
    """Zones in Route 53 that its stacks make records in."""


class AuditSection(_Section):
    """``audit:`` in a stack file: who hears of findings, and which parts the account has."""

    mail_addresses: list[str] = Field(min_length=1)
    """Each confirms a mail of AWS once."""
    log_days: int = Field(default=365, ge=90)
    """Days that trail, configuration history and access logs are kept."""
    trail: MadeOrExisting = "made"
    threats: MadeOrExisting = "made"
    history_role: MadeOrExisting = "made"
    history: MadeOrExisting = "made"
    checks: MadeOrExisting = "made"
    outside_access: MadeOrExisting = "made"
    defaults: MadeOrExisting = "made"

    @field_validator("mail_addresses")
    @classmethod
    def _are_addresses(cls, addresses: list[str]) -> list[str]:
        for each in addresses:
            if not MAIL.fullmatch(each):
                raise ValueError(f"{each!r} is not a mail address")
        return addresses

    @property
    def parts(self) -> frozenset[AuditPart]:
        """Parts that are made here."""
        return frozenset(each for each in AuditPart if getattr(self, each.value) == "made")


class AccountConfig(_Section):
    """All of ``hokusai-bootstrap:account``, and the region of ``aws:region``."""

    account_id: str = Field(
        pattern=r"^\d{12}$", json_schema_extra={"write": "take the account's 12 digits, in quotes"}
    )
    """The one account that this stack may touch."""
    region: str
    github: GitHubSection
    images: ImagesSection | None = None
    """Left out in every account but the one that has the images."""
    deploys: list[DeploySection] = Field(min_length=1)
    """The environment that is deployed into this account, with all of its stacks."""
    audit: AuditSection

    @model_validator(mode="after")
    def _one_environment(self) -> Self:
        # Boundary, state bucket and what AWS gives an id are the account's: a role of one
        # environment could reach the other through each of them.
        if len(self.deploys) > 1:
            named = ", ".join(each.environment for each in self.deploys)
            raise ValueError(
                f"deploys names {named}: name one environment, and give the other an account "
                "and a stack file of its own"
            )
        return self

    @classmethod
    def load(cls) -> Self:
        """Read the selected stack's file.

        Raises:
            ValueError: ``aws:defaultTags`` lacks the tag that deploy roles are kept out by.

        """
        stated = pulumi.Config("hokusai-bootstrap").require_object("account")
        provider, file = pulumi.Config("aws"), f"Pulumi.{pulumi.get_stack()}.yaml"
        if not tagged(provider.get_object("defaultTags")):
            raise ValueError(
                f"{file}: aws:defaultTags lacks {PART_TAG}: {ACCOUNT_PART}; deploy roles leave "
                "alone what has that tag, so write it below tags"
            )
        return cls.read(stated, region=provider.require("region"), file=file)

    @classmethod
    def read(cls, stated: Any, *, region: str, file: str) -> Self:  # noqa: ANN401 - YAML
        """Check what a file says; refuse it in sentences that name the key.

        Raises:
            TypeError: the file holds no mapping.
            StackFileError: a key is missing, unknown or wrong.

        """
        if not isinstance(stated, dict):
            raise TypeError(f"{file}: {KEY} holds {stated!r}; it takes a mapping of keys")
        try:
            return cls.model_validate({**stated, "region": region})
        except ValidationError as wrong:
            raise sentences(file, cls, wrong) from None

    def name(self, role: str) -> str:
        """Name something that the account has once."""
        return f"{PROJECT}-{role}"

    def global_name(self, role: str) -> str:
        """Name something whose name is shared with all of AWS."""
        return f"{PROJECT}-{role}-{self.account_id}"

    @property
    def boundary_arn(self) -> str:
        """Permissions boundary that the roles of stacks have to carry."""
        return f"arn:aws:iam::{self.account_id}:policy/{self.name('boundary')}"


def tagged(default_tags: object) -> bool:
    """Tell whether ``aws:defaultTags`` marks everything as the account's own."""
    match default_tags:
        case {"tags": {**tags}}:
            return tags.get(PART_TAG) == ACCOUNT_PART
        case _:
            return False


class AccountOutputs(TypedDict):
    """What the pipeline and the main program's stack files are given."""

    state_url: pulumi.Output[str]
    """Where ``pulumi login`` goes."""
    secrets_provider: str
    """What ``pulumi stack init --secrets-provider`` takes."""
    permissions_boundary: pulumi.Output[str]
    role_arns: dict[str, pulumi.Output[str]]
    """Roles of the pipeline by their purpose."""
    repository_urls: dict[str, pulumi.Output[str]]
    findings_topic: pulumi.Output[str]


def publish(outputs: AccountOutputs) -> None:
    """Export every output under its own name."""
    for name, value in outputs.items():
        pulumi.export(name, value)
