from dataclasses import replace
from typing import Any

import pytest

from hokusai_infra.components.fargate_service import FargateService
from hokusai_infra.components.night import NightSchedule
from hokusai_infra.components.service_role import RoleBounds
from hokusai_infra.components.service_scaling import minutes_later
from tests.infra.components.shop import ARGS
from tests.infra.recordings import alone, inputs


def test_requests_scale_a_service_once_its_targets_are_behind_the_balancer() -> None:
    graph = alone(lambda: FargateService("shop", ARGS))
    policy = graph.one("aws:appautoscaling/policy:Policy", "shop-requests")
    service = graph.one("aws:ecs/service:Service")
    assert service.urn in graph.one("aws:appautoscaling/target:Target").dependencies
    assert graph.one("aws:appautoscaling/target:Target").urn in policy.dependencies
    assert graph.one("aws:lb/listenerRule:ListenerRule").urn in service.dependencies


def test_two_alarms_watch_what_a_service_answers() -> None:
    found = inputs(alone(lambda: FargateService("shop", ARGS)))
    common = {
        "namespace": "AWS/ApplicationELB",
        "dimensions": {
            "LoadBalancer": "app/lb/0123456789abcdef",
            "TargetGroup": "targetgroup/shop/0123456789abcdef",
        },
        "period": 60,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "treatMissingData": "notBreaching",
        "alarmActions": ["arn:topic"],
        "okActions": ["arn:topic"],
    }
    assert found["MetricAlarm shop-errors"] == {
        **common,
        "alarmDescription": "shop answers with 500 and above",
        "metricName": "HTTPCode_Target_5XX_Count",
        "statistic": "Sum",
        "threshold": 5,
        "evaluationPeriods": 3,
        "datapointsToAlarm": 3,
    }
    assert found["MetricAlarm shop-unhealthy"] == {
        **common,
        "alarmDescription": "shop has tasks that do not answer their health check",
        "metricName": "UnHealthyHostCount",
        "statistic": "Maximum",
        "threshold": 1,
        "evaluationPeriods": 5,
        "datapointsToAlarm": 5,
    }


def test_at_night_no_task_runs_and_in_the_morning_the_database_goes_first() -> None:
    night = NightSchedule(
        stop="cron(0 19 ? * MON-FRI *)", start="cron(50 6 ? * MON-FRI *)", timezone="Europe/Paris"
    )
    by_night = replace(ARGS, scaling=replace(ARGS.scaling, night=night))
    found = inputs(alone(lambda: FargateService("shop", by_night)))
    common = {
        "serviceNamespace": "ecs",
        "scalableDimension": "ecs:service:DesiredCount",
        "resourceId": "service/test/test-shop",
        "timezone": "Europe/Paris",
    }
    assert found["ScheduledAction shop-stop"] == {
        **common,
        "schedule": "cron(0 19 ? * MON-FRI *)",
        "scalableTargetAction": {"minCapacity": 0, "maxCapacity": 0},
    }
    assert found["ScheduledAction shop-start"] == {
        **common,
        "schedule": "cron(5 7 ? * MON-FRI *)",
        "scalableTargetAction": {"minCapacity": 1, "maxCapacity": 3},
    }
    by_day = alone(lambda: FargateService("shop", ARGS))
    assert by_day.of("aws:appautoscaling/scheduledAction:ScheduledAction") == []


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("cron(45 23 ? * MON-FRI *)", "15 minutes or more before midnight"),
        ("cron(0/5 6 ? * MON-FRI *)", "as one number each"),
    ],
)
def test_a_start_that_cannot_be_moved_within_its_day_does_not_construct(
    cron: str, says: str
) -> None:
    night = NightSchedule(stop="cron(0 19 ? * MON-FRI *)", start=cron)
    with pytest.raises(ValueError, match=says):
        replace(ARGS.scaling, night=night)
    assert minutes_later("cron(44 23 ? * * *)", 15) == "cron(59 23 ? * * *)"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"min_tasks": 0}, "at least one, in order"),
        ({"min_tasks": 4}, "at least one, in order"),
        ({"requests_a_minute": 0}, "take at least 1"),
    ],
)
def test_a_scaling_that_aws_would_refuse_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS.scaling, **wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"path": "shop"}, "begin and end it with"),
        ({"path": "/shop"}, "begin and end it with"),
        ({"boundary_arn": "hokusai-boundary"}, "ARN of a managed policy"),
    ],
)
def test_bounds_that_iam_would_refuse_do_not_construct(wrong: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        RoleBounds(**wrong)
