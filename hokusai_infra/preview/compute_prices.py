"""What tasks, instances and databases cost."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from hokusai_infra.preview.hours import ScheduleError, Switch, share_of_week
from hokusai_infra.preview.line import Bill, Line, PriceRule, UnpricedError, stated
from hokusai_infra.preview.rates import HOURS_A_MONTH
from hokusai_infra.recorder.graph import Resource

CPU_UNITS: Final = 1024
MB_A_GB: Final = 1024
EPHEMERAL_FREE_GB: Final = 20
"""docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-storage.html."""
TASK: Final = "aws:ecs/taskDefinition:TaskDefinition"
SCHEDULED_ACTION: Final = "aws:appautoscaling/scheduledAction:ScheduledAction"
SCHEDULE: Final = "aws:scheduler/schedule:Schedule"
RDS_ACTION: Final = "arn:aws:scheduler:::aws-sdk:rds:"
LAUNCH_TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"


def _nights(bill: Bill, type_: str, about: Callable[[Resource], Switch | None]) -> Decimal:
    """Return the share of hours that schedules leave; one that is unreadable leaves them all."""
    switches = [found for each in bill.graph.of(type_) if (found := about(each)) is not None]
    try:
        return share_of_week(switches)
    except ScheduleError as error:
        raise UnpricedError(str(error)) from error


def _task_share(bill: Bill, service: Resource) -> Decimal:
    def about(action: Resource) -> Switch | None:
        targets = bill.behind(action, "resourceId", "aws:ecs/service:Service")
        of_target = [
            found
            for target in bill.behind(action, "resourceId", "aws:appautoscaling/target:Target")
            for found in bill.behind(target, "resourceId", "aws:ecs/service:Service")
        ]
        if service not in (*targets, *of_target):
            return None
        wanted = stated(action, "scalableTargetAction")
        return Switch(
            cron=str(stated(action, "schedule")), starts=int(wanted.get("maxCapacity", 1)) > 0
        )

    return _nights(bill, SCHEDULED_ACTION, about)


def tasks_that_log(bill: Bill) -> Decimal | None:
    """Return how many tasks write to a log group, on average over a month; none of a service: None.

    One that runs half of the hours counts as half a task.
    """
    group = bill.resource
    quoted = json.dumps(str(group.inputs.get("name", group.name)))
    found: Decimal | None = None
    for service in bill.graph.of("aws:ecs/service:Service"):
        for task in bill.behind(service, "taskDefinition", TASK):
            if quoted in str(task.inputs.get("containerDefinitions")):
                wanted = int(stated(service, "desiredCount"))
                found = (found or Decimal(0)) + wanted * _task_share(bill, service)
    return found


def _service(bill: Bill) -> Iterable[Line]:
    service = bill.resource
    task = next(iter(bill.behind(service, "taskDefinition", TASK)), None)
    if task is None:
        raise UnpricedError("its task definition is not of this program")
    if service.inputs.get("launchType") == "EC2":
        raise UnpricedError("it runs on instances, not on Fargate")
    platform = task.inputs.get("runtimePlatform") or {}
    chip = "arm" if platform.get("cpuArchitecture") == "ARM64" else "x86"
    spot = "-spot" if _is_spot(service) else ""
    share = _task_share(bill, service)
    wanted = int(stated(service, "desiredCount"))
    cpu = Decimal(str(stated(task, "cpu"))) / CPU_UNITS
    memory = Decimal(str(stated(task, "memory"))) / MB_A_GB
    tasks = f"{wanted} task{'s' if wanted != 1 else ''} of "
    vcpu, gb = f"fargate/{chip}-vcpu{spot}", f"fargate/{chip}-gb{spot}"
    yield bill.hourly(
        f"{tasks}{cpu.normalize():f} vCPU, {chip}{spot}", vcpu, wanted * cpu, share=share
    )
    yield bill.hourly(
        f"{tasks}{memory.normalize():f} GB, {chip}{spot}", gb, wanted * memory, share=share
    )
    volume = task.inputs.get("ephemeralStorage") or {}
    beyond = int(volume.get("sizeInGib", EPHEMERAL_FREE_GB)) - EPHEMERAL_FREE_GB
    if beyond > 0:
        yield bill.hourly(
            f"{tasks}{beyond} GB of disk beyond {EPHEMERAL_FREE_GB}",
            "fargate/ephemeral-over-20gb",
            wanted * beyond,
            share=share,
        )
    hours = HOURS_A_MONTH * share
    yield bill.used("more tasks under load, CPU", vcpu, "extra_tasks", hours * cpu)
    yield bill.used("more tasks under load, memory", gb, "extra_tasks", hours * memory)
    network = service.inputs.get("networkConfiguration") or {}
    if network.get("assignPublicIp"):
        yield bill.hourly(
            "public IPv4 of tasks", "vpc/public-ipv4", wanted, share=share, derived=True
        )


def _is_spot(service: Resource) -> bool:
    strategies = service.inputs.get("capacityProviderStrategies") or []
    return bool(strategies) and all(
        each.get("capacityProvider") == "FARGATE_SPOT" for each in strategies
    )


def _cluster(bill: Bill) -> Iterable[Line]:
    cluster = bill.resource
    on = {
        each.get("value")
        for each in cluster.inputs.get("settings") or []
        if each.get("name") == "containerInsights"
    }
    if on & {"enabled", "enhanced"}:
        raise UnpricedError("Container Insights: how many metrics it makes is not known here")
    return ()


def _group(bill: Bill) -> Iterable[Line]:
    group = bill.resource
    template = next(iter(bill.behind(group, "launchTemplate", LAUNCH_TEMPLATE)), None)
    if template is None:
        raise UnpricedError("its launch template is not of this program")
    wanted = int(group.inputs.get("desiredCapacity") or stated(group, "minSize"))
    kind = str(stated(template, "instanceType"))
    yield bill.hourly(f"{wanted} of {kind}", f"ec2/{kind}", wanted)
    for mapping in template.inputs.get("blockDeviceMappings") or []:
        disk: dict[str, Any] = mapping.get("ebs") or {}
        if disk.get("volumeType", "gp3") != "gp3":
            raise UnpricedError(f"a volume of type {disk['volumeType']}")
        size = int(disk.get("volumeSize", 8))
        yield bill.fixed(f"{wanted} of {size} GB gp3", "ec2/ebs-gp3", wanted * size)


def _instance(bill: Bill) -> Iterable[Line]:
    instance = bill.resource
    if stated(instance, "engine") != "postgres":
        raise UnpricedError(f"engine {instance.inputs['engine']}")
    if instance.inputs.get("storageType", "gp3") != "gp3":
        raise UnpricedError(f"storage of type {instance.inputs['storageType']}")
    kind = str(stated(instance, "instanceClass"))
    zones = "multi" if instance.inputs.get("multiAz") else "single"
    label = "Multi-AZ" if zones == "multi" else "one zone"
    size = int(stated(instance, "allocatedStorage"))

    def about(schedule: Resource) -> Switch | None:
        target = stated(schedule, "target")
        action = str(target.get("arn", ""))
        mine = str(instance.inputs.get("identifier", instance.name)) in str(target.get("input"))
        if not action.startswith(RDS_ACTION) or not mine:
            return None
        return Switch(
            cron=str(stated(schedule, "scheduleExpression")), starts="start" in action.lower()
        )

    rate = f"rds-postgres/{kind}-{zones}"
    if bill.rates.by_key and rate not in bill.rates.by_key:
        near = bill.rates.near("rds-postgres/", kind, f"-{zones}")
        raise UnpricedError(f"no rate of {kind} in {bill.rates.region}: {near}")
    yield bill.hourly(f"{kind}, {label}", rate, share=_nights(bill, SCHEDULE, about))
    yield bill.fixed(f"{size} GB gp3, {label}", f"rds-postgres/gp3-{zones}", size)
    yield bill.used("backups beyond that size", "rds-postgres/backup-over-allocated", "backup_gb")
    if instance.inputs.get("manageMasterUserPassword"):
        yield bill.fixed("secret of the master password", "secretsmanager/secret", 1, derived=True)
    if instance.inputs.get("databaseInsightsMode") == "advanced":
        raise UnpricedError("Database Insights in advanced mode")


PRICES: Final[dict[str, PriceRule]] = {
    "aws:autoscaling/group:Group": _group,
    "aws:ecs/cluster:Cluster": _cluster,
    "aws:ecs/service:Service": _service,
    "aws:rds/instance:Instance": _instance,
}
