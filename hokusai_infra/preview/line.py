"""One line of a bill, and what a price rule has at hand to write it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal

from hokusai_infra.preview.rates import HOURS_A_MONTH, Rate, Rates
from hokusai_infra.preview.usage import Usage, assumption
from hokusai_infra.recorder.graph import UNKNOWN, Graph, Resource

Kind = Literal["fixed", "usage", "unpriced"]
"""Follows from the program; follows from how much it is used; nobody has given a price."""
Part = Literal["stack", "firewall", "account"]
"""Total that a line is in: the web application firewall and an account's audit have their own."""

PARTS: Final[tuple[Part, ...]] = ("stack", "firewall", "account")
CENT: Final = Decimal("0.01")
FIREWALL: Final = frozenset({"wafv2"})
ACCOUNT: Final = frozenset({"accessanalyzer", "cfg", "cloudtrail", "guardduty", "securityhub"})
"""Services that watch a whole account."""
LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
FIREWALL_LOGS: Final = "aws-waf-logs-"
"""What the name of a log group must begin with that WAF writes to:
docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html.
"""


class UnpricedError(Exception):
    """A resource whose cost cannot be told; says why."""


@dataclass(frozen=True, kw_only=True, order=True)
class Assumed:
    """What a line rests on."""

    key: str
    """With the resource's name before it, where it was changed for that one."""
    value: Decimal
    unit: str
    text: str
    """What it is a quantity of."""

    def __str__(self) -> str:
        """Say how to write it."""
        return f"{self.key} = {self.value.normalize():f}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one thing costs in a month."""

    resource: Resource
    what: str
    kind: Kind
    part: Part
    quantity: Decimal = Decimal(0)
    """Units in a month."""
    rate: Rate | None = None
    assumption: Assumed | None = None
    """Of a usage line alone."""
    derived: bool = False
    """No resource of the program declares it; another one brings it along."""
    note: str = ""

    @property
    def monthly(self) -> Decimal:
        """US dollars a month, in whole cents."""
        dollars = self.quantity * (self.rate.usd if self.rate else 0)
        return dollars.quantize(CENT, ROUND_HALF_UP)


def part_of(resource: Resource) -> Part:
    """Tell which total a resource belongs to."""
    service = resource.type.partition(":")[2].partition("/")[0]
    logs = resource.type == LOG_GROUP and str(resource.inputs.get("name", ""))
    if service in FIREWALL or (logs and logs.startswith(FIREWALL_LOGS)):
        return "firewall"
    return "account" if service in ACCOUNT else "stack"


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a price rule may look at, and the lines that it can write about its resource."""

    resource: Resource
    graph: Graph
    rates: Rates
    usage: Usage

    def fixed(
        self,
        what: str,
        rate: str,
        quantity: Decimal | int = 1,
        *,
        derived: bool = False,
        note: str = "",
    ) -> Line:
        """Write a line that follows from the program alone."""
        return Line(
            resource=self.resource,
            what=what,
            kind="fixed",
            part=part_of(self.resource),
            quantity=Decimal(quantity),
            rate=self.rates.rate(rate),
            derived=derived,
            note=note,
        )

    def hourly(
        self,
        what: str,
        rate: str,
        units: Decimal | int = 1,
        *,
        share: Decimal = Decimal(1),
        derived: bool = False,
    ) -> Line:
        """Write a line for units that run ``share`` of all hours."""
        note = f"{share:.0%} of the hours" if share != 1 else ""
        quantity = Decimal(units) * HOURS_A_MONTH * share
        return self.fixed(what, rate, quantity, derived=derived, note=note)

    def used(self, what: str, rate: str, key: str, times: Decimal | int = 1) -> Line:
        """Write a line for what is assumed under ``key``, ``times`` the rate for each."""
        assumed = self.usage.of(key, self.resource.name)
        return Line(
            resource=self.resource,
            what=what,
            kind="usage",
            part=part_of(self.resource),
            quantity=assumed * Decimal(times),
            rate=self.rates.rate(rate),
            assumption=Assumed(
                key=self.usage.stated_as(key, self.resource.name),
                value=assumed,
                unit=assumption(key).unit,
                text=assumption(key).per,
            ),
        )

    def behind(self, resource: Resource, key: str, *types: str) -> list[Resource]:
        """List the resources of some types that an input was made of."""
        urns = resource.property_dependencies.get(key, [])
        return [each for each in self.graph.resources if each.urn in urns and each.type in types]


PriceRule = Callable[[Bill], Iterable[Line]]
"""Says what a bill's resource costs; raises ``UnpricedError`` or ``RateError`` where it cannot."""


def stated(resource: Resource, key: str) -> Any:  # noqa: ANN401 (JSON)
    """Return an input that the price depends on; one that is not known yet has no price."""
    value = resource.inputs.get(key)
    if value is None or value == UNKNOWN:
        why = "is not known before a deployment" if value == UNKNOWN else "is not stated"
        raise UnpricedError(f"{key} {why}")
    return value
