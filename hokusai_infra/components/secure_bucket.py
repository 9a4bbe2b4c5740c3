"""SecureBucket: where models, artifacts, contributed data and logs live."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
from pulumi_aws import s3

from hokusai_infra.components.encryption_key import (
    DECRYPT,
    ENCRYPT,
    EncryptionKey,
    EncryptionKeyArgs,
    KeyAccess,
    as_sid,
    use_of_key,
)
from hokusai_infra.components.log_delivery import ACCESS_LOG_PREFIX, LogDelivery
from hokusai_infra.iam_policy import Allow
from hokusai_infra.suppressions import Suppression

# docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; without dots, for TLS.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
# A browser sends scheme, host and a port that is not the scheme's (RFC 6454, section 6.2).
ORIGIN: Final = re.compile(r"(https://[a-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:\d+)?")
READ: Final = frozenset({"s3:GetObject"})
WRITE: Final = READ | {
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:PutObject",
}
LIST: Final = frozenset({"s3:ListBucket"})


@dataclass(frozen=True, kw_only=True)
class SecureBucketArgs:
    """What a caller decides; everything else about the bucket is fixed."""

    bucket_name: str
    """Physical name; unique in all of AWS, so it carries environment and account."""
    kms_key_arn: pulumi.Input[str] | None = None
    """Key that encrypts the objects; without one the bucket makes its own."""
    account_id: str = ""
    """Account of the bucket, for the policy of a key of its own."""
    region: str = ""
    """Region of the bucket, for the same."""
    access_logs: pulumi.Input[str] | None = None
    """Name of the log bucket, in the same account and region, that hears of every request."""
    upload_origins: list[str] = field(default_factory=list[str])
    """Origins whose pages may upload to signed addresses, as ``https://api.example.com``."""
    noncurrent_days: int = 90
    """Days that an overwritten or deleted version can still be restored."""
    tier_days: int = 30
    """Days until an object moves to the class that S3 chooses by how often it is read."""
    protected: bool = True
    """Refuse to be deleted as long as it holds anything; else it is emptied first."""
    logs: LogDelivery | None = None
    """Makes it a log bucket: who writes into it, and when what they wrote expires."""

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
        for origin in self.upload_origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"upload_origins has {origin!r}: name one host, as https://api.example.com, "
                    "without path or '*'"
                )
        self._one_way_to_encrypt()

    def _one_way_to_encrypt(self) -> None:
        if self.logs is not None:
            for other in ("kms_key_arn", "access_logs", "upload_origins"):
                if getattr(self, other) not in (None, []):
                    raise ValueError(
                        f"{other} with logs: services write logs under S3's own keys alone, and "
                        "a log bucket neither logs itself nor takes uploads; leave it out"
                    )
        elif self.kms_key_arn is None and not (self.account_id and self.region):
            raise ValueError(
                "kms_key_arn is missing: name a key, or account_id and region, "
                "and the bucket makes one of its own"
            )


class SecureBucket(pulumi.ComponentResource):
    """A private, encrypted bucket that keeps every version and never expires a current object.

    One that is made for logs is the exception: there, logs expire.
    """

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: SecureBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:SecureBucket", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        self._key_arn = args.kms_key_arn
        if self._key_arn is None and args.logs is None:
            self._key_arn = self._own_key(name, args)
        bucket = s3.Bucket(
            name,
            bucket=args.bucket_name,
            force_destroy=None if args.protected else True,
            opts=child,
        )
        versioning = s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[_encryption(self._key_arn)],
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
        policy = s3.BucketPolicy(
            f"{name}-tls-only",
            bucket=bucket.id,
            policy=pulumi.Output.json_dumps(_policy(args, self._key_arn)),
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
        if args.access_logs is not None:
            s3.BucketLogging(
                f"{name}-access-logs",
                bucket=bucket.id,
                target_bucket=args.access_logs,
                target_prefix=f"{ACCESS_LOG_PREFIX}{args.bucket_name}/",
                target_object_key_format={
                    "partitioned_prefix": {"partition_date_source": "EventTime"}
                },
                opts=child,
            )
        if args.upload_origins:
            s3.BucketCorsConfiguration(
                f"{name}-uploads", bucket=bucket.id, cors_rules=[_uploads(args)], opts=child
            )

        self.bucket_name, self.bucket_arn = bucket.bucket, bucket.arn
        if args.logs is not None:
            # Whoever is told to write logs here must find the policy that lets them.
            both = pulumi.Output.all(bucket.bucket, policy.id)
            self.bucket_name = both.apply(lambda known: str(known[0]))
        self.register_outputs({"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn})

    def readable(self, prefix: str = "") -> tuple[Allow, ...]:
        """Let a role list the bucket, and read the objects under ``prefix``."""
        return (self._listing(), self._objects("Read", READ, prefix), *self._key(DECRYPT))

    def writable(self) -> tuple[Allow, ...]:
        """Let a role list the bucket, and read, write and delete objects, in parts too.

        A deletion leaves a version behind; no role may remove that one.
        """
        return (self._listing(), self._objects("ReadAndWrite", WRITE), *self._key(ENCRYPT))

    def _own_key(self, name: str, args: SecureBucketArgs) -> pulumi.Output[str]:
        access = KeyAccess(account_id=args.account_id, region=args.region, services=("s3",))
        key = EncryptionKey(
            f"{name}-key",
            EncryptionKeyArgs(
                alias=args.bucket_name,
                description=f"Objects in {args.bucket_name}",
                access=access,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        return key.key_arn

    def _listing(self) -> Allow:
        return Allow(sid=f"List{self._sid}", actions=LIST, resources=(self.bucket_arn,))

    def _objects(self, verb: str, actions: frozenset[str], prefix: str = "") -> Allow:
        objects = pulumi.Output.concat(self.bucket_arn, "/", prefix, "*")
        return Allow(sid=f"{verb}{self._sid}", actions=actions, resources=(objects,))

    def _key(self, actions: frozenset[str]) -> tuple[Allow, ...]:
        if self._key_arn is None:
            return ()
        return (use_of_key(self._key_arn, f"UseKeyOf{self._sid}", actions),)

    @property
    def _sid(self) -> str:
        """Part of all ids of statements, so that one role may have several buckets."""
        return as_sid(self._name)


def _encryption(
    key_arn: pulumi.Input[str] | None,
) -> s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    if key_arn is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {
            "sse_algorithm": "aws:kms",
            "kms_master_key_id": key_arn,
        },
        # One call to KMS for many objects, not one for each.
        "bucket_key_enabled": True,
    }


def _policy(args: SecureBucketArgs, key_arn: pulumi.Input[str] | None) -> dict[str, Any]:
    arn = f"arn:aws:s3:::{args.bucket_name}"
    statements = [
        _refuse("ClearText", "s3:*", [arn, f"{arn}/*"], Bool={"aws:SecureTransport": "false"})
    ]
    if key_arn is not None:
        # Who says nothing about encryption, as clients do, gets the bucket's key; a condition on
        # what is not said would refuse them too, so that each asks whether it is said at all.
        header = "s3:x-amz-server-side-encryption"
        customers = f"{header}-customer-algorithm"
        statements += [
            _refuse(
                "OtherKeys",
                "s3:PutObject",
                f"{arn}/*",
                Null={f"{header}-aws-kms-key-id": "false"},
                StringNotEquals={f"{header}-aws-kms-key-id": key_arn},
            ),
            _refuse(
                "OtherEncryption",
                "s3:PutObject",
                f"{arn}/*",
                Null={header: "false"},
                StringNotEquals={header: "aws:kms"},
            ),
            _refuse("KeysOfClients", "s3:PutObject", f"{arn}/*", Null={customers: "false"}),
        ]
    if args.logs is not None:
        statements += args.logs.statements(arn)
    return {"Version": "2012-10-17", "Statement": statements}


def _refuse(
    what: str, action: str, resource: str | list[str], **condition: dict[str, pulumi.Input[str]]
) -> dict[str, Any]:
    return {
        "Sid": f"Refuse{what}",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    }


def _uploads(args: SecureBucketArgs) -> s3.BucketCorsConfigurationCorsRuleArgsDict:
    return {
        "allowed_origins": args.upload_origins,
        "allowed_methods": ["PUT"],
        "allowed_headers": ["content-md5", "content-type", "x-amz-*"],
        # A page needs the tag of each part to put the parts together.
        "expose_headers": ["ETag"],
        "max_age_seconds": 3600,
    }


def _lifecycle(args: SecureBucketArgs) -> list[s3.BucketLifecycleConfigurationRuleArgsDict]:
    everything: s3.BucketLifecycleConfigurationRuleFilterArgsDict = {"prefix": ""}
    first: s3.BucketLifecycleConfigurationRuleArgsDict = {
        "id": "tier-by-use",
        "status": "Enabled",
        "filter": everything,
        "transitions": [{"days": args.tier_days, "storage_class": "INTELLIGENT_TIERING"}],
    }
    if args.logs is not None:
        first = {
            "id": "forget-old-logs",
            "status": "Enabled",
            "filter": everything,
            "expiration": {"days": args.logs.days},
        }
    return [
        first,
        {
            "id": "forget-old-versions",
            "status": "Enabled",
            "filter": everything,
            "noncurrent_version_expiration": {"noncurrent_days": args.noncurrent_days},
            "expiration": {"expired_object_delete_marker": True},
        },
        {
            "id": "clean-up-broken-uploads",
            "status": "Enabled",
            "filter": everything,
            "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
        },
    ]


BUCKET: Final = "aws:s3/bucket:Bucket"
SUPPRESSIONS: Final = (
    Suppression(
        check="CKV_AWS_144",
        of=BUCKET,
        because="S3 keeps each object in three zones and every version; a copy in another region "
        "doubles storage and pays for transfer, and is for whoever must survive a region.",
    ),
    Suppression(
        check="CKV2_AWS_62",
        of=BUCKET,
        because="Nothing waits for events of a bucket: the API knows of each upload by itself.",
    ),
    Suppression(
        check="CKV_AWS_18",
        of=BUCKET,
        within="hokusai:index:SecureBucket",
        named="*logs",
        because="A log bucket that logs its own requests writes a log about each log for ever.",
    ),
    Suppression(
        check="CKV_AWS_145",
        of=BUCKET,
        within="hokusai:index:SecureBucket",
        named="*logs",
        because="Load balancers and S3 deliver logs only to buckets under S3's own keys.",
    ),
)
