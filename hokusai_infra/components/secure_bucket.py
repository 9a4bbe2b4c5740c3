"""SecureBucket: where models, artifacts and contributed data live."""

import json
import re
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import s3

from hokusai_infra.iam_policy import Allow

# docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; without dots, for TLS.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class SecureBucketArgs:
    """What a caller decides; everything else about the bucket is fixed."""

    bucket_name: str
    """Physical name; unique in all of AWS, so it carries environment and account."""
    noncurrent_days: int = 90
    """Days that an overwritten or deleted version can still be restored."""
    tier_days: int = 30
    """Days until an object moves to the class that S3 chooses by how often it is read."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.bucket_name):
            raise ValueError(
                f"bucket_name {self.bucket_name!r}: S3 takes 3 to 63 lower-case letters, digits "
                "and hyphens"
            )
        if self.noncurrent_days < 1:
            raise ValueError(
                f"noncurrent_days is {self.noncurrent_days}: keep at least 1, "
                "or a deletion cannot be undone"
            )
        if self.tier_days < 0:
            raise ValueError(f"tier_days is {self.tier_days}: 0 moves objects at once")


class SecureBucket(pulumi.ComponentResource):
    """A private, encrypted bucket that keeps every version and never expires a current object."""

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: SecureBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:SecureBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        bucket = s3.Bucket(name, bucket=args.bucket_name, opts=child)
        versioning = s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=child,
        )
        private = s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        s3.BucketPolicy(
            f"{name}-tls-only",
            bucket=bucket.id,
            policy=bucket.arn.apply(_tls_only),
            # S3 refuses two changes of one bucket's access at the same time.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[private]),
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=_lifecycle(args),
            # A rule about noncurrent versions is refused before versioning is on.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )

        self.bucket_name, self.bucket_arn = bucket.bucket, bucket.arn
        self.register_outputs({"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn})

    def writable(self) -> tuple[Allow, ...]:
        """Let a role list the bucket, and read, write and delete objects, in parts too.

        A deletion leaves a version behind; no role may remove that one.
        """
        return (
            Allow(
                sid="ListObjects",
                actions=frozenset(
                    {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"}
                ),
                resources=(self.bucket_arn,),
            ),
            Allow(
                sid="ReadAndWriteObjects",
                actions=frozenset(
                    {
                        "s3:AbortMultipartUpload",
                        "s3:DeleteObject",
                        "s3:GetObject",
                        "s3:ListMultipartUploadParts",
                        "s3:PutObject",
                    }
                ),
                resources=(pulumi.Output.concat(self.bucket_arn, "/*"),),
            ),
        )


def _tls_only(bucket_arn: str) -> str:
    statement = {
        "Sid": "RefuseClearText",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _lifecycle(args: SecureBucketArgs) -> list[s3.BucketLifecycleConfigurationRuleArgsDict]:
    return [
        {
            "id": "tier-by-use",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "transitions": [{"days": args.tier_days, "storage_class": "INTELLIGENT_TIERING"}],
        },
        {
            "id": "forget-old-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": args.noncurrent_days},
            "expiration": {"expired_object_delete_marker": True},
        },
        {
            "id": "clean-up-broken-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
        },
    ]
