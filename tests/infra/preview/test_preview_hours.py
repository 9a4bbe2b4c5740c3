from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_infra.preview.hours import (
    DAYS,
    MINUTES_A_WEEK,
    ScheduleError,
    Switch,
    minutes,
    share_of_week,
)


def share(stop: str, start: str) -> Decimal:
    return share_of_week([Switch(cron=stop, starts=False), Switch(cron=start, starts=True)])


@pytest.mark.parametrize(
    ("stop", "start", "hours"),
    [
        ("cron(0 20 * * ? *)", "cron(0 8 * * ? *)", 7 * 12),
        ("cron(0 20 ? * MON-FRI *)", "cron(0 8 ? * MON-FRI *)", 5 * 12),
        ("cron(30 19 ? * 2-6 *)", "cron(0 8 ? * mon-fri *)", 5 * 11.5),
        ("cron(0 20 ? * FRI *)", "cron(0 8 ? * MON *)", 4 * 24 + 12),
        ("cron(0 0 ? * SAT,SUN *)", "cron(0 0 ? * MON *)", 5 * 24),
        ("cron(0 2 ? * SAT-SUN *)", "cron(0 6 ? * SUN,MON *)", 7 * 24 - 24 - 4 - 24 + 20 + 4),
    ],
)
def test_a_week_has_the_hours_that_two_schedules_leave(stop: str, start: str, hours: float) -> None:
    assert share(stop, start) * 7 * 24 == pytest.approx(Decimal(hours))


def test_nothing_stops_what_has_no_schedule() -> None:
    assert share_of_week([]) == 1
    assert share_of_week([Switch(cron="cron(0 8 * * ? *)", starts=True)]) == 1
    assert share_of_week([Switch(cron="cron(0 8 * * ? *)", starts=False)]) == 0


@pytest.mark.parametrize(
    "cron",
    [
        "rate(1 day)",
        "cron(0 20 * * ?)",
        "cron(0 20 1 * ? *)",
        "cron(0 20 ? 6 MON *)",
        "cron(0 20 ? * MON 2027)",
        "cron(0/5 20 ? * MON *)",
        "cron(0 20 ? * MON#2 *)",
        "cron(0 24 ? * MON *)",
        "cron(60 1 ? * MON *)",
        "cron(0 20 ? * 8 *)",
    ],
)
def test_a_schedule_that_is_not_the_same_every_week_is_not_guessed(cron: str) -> None:
    with pytest.raises(ScheduleError):
        minutes(cron)


@given(
    stop=st.tuples(st.integers(0, 59), st.integers(0, 23), st.sampled_from([*DAYS])),
    start=st.tuples(st.integers(0, 59), st.integers(0, 23), st.sampled_from([*DAYS])),
)
def test_what_runs_between_two_moments_does_not_run_the_rest_of_the_week(
    stop: tuple[int, int, str], start: tuple[int, int, str]
) -> None:
    crons = [f"cron({minute} {hour} ? * {day} *)" for minute, hour, day in (stop, start)]
    if minutes(crons[0]) == minutes(crons[1]):
        return
    runs, rest = share(*crons), share(*reversed(crons))
    assert 0 < runs < 1
    assert round((runs + rest) * MINUTES_A_WEEK) == MINUTES_A_WEEK
