"""PipelineRole: what a job of the pipeline may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi_aws import iam

from hokusai_infra.iam_policy import Condition, Statement, policy, token_trust
from hokusai_infra.suppressions import Suppression

PATH: Final = "/hokusai-pipeline/"
"""Path of these roles and their policies, apart from what a deploy role may change."""
# docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
NAME: Final = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
POLICIES: Final = 10
"""Managed policies that AWS takes for one role."""
SESSION_HOURS: Final = range(1, 13)


@dataclass(frozen=True, kw_only=True)
class PipelineRoleArgs:
    """Who may take the role on, and what it may do."""

    role_name: str
    """Physical name; workflows name the role by it."""
    provider_arn: pulumi.Input[str]
    """Identity provider whose tokens count."""
    claims: tuple[Condition, ...]
    """What a token has to say."""
    policies: Mapping[str, tuple[Statement, ...]]
    """Statements by purpose; each purpose becomes one managed policy of up to 6144 characters."""
    managed_policy_arns: tuple[str, ...] = ()
    """Policies of AWS in addition."""
    session_hours: int = 1
    """Hours until a session ends, whatever it is at."""
    description: str = field(kw_only=True)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.role_name):
            raise ValueError(f"role_name {self.role_name!r}: IAM takes 1 to 64 letters and digits")
        count = len(self.policies) + len(self.managed_policy_arns)
        if count not in range(1, POLICIES + 1):
            raise ValueError(f"{self.role_name} has {count} policies: AWS takes 1 to {POLICIES}")
        if self.session_hours not in SESSION_HOURS:
            raise ValueError(f"session_hours is {self.session_hours}: AWS takes 1 to 12")


class PipelineRole(pulumi.ComponentResource):
    """A role for jobs of one kind, with the credentials of one session and no key."""

    role_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: PipelineRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:PipelineRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        role = iam.Role(
            name,
            name=args.role_name,
            path=PATH,
            description=args.description,
            assume_role_policy=token_trust(args.provider_arn, args.claims),
            max_session_duration=args.session_hours * 3600,
            opts=child,
        )
        for purpose, statements in args.policies.items():
            allowed = iam.Policy(
                f"{name}-{purpose}",
                name=f"{args.role_name}-{purpose}",
                path=PATH,
                policy=policy(*statements),
                opts=child,
            )
            iam.RolePolicyAttachment(
                f"{name}-{purpose}", role=role.name, policy_arn=allowed.arn, opts=child
            )
        for arn in args.managed_policy_arns:
            iam.RolePolicyAttachment(
                f"{name}-{arn.rpartition('/')[2].lower()}",
                role=role.name,
                policy_arn=arn,
                opts=child,
            )

        self.role_arn = role.arn
        self.register_outputs({"role_arn": self.role_arn})


_OF: Final = "aws:iam/policy:Policy"
SUPPRESSIONS: Final = (
    Suppression(
        check="permissions-are-about-something",
        of=_OF,
        within="hokusai:index:PipelineRole",
        named="{component}-describe",
        because="A refresh describes all that a stack may consist of, which AWS names only once it "
        "is there; it reads settings, and a Deny keeps it from secrets, logs and objects.",
    ),
    Suppression(
        check="permissions-are-about-something",
        of=_OF,
        within="hokusai:index:PipelineRole",
        named="{component}-services",
        because="The hosted zone of a namespace is made with it, so its id is not known before.",
    ),
    Suppression(
        check="CKV_AWS_355",
        of=_OF,
        because="Descriptions take no ARN, and a deployment makes what has none yet or gets one "
        "with an id that AWS draws; each action is named, and writes are bound to the region.",
    ),
)
