"""What a recorded stack costs in a month."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from hokusai_infra.preview import account_prices, compute_prices, network_prices, storage_prices
from hokusai_infra.preview.free import FREE
from hokusai_infra.preview.line import Bill, Kind, Line, Part, PriceRule, UnpricedError, part_of
from hokusai_infra.preview.rates import RateError, Rates
from hokusai_infra.preview.usage import Usage
from hokusai_infra.recorder.graph import Graph, Resource

PRICES: Final[dict[str, PriceRule]] = {
    **account_prices.PRICES,
    **compute_prices.PRICES,
    **network_prices.PRICES,
    **storage_prices.PRICES,
}
PROVIDER: Final = "pulumi:providers:"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """All lines of a stack, in the order of its resources."""

    region: str
    lines: tuple[Line, ...]
    without_rates: bool = False
    """Whether nobody has given a price for anything in this region."""

    def total(self, part: Part = "stack", kind: Kind | None = None) -> Decimal:
        """Add up a part, or one kind of its lines."""
        chosen = (
            each.monthly for each in self.lines if each.part == part and kind in (None, each.kind)
        )
        return sum(chosen, Decimal(0))

    @property
    def unpriced(self) -> list[Line]:
        """List what has no price."""
        return [each for each in self.lines if each.kind == "unpriced"]

    def of(self, resource: Resource) -> list[Line]:
        """List the lines of one resource."""
        return [each for each in self.lines if each.resource.urn == resource.urn]

    @property
    def oldest_rate(self) -> date | None:
        """Day of the oldest price that was used."""
        days = (each.rate.as_of for each in self.lines if each.rate)
        return min((day for day in days if day), default=None)

    @property
    def uncertain(self) -> Decimal:
        """Dollars that rest on rates for which no source of this region was read."""
        doubtful = (e.monthly for e in self.lines if e.rate and not e.rate.certain)
        return sum(doubtful, Decimal(0))


def estimate(graph: Graph, region: str, usage: Usage) -> Estimate:
    """Price every resource of a stack."""
    rates = Rates.of_region(region)
    found = (
        line
        for each in graph.resources
        for line in _lines(Bill(resource=each, graph=graph, rates=rates, usage=usage))
    )
    return Estimate(region=region, lines=tuple(found), without_rates=not rates.by_key)


def _lines(bill: Bill) -> Iterator[Line]:
    resource = bill.resource
    if resource.component or resource.type.startswith(PROVIDER):
        return
    rule = PRICES.get(resource.type)
    if rule is None:
        if resource.type not in FREE:
            yield _unpriced(resource, "this type has no price and is not declared free")
        return
    try:
        yield from rule(bill)
    except (UnpricedError, RateError) as error:
        yield _unpriced(resource, str(error.args[0]))


def _unpriced(resource: Resource, why: str) -> Line:
    short = resource.type.rpartition(":")[2]
    return Line(resource=resource, what=short, kind="unpriced", part=part_of(resource), note=why)
