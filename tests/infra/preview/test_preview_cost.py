"""What the stacks of this repository cost, as a whole."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from hokusai_infra.preview.cost import PRICES, Estimate, estimate
from hokusai_infra.preview.free import FREE
from hokusai_infra.preview.line import PARTS
from hokusai_infra.preview.rates import regions
from hokusai_infra.preview.report import subtotals
from hokusai_infra.preview.usage import CONFIG_KEY, Usage
from hokusai_infra.recorder import Graph
from hokusai_infra.recorder.answers import ARNS, WITHOUT_ARN
from tests.infra.account.bootstraps import bootstrapped
from tests.infra.preview.graphs import graph, resource
from tests.infra.recordings import ROOT, STACKS, example, recorded

REGION = "us-east-1"
OTHERS = sorted(
    file for folder in ("bootstrap", "examples/*") for file in ROOT.glob(f"{folder}/Pulumi.*.yaml")
)
"""Stack files of the other programs of this repository."""


def estimated(recording: Graph, region: str = REGION) -> Estimate:
    usage = Usage.read(recording.config, [], {each.name for each in recording.resources})
    return estimate(recording, region, usage)


def other(file: Path) -> Graph:
    stack = file.suffixes[-2].removeprefix(".")
    bootstrap = file.parent.name == "bootstrap"
    return bootstrapped(stack) if bootstrap else example(file.parent.name, stack)


def unpriced(of: Estimate) -> list[str]:
    return [f"{each.resource.type}: {each.note}" for each in of.unpriced]


@pytest.mark.parametrize("region", regions())
@pytest.mark.parametrize("stack", STACKS)
def test_everything_in_a_stack_has_a_price(stack: str, region: str) -> None:
    assert unpriced(estimated(recorded(stack), region)) == []


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: str(file.relative_to(ROOT)))
def test_everything_in_another_program_has_a_price(file: Path) -> None:
    assert unpriced(estimated(other(file))) == []


def test_every_type_that_a_component_may_make_is_priced_or_free() -> None:
    assert sorted({*ARNS, *WITHOUT_ARN} - PRICES.keys() - FREE.keys()) == []


def test_a_type_that_nobody_has_priced_is_shown_as_such() -> None:
    unknown = graph(resource("aws:redshift/cluster:Cluster", "warehouse"))
    assert unpriced(estimated(unknown)) == [
        "aws:redshift/cluster:Cluster: this type has no price and is not declared free"
    ]


def test_staging_costs_at_most_100_dollars_and_prod_at_rest_245() -> None:
    staging, prod = (estimated(recorded(stack)) for stack in ("staging", "prod"))
    assert staging.total() <= 100
    assert prod.total() <= 245
    assert prod.total("firewall") > 0
    assert staging.total("account") == prod.total("account") == 0


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_bill_has_the_lines_that_no_resource_declares(stack: str) -> None:
    lines = {each.what: each for each in estimated(recorded(stack)).lines}
    assert any(what.startswith("log lines of ") for what in lines)
    brought_along = {
        "2 public IPv4, one a zone",
        "secret of the master password",
        "alarms of target tracking",
        "hosted zone of the private names",
        "hosted zone of the domain, made elsewhere",
    }
    assert {what for what in brought_along if lines[what].derived} == brought_along
    assumed = {
        "capacity units",
        "secrets that the application makes",
        "backups beyond that size",
        "transfer out",
    }
    assert {what for what in assumed if lines[what].assumption} == assumed


@pytest.mark.parametrize("stack", STACKS)
def test_components_and_lines_add_up_to_the_totals(stack: str) -> None:
    recording = recorded(stack)
    of = estimated(recording)
    for part in PARTS:
        lines = [each for each in of.lines if each.part == part]
        assert of.total(part) == sum((each.monthly for each in lines), Decimal(0))
        assert of.total(part) == of.total(part, "fixed") + of.total(part, "usage")
        rows = [each for each in subtotals(recording, of) if each.part == part]
        assert of.total(part) == sum((each.total for each in rows), Decimal(0))


def test_the_configuration_of_a_stack_changes_what_is_assumed() -> None:
    recording = recorded("staging")
    stated = replace(
        recording, config=recording.config | {CONFIG_KEY: '{"mlflow-artifacts.stored_gb": 1025}'}
    )
    more = estimated(stated).total("stack") - estimated(recording).total("stack")
    assert more == Decimal("23.00")


def test_a_dearer_region_costs_more() -> None:
    assert estimated(recorded("prod"), "eu-west-1").total() > estimated(recorded("prod")).total()
