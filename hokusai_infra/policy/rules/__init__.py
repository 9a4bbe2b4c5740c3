"""All rules; a module for each kind of resource."""

from typing import Final

from hokusai_infra.policy.rule import Rule
from hokusai_infra.policy.rules import (
    buckets,
    databases,
    identities,
    load_balancers,
    network,
    secrets,
    stacks,
    tasks,
)

RULES: Final[tuple[Rule, ...]] = (
    *buckets.RULES,
    *databases.RULES,
    *identities.RULES,
    *load_balancers.RULES,
    *network.RULES,
    *secrets.RULES,
    *stacks.RULES,
    *tasks.RULES,
)
