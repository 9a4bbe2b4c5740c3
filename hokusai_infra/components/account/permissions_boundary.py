"""PermissionsBoundary: the most that any role of a deployed stack can do, whatever it is given."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import iam

from hokusai_infra.iam_policy import Allow, Deny, Statement, Unscoped, policy

READ_OBJECTS: Final = frozenset({"s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"})
WRITE_OBJECTS: Final = frozenset(
    {
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    }
)
READ_SECRETS: Final = frozenset({"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"})
WRITE_SECRETS: Final = frozenset(
    {
        "secretsmanager:CreateSecret",
        "secretsmanager:PutSecretValue",
        "secretsmanager:TagResource",
    }
)
PULL_IMAGES: Final = frozenset(
    {"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
)


@dataclass(frozen=True, kw_only=True)
class PermissionsBoundaryArgs:
    """What the roles of stacks are kept in, and out of."""

    policy_name: str
    account_id: str
    project: str
    """What the physical names of all stacks begin with."""
    closed_buckets: tuple[pulumi.Input[str], ...]
    """ARNs of buckets that no role of a stack may reach, whatever their names are."""
    closed_keys: tuple[pulumi.Input[str], ...]
    """ARNs of keys that none may use."""


class PermissionsBoundary(pulumi.ComponentResource):
    """A limit on roles: they use data of stacks, and change neither IAM nor infrastructure.

    docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """

    policy_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: PermissionsBoundaryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:PermissionsBoundary", name, None, opts)
        made = iam.Policy(
            name,
            name=args.policy_name,
            description=f"The most that a role of a {args.project} stack can do",
            policy=policy(*_statements(args)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.policy_arn = made.arn
        self.register_outputs({"policy_arn": self.policy_arn})


def _statements(args: PermissionsBoundaryArgs) -> tuple[Statement, ...]:
    project, account = args.project, args.account_id
    return (
        Allow(
            sid="UseObjects",
            actions=READ_OBJECTS | WRITE_OBJECTS,
            resources=(f"arn:aws:s3:::{project}-*",),
        ),
        Allow(
            sid="UseSecretsOfTheApplication",
            actions=READ_SECRETS | WRITE_SECRETS,
            resources=(f"arn:aws:secretsmanager:*:{account}:secret:{project}/*",),
        ),
        Allow(
            sid="ReadMasterPasswords",
            actions=READ_SECRETS,
            resources=(f"arn:aws:secretsmanager:*:{account}:secret:rds!db-*",),
        ),
        Allow(
            sid="UseKeys",
            actions=frozenset({"kms:Decrypt", "kms:GenerateDataKey"}),
            resources=(f"arn:aws:kms:*:{account}:key/*",),
        ),
        Allow(
            sid="LogIntoDatabases",
            actions=frozenset({"rds-db:connect"}),
            resources=(f"arn:aws:rds-db:*:{account}:dbuser:*/*",),
        ),
        Allow(
            sid="StopForTheNight",
            actions=frozenset({"rds:StartDBInstance", "rds:StopDBInstance"}),
            resources=(f"arn:aws:rds:*:{account}:db:{project}-*",),
        ),
        Allow(
            sid="WriteLogs",
            actions=frozenset({"logs:CreateLogStream", "logs:PutLogEvents"}),
            resources=(f"arn:aws:logs:*:{account}:log-group:*",),
        ),
        Allow(
            sid="PullImages",
            actions=PULL_IMAGES,
            resources=(f"arn:aws:ecr:*:*:repository/{project}*",),
        ),
        Allow(
            sid="LogIntoRegistry",
            actions=frozenset({"ecr:GetAuthorizationToken"}),
            resources=Unscoped(because="the token is for all registries that answer it"),
        ),
        Deny(
            sid="StayOutOfTheAccountsOwn",
            actions=frozenset({"s3:*"}),
            resources=tuple(
                each
                for arn in args.closed_buckets
                for each in (arn, pulumi.Output.concat(arn, "/*"))
            ),
        ),
        Deny(
            sid="LeaveTheAccountsKeys",
            actions=frozenset({"kms:*"}),
            resources=args.closed_keys,
        ),
    )
