"""How many tasks of a service run: by load in the day, none at night where a stack says so."""

import re
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import appautoscaling

from hokusai_infra.components.night import NightSchedule

CPU_PERCENT: Final = 60
"""Share of its CPU that a task uses on average; above, another one starts."""
OUT_SECONDS: Final = 60
"""Pause after tasks were added; load that grows is met fast."""
IN_SECONDS: Final = 300
"""Pause after tasks were taken away; a lull is no reason to stop one."""
DATABASE_MINUTES: Final = 15
"""Head start of a database in the morning; RDS takes some minutes, and ECS would wait longer
after each task that does not find it."""

AT: Final = re.compile(r"cron\((\d+) (\d+) ")
"""Minutes and hours of a schedule that names one moment of a day."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Between which bounds, and on what, the number of tasks changes."""

    min_tasks: int
    max_tasks: int
    requests_a_minute: int
    """Requests that one task answers in a minute without haste; above, another one starts."""
    night: NightSchedule | None = None
    """When no task runs at all."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_tasks <= self.max_tasks:
            raise ValueError(
                f"min_tasks {self.min_tasks}, max_tasks {self.max_tasks}: at least one, in order"
            )
        if self.requests_a_minute < 1:
            raise ValueError(f"requests_a_minute is {self.requests_a_minute}: take at least 1")
        if self.night is not None:
            minutes_later(self.night.start, DATABASE_MINUTES)


def minutes_later(cron: str, minutes: int) -> str:
    """Move a schedule within its day."""
    if (found := AT.match(cron)) is None:
        raise ValueError(f"{cron}: state minutes and hours as one number each, as cron(0 7 …)")
    moment = int(found[1]) + 60 * int(found[2]) + minutes
    if moment >= 24 * 60:
        raise ValueError(f"{cron}: state a time that is {minutes} minutes or more before midnight")
    hour, minute = divmod(moment, 60)
    return f"cron({minute} {hour} {cron[found.end() :]}"


def scale(
    name: str,
    scaling: Scaling,
    resource_id: pulumi.Input[str],
    request_label: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Let CPU and requests decide the number of tasks, each of them only upwards of the other.

    ``request_label`` is ``app/<balancer>/<id>/targetgroup/<group>/<id>``, as
    docs.aws.amazon.com/autoscaling/application/APIReference/API_PredefinedMetricSpecification.html
    has it; AWS takes it once the group is behind the balancer.
    """
    target = appautoscaling.Target(
        name,
        service_namespace="ecs",
        scalable_dimension="ecs:service:DesiredCount",
        resource_id=resource_id,
        min_capacity=scaling.min_tasks,
        max_capacity=scaling.max_tasks,
        opts=opts,
    )
    metrics: dict[
        str,
        tuple[
            appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgsDict,
            int,
        ],
    ] = {
        name: ({"predefined_metric_type": "ECSServiceAverageCPUUtilization"}, CPU_PERCENT),
        f"{name}-requests": (
            {
                "predefined_metric_type": "ALBRequestCountPerTarget",
                "resource_label": request_label,
            },
            scaling.requests_a_minute,
        ),
    }
    for policy, (metric, value) in metrics.items():
        appautoscaling.Policy(
            policy,
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration={
                "predefined_metric_specification": metric,
                "target_value": value,
                "scale_out_cooldown": OUT_SECONDS,
                "scale_in_cooldown": IN_SECONDS,
            },
            opts=opts,
        )
    if scaling.night is not None:
        _nights(name, scaling, scaling.night, target, opts)


def _nights(
    name: str,
    scaling: Scaling,
    night: NightSchedule,
    target: appautoscaling.Target,
    opts: pulumi.ResourceOptions,
) -> None:
    """Stop all tasks in the evening, and start the fewest in the morning.

    A refresh at night sees bounds of 0 and calls them a difference; the morning takes them back.
    """
    moments = {
        "stop": (night.stop, 0, 0),
        "start": (
            minutes_later(night.start, DATABASE_MINUTES),
            scaling.min_tasks,
            scaling.max_tasks,
        ),
    }
    for what, (cron, least, most) in moments.items():
        appautoscaling.ScheduledAction(
            f"{name}-{what}",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            schedule=cron,
            timezone=night.timezone,
            scalable_target_action={"min_capacity": least, "max_capacity": most},
            opts=opts,
        )
