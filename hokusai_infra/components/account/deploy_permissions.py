"""What the roles of the pipeline may do: describe stacks, or deploy one environment."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pulumi

from hokusai_infra.components.account.key_permissions import KeyPermissions
from hokusai_infra.components.account.pipeline_role import PATH
from hokusai_infra.components.account.provider_calls import CALLS, reads, writes
from hokusai_infra.iam_policy import Allow, AllowIf, Condition, Deny, Statement, Unscoped

WORD: Final = re.compile(r"[a-z][a-z0-9]*")
DESCRIBE: Final = Unscoped(
    because="descriptions of what a stack consists of; what may not be read is denied"
)
BY_IDS: Final = Unscoped(
    because="AWS draws the ids of these, or Pulumi the names; the region is compared instead"
)
LINKED: Final = (
    "autoscaling.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "elasticloadbalancing.amazonaws.com",
    "rds.amazonaws.com",
    "wafv2.amazonaws.com",
)
"""Services that make a role of their own in an account that has none yet."""
PASSED_TO: Final = ("ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "scheduler.amazonaws.com")
"""Services that take on the roles of a stack."""
ONE_OFF: Final = frozenset({"ecs:DescribeTasks", "ecs:ListTasks", "ecs:RunTask", "ecs:StopTask"})
"""The setup task, the smoke test and migrations by hand."""

_UNDER_BOUNDARY: Final = frozenset(
    {
        "iam:AttachRolePolicy",
        "iam:CreateRole",
        "iam:DeleteRolePolicy",
        "iam:DetachRolePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
    }
)
"""Actions that IAM compares with the role's boundary, before or after them."""
_THROUGH_CLOUD_MAP: Final = frozenset(
    {
        "route53:DeleteHealthCheck",
        "route53:DeleteHostedZone",
        "route53:GetHealthCheck",
        "route53:UpdateHealthCheck",
    }
)
"""Actions that Cloud Map takes in the name of whoever deletes a namespace or an instance of it."""
_EMPTY_BUCKETS: Final = frozenset(
    {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"}
)
"""What deleting a bucket with all its objects takes, which a stack says by ``force_destroy``."""
_LOGS_WITHOUT_ARN: Final = frozenset(
    {
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DeleteResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:PutResourcePolicy",
    }
)


@dataclass(frozen=True, kw_only=True)
class DeployTarget:
    """One environment in one account."""

    account_id: str
    region: str
    environment: str
    """Second word of all physical names, and the value of the tag ``environment``."""
    project: str
    """First word of all physical names."""
    boundary_arn: str
    """Permissions boundary without which no role is made or changed."""
    closed_buckets: tuple[pulumi.Input[str], ...]
    """ARNs of buckets of the account itself."""
    closed_keys: tuple[pulumi.Input[str], ...]
    """ARNs of keys of the account itself."""
    hosted_zone_ids: tuple[str, ...] = ()
    """Zones in Route 53 that the stack makes records in."""
    keeps_objects: bool = True
    """Whether buckets that still hold something stay, whatever a stack says."""

    def __post_init__(self) -> None:
        for field in ("project", "environment"):
            if not WORD.fullmatch(getattr(self, field)):
                raise ValueError(
                    f"{field} {getattr(self, field)!r}: take lower-case letters and digits; "
                    "it stands in patterns, and a wider one would reach what is not the stack's"
                )

    def _arns(self, service: str, *resources: str, region: str | None = None) -> tuple[str, ...]:
        where = self.region if region is None else region
        return tuple(f"arn:aws:{service}:{where}:{self.account_id}:{each}" for each in resources)

    def scopes(self) -> dict[str, tuple[str, ...]]:
        """Return the ARNs of each service whose resources carry a name of the environment."""
        name = f"{self.project}-{self.environment}"
        buckets = f"arn:aws:s3:::{self.project}-*-{self.environment}-"
        return {
            "ecs": self._arns("ecs", f"cluster/{name}*", f"service/{name}*", "task-definition/*"),
            "logs": self._arns(
                "logs",
                f"log-group:/ecs/{name}*",
                f"log-group:/aws/rds/instance/{name}*",
                f"log-group:aws-waf-logs-{name}*",
            ),
            "rds": self._arns(
                "rds", f"db:{name}*", f"snapshot:{name}*", "og:default*", "pg:*", "subgrp:*"
            ),
            "s3": (f"{buckets}{self.account_id}", f"{buckets}*-{self.account_id}"),
            "secretsmanager": self._arns(
                "secretsmanager", f"secret:{self.project}/{self.environment}*"
            ),
            "ssm": (f"arn:aws:ssm:{self.region}::parameter/aws/service/*",),
        }

    def _in_region(self) -> Condition:
        return Condition(operator="StringEquals", key="aws:RequestedRegion", values=(self.region,))

    def networks(self) -> tuple[AllowIf, ...]:
        """Let a role make, change and delete what AWS or Pulumi gives an id of its own."""
        unnamed = _by_service(writes(CALLS)).items()
        own = {"iam", "kms", "route53", *self.scopes()}
        actions = frozenset(each for name, found in unnamed if name not in own for each in found)
        return (
            AllowIf(
                sid="ChangeByIds",
                actions=actions | _LOGS_WITHOUT_ARN | {"ecs:DeregisterTaskDefinition"},
                resources=BY_IDS,
                conditions=(self._in_region(),),
            ),
        )

    def services(self) -> tuple[Allow | AllowIf, ...]:
        """Let a role make, change and delete what carries the environment's name."""
        found = _by_service(writes(CALLS))
        named = tuple(
            Allow(
                sid=f"Change{service.capitalize()}",
                actions=found[service] - _LOGS_WITHOUT_ARN,
                resources=arns,
            )
            for service, arns in self.scopes().items()
        )
        return (
            *named,
            *(() if self.keeps_objects else self._emptied()),
            *self._keys().allowed(),
            *self._managed_secret(),
            *self._records(),
        )

    def roles(self) -> tuple[Statement, ...]:
        """Let a role make and change roles of stacks, none of them beyond the boundary."""
        # A stack keeps its roles below its own name, which may go on with a label.
        path = f"/{self.project}/{self.environment}"
        roles = self._arns("iam", f"role{path}/*", f"role{path}-*", region="")
        profiles = self._arns(
            "iam", f"instance-profile{path}/*", f"instance-profile{path}-*", region=""
        )
        actions = _by_service(writes(CALLS))["iam"]
        on_profiles = frozenset(each for each in actions if "InstanceProfile" in each)
        return (
            AllowIf(
                sid="ChangeRolesUnderTheBoundary",
                actions=_UNDER_BOUNDARY,
                resources=roles,
                conditions=(
                    Condition(
                        operator="StringEquals",
                        key="iam:PermissionsBoundary",
                        values=(self.boundary_arn,),
                    ),
                ),
            ),
            Allow(
                sid="ChangeRoles",
                actions=actions - _UNDER_BOUNDARY - on_profiles,
                resources=roles,
            ),
            Allow(sid="ChangeProfiles", actions=on_profiles, resources=(*profiles, *roles)),
            AllowIf(
                sid="PassRoles",
                actions=frozenset({"iam:PassRole"}),
                resources=roles,
                conditions=(
                    Condition(operator="StringEquals", key="iam:PassedToService", values=PASSED_TO),
                ),
            ),
            AllowIf(
                sid="MakeRolesOfServices",
                actions=frozenset({"iam:CreateServiceLinkedRole"}),
                resources=self._arns("iam", "role/aws-service-role/*", region=""),
                conditions=(
                    Condition(operator="StringEquals", key="iam:AWSServiceName", values=LINKED),
                ),
            ),
            Allow(
                sid="RunOneOffTasks",
                actions=ONE_OFF - {"ecs:ListTasks"},
                resources=self._arns(
                    "ecs",
                    f"task/{self.project}-{self.environment}*",
                    "task-definition/*",
                ),
            ),
            Allow(
                sid="ReadLogsOfTheStack",
                actions=frozenset({"logs:FilterLogEvents", "logs:GetLogEvents"}),
                resources=self.scopes()["logs"],
            ),
            *self._guards(),
        )

    def _guards(self) -> tuple[Deny, ...]:
        """Refuse what would let the role widen itself, or take the account's own away."""
        pipeline = self._arns("iam", f"role{PATH}*", f"policy{PATH}*", region="")
        keep_zones = Deny(
            sid="KeepZones",
            actions=frozenset({"route53:DeleteHostedZone"}),
            resources=self._zones(),
        )
        return (
            *((keep_zones,) if self.hosted_zone_ids else ()),
            Deny(
                sid="NeverWithoutBoundary",
                actions=frozenset({"iam:DeleteRolePermissionsBoundary"}),
                resources=Unscoped(because="of no role at all"),
            ),
            Deny(
                sid="LeaveThePipelineAndTheBoundary",
                actions=frozenset({"iam:*"}),
                resources=(
                    *pipeline,
                    self.boundary_arn,
                    *self._arns("iam", "oidc-provider/*", "saml-provider/*", region=""),
                ),
            ),
            Deny(
                sid="LeaveTheAccountsBuckets",
                actions=frozenset(
                    {
                        "s3:CreateBucket",
                        "s3:DeleteBucket*",
                        "s3:DeleteObjectVersion",
                        "s3:Put*Conf*",
                    }
                    | {"s3:PutBucket*", "s3:TagResource", "s3:UntagResource"}
                ),
                resources=self.closed_buckets,
            ),
            *self._keys().denied(self.closed_keys),
        )

    def _keys(self) -> KeyPermissions:
        return KeyPermissions(
            account_id=self.account_id,
            region=self.region,
            environment=self.environment,
            project=self.project,
        )

    def _emptied(self) -> tuple[Allow, ...]:
        buckets = self.scopes()["s3"]
        return (
            Allow(
                sid="EmptyBuckets",
                actions=_EMPTY_BUCKETS,
                resources=(*buckets, *(f"{each}/*" for each in buckets)),
            ),
        )

    def _managed_secret(self) -> tuple[Allow, ...]:
        # docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html
        return (
            Allow(
                sid="LetRdsKeepThePassword",
                actions=frozenset({"secretsmanager:CreateSecret", "secretsmanager:TagResource"}),
                resources=self._arns("secretsmanager", "secret:rds!db-*"),
            ),
        )

    def _records(self) -> tuple[Allow | AllowIf, ...]:
        found = _by_service(writes(CALLS))["route53"]
        change = frozenset({"route53:ChangeResourceRecordSets"})
        names = Allow(
            sid="MakeNamesInside",
            actions=found - change - _THROUGH_CLOUD_MAP,
            resources=Unscoped(because="the zone of a namespace is made with it"),
        )
        # Route 53 has no condition on the zone that is deleted, neither its tags nor its VPCs:
        # docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html
        # Cloud Map asks by a forward access session, so the role itself deletes no zone:
        # docs.aws.amazon.com/cloud-map/latest/dg/security_iam_service-with-iam.html
        gone = AllowIf(
            sid="DeleteNamesThroughCloudMap",
            actions=_THROUGH_CLOUD_MAP,
            resources=("arn:aws:route53:::hostedzone/*", "arn:aws:route53:::healthcheck/*"),
            conditions=(Condition(operator="Bool", key="aws:ViaAWSService", values=("true",)),),
        )
        zones = self._zones()
        records = (Allow(sid="MakeRecords", actions=change, resources=zones),) if zones else ()
        return (names, gone, *records)

    def _zones(self) -> tuple[str, ...]:
        return tuple(f"arn:aws:route53:::hostedzone/{each}" for each in self.hosted_zone_ids)


def describe() -> tuple[Allow, ...]:
    """Let a role describe all that a stack may consist of."""
    return (
        Allow(sid="DescribeStacks", actions=reads(CALLS) | {"ecs:ListTasks"}, resources=DESCRIBE),
    )


def no_contents(
    state_bucket_arn: pulumi.Input[str], state_key_arn: pulumi.Input[str]
) -> tuple[Deny, ...]:
    """Refuse to read what stacks hold: a pull request prints whatever its preview can read."""
    return (
        Deny(
            sid="NoSecrets",
            actions=frozenset(
                {
                    "logs:FilterLogEvents",
                    "logs:GetLogEvents",
                    "logs:StartQuery",
                    "rds-db:connect",
                    "secretsmanager:BatchGetSecretValue",
                    "secretsmanager:GetSecretValue",
                    "ssm:GetParameter*",
                }
            ),
            resources=Unscoped(because="of no stack at all"),
        ),
        Deny(
            sid="NoObjects",
            actions=frozenset({"s3:GetObject*"}),
            resources=(pulumi.Output.concat(state_bucket_arn, "/*"),),
            except_resources=True,
        ),
        Deny(
            sid="NoOtherKeys",
            actions=frozenset({"kms:Decrypt"}),
            resources=(state_key_arn,),
            except_resources=True,
        ),
    )


def _by_service(actions: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for each in actions:
        found.setdefault(each.partition(":")[0], set()).add(each)
    return {service: frozenset(each) for service, each in found.items()}
