from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from hokusai_infra.preview.rates import (
    GLOBAL,
    LONGEST_AGE,
    RateError,
    Rates,
    all_rates,
    out_of_date,
    regions,
    unsourced,
)

MEND = "look the price up again, and write its new date and source into rates.csv"
NOT_THERE = {("rds-postgres/db.m7g.large-single", "eu-west-1")} | {
    ("rds-postgres/db.m7g.large-multi", "eu-west-1")
}
"""Rates that were found for other regions alone; asking for one is an unpriced line."""


def test_somebody_has_seen_each_price_within_a_year() -> None:
    assert [each.key for each in out_of_date(datetime.now(UTC).date())] == [], MEND


def test_a_rate_is_out_of_date_after_a_year() -> None:
    oldest = min(each.as_of for each in all_rates() if each.as_of)
    assert out_of_date(oldest + LONGEST_AGE) == []
    late = out_of_date(oldest + LONGEST_AGE + timedelta(days=1))
    assert late
    assert {each.as_of for each in late} == {oldest}


def test_rates_without_a_source_are_a_class_of_their_own() -> None:
    assert {(each.key, each.region) for each in unsourced()} == {
        ("cloudwatch/logs-ingest", "eu-west-1"),
        ("cloudwatch/logs-vended", "eu-west-1"),
        ("vpc-endpoint/interface-az-hour", "eu-west-1"),
        *(("cloudwatch/logs-to-parquet", region) for region in regions()),
        *(("guardduty/s3-data-events", region) for region in regions()),
    }


def test_each_rate_is_there_once_for_each_region() -> None:
    times = Counter((each.key, each.region) for each in all_rates())
    assert [pair for pair, count in times.items() if count > 1] == []
    keys = {each.key for each in all_rates() if each.region != GLOBAL}
    missing = {(key, region) for key in keys for region in regions()} - times.keys()
    assert missing == NOT_THERE


def test_a_rate_says_where_it_comes_from() -> None:
    for each in all_rates():
        assert each.usd >= 0
        assert each.unit
        assert each.as_of or not each.certain, each
        if each.as_of:
            assert date(2025, 1, 1) < each.as_of <= datetime.now(UTC).date()
        assert len(each.source) > 20
        assert each.certain or not each.source.startswith("AWS Price List, "), each


def test_the_regions_are_those_of_the_documentation() -> None:
    assert regions() == ["eu-west-1", "us-east-1", "us-west-2"]


@pytest.mark.parametrize("region", ["ap-south-1", "us-gov-west-1", "mx-central-1"])
def test_a_region_that_the_table_does_not_know_has_no_rates(region: str) -> None:
    with pytest.raises(RateError, match=f"there are no rates for {region}"):
        Rates.of_region(region).rate("route53/zone")


@pytest.mark.parametrize("region", ["us-east1", "us-east-1a", "moon-1", "", "US-EAST-1"])
def test_what_is_no_region_of_aws_is_refused(region: str) -> None:
    with pytest.raises(RateError, match="which is no AWS region: did you mean "):
        Rates.of_region(region)


def test_a_rate_that_is_not_there_is_named() -> None:
    with pytest.raises(RateError, match=r"no ec2/x9\.huge in us-east-1"):
        Rates.of_region("us-east-1").rate("ec2/x9.huge")
