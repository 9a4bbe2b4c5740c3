"""Prices per unit: data with the date and the source of each, in ``rates.csv``."""

import csv
import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Final, Self

HOURS_A_MONTH: Final = Decimal(730)
"""Hours that a month is counted as, as AWS's own calculator does."""
GLOBAL: Final = "global"
LONGEST_AGE: Final = timedelta(days=365)
REGION: Final = re.compile(
    r"(af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov)-(north|south)?(central|east|north|south|west)?-[1-9]"
)
"""Form of a region's name:
docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html.
"""


class RateError(LookupError):
    """There is no rate for something; says for what."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """US dollars for one unit, on demand, without free tiers or discounts."""

    service: str
    item: str
    unit: str
    usd: Decimal
    region: str
    as_of: date | None
    """Day of the latest source in which this price was seen; none where no source was found."""
    certain: bool
    """Whether a source of its own was read for this region; else ``source`` says what it is."""
    source: str

    @property
    def key(self) -> str:
        """Name of the rate, the same in every region."""
        return f"{self.service}/{self.item}"


@cache
def all_rates() -> tuple[Rate, ...]:
    """Read the table."""
    text = resources.files(__package__).joinpath("rates.csv").read_text(encoding="utf-8")
    return tuple(
        Rate(
            service=row["service"],
            item=row["item"],
            unit=row["unit"],
            usd=Decimal(row["usd"]),
            region=row["region"],
            as_of=date.fromisoformat(row["as_of"]) if row["as_of"] else None,
            certain=row["certain"] == "yes",
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def regions() -> list[str]:
    """List the regions that the table knows."""
    return sorted({each.region for each in all_rates()} - {GLOBAL})


def out_of_date(today: date) -> list[Rate]:
    """List the rates that nobody has seen for a year."""
    return [each for each in all_rates() if each.as_of and today - each.as_of > LONGEST_AGE]


def unsourced() -> list[Rate]:
    """List the rates for which no source was found: they have no age, and are never certain."""
    return [each for each in all_rates() if each.as_of is None]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The rates of one region."""

    region: str
    by_key: dict[str, Rate]
    """Empty for a region that the table does not know."""

    @classmethod
    def of_region(cls, region: str) -> Self:
        """Select a region; one that the table does not know has no rate at all.

        Raises:
            RateError: No region of AWS has such a name.

        """
        if REGION.fullmatch(region) is None:
            near = get_close_matches(region, regions(), n=1, cutoff=0)
            raise RateError(
                f"aws:region is {region!r}, which is no AWS region: did you mean {near[0]}?"
            )
        if region not in regions():
            return cls(region=region, by_key={})
        chosen = (each for each in all_rates() if each.region in (region, GLOBAL))
        return cls(region=region, by_key={each.key: each for each in chosen})

    def rate(self, key: str) -> Rate:
        """Return one rate."""
        found = self.by_key.get(key)
        if not self.by_key:
            raise RateError(f"there are no rates for {self.region}")
        if found is None:
            raise RateError(f"rates.csv has no {key} in {self.region}")
        return found

    def near(self, start: str, wanted: str, end: str) -> str:
        """Say which rates from ``start`` to ``end`` resemble one that is not there."""
        there = [
            key.removeprefix(start).removesuffix(end)
            for key in self.by_key
            if key.startswith(start) and key.endswith(end) and "." in key
        ]
        close = get_close_matches(wanted, there, n=2)
        return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(there)}"
