"""What buckets, secrets, keys, logs, alarms and images cost."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from hokusai_infra.preview.compute_prices import tasks_that_log
from hokusai_infra.preview.line import FIREWALL_LOGS, Bill, Line, PriceRule, UnpricedError, stated
from hokusai_infra.recorder.graph import UNKNOWN, Resource

DAYS_A_MONTH: Final = 30
HIGH_RESOLUTION_SECONDS: Final = 60
ALARMS_OF_A_TARGET: Final = 2
"""Target tracking makes one alarm above its target and one below:
docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html.
"""
ROTATIONS_CHARGED: Final = 2
DATABASE_LOGS: Final = "/aws/rds/"


def _bucket(bill: Bill) -> Iterable[Line]:
    yield bill.used("objects", "s3/standard", "stored_gb")
    yield bill.used("writes", "s3/put-standard", "writes_thousands")
    yield bill.used("reads", "s3/get-standard", "reads_thousands")


def _lifecycle(bill: Bill) -> Iterable[Line]:
    lifecycle = bill.resource
    tiers = {
        each.get("storageClass")
        for rule in stated(lifecycle, "rules")
        for each in rule.get("transitions") or []
    }
    if other := tiers - {"INTELLIGENT_TIERING"}:
        raise UnpricedError(f"transitions to {', '.join(sorted(map(str, other)))}")
    if tiers:
        yield bill.used(
            "objects that are tiered", "s3/transition-to-intelligent", "objects_thousands"
        )
        yield bill.used(
            "objects whose use is watched", "s3/intelligent-monitoring", "objects_thousands"
        )


def _secret(bill: Bill) -> Iterable[Line]:
    yield bill.fixed("secret", "secretsmanager/secret", 1)
    yield bill.used("reads", "secretsmanager/api", "secret_reads_thousands")


def _role_policy(bill: Bill) -> Iterable[Line]:
    """Price the secrets that services may make themselves: no resource declares those."""
    policy = bill.resource
    if next(filter(_makes_secrets, bill.graph.of(policy.type)), None) is not policy:
        return
    yield bill.used(
        "secrets that the application makes", "secretsmanager/secret", "application_secrets"
    )
    yield bill.used(
        "reads of those",
        "secretsmanager/api",
        "secret_reads_thousands",
        bill.usage.of("application_secrets", policy.name),
    )


def _makes_secrets(policy: Resource) -> bool:
    document = policy.inputs.get("policy")
    if not isinstance(document, str) or document == UNKNOWN:
        return False
    statements: Any = json.loads(document).get("Statement") or []
    return any(
        each.get("Effect") == "Allow" and "secretsmanager:CreateSecret" in _several(each["Action"])
        for each in ([statements] if isinstance(statements, dict) else statements)
        if "Action" in each
    )


def _several(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _key(bill: Bill) -> Iterable[Line]:
    key = bill.resource
    yield bill.fixed("key", "kms/key", 1)
    yield bill.used("calls", "kms/api", "kms_calls_thousands")
    if key.inputs.get("enableKeyRotation"):
        rotations = bill.usage.of("kms_rotations", key.name)
        charged = min(rotations, Decimal(ROTATIONS_CHARGED)) / rotations if rotations else 1
        yield bill.used("rotated material", "kms/key", "kms_rotations", charged)


def _log_group(bill: Bill) -> Iterable[Line]:
    group = bill.resource
    name = str(group.inputs.get("name", group.name))
    key, rate = "logs_gb", "cloudwatch/logs-ingest"
    if name.startswith(FIREWALL_LOGS):
        key, rate = "waf_logs_gb", "cloudwatch/logs-vended"
    elif name.startswith(DATABASE_LOGS):
        key = "database_logs_gb" if name.endswith("/postgresql") else "database_events_gb"
    days = int(group.inputs.get("retentionInDays") or 0)
    if not days:
        raise UnpricedError("its log lines are kept for ever")
    months = Decimal(days) / DAYS_A_MONTH
    tasks = tasks_that_log(bill) if key == "logs_gb" else None
    of, times = "", Decimal(1)
    if tasks is not None:
        of, times = f" of {tasks.normalize().quantize(Decimal('0.1')):f} tasks", tasks
    yield bill.used(f"log lines{of} taken in", rate, key, times)
    kept = f"log lines{of} kept for {days} days"
    yield bill.used(kept, "cloudwatch/logs-store", key, months * times)


def _alarm(bill: Bill) -> Iterable[Line]:
    alarm = bill.resource
    queries = alarm.inputs.get("metricQueries") or []
    metrics = [each["metric"] for each in queries if each.get("metric")]
    periods = [int(each.get("period", 60)) for each in metrics or [alarm.inputs]]
    fast = any(each < HIGH_RESOLUTION_SECONDS for each in periods)
    rate = f"cloudwatch/alarm-{'high-resolution' if fast else 'standard'}"
    yield bill.fixed("alarm", rate, len(periods), note=_of_metrics(len(periods)))


def _of_metrics(count: int) -> str:
    return f"{count} metrics" if count > 1 else ""


def _scaling_policy(bill: Bill) -> Iterable[Line]:
    policy = bill.resource
    if policy.inputs.get("policyType") == "TargetTrackingScaling":
        yield bill.fixed(
            "alarms of target tracking",
            "cloudwatch/alarm-standard",
            ALARMS_OF_A_TARGET,
            derived=True,
        )


def _repository(bill: Bill) -> Iterable[Line]:
    yield bill.used("images", "ecr/storage", "image_gb")


def _dashboard(bill: Bill) -> Iterable[Line]:
    yield bill.fixed("dashboard", "cloudwatch/dashboard", 1)


PRICES: Final[dict[str, PriceRule]] = {
    "aws:appautoscaling/policy:Policy": _scaling_policy,
    "aws:cloudwatch/dashboard:Dashboard": _dashboard,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:ecr/repository:Repository": _repository,
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:kms/key:Key": _key,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _lifecycle,
    "aws:secretsmanager/secret:Secret": _secret,
}
