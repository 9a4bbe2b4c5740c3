"""Mistakes with what holds data: buckets, databases, secrets."""

from typing import Final

from hokusai_infra.policy.rules import buckets, databases, secrets
from tests.infra.policy.changes import GONE, Change
from tests.infra.policy.mistake import STRANGER, Mistake, turned

ARTIFACTS: Final = "mlflow-artifacts"
AT_ARTIFACTS: Final = (buckets.BUCKET, ARTIFACTS)


def _without(rule: str, of: str, name: str) -> Mistake:
    return Mistake(rule=rule, change=Change(of=of, named=name), seen_at=AT_ARTIFACTS)


BUCKETS: Final = (
    Mistake(
        rule="no-public-bucket",
        change=turned(buckets.BLOCK, blockPublicPolicy=False),
    ),
    _without("bucket-blocks-public-access", buckets.BLOCK, f"{ARTIFACTS}-private"),
    _without("bucket-keeps-versions", buckets.VERSIONING, f"{ARTIFACTS}-versioning"),
    _without("bucket-states-ownership", buckets.OWNERSHIP, f"{ARTIFACTS}-ownership"),
    _without("bucket-has-a-lifecycle", buckets.LIFECYCLE, f"{ARTIFACTS}-lifecycle"),
    _without("bucket-access-is-logged", buckets.LOGGING, f"{ARTIFACTS}-access-logs"),
    _without("bucket-encrypted-with-own-key", buckets.ENCRYPTION, f"{ARTIFACTS}-encryption"),
    Mistake(
        rule="bucket-encrypted-with-own-key",
        change=turned(
            buckets.ENCRYPTION,
            f"{ARTIFACTS}-encryption",
            rules__0__applyServerSideEncryptionByDefault={"sseAlgorithm": "AES256"},
        ),
        seen_at=AT_ARTIFACTS,
    ),
    Mistake(
        rule="bucket-encrypted-with-own-key",
        change=turned(
            buckets.ENCRYPTION, f"{ARTIFACTS}-encryption", rules__0__bucketKeyEnabled=False
        ),
        seen_at=AT_ARTIFACTS,
    ),
    Mistake(
        rule="versioning-is-on",
        change=turned(buckets.VERSIONING, versioningConfiguration__status="Suspended"),
    ),
    Mistake(
        rule="no-object-acls",
        change=turned(buckets.OWNERSHIP, rule__objectOwnership="ObjectWriter"),
    ),
    Mistake(
        rule="bucket-refuses-clear-text",
        change=turned(
            buckets.POLICY,
            f"{ARTIFACTS}-tls-only",
            policy__Statement__0__Condition={"Bool": {"aws:SecureTransport": "true"}},
        ),
        seen_at=AT_ARTIFACTS,
    ),
    Mistake(
        rule="bucket-policy-opens-to-nobody-else",
        change=turned(
            buckets.POLICY,
            policy__Statement__0={
                "Sid": "Open",
                "Effect": "Allow",
                "Principal": {"AWS": STRANGER},
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::x/*",
            },
        ),
    ),
    Mistake(
        rule="bucket-policy-opens-to-nobody-else",
        change=turned(buckets.POLICY, "logs-tls-only", policy__Statement__1__Condition=GONE),
    ),
    Mistake(
        rule="current-objects-never-expire",
        change=turned(
            buckets.LIFECYCLE, f"{ARTIFACTS}-lifecycle", rules__0__expiration={"days": 30}
        ),
    ),
    Mistake(
        rule="lifecycle-cleans-up",
        change=turned(
            buckets.LIFECYCLE,
            rules=[{"id": "none", "status": "Disabled", "noncurrentVersionExpiration": {}}],
        ),
    ),
)

DATABASES: Final = (
    *(
        Mistake(rule=rule, change=turned(databases.DATABASE, **to), stack=stack)
        for rule, stack, to in (
            ("no-public-database", "staging", {"publiclyAccessible": True}),
            ("database-is-encrypted", "staging", {"storageEncrypted": False}),
            ("database-is-encrypted", "staging", {"kmsKeyId": GONE}),
            ("database-password-is-of-aws", "staging", {"password": "hunter2"}),
            ("database-login-by-token", "staging", {"iamDatabaseAuthenticationEnabled": False}),
            ("database-is-backed-up", "staging", {"backupRetentionPeriod": 3}),
            ("database-grows", "staging", {"maxAllocatedStorage": 20}),
            ("database-is-patched", "staging", {"autoMinorVersionUpgrade": False}),
            ("database-tags-its-snapshots", "staging", {"copyTagsToSnapshot": False}),
            ("database-logs-are-kept", "staging", {"enabledCloudwatchLogsExports": []}),
            ("database-survives-in-prod", "prod", {"multiAz": False}),
            ("database-survives-in-prod", "prod", {"deletionProtection": False}),
            ("database-survives-in-prod", "prod", {"skipFinalSnapshot": True}),
        )
    ),
    Mistake(
        rule="database-refuses-clear-text",
        change=turned(databases.PARAMETERS, parameters__0__value="0"),
        seen_at=(databases.DATABASE, "database"),
    ),
)

SECRETS: Final = (
    Mistake(
        rule="application-writes-its-secrets",
        change=Change(
            of=secrets.VERSION,
            named="first",
            new=True,
            to={
                "secretString": "once",
                "secretId": "arn:aws:secretsmanager:us-east-1:111122223333:secret:"
                "hokusai/staging/projects/main/api-keys-AbCdEf",
            },
        ),
    ),
    Mistake(
        rule="secret-has-a-writer",
        change=Change(of=secrets.ROLE_POLICY, named="api-task"),
        seen_at=(secrets.SECRET, "api-keys-signing-keys"),
    ),
    Mistake(
        rule="secret-encrypted-with-own-key",
        change=turned(secrets.SECRET, kmsKeyId=GONE),
    ),
    Mistake(
        rule="secret-encrypted-with-own-key",
        stack="prod",
        change=turned(secrets.SECRET, recoveryWindowInDays=7),
    ),
    Mistake(
        rule="secret-encrypted-with-own-key",
        stack="prod",
        change=turned(secrets.SECRET, recoveryWindowInDays=0),
    ),
    Mistake(rule="key-rotates", change=turned(secrets.KEY, enableKeyRotation=False)),
    Mistake(rule="key-rotates", change=turned(secrets.KEY, deletionWindowInDays=7)),
    Mistake(
        rule="key-opens-to-nobody-else",
        change=turned(secrets.KEY, policy__Statement__0__Principal={"AWS": STRANGER}),
    ),
    Mistake(
        rule="key-opens-to-nobody-else",
        change=turned(secrets.KEY, policy=GONE),
    ),
    Mistake(
        rule="logs-are-encrypted-and-forgotten",
        change=turned(secrets.LOG_GROUP, retentionInDays=GONE),
    ),
    Mistake(
        rule="topic-is-encrypted",
        stack="bootstrap",
        change=turned(secrets.TOPIC, kmsMasterKeyId=GONE),
    ),
    Mistake(
        rule="images-never-change",
        stack="bootstrap-images",
        change=turned(secrets.REPOSITORY, imageTagMutability="MUTABLE"),
    ),
    Mistake(
        rule="tagged-images-are-kept",
        stack="bootstrap-images",
        change=turned(secrets.REPOSITORY_LIFECYCLE, policy__rules__0__selection__tagStatus="any"),
    ),
)
