"""Prices per unit: data with the date and the source of each, in ``rates.csv``."""

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final, Self

HOURS_A_MONTH: Final = Decimal(730)
"""Hours that a month is counted as, as AWS's own calculator does."""
GLOBAL: Final = "global"
LONGEST_AGE: Final = timedelta(days=365)


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
    as_of: date
    """Day of the latest source in which this price was seen."""
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
            as_of=date.fromisoformat(row["as_of"]),
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
    return [each for each in all_rates() if today - each.as_of > LONGEST_AGE]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The rates of one region."""

    region: str
    by_key: dict[str, Rate]

    @classmethod
    def of_region(cls, region: str) -> Self:
        """Select a region; one that the table does not know is an error."""
        if region not in regions():
            raise RateError(
                f"no prices for region {region!r}: there are {', '.join(regions())}; "
                "add rows to hokusai_infra/preview/rates.csv"
            )
        chosen = (each for each in all_rates() if each.region in (region, GLOBAL))
        return cls(region=region, by_key={each.key: each for each in chosen})

    def rate(self, key: str) -> Rate:
        """Return one rate."""
        found = self.by_key.get(key)
        if found is None:
            raise RateError(f"rates.csv has no {key} in {self.region}")
        return found
