"""All that a preview has to say, as data; the text and the JSON are made of it.

The JSON is an object with these keys; ``docs/reference/preview.md`` lists what is in them.
``version`` is raised when a key goes away or gets another meaning, not when one is added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from hokusai_infra.preview.cost import Estimate
from hokusai_infra.preview.line import PARTS, Kind, Line, Part
from hokusai_infra.preview.rates import HOURS_A_MONTH
from hokusai_infra.preview.tree import Node, label, roots
from hokusai_infra.recorder.graph import Graph, Resource

if TYPE_CHECKING:
    from hokusai_infra.policy import Finding
    from hokusai_infra.preview.difference import Change

VERSION: Final = 1
"""Of the JSON's form."""
PROMISE: Final = "Compares programs, not AWS: what exists in the account is not looked at."
NAMES: Final[dict[Part, str]] = {
    "stack": "the stack",
    "firewall": "its web application firewall",
    "account": "the account's audit",
}
FREE_TIERS: Final = "on demand, 730 hours a month; the account's free allowances not deducted"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What another commit of the program has otherwise."""

    rev: str
    changes: "Sequence[Change]"
    before: Estimate

    def refused(self, kind: str) -> int:
        """Count the replacements, or the removals, of what is protected."""
        return sum(each.refused and each.kind == kind for each in self.changes)


@dataclass(frozen=True, kw_only=True)
class Report:
    """One stack."""

    graph: Graph
    estimate: Estimate
    findings: "Sequence[Finding]"
    comparison: Comparison | None = None

    @property
    def failed(self) -> bool:
        """Whether a rule does not hold that must, something has no price or an engine refuses."""
        broken = any(e.state == "failed" and e.level == "mandatory" for e in self.findings)
        changes = self.comparison.changes if self.comparison else ()
        return broken or bool(self.estimate.unpriced) or any(e.refused for e in changes)


@dataclass(frozen=True, kw_only=True)
class Subtotal:
    """What a component at the top of the tree costs, in one part of the bill."""

    name: str
    part: Part
    fixed: Decimal
    usage: Decimal

    @property
    def total(self) -> Decimal:
        """Both together."""
        return self.fixed + self.usage


def subtotals(graph: Graph, estimate: Estimate) -> list[Subtotal]:
    """Add up by component, the dearest first."""
    found: list[Subtotal] = []
    for node in roots(graph):
        urns = {each.urn for each in node.walk()}
        for part in PARTS:
            lines = [e for e in estimate.lines if e.part == part and e.resource.urn in urns]
            sums = Subtotal(
                name=label(node.resource),
                part=part,
                fixed=_sum(lines, "fixed"),
                usage=_sum(lines, "usage"),
            )
            found += [sums] if sums.total else []
    return sorted(found, key=lambda each: (PARTS.index(each.part), -each.total, each.name))


def _sum(lines: list[Line], kind: Kind) -> Decimal:
    return sum((each.monthly for each in lines if each.kind == kind), Decimal(0))


def as_data(report: Report) -> dict[str, Any]:
    """Return what ``--json`` prints; dollars are numbers with two decimals."""
    graph, estimate = report.graph, report.estimate
    assumed = sorted({each.assumption for each in estimate.lines if each.assumption})
    data: dict[str, Any] = {
        "version": VERSION,
        "failed": report.failed,
        "note": PROMISE,
        "project": graph.project,
        "stack": graph.stack,
        "region": estimate.region,
        "resources": [_resource(node) for node in roots(graph)],
        "findings": [
            {
                "rule": each.rule,
                "level": each.level,
                "state": each.state,
                "urn": each.urn,
                "source": each.source,
                "caller": each.caller,
                "message": each.message,
            }
            for each in report.findings
        ],
        "cost": {
            "hours": int(HOURS_A_MONTH),
            "oldest_rate": estimate.oldest_rate.isoformat() if estimate.oldest_rate else None,
            "uncertain": float(estimate.uncertain),
            "unpriced": len(estimate.unpriced),
            "complete": not estimate.unpriced,
            "totals": {part: _totals(estimate, part) for part in PARTS},
            "components": [
                {
                    "name": each.name,
                    "part": each.part,
                    "fixed": float(each.fixed),
                    "usage": float(each.usage),
                    "total": float(each.total),
                }
                for each in subtotals(graph, estimate)
            ],
            "lines": [_line(each) for each in estimate.lines],
        },
        "assumptions": {
            each.key: {"value": float(each.value), "unit": each.unit, "text": each.text}
            for each in assumed
        },
    }
    if report.comparison is not None:
        data["against"] = _comparison(report.comparison, estimate)
    return data


def _totals(estimate: Estimate, part: Part) -> dict[str, float]:
    return {
        "fixed": float(estimate.total(part, "fixed")),
        "usage": float(estimate.total(part, "usage")),
        "total": float(estimate.total(part)),
    }


def _resource(node: Node) -> dict[str, Any]:
    it = node.resource
    return {
        "urn": it.urn,
        "type": it.type,
        "name": it.name,
        "source": it.source,
        "caller": it.caller,
        "protected": it.protect,
        "children": [_resource(each) for each in node.children],
    }


def _line(line: Line) -> dict[str, Any]:
    rate = line.rate
    return {
        "urn": line.resource.urn,
        "what": line.what,
        "kind": line.kind,
        "part": line.part,
        "derived": line.derived,
        "quantity": float(line.quantity),
        "monthly": float(line.monthly),
        "assumption": line.assumption.key if line.assumption else None,
        "note": line.note,
        "rate": None
        if rate is None
        else {
            "key": rate.key,
            "usd": float(rate.usd),
            "unit": rate.unit,
            "region": rate.region,
            "as_of": rate.as_of.isoformat() if rate.as_of else None,
            "certain": rate.certain,
            "source": rate.source,
        },
    }


def _comparison(comparison: Comparison, after: Estimate) -> dict[str, Any]:
    return {
        "rev": comparison.rev,
        "changes": [
            {
                "kind": each.kind,
                "urn": each.resource.urn,
                "source": each.resource.source,
                "caller": each.resource.caller,
                "properties": [*each.properties],
                "replaced_by": [*each.replaced_by],
                "follows": {key: [*urns] for key, urns in each.follows.items()},
                "refused": each.refused,
                "formerly": each.formerly,
            }
            for each in comparison.changes
        ],
        "refused": comparison.refused("replace") + comparison.refused("remove"),
        "totals_before": {part: _totals(comparison.before, part) for part in PARTS},
        "difference": {
            part: float(after.total(part) - comparison.before.total(part)) for part in PARTS
        },
    }


def where(resource: Resource) -> str:
    """Name a resource and the line that makes it."""
    return f"{label(resource)} ({resource.where})" if resource.where else label(resource)
