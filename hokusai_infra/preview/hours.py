"""How much of a week something runs that schedules stop and start."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

DAYS: Final = {day: at for at, day in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
"""Days of the week as AWS counts them, less one: it writes 1 for Sunday."""
MINUTES_A_DAY: Final = 24 * 60
MINUTES_A_WEEK: Final = 7 * MINUTES_A_DAY
CRON: Final = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")


class ScheduleError(ValueError):
    """A schedule that is not the same every week."""


@dataclass(frozen=True, kw_only=True)
class Switch:
    """A schedule that stops something, or starts it."""

    cron: str
    starts: bool


def share_of_week(switches: Iterable[Switch]) -> Decimal:
    """Return the part of a week, from 0 to 1, in which something runs."""
    events = sorted((at, each.starts) for each in switches for at in minutes(each.cron))
    if not events:
        return Decimal(1)
    on, runs, since = 0, events[-1][1], 0
    for at, starts in events:
        on += (at - since) if runs else 0
        runs, since = starts, at
    on += (MINUTES_A_WEEK - since) if runs else 0
    return Decimal(on) / MINUTES_A_WEEK


def minutes(cron: str) -> list[int]:
    """List the minutes of a week, from Sunday 0:00, at which a schedule fires.

    Takes what says the same every week; docs.aws.amazon.com/scheduler/latest/UserGuide/
    schedule-types.html#cron-based has all six fields.
    """
    found = CRON.fullmatch(cron)
    if found is None:
        raise ScheduleError(f"{cron!r} is not cron(…) with six fields")
    minute, hour, day, month, weekday, year = found.groups()
    if (day, month, year) not in (("*", "*", "*"), ("?", "*", "*")):
        raise ScheduleError(f"{cron!r} is not the same every week")
    return [
        at_day * MINUTES_A_DAY + at_hour * 60 + at_minute
        for at_day in _days(weekday)
        for at_hour in _numbers(hour, 24)
        for at_minute in _numbers(minute, 60)
    ]


def _days(field: str) -> list[int]:
    if field in ("*", "?"):
        return [*range(7)]
    found: list[int] = []
    for part in field.upper().split(","):
        first, _, last = part.partition("-")
        start = _day(first)
        length = (_day(last) - start) % 7 if last else 0
        found += [(start + i) % 7 for i in range(length + 1)]
    return sorted({*found})


def _day(text: str) -> int:
    if text in DAYS:
        return DAYS[text]
    if text.isdecimal() and 1 <= int(text) <= len(DAYS):
        return int(text) - 1
    raise ScheduleError(f"{text!r} is no day of the week that this preview reads")


def _numbers(field: str, below: int) -> list[int]:
    if field == "*":
        return [*range(below)]
    found: list[int] = []
    for part in field.split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise ScheduleError(f"{field!r} is not minutes or hours that this preview reads")
        found += range(int(first), int(last or first) + 1)
    if any(each >= below for each in found):
        raise ScheduleError(f"{field!r} goes beyond {below - 1}")
    return found
