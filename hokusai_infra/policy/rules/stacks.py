"""What holds for a stack as a whole."""

from collections.abc import Iterator
from typing import Final

from pulumi_policy import (
    EnforcementLevel,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    StackValidationArgs,
    StackValidationPolicy,
)

from hokusai_infra.policy.documents import allowed_accounts, default_tags, is_prod
from hokusai_infra.policy.rule import Rule, resource_rule
from hokusai_infra.stateful import PROTECTED

WANTED_TAGS: Final = (("project",), ("environment", "part"))
"""One tag of each: what is no environment's, as an account's own, is a part."""


def _each_provider(args: StackValidationArgs) -> Iterator[PolicyResource]:
    """Give one AWS resource for each provider that there is."""
    seen: set[str] = set()
    for each in args.resources:
        if each.resource_type.startswith("aws:") and each.provider is not None:
            if each.provider.urn not in seen:
                yield each
            seen.add(each.provider.urn)


def _one_account(args: StackValidationArgs, report: ReportViolation) -> None:
    for each in _each_provider(args):
        accounts = allowed_accounts(each.provider)
        if len(accounts) != 1:
            report(
                f"aws:allowedAccountIds has {len(accounts)} accounts; state one"
                + (", for policies are held against it." if not accounts else "."),
                None,
            )


def _tagged(args: StackValidationArgs, report: ReportViolation) -> None:
    for each in _each_provider(args):
        tags = default_tags(each.provider)
        lacking = [
            " or ".join(wanted)
            for wanted in WANTED_TAGS
            if not any(tags.get(tag) for tag in wanted)
        ]
        if lacking:
            untold = (
                "; whether this is prod is told by it" if "environment or" in lacking[-1] else ""
            )
            report(f"aws:defaultTags lacks {', '.join(lacking)}{untold}.", None)


one_account = StackValidationPolicy(
    "stack-touches-one-account",
    "The provider refuses every account but the one that the stack is for.",
    _one_account,
    EnforcementLevel.MANDATORY,
    url="https://www.pulumi.com/registry/packages/aws/installation-configuration/",
    tags=["pulumi:providers:aws"],
)
tagged = StackValidationPolicy(
    "resources-say-whose-they-are",
    "Each resource says by tags which project it is of, and which environment or part.",
    _tagged,
    EnforcementLevel.MANDATORY,
    url="https://docs.aws.amazon.com/whitepapers/latest/tagging-best-practices/tagging-best-practices.html",
    tags=["pulumi:providers:aws"],
)


@resource_rule(
    "data-is-protected-in-prod",
    of=PROTECTED,
    promise="Pulumi refuses to delete or replace what holds data of prod.",
    page="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
)
def protected_in_prod(resource: ResourceValidationArgs) -> Iterator[str]:
    """Check the option of each resource."""
    if is_prod(resource.provider) and not resource.opts.protect:
        yield "protect is not true."


RULES: Final[tuple[Rule, ...]] = (one_account, tagged, protected_in_prod)
