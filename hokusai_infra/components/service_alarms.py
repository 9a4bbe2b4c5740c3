"""Alarms on what a service answers: they roll a deployment back, and tell whoever listens."""

from collections.abc import Sequence
from typing import Final

import pulumi
from pulumi_aws import cloudwatch

ERRORS_A_MINUTE: Final = 5
"""Answers of 500 and above in one minute; fewer can be one client that repeats one request."""
ERROR_MINUTES: Final = 3
UNHEALTHY_MINUTES: Final = 5
"""Longer than a task takes until it answers, so that no start alone raises the alarm."""

# docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
NAMESPACE: Final = "AWS/ApplicationELB"


def alarms_on(
    name: str,
    load_balancer: pulumi.Input[str],
    target_group: pulumi.Input[str],
    tell: Sequence[pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Output[str]]:
    """Watch a target group by the suffixes of its and its balancer's ARN; return the alarms' names.

    No data is no trouble: it means no requests, or, at night, no tasks.
    """
    dimensions = {"LoadBalancer": load_balancer, "TargetGroup": target_group}
    errors = cloudwatch.MetricAlarm(
        f"{name}-errors",
        alarm_description=f"{name} answers with 500 and above",
        namespace=NAMESPACE,
        metric_name="HTTPCode_Target_5XX_Count",
        dimensions=dimensions,
        statistic="Sum",
        period=60,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=ERRORS_A_MINUTE,
        evaluation_periods=ERROR_MINUTES,
        datapoints_to_alarm=ERROR_MINUTES,
        treat_missing_data="notBreaching",
        alarm_actions=[*tell],
        ok_actions=[*tell],
        opts=opts,
    )
    unhealthy = cloudwatch.MetricAlarm(
        f"{name}-unhealthy",
        alarm_description=f"{name} has tasks that do not answer their health check",
        namespace=NAMESPACE,
        metric_name="UnHealthyHostCount",
        dimensions=dimensions,
        statistic="Maximum",
        period=60,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=1,
        evaluation_periods=UNHEALTHY_MINUTES,
        datapoints_to_alarm=UNHEALTHY_MINUTES,
        treat_missing_data="notBreaching",
        alarm_actions=[*tell],
        ok_actions=[*tell],
        opts=opts,
    )
    return [errors.name, unhealthy.name]
