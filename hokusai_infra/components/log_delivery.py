"""LogDelivery: which AWS services may write their logs into a bucket, and for how long."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

ACCOUNT_ID: Final = re.compile(r"\d{12}")
ACCESS_LOG_PREFIX: Final = "s3/"
"""Where the access logs of buckets go; behind it the name of the bucket they are about."""


class LogSource(StrEnum):
    """A service that writes logs to S3."""

    BUCKETS = "buckets"
    """Access logs of buckets."""
    LOAD_BALANCERS = "load balancers"
    """Access and connection logs of application load balancers."""
    FLOW_LOGS = "flow logs"
    """Connections in a VPC."""
    CLOUDTRAIL = "cloudtrail"
    """Calls to AWS."""
    CONFIG = "config"
    """How resources have changed."""


@dataclass(frozen=True, kw_only=True)
class LogDelivery:
    """What makes a bucket a log bucket.

    It is encrypted with keys of S3's own, since neither load balancers nor S3 write logs under a
    key of the account (docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html and
    docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html), and it
    is the one kind of bucket whose objects expire.
    """

    account_id: str
    """The one account whose logs are taken."""
    region: str
    sources: tuple[LogSource, ...] = (
        LogSource.BUCKETS,
        LogSource.LOAD_BALANCERS,
        LogSource.FLOW_LOGS,
    )
    days: int = 365
    """Days until a log is gone."""

    def __post_init__(self) -> None:
        if not ACCOUNT_ID.fullmatch(self.account_id):
            raise ValueError(f"account_id {self.account_id!r}: AWS has 12 digits")
        if not self.sources or len(set(self.sources)) != len(self.sources):
            raise ValueError(f"sources are {self.sources}: name at least one, and each once")
        if self.days < 1:
            raise ValueError(f"days is {self.days}: keep logs at least one day")

    def statements(self, bucket_arn: str) -> list[dict[str, Any]]:
        """Let each source write in the bucket's policy, for this account alone."""
        return [each for source in self.sources for each in WRITERS[source](self, bucket_arn)]


def _allow(sid: str, service: str, action: str | list[str], resource: str | list[str]) -> Any:  # noqa: ANN401 - JSON
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
        "Resource": resource,
    }


def _buckets(logs: LogDelivery, bucket_arn: str) -> list[dict[str, Any]]:
    # docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    prefix = f"{bucket_arn}/{ACCESS_LOG_PREFIX}*"
    condition = {
        "StringEquals": {"aws:SourceAccount": logs.account_id},
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"},
    }
    write = _allow("WriteBucketAccessLogs", "logging.s3.amazonaws.com", "s3:PutObject", prefix)
    return [write | {"Condition": condition}]


def _load_balancers(logs: LogDelivery, bucket_arn: str) -> list[dict[str, Any]]:
    """Let load balancers write.

    docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html scopes
    it by the account in the path, under which the service writes the logs of that account alone;
    a condition on the source is not documented there.
    """
    return [
        _allow(
            "WriteLoadBalancerLogs",
            "logdelivery.elasticloadbalancing.amazonaws.com",
            "s3:PutObject",
            _below(bucket_arn, f"AWSLogs/{logs.account_id}/*"),
        )
    ]


def _flow_logs(logs: LogDelivery, bucket_arn: str) -> list[dict[str, Any]]:
    """Let flow logs be delivered.

    docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html: whatever is missing
    here, AWS would write into the policy by itself, and the next deployment would take it out.
    """
    account = {"aws:SourceAccount": logs.account_id}
    source = {"aws:SourceArn": f"arn:aws:logs:{logs.region}:{logs.account_id}:*"}
    service = "delivery.logs.amazonaws.com"
    objects = [
        *_below(bucket_arn, f"AWSLogs/{logs.account_id}/*"),
        *_below(bucket_arn, f"AWSLogs/aws-account-id={logs.account_id}/*"),
    ]
    return [
        _allow("WriteFlowLogs", service, "s3:PutObject", objects)
        | {
            "Condition": {
                "StringEquals": {**account, "s3:x-amz-acl": "bucket-owner-full-control"},
                "ArnLike": source,
            }
        },
        _allow("LookBeforeFlowLogs", service, ["s3:GetBucketAcl", "s3:ListBucket"], bucket_arn)
        | {"Condition": {"StringEquals": account, "ArnLike": source}},
    ]


def _cloudtrail(logs: LogDelivery, bucket_arn: str) -> list[dict[str, Any]]:
    # docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    trails = f"arn:aws:cloudtrail:{logs.region}:{logs.account_id}:trail/*"
    service, source = "cloudtrail.amazonaws.com", {"aws:SourceArn": trails}
    objects = _below(bucket_arn, f"AWSLogs/{logs.account_id}/*")
    return [
        _allow("WriteTrail", service, "s3:PutObject", objects)
        | {
            "Condition": {
                "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"},
                "ArnLike": source,
            }
        },
        _allow("LookBeforeTrail", service, "s3:GetBucketAcl", bucket_arn)
        | {"Condition": {"ArnLike": source}},
    ]


def _config(logs: LogDelivery, bucket_arn: str) -> list[dict[str, Any]]:
    # docs.aws.amazon.com/config/latest/developerguide/s3-bucket-policy.html
    service, account = "config.amazonaws.com", {"aws:SourceAccount": logs.account_id}
    objects = _below(bucket_arn, f"AWSLogs/{logs.account_id}/Config/*")
    return [
        _allow("WriteConfiguration", service, "s3:PutObject", objects)
        | {"Condition": {"StringEquals": {**account, "s3:x-amz-acl": "bucket-owner-full-control"}}},
        _allow("LookBeforeConfiguration", service, ["s3:GetBucketAcl", "s3:ListBucket"], bucket_arn)
        | {"Condition": {"StringEquals": account}},
    ]


def _below(bucket_arn: str, path: str) -> list[str]:
    """Name a path, with and without a prefix in front."""
    return [f"{bucket_arn}/{path}", f"{bucket_arn}/*/{path}"]


WRITERS: Final[dict[LogSource, Callable[[LogDelivery, str], list[dict[str, Any]]]]] = {
    LogSource.BUCKETS: _buckets,
    LogSource.LOAD_BALANCERS: _load_balancers,
    LogSource.FLOW_LOGS: _flow_logs,
    LogSource.CLOUDTRAIL: _cloudtrail,
    LogSource.CONFIG: _config,
}
"""What each source needs."""
