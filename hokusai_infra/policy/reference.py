"""The page that lists the rules, and all that is accepted or ignored with its reason."""

from collections.abc import Iterable, Iterator
from typing import Final

from hokusai_infra.policy.accepted import holders, suppressions
from hokusai_infra.policy.rule import subject
from hokusai_infra.policy.rules import (
    RULES,
    buckets,
    databases,
    identities,
    load_balancers,
    network,
    secrets,
    stacks,
    tasks,
)
from hokusai_infra.stateful import PROTECTED, REPLACED_BY
from hokusai_infra.suppressions import Suppression

GROUPS: Final = {
    "Buckets": buckets.RULES,
    "Databases": databases.RULES,
    "Networks": network.RULES,
    "Load balancers": load_balancers.RULES,
    "Tasks and services": tasks.RULES,
    "Roles": identities.RULES,
    "Secrets, keys, logs and images": secrets.RULES,
    "Stacks": stacks.RULES,
}

HEAD: Final = """\
# Policies

Generated from the code by `pytest tests/infra/policy --write-reference`; do not edit it.

Each rule is one object that runs in two places: `pulumi preview --policy-pack
hokusai_infra/policy/pack`, and `hokusai infra preview`, which needs neither an account nor the
Pulumi command line. Every rule stops a deployment. A rule that meets a value which only a
deployment can tell shows as *not checked*, never as passed.
"""

ACCEPTED: Final = """\
## Accepted findings

What a rule, or checkov, finds on these resources is accepted, for the reason beside it. The reason
is data in the module that makes the resource.
"""

IGNORED: Final = """\
## Ignored changes

Pulumi leaves these properties as they are once the resource is there.
"""

DATA: Final = """\
## What holds data

A change of one of these properties makes the provider delete the resource and make an empty one.
`tests/golden/*-data.json` has what each stack holds; a test refuses a program that would replace,
delete or no longer protect any of it. Resources with a tick have to be protected in prod.
"""


def page() -> str:
    """Render the whole page."""
    return "\n".join((HEAD, *_rules(), ACCEPTED, _accepted(), IGNORED, _ignored(), DATA, _data()))


def missing_groups() -> set[str]:
    """Name the rules that no group has."""
    return {each.name for each in RULES} - {
        each.name for rules in GROUPS.values() for each in rules
    }


def _rules() -> Iterator[str]:
    for title, rules in GROUPS.items():
        yield f"## {title}\n"
        yield _table(
            ("rule", "promise", "about"),
            (
                (f"[`{each.name}`]({each.url})", each.description, _types(subject(each)))
                for each in rules
            ),
        )


def _accepted() -> str:
    return _table(
        ("check", "resource", "reason"),
        (
            (f"`{each.check}`", " ".join(map("`{}`".format, _which(each))), each.because)
            for each in sorted(
                suppressions(), key=lambda it: (it.of, it.check, it.within, it.named)
            )
        ),
    )


def _which(each: Suppression) -> tuple[str, ...]:
    return tuple(filter(None, (each.of, each.named, each.within and f"in {each.within}")))


def _ignored() -> str:
    return _table(
        ("module", "property", "reason"),
        (
            (f"`{module.__name__}`", f"`{name}`", reason)
            for module in holders()
            for name, reason in getattr(module, "IGNORED", {}).items()
        ),
    )


def _data() -> str:
    return _table(
        ("type", "replaced by a change of", "protected"),
        (
            (_types((type_,)), ", ".join(f"`{each}`" for each in sorted(keys)), _tick(type_))
            for type_, keys in sorted(REPLACED_BY.items())
        ),
    )


def _tick(type_: str) -> str:
    return "✓" if type_ in PROTECTED else ""


def _types(types: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in types)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"
