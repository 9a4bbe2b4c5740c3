"""GitHub's workflows as identities: which job of which repository a token has to come from."""

import re
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import iam

from hokusai_infra.iam_policy import Condition

ISSUER: Final = "token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"
# docs.github.com/en/actions/reference/security/oidc
OWNER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?")
REPOSITORY: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
NUMBER: Final = re.compile(r"[1-9][0-9]*")
BRANCH: Final = re.compile(r"[A-Za-z0-9._/-]+")
ENVIRONMENT: Final = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class GitHubRepository:
    """The one repository whose workflows may do anything in the account."""

    owner: str
    owner_id: str
    """Number of the owner, which a later holder of the name does not have."""
    name: str
    repository_id: str
    """Number of the repository: ``gh api repos/OWNER/NAME --jq '.owner.id,.id'`` tells both."""
    branch: str = "main"
    """What is deployed; nothing else reaches a role that writes."""

    def __post_init__(self) -> None:
        for field, taken, what in (
            ("owner", OWNER, "a GitHub user or organisation"),
            ("name", REPOSITORY, "a repository without its owner"),
            ("owner_id", NUMBER, "the owner's number (gh api repos/OWNER/NAME --jq .owner.id)"),
            ("repository_id", NUMBER, "the number (gh api repos/OWNER/NAME --jq .id)"),
            ("branch", BRANCH, "one branch, without a pattern"),
        ):
            if not taken.fullmatch(getattr(self, field)):
                raise ValueError(f"{field} {getattr(self, field)!r}: name {what}")

    def previews(self) -> tuple[Condition, ...]:
        """Fit jobs of pull requests and of the branch that name no environment.

        GitHub gives no such token to the pull request of a fork.
        """
        return self._claims(("pull_request", f"ref:refs/heads/{self.branch}"))

    def environment(self, name: str) -> tuple[Condition, ...]:
        """Fit jobs of one environment that run on the branch.

        With an environment, ``sub`` says nothing of the branch, and whoever may push a branch may
        name an environment in it; so both are compared.
        """
        if not ENVIRONMENT.fullmatch(name):
            raise ValueError(f"environment {name!r}: take letters, digits, '.', '_' and '-'")
        return (
            *self._claims((f"environment:{name}",)),
            _claim("environment", name),
            _claim("ref", f"refs/heads/{self.branch}"),
        )

    def _claims(self, endings: tuple[str, ...]) -> tuple[Condition, ...]:
        # Repositories made, renamed or moved after 15 July 2026 have the numbers in ``sub``.
        names = (
            f"{self.owner}/{self.name}",
            f"{self.owner}@{self.owner_id}/{self.name}@{self.repository_id}",
        )
        return (
            _claim("aud", AUDIENCE),
            _claim("sub", *(f"repo:{each}:{ending}" for ending in endings for each in names)),
            _claim("repository_id", self.repository_id),
        )


def _claim(name: str, *values: str) -> Condition:
    return Condition(operator="StringEquals", key=f"{ISSUER}:{name}", values=values)


@dataclass(frozen=True, kw_only=True)
class GitHubIdentityArgs:
    """What a caller decides about the identity provider."""

    account_id: str
    exists: bool = False
    """Whether the account has it already: AWS takes one for each issuer."""


class GitHubIdentity(pulumi.ComponentResource):
    """GitHub as an identity provider of the account, once, whoever made it."""

    provider_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: GitHubIdentityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:GitHubIdentity", name, None, opts)
        if args.exists:
            arn = f"arn:aws:iam::{args.account_id}:oidc-provider/{ISSUER}"
            self.provider_arn = pulumi.Output.from_input(arn)
        else:
            # Without thumbprints: AWS checks GitHub's certificate by the authorities it trusts.
            # docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
            provider = iam.OpenIdConnectProvider(
                name,
                url=f"https://{ISSUER}",
                client_id_lists=[AUDIENCE],
                opts=pulumi.ResourceOptions(parent=self),
            )
            self.provider_arn = provider.arn
        self.register_outputs({"provider_arn": self.provider_arn})
