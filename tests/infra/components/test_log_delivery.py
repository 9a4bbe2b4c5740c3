from dataclasses import replace
from typing import Any

import pytest

from hokusai_infra.components.log_delivery import LogDelivery, LogSource
from hokusai_infra.local.parts.policy import matches

LOGS = LogDelivery(account_id="111122223333", region="us-east-1", sources=(*LogSource,))
BUCKET = "arn:aws:s3:::logs"
ACCOUNT = {"aws:SourceAccount": "111122223333"}
OWNED = {"s3:x-amz-acl": "bucket-owner-full-control"}
FLOWS = {"aws:SourceArn": "arn:aws:logs:us-east-1:111122223333:*"}
TRAILS = {"aws:SourceArn": "arn:aws:cloudtrail:us-east-1:111122223333:trail/*"}


def below(*paths: str) -> list[str]:
    return [f"{BUCKET}/{prefix}{path}" for path in paths for prefix in ("", "*/")]


def test_each_source_may_write_its_logs_for_this_account_and_nothing_else() -> None:
    statements = LOGS.statements(BUCKET)
    assert {each["Effect"] for each in statements} == {"Allow"}
    assert {each["Sid"]: tuple(each["Principal"].items()) for each in statements} == {
        "WriteBucketAccessLogs": (("Service", "logging.s3.amazonaws.com"),),
        "WriteLoadBalancerLogs": (("Service", "logdelivery.elasticloadbalancing.amazonaws.com"),),
        "WriteFlowLogs": (("Service", "delivery.logs.amazonaws.com"),),
        "LookBeforeFlowLogs": (("Service", "delivery.logs.amazonaws.com"),),
        "WriteTrail": (("Service", "cloudtrail.amazonaws.com"),),
        "LookBeforeTrail": (("Service", "cloudtrail.amazonaws.com"),),
        "WriteConfiguration": (("Service", "config.amazonaws.com"),),
        "LookBeforeConfiguration": (("Service", "config.amazonaws.com"),),
    }
    look = ["s3:GetBucketAcl", "s3:ListBucket"]
    found = {e["Sid"]: (e["Action"], e["Resource"], e.get("Condition")) for e in statements}
    assert found == {
        "WriteBucketAccessLogs": (
            "s3:PutObject",
            f"{BUCKET}/s3/*",
            {"StringEquals": ACCOUNT, "ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}},
        ),
        "WriteLoadBalancerLogs": ("s3:PutObject", below("AWSLogs/111122223333/*"), None),
        "WriteFlowLogs": (
            "s3:PutObject",
            below("AWSLogs/111122223333/*", "AWSLogs/aws-account-id=111122223333/*"),
            {"StringEquals": ACCOUNT | OWNED, "ArnLike": FLOWS},
        ),
        "LookBeforeFlowLogs": (look, BUCKET, {"StringEquals": ACCOUNT, "ArnLike": FLOWS}),
        "WriteTrail": (
            "s3:PutObject",
            below("AWSLogs/111122223333/*"),
            {"StringEquals": OWNED, "ArnLike": TRAILS},
        ),
        "LookBeforeTrail": ("s3:GetBucketAcl", BUCKET, {"ArnLike": TRAILS}),
        "WriteConfiguration": (
            "s3:PutObject",
            below("AWSLogs/111122223333/Config/*"),
            {"StringEquals": ACCOUNT | OWNED},
        ),
        "LookBeforeConfiguration": (look, BUCKET, {"StringEquals": ACCOUNT}),
    }


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("AWSLogs/111122223333/elasticloadbalancing/us-east-1/2026/11/24/a.log.gz", True),
        ("public/AWSLogs/111122223333/ELBAccessLogTestFile", True),
        ("AWSLogs/444455556666/elasticloadbalancing/us-east-1/2026/11/24/a.log.gz", False),
        ("s3/example/2026", False),
    ],
)
def test_a_load_balancer_writes_below_this_account(path: str, *, may: bool) -> None:
    logs = replace(LOGS, sources=(LogSource.LOAD_BALANCERS,))
    (statement,) = logs.statements(BUCKET)
    assert any(matches(each, f"{BUCKET}/{path}") for each in statement["Resource"]) is may


def test_a_stack_s_own_logs_are_the_default() -> None:
    logs = LogDelivery(account_id="111122223333", region="us-east-1")
    assert [each["Sid"] for each in logs.statements(BUCKET)] == [
        "WriteBucketAccessLogs",
        "WriteLoadBalancerLogs",
        "WriteFlowLogs",
        "LookBeforeFlowLogs",
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"account_id": "1"}, "AWS has 12 digits"),
        ({"sources": ()}, "name at least one"),
        ({"sources": (LogSource.BUCKETS, LogSource.BUCKETS)}, "each once"),
        ({"days": 0}, "at least one day"),
    ],
)
def test_a_delivery_that_nothing_comes_of_does_not_construct(
    wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        replace(LOGS, **wrong)
