"""What holds for roles: who may take one on, and what it may do."""

from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyResource, ResourceValidationArgs

from hokusai_infra.policy.documents import Statement, is_own, statements
from hokusai_infra.policy.rule import Rule, Stack, resource_rule, stack_rule

ATTACHMENT: Final = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
KEY: Final = "aws:iam/accessKey:AccessKey"
MANAGED: Final = "aws:iam/policy:Policy"
ROLE: Final = "aws:iam/role:Role"
ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
USER: Final = "aws:iam/user:User"
GUIDE: Final = "https://docs.aws.amazon.com/IAM/latest/UserGuide"

UNSCOPABLE: Final = {
    "ecr:GetAuthorizationToken": "a token is the registry's, which has no ARN",
    "ecs:DescribeTaskDefinition": "ECS scopes no permission to a task definition that is read",
    "ecs:RegisterTaskDefinition": "a task definition has no ARN before it is registered",
    "ecs:DeregisterTaskDefinition": "ECS scopes no permission to a task definition that is ended",
    "sts:GetCallerIdentity": "it is about whoever asks",
}
"""Actions that take no resource, with the reason: these alone may have ``Resource: "*"``.
docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""
TOKENS: Final = "sts:AssumeRoleWithWebIdentity"


@resource_rule(
    "permissions-are-named",
    of=(ROLE_POLICY, MANAGED),
    promise="A policy names what it allows, action by action.",
    page=f"{GUIDE}/best-practices.html",
)
def permissions_are_named(policy: ResourceValidationArgs) -> Iterator[str]:
    """Check that no action is a pattern, and that nothing is allowed by being left out."""
    for each in _allowed(policy):
        for action in sorted(each.actions):
            if "*" in action or "?" in action:
                yield f"{each.sid} allows {action}."
        for exception in sorted(each.exceptions):
            yield f"{each.sid} allows by {exception}."


@resource_rule(
    "permissions-are-about-something",
    of=(ROLE_POLICY, MANAGED),
    promise="What may be done is allowed for certain resources, wherever AWS knows such.",
    page="https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html",
)
def permissions_are_about_something(policy: ResourceValidationArgs) -> Iterator[str]:
    """Check the actions of statements about everything; a condition narrows them, too."""
    for each in _allowed(policy):
        if each.narrowed or not any(_is_everything(resource) for resource in each.resources):
            continue
        if actions := sorted(each.actions - UNSCOPABLE.keys()):
            more = f" and {len(actions) - 1} more actions" if actions[1:] else ""
            yield f"{each.sid} allows {actions[0]}{more} on everything."


@resource_rule(
    "role-trusts-its-own-account",
    of=ROLE,
    promise="A role is taken on by services of AWS, or from the stack's own account.",
    page=f"{GUIDE}/confused-deputy.html",
)
def trusts_own_account(role: ResourceValidationArgs) -> Iterator[str]:
    """Check each principal; those of an identity provider have a rule of their own."""
    for each in statements(role.props["assumeRolePolicy"]):
        if not each.allows:
            continue
        if each.exceptions:
            yield f"It trusts by {', '.join(sorted(each.exceptions))}."
        for kind, name in sorted(each.principals):
            trusted = kind in ("Service", "Federated") or (
                kind == "AWS" and is_own(name, role.provider)
            )
            if not trusted:
                yield f"It trusts {name}."


@resource_rule(
    "token-says-who-one-is",
    of=ROLE,
    promise="A token gets a role only if its subject and audience are the right ones.",
    page=f"{GUIDE}/id_roles_create_for-idp_oidc_secure-by-default.html",
)
def token_says_who(role: ResourceValidationArgs) -> Iterator[str]:
    """Check that both claims are compared, and with equality: a pattern fits strangers."""
    for each in statements(role.props["assumeRolePolicy"]):
        if TOKENS not in each.actions or not each.allows:
            continue
        equal = {
            claim.rpartition(":")[2]: values
            for claim, values in each.conditions.get("StringEquals", {}).items()
        }
        for claim in ("aud", "sub"):
            if claim not in equal:
                yield f"No StringEquals on {claim}."
        for operator in sorted(each.conditions.keys() - {"StringEquals"}):
            yield f"It compares by {operator}."


@stack_rule(
    "roles-have-one-boundary",
    of=ROLE,
    promise="Where roles have a permissions boundary, each role has it.",
    page=f"{GUIDE}/access_policies_boundaries.html",
)
def one_boundary(role: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check against the other roles of the stack."""
    bounded = [each.name for each in stack.of(ROLE) if each.props.get("permissionsBoundary")]
    if bounded and not role.props.get("permissionsBoundary"):
        yield f"It has none, and {bounded[0]} has one."


@resource_rule(
    "no-policies-of-aws",
    of=ATTACHMENT,
    promise="A role has policies of the program: what AWS changes in its own, review does not see.",
    page=f"{GUIDE}/access_policies_managed-vs-inline.html",
)
def no_policies_of_aws(attachment: ResourceValidationArgs) -> Iterator[str]:
    """Check whose policy is attached."""
    if ":iam::aws:policy/" in str(attachment.props["policyArn"]):
        yield f"{attachment.props['policyArn']} is AWS's."


@resource_rule(
    "no-users-and-keys",
    of=(USER, KEY),
    promise="Nobody has a lasting key of AWS: people and pipelines take roles on.",
    page=f"{GUIDE}/best-practices.html",
)
def no_users(it: ResourceValidationArgs) -> Iterator[str]:
    """Refuse both."""
    yield f"Make a role instead of {it.name}."


def _allowed(policy: ResourceValidationArgs) -> list[Statement]:
    return [each for each in statements(policy.props["policy"]) if each.allows]


def _is_everything(resource: str) -> bool:
    """Whether it is ``*``, or all that a service has."""
    return resource == "*" or resource.split(":", 5)[5:] == ["*"]


RULES: Final[tuple[Rule, ...]] = (
    permissions_are_named,
    permissions_are_about_something,
    trusts_own_account,
    token_says_who,
    one_boundary,
    no_policies_of_aws,
    no_users,
)
