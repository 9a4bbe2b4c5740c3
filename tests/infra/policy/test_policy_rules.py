"""Every stack keeps every rule, and every rule catches what it is there for."""

from dataclasses import replace

import pytest

from hokusai_infra.policy import RULES, evaluate
from hokusai_infra.policy.rule import Rule, subject
from hokusai_infra.recorder import Graph
from tests.infra.account.bootstraps import bootstrapped
from tests.infra.policy.mistake import Mistake
from tests.infra.policy.mistakes import MISTAKES
from tests.infra.recordings import STACKS, recorded

BOOTSTRAPS = {"bootstrap": "prod", "bootstrap-images": "staging"}
BY_NAME = {rule.name: rule for rule in RULES}
REFUSES_ALL = {"application-writes-its-secrets", "no-users-and-keys"}
"""Rules about what no stack may have, so that nothing passes them but its absence."""


def stack(name: str) -> Graph:
    return bootstrapped(BOOTSTRAPS[name]) if name in BOOTSTRAPS else recorded(name)


@pytest.mark.parametrize("name", [*STACKS, *BOOTSTRAPS])
def test_a_stack_keeps_every_rule(name: str) -> None:
    assert evaluate(stack(name)) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.rule)
def test_a_rule_catches_a_mistake(mistake: Mistake) -> None:
    rule, graph = BY_NAME[mistake.rule], stack(mistake.stack)
    before = evaluate(graph, [rule])
    changed, urn = mistake.change.made(graph)
    if mistake.seen_at[0]:
        urn = graph.one(*mistake.seen_at).urn
    if mistake.config is not None:
        changed, urn = replace(graph, config=graph.config | mistake.config), ""

    found = evaluate(changed, [rule])

    assert before == []
    assert {each.urn for each in found} == {urn}
    assert {each.state for each in found} == {"failed"}
    assert all(each.source for each in found if each.urn)
    assert all(each.message.startswith(rule.description) for each in found)


def test_every_rule_has_a_mistake_that_it_catches() -> None:
    assert {each.rule for each in MISTAKES} == BY_NAME.keys()


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.name not in REFUSES_ALL], ids=lambda rule: rule.name
)
def test_some_resource_passes_every_rule(rule: Rule) -> None:
    types = {each.type for name in (*STACKS, *BOOTSTRAPS) for each in stack(name).resources}
    assert types & {*subject(rule)} or subject(rule) == ("pulumi:providers:aws",)


def test_rules_are_named_once_and_say_where_they_come_from() -> None:
    assert len(BY_NAME) == len(RULES)
    assert [rule.name for rule in RULES if not (rule.url or "").startswith("https://")] == []
