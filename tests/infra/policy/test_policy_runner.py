"""How rules are run: the unknown is not passed over, the accepted is not told."""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_aws
import pytest
from pulumi_aws import s3
from pulumi_policy import (
    EnforcementLevel,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from hokusai_infra.policy import RULES, Finding, evaluate
from hokusai_infra.policy.accepted import suppressions
from hokusai_infra.policy.rules import buckets, databases, secrets
from hokusai_infra.recorder import UNKNOWN, Graph
from hokusai_infra.suppressions import Suppression
from tests.infra.account.bootstraps import bootstrapped
from tests.infra.policy.changes import Change
from tests.infra.recordings import STACKS, alone, recorded

PUBLIC = Change(of=buckets.BLOCK, to={"blockPublicPolicy": False})


def changed(change: Change) -> tuple[Graph, str]:
    return change.made(recorded("staging"))


def test_a_finding_says_all_that_one_needs_to_mend_it() -> None:
    graph, urn = changed(PUBLIC)

    (found,) = evaluate(graph, [buckets.no_public_bucket])

    assert found == Finding(
        rule="no-public-bucket",
        level="mandatory",
        urn=urn,
        source=graph.by_urn(urn).source,
        caller=graph.by_urn(urn).caller,
        message="Nothing in a bucket can be made public, by a policy or by an ACL. "
        "blockPublicPolicy is not true.",
        state="failed",
    )
    assert found.source.startswith("hokusai_infra/components/secure_bucket.py:")
    assert found.caller.startswith("__main__.py:")


def test_an_unknown_value_is_not_checked_and_does_not_pass() -> None:
    graph, urn = changed(Change(of=databases.DATABASE, to={"storageEncrypted": UNKNOWN}))

    (found,) = evaluate(graph, [databases.encrypted])

    assert (found.urn, found.state) == (urn, "not_checked")
    assert found.message.endswith("Not checked: storageEncrypted is known after a deployment.")


def test_an_unknown_value_of_one_resource_keeps_no_other_from_being_checked() -> None:
    graph = recorded("staging")
    unknown, here = Change(
        of=buckets.POLICY, named="pipeline-data-tls-only", to={"policy": UNKNOWN}
    ).made(graph)
    graph, _ = Change(of=buckets.POLICY, named="mlflow-artifacts-tls-only").made(unknown)

    found = evaluate(graph, [buckets.refuses_clear_text])

    assert here
    assert {(each.urn.rpartition("::")[2], each.state) for each in found} == {
        ("pipeline-data", "not_checked"),
        ("mlflow-artifacts", "failed"),
    }


def test_what_a_program_accepts_is_not_told() -> None:
    graph, urn = changed(PUBLIC)
    accepted = Suppression(
        check="no-public-bucket",
        of=buckets.BLOCK,
        named=graph.by_urn(urn).name,
        because="A test that has to be told of a reason.",
    )

    assert evaluate(graph, [buckets.no_public_bucket], accepted=[accepted]) == []
    other = replace(accepted, named="another")
    assert evaluate(graph, [buckets.no_public_bucket], accepted=[other])


def test_a_rule_of_somebody_else_runs_too() -> None:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> Awaitable[Any]:
        async def later() -> None:
            if args.resource_type == buckets.BUCKET:
                report("Not here.", None)

        return later()

    rule = ResourceValidationPolicy("mine", "No buckets.", validate)
    found = evaluate(recorded("staging"), [rule])

    assert [(each.level, each.message) for each in found] == [
        ("advisory", "No buckets. Not here.")
    ] * 3


def test_a_disabled_rule_does_not_run() -> None:
    def validate(_: ResourceValidationArgs, report: ReportViolation) -> None:
        report("Told.", None)

    rule = ResourceValidationPolicy("off", "Off.", validate, EnforcementLevel.DISABLED)
    assert evaluate(recorded("staging"), [rule]) == []


def test_a_provider_that_a_program_states_decides_for_its_resources() -> None:
    def program() -> None:
        mine = pulumi_aws.Provider(
            "mine",
            region="us-east-1",
            allowed_account_ids=["111122223333"],
            default_tags={"tags": {"project": "x", "environment": "staging"}},
        )
        s3.Bucket("there", opts=pulumi.ResourceOptions(provider=mine))
        theirs = pulumi_aws.Provider("theirs", default_tags={"tags": {"environment": "live"}})
        s3.Bucket("here", opts=pulumi.ResourceOptions(provider=theirs))
        s3.Bucket("untold")

    found = evaluate(alone(program))
    unprotected = [each.urn.rpartition("::")[2] for each in found if "protected" in each.rule]

    assert unprotected == ["here"]


def test_the_same_stack_gives_the_same_findings_in_the_same_order() -> None:
    graph, _ = changed(Change(of=secrets.KEY, to={"enableKeyRotation": False}))
    mixed = replace(graph, resources=tuple(reversed(graph.resources)))

    assert evaluate(graph) == evaluate(mixed)
    assert evaluate(graph)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("check", "CKV AWS"),
        ("of", "Bucket"),
        ("because", "false positive"),
        ("within", "Database"),
        ("named", "{component}-postgresql"),
    ],
)
def test_a_suppression_that_says_nothing_is_refused(field: str, value: str) -> None:
    right = {"check": "CKV_AWS_18", "of": buckets.BUCKET, "because": "A sentence of a reason."}
    Suppression(**right)
    with pytest.raises(ValueError, match=f"^{field} is "):
        Suppression(**(right | {field: value}))


def test_every_suppression_of_a_rule_names_a_rule_and_a_type_that_it_is_about() -> None:
    rules = {rule.name: set(rule.tags or ()) for rule in RULES}
    ours = [each for each in suppressions() if not each.check.startswith("CKV")]
    assert ours
    assert [each for each in ours if each.of not in rules.get(each.check, set())] == []


def test_a_component_may_be_called_as_its_user_likes() -> None:
    (ours, *_) = [each for each in suppressions() if each.named == "{component}-postgresql"]
    project = "urn:pulumi:prod::theirs::"
    parent = f"{project}hokusai:index:Database::ledger"
    inside = f"{project}hokusai:index:Database$aws:cloudwatch/logGroup:LogGroup"
    assert ours.covers(ours.check, f"{inside}::ledger-postgresql", parent)
    assert not ours.covers(ours.check, f"{inside}::other-postgresql", parent)
    assert not ours.covers(ours.check, f"{project}{ours.of}::ledger-postgresql", "")


def test_every_suppression_is_about_something_that_there_is() -> None:
    graphs = [*map(recorded, STACKS), *map(bootstrapped, ("prod", "staging"))]
    there = {(each.urn, each.parent) for graph in graphs for each in graph.resources}
    stale = [
        each
        for each in suppressions()
        if not any(each.covers(each.check, urn, parent) for urn, parent in there)
    ]
    assert stale == []
