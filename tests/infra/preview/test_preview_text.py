"""What the text shows that needs attention."""

from typing import Literal

import pytest

from hokusai_infra.policy import Finding
from hokusai_infra.preview.difference import differences
from hokusai_infra.preview.report import PROMISE, Comparison, Report
from hokusai_infra.preview.text import Paper, rendered
from tests.infra.preview.graphs import graph, priced, resource

ADDRESS = "aws:ec2/eip:Eip"
NAMES = "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace"
WAREHOUSE = "aws:redshift/cluster:Cluster"
BOX = resource("hokusai:index:Box", "box", component=True)


def finding(
    state: Literal["failed", "not_checked"],
    level: Literal["mandatory", "advisory"] = "mandatory",
) -> Finding:
    return Finding(
        rule="no-door",
        level=level,
        urn="urn",
        source="stack.py:7",
        caller="",
        message="The door is open.",
        state=state,
    )


def text(*findings: Finding, paper: Paper | None = None) -> list[str]:
    resources = (
        BOX,
        resource(ADDRESS, "way-in", parent=BOX.urn, protect=True),
        resource(NAMES, "names"),
        resource(WAREHOUSE, "warehouse"),
    )
    report = Report(graph=graph(*resources), estimate=priced(*resources), findings=findings)
    return list(rendered(report, paper or Paper()))


def test_the_promise_comes_first_and_components_before_what_is_loose() -> None:
    lines = text()
    assert lines[0] == PROMISE
    names = [" ".join(line.split()) for line in lines[3:6]]
    assert names == ["Box box 3.65", "ec2.Eip way-in [protected]", "public IPv4 3.65"]


def test_what_has_no_price_is_marked_where_it_is_and_counted_below() -> None:
    lines = text()
    assert "      Cluster: UNPRICED, this type has no price and is not declared free" in lines
    at = next(i for i, line in enumerate(lines) if line.startswith("  = the stack"))
    assert lines[at + 1] == "    total incomplete: 1 unpriced"


def test_a_rate_that_was_not_read_for_the_region_is_marked() -> None:
    (zone,) = (line for line in text() if "hosted zone of the private names" in line)
    assert " ".join(zone.split()) == "hosted zone of the private names (comes with it) ? 0.50"
    (sums,) = (line for line in text() if line.startswith("  ? no source of this region"))
    assert "0.90 in all; the oldest rate is of " in sums


def test_what_was_not_checked_is_not_counted_as_passed() -> None:
    lines = text(finding("failed"), finding("failed", "advisory"), finding("not_checked"))
    at = lines.index("Policy: 2 failed, 1 not checked")
    assert lines[at + 1 :] == [
        "  mandatory: no-door at stack.py:7",
        "      The door is open.",
        "  advisory: no-door at stack.py:7",
        "      The door is open.",
        "  not checked: no-door at stack.py:7",
        "      The door is open.",
    ]


def test_only_a_mandatory_rule_that_fails_makes_the_command_fail() -> None:
    def failed(*findings: Finding) -> bool:
        return Report(graph=graph(), estimate=priced(), findings=findings).failed

    assert failed(finding("failed"))
    assert not failed(finding("failed", "advisory"), finding("not_checked"))


def test_what_has_no_price_fails_as_well() -> None:
    warehouse = resource(WAREHOUSE)
    report = Report(graph=graph(warehouse), estimate=priced(warehouse), findings=())
    assert report.failed


def test_what_an_engine_would_refuse_fails_and_is_counted() -> None:
    before = graph(resource(ADDRESS, "gone", protect=True), resource(ADDRESS, "other"))
    report = Report(
        graph=graph(),
        estimate=priced(),
        findings=(),
        comparison=Comparison(rev="main", changes=differences(before, graph()), before=priced()),
    )
    assert report.failed
    lines = list(rendered(report))
    assert "  - ec2.Eip gone [protected: refused]" in lines
    assert "  1 removal refused: take the protection away first, or change the program back." in (
        lines
    )


@pytest.mark.parametrize(("width", "columns"), [(10, 80), (80, 80), (120, 120), (200, 200)])
def test_the_text_is_as_wide_as_the_terminal_and_at_least_80(width: int, columns: int) -> None:
    lines = text(finding("failed"), paper=Paper(width=width))
    assert max(map(len, lines)) == columns
    (address,) = (line for line in lines if line.strip().startswith("public IPv4"))
    assert len(address) == columns


def test_only_a_terminal_gets_colours() -> None:
    red, yellow = "\033[31m", "\033[33m"
    lines = text(finding("failed"), paper=Paper(colours=True))
    assert any(line.startswith(f"{red}  mandatory: no-door") for line in lines)
    assert any(line.startswith(yellow) and "UNPRICED" in line for line in lines)
    assert not any("\033" in line for line in text(finding("failed")))
