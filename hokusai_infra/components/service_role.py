"""ServiceRole: what tasks act as in AWS, below what an account allows any role."""

import re
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import iam

from hokusai_infra.iam_policy import Allow, policy, trust

# docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
PATH: Final = re.compile(r"/([A-Za-z0-9._-]+/)*")


@dataclass(frozen=True, kw_only=True)
class RoleBounds:
    """Where the roles of a stack stand, and what none of them can exceed.

    Whoever deploys may hand on the roles below a path only, and may make none without the
    boundary: docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """

    path: str = "/"
    """``/`` or ``/<word>/<word>/``; part of a role's ARN."""
    boundary_arn: str | None = None
    """ARN of a managed policy; None where the account has none."""

    def __post_init__(self) -> None:
        if not PATH.fullmatch(self.path):
            raise ValueError(f"path is {self.path!r}: begin and end it with '/', as in /shop/prod/")
        if self.boundary_arn is not None and ":policy/" not in self.boundary_arn:
            raise ValueError(
                f"boundary_arn is {self.boundary_arn!r}: take the ARN of a managed policy"
            )


def service_role(
    name: str, grants: tuple[Allow, ...], bounds: RoleBounds, opts: pulumi.ResourceOptions
) -> tuple[iam.Role, list[iam.RolePolicy]]:
    """Make a role of tasks, and return with it what must be attached before they take it on."""
    role = iam.Role(
        name,
        path=bounds.path,
        assume_role_policy=trust("ecs-tasks.amazonaws.com"),
        permissions_boundary=bounds.boundary_arn,
        opts=opts,
    )
    if not grants:
        return role, []
    return role, [iam.RolePolicy(name, role=role.name, policy=policy(*grants), opts=opts)]
