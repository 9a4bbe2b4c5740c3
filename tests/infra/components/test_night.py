import json
from dataclasses import replace
from typing import Any

import pytest

from hokusai_infra.components.night import DatabaseNights, DatabaseNightsArgs, NightSchedule
from hokusai_infra.components.service_role import RoleBounds
from tests.infra.recordings import alone, inputs

SCHEDULE = NightSchedule(
    stop="cron(0 20 ? * MON-FRI *)", start="cron(0 6 ? * MON-FRI *)", timezone="Europe/Paris"
)
INSTANCE = "arn:aws:rds:us-east-1:111122223333:db:example-staging"
ARGS = DatabaseNightsArgs(
    schedule=SCHEDULE,
    instance_arn=INSTANCE,
    identifier="example-staging",
    region="us-east-1",
    account_id="111122223333",
)
ROLE = "arn:aws:iam::111122223333:role/nights"


def schedule(action: str, cron: str) -> dict[str, Any]:
    return {
        "name": f"example-staging-{action}",
        "scheduleExpression": cron,
        "scheduleExpressionTimezone": "Europe/Paris",
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {
            "arn": f"arn:aws:scheduler:::aws-sdk:rds:{action}DBInstance",
            "roleArn": ROLE,
            "input": '{"DbInstanceIdentifier": "example-staging"}',
            "retryPolicy": {"maximumEventAgeInSeconds": 3600, "maximumRetryAttempts": 10},
        },
    }


def test_a_role_of_its_own_stops_and_starts_one_database() -> None:
    found = inputs(alone(lambda: DatabaseNights("nights", ARGS)))
    trust = json.loads(found["Role nights"].pop("assumeRolePolicy"))
    policy = json.loads(found["RolePolicy nights"].pop("policy"))
    assert found == {
        "Role nights": {"path": "/"},
        "RolePolicy nights": {"role": "nights"},
        "Schedule nights-stop": schedule("stop", SCHEDULE.stop),
        "Schedule nights-start": schedule("start", SCHEDULE.start),
    }
    assert trust["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": "111122223333",
                    "aws:SourceArn": (
                        "arn:aws:scheduler:us-east-1:111122223333:schedule-group/default"
                    ),
                }
            },
        }
    ]
    assert policy["Statement"] == [
        {
            "Sid": "StopAndStartDatabase",
            "Effect": "Allow",
            "Action": ["rds:StartDBInstance", "rds:StopDBInstance"],
            "Resource": [INSTANCE],
        }
    ]


def test_the_role_stays_within_the_account_s_bounds() -> None:
    boundary = "arn:aws:iam::111122223333:policy/boundary"
    bounds = RoleBounds(path="/example/", boundary_arn=boundary)
    role = inputs(alone(lambda: DatabaseNights("nights", replace(ARGS, roles=bounds))))
    assert role["Role nights"]["path"] == "/example/"
    assert role["Role nights"]["permissionsBoundary"] == boundary


def test_no_time_comes_before_the_role_may_act() -> None:
    graph = alone(lambda: DatabaseNights("nights", ARGS))
    (grant,) = graph.of("aws:iam/rolePolicy:RolePolicy")
    assert all(
        grant.urn in each.dependencies for each in graph.of("aws:scheduler/schedule:Schedule")
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"stop": "0 20 * * *"}, r"stop is '0 20 \* \* \*': spell it as cron"),
        ({"stop": "cron(0 20 * * ?)"}, "spell it as cron"),
        ({"start": "rate(1 day)"}, "start is 'rate"),
        ({"stop": "cron(0 20 * * MON-FRI *)"}, "the other one as '[?]'"),
        ({"stop": "cron(0 20 ? * ? *)"}, "the other one as '[?]'"),
        ({"start": "cron(0 20 ? * MON-FRI *)"}, "state two times"),
        ({"timezone": "Paris"}, "take an IANA name"),
    ],
)
def test_a_time_that_never_comes_does_not_construct(wrong: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(SCHEDULE, **wrong)


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        (replace(SCHEDULE, timezone="UTC"), {*range(20, 24), *range(6)}),
        (SCHEDULE, {*range(18, 24), *range(5)}),
        (replace(SCHEDULE, stop="cron(0/5 20 ? * * *)"), set[int]()),
        (replace(SCHEDULE, stop="cron(0 20,22 ? * * *)"), set[int]()),
    ],
)
def test_night_is_from_stop_to_start_in_summer_and_in_winter(
    schedule: NightSchedule, hours: set[int]
) -> None:
    assert {minute // 60 for minute in schedule.asleep()} == hours


def test_names_of_schedules_fit() -> None:
    replace(ARGS, identifier="a" * 58)
    with pytest.raises(ValueError, match="leave it 58 characters"):
        replace(ARGS, identifier="a" * 59)
