"""A preview as text, as wide as a terminal is."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from hokusai_infra.preview.cost import Estimate
from hokusai_infra.preview.line import PARTS, Line
from hokusai_infra.preview.rates import regions
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

NARROWEST: Final = 80
MONEY: Final = 10
"""Columns of a sum of money."""
SUMS: Final = 3 * 12
"""Columns of three sums beside each other."""
MARKS: Final = {"add": "+", "remove": "-", "change": "~", "replace": "!"}

Tone = Literal["heading", "bad", "doubtful"]
CODES: Final[dict[Tone, str]] = {"heading": "1", "bad": "31", "doubtful": "33"}
"""Bold, red and yellow, as a terminal takes them."""


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What the text is written on."""

    width: int = 100
    colours: bool = False
    tree: bool = True
    """Whether to show each resource, and not the totals alone."""

    @property
    def columns(self) -> int:
        """Columns that a line has."""
        return max(self.width, NARROWEST)

    def toned(self, tone: Tone, text: str) -> str:
        """Set a line off, on a terminal."""
        return f"\033[{CODES[tone]}m{text}\033[0m" if self.colours else text

    def heading(self, text: str) -> str:
        """Set a heading off."""
        return self.toned("heading", text)

    def wrapped(self, text: str, indent: int, further: int = 4) -> list[str]:
        """Break a sentence; only what has no space in it stays too long."""
        return textwrap.wrap(
            text,
            self.columns,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + further),
            break_long_words=False,
            break_on_hyphens=False,
        )

    def money(self, text: str, dollars: Decimal) -> list[str]:
        """Put a sum at the right edge; a text that has no room beside it is broken before."""
        indent = len(text) - len(text.lstrip())
        room = self.columns - MONEY
        lines = textwrap.wrap(
            text.strip(),
            room - 1,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
        return [*lines[:-1], f"{lines[-1]:<{room}}{dollars:>{MONEY},.2f}"]

    def row(self, name: str, *sums: str) -> str:
        """Put three sums at the right edge."""
        room = self.columns - SUMS - 2
        short = name if len(name) <= room else name[: room - 1] + "…"
        return f"  {short:<{room}}" + "".join(f"{each:>12}" for each in sums)


PLAIN: Final = Paper()


def rendered(report: Report, paper: Paper = PLAIN) -> Iterator[str]:
    """Yield the lines of a report; the promise comes first."""
    graph, estimate = report.graph, report.estimate
    yield paper.heading(PROMISE)
    yield ""
    if paper.tree:
        title = f"Stack {graph.stack} of {graph.project}: what it consists of, dollars a month"
        yield paper.heading(title)
        for node in roots(graph):
            yield from _node(node, estimate, 1, paper)
        yield ""
    yield from _cost(report, paper)
    yield ""
    yield from _findings(report, paper)
    if report.comparison is not None:
        yield ""
        yield from _comparison(report.comparison, estimate, paper)


def _node(node: Node, estimate: Estimate, depth: int, paper: Paper) -> Iterator[str]:
    it, indent = node.resource, "  " * depth
    name = indent + label(it) + ("  [protected]" if it.protect and not it.component else "")
    below = {each.urn for each in node.walk()}
    total = sum((e.monthly for e in estimate.lines if e.resource.urn in below), Decimal(0))
    yield from paper.money(name, total) if it.component and total else [name]
    for line in estimate.of(it):
        yield from _line(line, indent, paper)
    for each in node.children:
        yield from _node(each, estimate, depth + 1, paper)


def _line(line: Line, indent: str, paper: Paper) -> list[str]:
    text = f"{indent}    {line.what}"
    if line.kind == "unpriced":
        lines = paper.wrapped(f"{line.what}: UNPRICED, {line.note}", len(indent) + 4)
        return [paper.toned("doubtful", each) for each in lines]
    if line.assumption:
        text += f"  * {line.assumption}"
    if line.note:
        text += f"  ({line.note})"
    if line.derived and not line.assumption:
        text += "  (comes with it)"
    if line.rate and not line.rate.certain:
        text += "  ?"
    return paper.money(text, line.monthly)


def _cost(report: Report, paper: Paper) -> Iterator[str]:
    estimate = report.estimate
    yield paper.heading(f"Cost, dollars a month in {estimate.region}")
    yield f"  ({FREE_TIERS})"
    if estimate.without_rates:
        yield from paper.wrapped(
            f"Nothing is priced: there are no rates for {estimate.region}, only for "
            f"{', '.join(regions())}; add rows to hokusai_infra/preview/rates.csv.",
            2,
            0,
        )
    yield paper.row("", "fixed", "usage", "total")
    for each in subtotals(report.graph, estimate):
        name = each.name if each.part == "stack" else f"{each.name} ({each.part})"
        yield paper.row(name, *_dollars(each.fixed, each.usage, each.total))
    for part in PARTS:
        total = estimate.total(part)
        missing = sum(each.part == part for each in estimate.unpriced)
        if part == "stack" or total or missing:
            sums = (estimate.total(part, "fixed"), estimate.total(part, "usage"), total)
            yield paper.heading(paper.row(f"= {NAMES[part]}", *_dollars(*sums)))
            if missing:
                yield paper.toned("doubtful", f"    total incomplete: {missing} unpriced")
    if any(each.assumption for each in estimate.lines):
        yield from _assumptions(estimate, paper)
    if estimate.oldest_rate:
        yield from paper.wrapped(
            f"? no source of this region was read for the rate: {estimate.uncertain:,.2f} in all; "
            f"the oldest rate is of {estimate.oldest_rate}.",
            2,
        )


def _assumptions(estimate: Estimate, paper: Paper) -> Iterator[str]:
    yield from paper.wrapped(
        "* rests on an assumption; change it with --usage KEY=VALUE, for one resource with --usage "
        "NAME.KEY=VALUE, or for good under hokusai:usage in the stack file"
        + (":" if paper.tree else "."),
        2,
        2,
    )
    said = sorted({each.assumption for each in estimate.lines if each.assumption})
    for each in said if paper.tree else ():
        yield from paper.wrapped(f"{each}: {each.text}", 6)


def _dollars(*sums: Decimal) -> list[str]:
    return [f"{each:,.2f}" for each in sums]


def _findings(report: Report, paper: Paper) -> Iterator[str]:
    failed = [each for each in report.findings if each.state == "failed"]
    unknown = [each for each in report.findings if each.state == "not_checked"]
    yield paper.heading(f"Policy: {len(failed)} failed, {len(unknown)} not checked")
    for each in (*failed, *unknown):
        state = each.level if each.state == "failed" else "not checked"
        line = f"  {state}: {each.rule} at {each.where or each.urn or 'the stack as a whole'}"
        yield paper.toned("bad", line) if each.state == "failed" else line
        yield from paper.wrapped(each.message, 6, 0)


def _comparison(comparison: Comparison, after: Estimate, paper: Paper) -> Iterator[str]:
    counts = dict.fromkeys(MARKS, 0)
    for each in comparison.changes:
        counts[each.kind] += 1
    yield paper.heading(
        f"Against {comparison.rev}: {counts['add']} to add, {counts['change']} to change, "
        f"{counts['replace']} to replace, {counts['remove']} to remove"
    )
    for each in comparison.changes if paper.tree else ():
        lines = paper.wrapped(f"{MARKS[each.kind]} {where(each.resource)}{_said(each)}", 2)
        tone: Tone = "bad" if each.refused else "doubtful"
        marked = each.refused or each.kind == "replace"
        yield from (paper.toned(tone, line) if marked else line for line in lines)
    for kind, what in (("replace", "replacement"), ("remove", "removal")):
        if count := comparison.refused(kind):
            said = f"{count} {what}{'s' if count > 1 else ''} refused: take the protection away "
            yield paper.toned("bad", f"  {said}first, or change the program back.")
    for part in PARTS:
        was, now = comparison.before.total(part), after.total(part)
        if part == "stack" or was or now:
            yield f"  {NAMES[part]}: {was:,.2f} before, {now:,.2f} now, {now - was:+,.2f} a month"


def _said(change: "Change") -> str:
    said = " [protected: refused]" if change.refused else ""
    if change.formerly:
        said += f", formerly {change.formerly.rpartition('::')[2]}"
    if change.replaced_by:
        said += f": replaced, for {', '.join(change.replaced_by)} cannot change in place"
    elif direct := [each for each in change.properties if each not in change.follows]:
        said += f": {', '.join(direct)}"
    for key, urns in change.follows.items():
        names = ", ".join(sorted({urn.rpartition("::")[2] for urn in urns}))
        said += f"; its input {key} becomes known after the replacement of {names}"
    return said
