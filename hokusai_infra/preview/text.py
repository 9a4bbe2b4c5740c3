"""A preview as text of about a hundred columns."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from hokusai_infra.preview.cost import Estimate
from hokusai_infra.preview.line import PARTS, Line
from hokusai_infra.preview.report import (
    FREE_TIERS,
    NAMES,
    PROMISE,
    Comparison,
    Report,
    subtotals,
    where,
)
from hokusai_infra.preview.tree import Node, label, roots

if TYPE_CHECKING:
    from hokusai_infra.preview.difference import Change

WIDTH: Final = 84
"""Columns before a sum of money."""
MARKS: Final = {"add": "+", "remove": "-", "change": "~", "replace": "!"}

Style = Callable[[str], str]


def plain(text: str) -> str:
    """Leave a heading as it is."""
    return text


def rendered(report: Report, heading: Style = plain) -> Iterator[str]:
    """Yield the lines of a report; the promise comes first."""
    graph, estimate = report.graph, report.estimate
    yield heading(PROMISE)
    yield ""
    yield heading(f"Stack {graph.stack} of {graph.project}: what it consists of, dollars a month")
    for node in roots(graph):
        yield from _node(node, estimate, 1)
    yield ""
    yield from _cost(report, heading)
    yield ""
    yield from _findings(report, heading)
    if report.comparison is not None:
        yield ""
        yield from _comparison(report.comparison, estimate, heading)


def _node(node: Node, estimate: Estimate, depth: int) -> Iterator[str]:
    it, indent = node.resource, "  " * depth
    name = label(it) + ("  [protected]" if it.protect and not it.component else "")
    below = {each.urn for each in node.walk()}
    total = sum((e.monthly for e in estimate.lines if e.resource.urn in below), Decimal(0))
    yield _money(f"{indent}{name}", total) if it.component and total else f"{indent}{name}"
    for line in estimate.of(it):
        yield _line(line, indent)
    for each in node.children:
        yield from _node(each, estimate, depth + 1)


def _line(line: Line, indent: str) -> str:
    text = f"{indent}    {line.what}"
    if line.kind == "unpriced":
        return f"{text}: UNPRICED, {line.note}"
    if line.assumption:
        text += f"  * {line.assumption.partition(':')[0]}"
    if line.note:
        text += f"  ({line.note})"
    if line.derived and not line.assumption:
        text += "  (comes with it)"
    if line.rate and not line.rate.certain:
        text += "  ?"
    return _money(text, line.monthly)


def _money(text: str, dollars: Decimal) -> str:
    return f"{text:<{WIDTH}} {dollars:>9,.2f}"


def _row(name: str, *dollars: Decimal) -> str:
    return f"  {name:<40}" + "".join(f"{each:>12,.2f}" for each in dollars)


def _cost(report: Report, heading: Style) -> Iterator[str]:
    estimate = report.estimate
    yield heading(f"Cost, dollars a month in {estimate.region} ({FREE_TIERS})")
    yield f"  {'':<40}{'fixed':>12}{'usage':>12}{'total':>12}"
    for each in subtotals(report.graph, estimate):
        name = each.name if each.part == "stack" else f"{each.name} ({each.part})"
        yield _row(name, each.fixed, each.usage, each.total)
    for part in PARTS:
        total = estimate.total(part)
        if part == "stack" or total:
            sums = (estimate.total(part, "fixed"), estimate.total(part, "usage"), total)
            yield heading(_row(f"= {NAMES[part]}", *sums))
    if estimate.unpriced:
        yield f"  {len(estimate.unpriced)} without a price, marked UNPRICED above."
    yield "  * rests on an assumption; change it with --usage KEY=VALUE, for one resource with"
    yield "    --usage NAME.KEY=VALUE, or for good under hokusai:usage in the stack file:"
    said = sorted({each.assumption for each in estimate.lines if each.assumption})
    yield from (f"      {each}" for each in said)
    yield (
        f"  ? no source of this region was read for the rate: {estimate.uncertain:,.2f} in all; "
        f"the oldest rate is of {estimate.oldest_rate}."
    )


def _findings(report: Report, heading: Style) -> Iterator[str]:
    failed = [each for each in report.findings if each.state == "failed"]
    unknown = [each for each in report.findings if each.state == "not_checked"]
    yield heading(f"Policy: {len(failed)} failed, {len(unknown)} not checked")
    for each in (*failed, *unknown):
        state = each.level if each.state == "failed" else "not checked"
        yield f"  {state}: {each.rule} at {each.source or each.urn or 'the stack as a whole'}"
        yield f"      {each.message}"


def _comparison(comparison: Comparison, after: Estimate, heading: Style) -> Iterator[str]:
    counts = dict.fromkeys(MARKS, 0)
    for each in comparison.changes:
        counts[each.kind] += 1
    yield heading(
        f"Against {comparison.rev}: {counts['add']} to add, {counts['change']} to change, "
        f"{counts['replace']} to replace, {counts['remove']} to remove"
    )
    for each in comparison.changes:
        yield f"  {MARKS[each.kind]} {where(each.resource)}{_said(each)}"
    for part in PARTS:
        was, now = comparison.before.total(part), after.total(part)
        if part == "stack" or was or now:
            yield f"  {NAMES[part]}: {was:,.2f} before, {now:,.2f} now, {now - was:+,.2f} a month"


def _said(change: "Change") -> str:
    said = ""
    if change.resource.protect and change.kind in ("replace", "remove"):
        said += " [protected: refused]"
    if change.formerly:
        said += f", formerly {change.formerly.rpartition('::')[2]}"
    if change.replaced_by:
        said += f": replaced, for {', '.join(change.replaced_by)} cannot change in place"
    elif change.properties:
        said += f": {', '.join(change.properties)}"
    return said
