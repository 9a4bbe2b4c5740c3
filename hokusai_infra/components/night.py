"""NightSchedule: when what is not needed at night stops, and starts again."""

import datetime as dt
import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pulumi
from pulumi_aws import iam, scheduler

from hokusai_infra.components.service_role import RoleBounds
from hokusai_infra.iam_policy import Allow, policy
from hokusai_infra.suppressions import Suppression

# docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
FIELD: Final = r"[0-9A-Za-z*,/?#LW-]+"
CRON: Final = re.compile(rf"cron\({FIELD}( {FIELD}){{5}}\)")
RANGES: Final = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 1, 7),
    ("year", 1970, 2199),
)
"""What the numbers of each field may be, on the same page."""
NUMBER: Final = re.compile(r"(?<![/#\d])\d+")
"""A number that is no step (``0/5``) and no week (``6#3``)."""
# docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
LONGEST_IDENTIFIER: Final = 64 - len("-start")
SEASONS: Final = (1, 7)
"""Months of which one has summer time, wherever there is any."""
DAY_MINUTES: Final = 24 * 60


@cache
def _timezones() -> frozenset[str]:
    """List the names that there are, once: that is a walk through the file system."""
    return frozenset(available_timezones() | {"UTC"})


@dataclass(frozen=True, kw_only=True)
class NightSchedule:
    """When something stops and starts; tasks and the database take the same.

    A deployment belongs into the day. At night no task is wanted, so ECS calls one steady that has
    started nothing, and whether the image runs shows in the morning; and RDS refuses changes of an
    instance that is stopped.
    """

    stop: str
    """``cron(minutes hours day-of-month month day-of-week year)``."""
    start: str
    """The same; at least once a week, for RDS starts what has been stopped for seven days."""
    timezone: str = "UTC"
    """IANA name of the time zone of both."""

    def __post_init__(self) -> None:
        for when, cron in (("stop", self.stop), ("start", self.start)):
            if not CRON.fullmatch(cron):
                raise ValueError(
                    f"{when} is {cron!r}: spell it as cron(0 20 ? * MON-FRI *), with minutes, "
                    "hours, day of month, month, day of week and year"
                )
            fields = cron[len("cron(") : -1].split(" ")
            for (what, first, last), text in zip(RANGES, fields, strict=True):
                for number in NUMBER.findall(text):
                    if not first <= int(number) <= last:
                        raise ValueError(
                            f"{when} is {cron!r}: its {what} is {number}, take {first} to {last}"
                        )
            day, weekday = fields[2], fields[4]
            if (day == "?") is (weekday == "?"):
                raise ValueError(
                    f"{when} is {cron!r}: state the day of month or the day of week, "
                    "and the other one as '?'"
                )
        if self.stop == self.start:
            raise ValueError(f"stop and start are both {self.stop}: state two times")
        if self.timezone not in _timezones():
            raise ValueError(
                f"timezone is {self.timezone!r}: take an IANA name, as UTC or Europe/Paris"
            )

    def asleep(self) -> frozenset[int]:
        """Return the minutes of the day, in UTC, that are night in summer or in winter.

        There are none when a time is more than one hour and minute, as in ``cron(0/5 …)``.
        """
        times = [cron[len("cron(") :].split(" ")[:2] for cron in (self.stop, self.start)]
        if not all(field.isdecimal() for time in times for field in time):
            return frozenset()
        zone = dt.UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)
        found = set[int]()
        for month in SEASONS:
            stop, start = (
                dt.datetime(2026, month, 15, int(hour), int(minute), tzinfo=zone).astimezone(dt.UTC)
                for minute, hour in times
            )
            first, last = (each.hour * 60 + each.minute for each in (stop, start))
            found |= {
                (first + minute) % DAY_MINUTES for minute in range((last - first) % DAY_MINUTES)
            }
        return frozenset(found)


@dataclass(frozen=True, kw_only=True)
class DatabaseNightsArgs:
    """What is stopped and started, and by which role."""

    schedule: NightSchedule
    instance_arn: pulumi.Input[str]
    identifier: str
    """Physical name of the instance, of which the schedules' names are made."""
    region: str
    account_id: str
    roles: RoleBounds = field(default_factory=RoleBounds)

    def __post_init__(self) -> None:
        if len(self.identifier) > LONGEST_IDENTIFIER:
            raise ValueError(
                f"identifier {self.identifier!r}: its schedules' names leave it "
                f"{LONGEST_IDENTIFIER} characters"
            )


class DatabaseNights(pulumi.ComponentResource):
    """A database that is stopped every night and started every morning, and costs its disk then."""

    def __init__(
        self, name: str, args: DatabaseNightsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:DatabaseNights", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        role = iam.Role(
            name,
            path=args.roles.path,
            assume_role_policy=_trust(args),
            permissions_boundary=args.roles.boundary_arn,
            opts=child,
        )
        grant = iam.RolePolicy(
            name,
            role=role.name,
            policy=policy(
                Allow(
                    sid="StopAndStartDatabase",
                    actions=frozenset({"rds:StartDBInstance", "rds:StopDBInstance"}),
                    resources=(args.instance_arn,),
                )
            ),
            opts=child,
        )
        times = {"stop": args.schedule.stop, "start": args.schedule.start}
        for action, cron in times.items():
            scheduler.Schedule(
                f"{name}-{action}",
                name=f"{args.identifier}-{action}",
                schedule_expression=cron,
                schedule_expression_timezone=args.schedule.timezone,
                flexible_time_window={"mode": "OFF"},
                # docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
                target={
                    "arn": f"arn:aws:scheduler:::aws-sdk:rds:{action}DBInstance",
                    "role_arn": role.arn,
                    "input": json.dumps({"DbInstanceIdentifier": args.identifier}),
                    # A database that is being changed refuses for minutes.
                    "retry_policy": {
                        "maximum_event_age_in_seconds": 3600,
                        "maximum_retry_attempts": 10,
                    },
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=[grant]),
            )
        self.register_outputs({})


def _trust(args: DatabaseNightsArgs) -> str:
    """Let the scheduler take the role on, for schedules of this account alone.

    docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {
                "aws:SourceAccount": args.account_id,
                "aws:SourceArn": (
                    f"arn:aws:scheduler:{args.region}:{args.account_id}:schedule-group/default"
                ),
            }
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


SUPPRESSIONS: Final = (
    Suppression(
        check="CKV_AWS_297",
        of="aws:scheduler/schedule:Schedule",
        because="A schedule holds the name of an instance and no data; AWS encrypts it "
        "with a key of its own.",
    ),
)
