"""What the text shows that needs attention."""

from typing import Literal

from hokusai_infra.policy import Finding
from hokusai_infra.preview.report import PROMISE, Report
from hokusai_infra.preview.text import rendered
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
        message="The door is open.",
        state=state,
    )


def text(*findings: Finding) -> list[str]:
    resources = (
        BOX,
        resource(ADDRESS, "way-in", parent=BOX.urn, protect=True),
        resource(NAMES, "names"),
        resource(WAREHOUSE, "warehouse"),
    )
    return list(
        rendered(Report(graph=graph(*resources), estimate=priced(*resources), findings=findings))
    )


def test_the_promise_comes_first_and_components_before_what_is_loose() -> None:
    lines = text()
    assert lines[0] == PROMISE
    names = [" ".join(line.split()) for line in lines[3:6]]
    assert names == ["Box box 3.65", "ec2.Eip way-in [protected]", "public IPv4 3.65"]


def test_what_has_no_price_is_marked_where_it_is_and_counted_below() -> None:
    lines = text()
    assert "      Cluster: UNPRICED, this type has no price and is not declared free" in lines
    assert "  1 without a price, marked UNPRICED above." in lines


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
