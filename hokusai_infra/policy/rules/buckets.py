"""What holds for every S3 bucket."""

from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyResource, ResourceValidationArgs

from hokusai_infra.policy.documents import Statement, allowed_accounts, is_own, statements
from hokusai_infra.policy.rule import Rule, Stack, resource_rule, stack_rule

BUCKET: Final = "aws:s3/bucket:Bucket"
BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION: Final = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)
LIFECYCLE: Final = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOGGING: Final = "aws:s3/bucketLogging:BucketLogging"
OWNERSHIP: Final = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
POLICY: Final = "aws:s3/bucketPolicy:BucketPolicy"
VERSIONING: Final = "aws:s3/bucketVersioning:BucketVersioning"
GUIDE: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide"

LOG_DELIVERY: Final = frozenset(
    {
        "cloudtrail.amazonaws.com",
        "config.amazonaws.com",
        "delivery.logs.amazonaws.com",
        "logdelivery.elasticloadbalancing.amazonaws.com",
        "logging.s3.amazonaws.com",
    }
)
"""Services that write logs. A bucket that one of these may write to is a log bucket: its objects
may expire, its encryption may be S3's own, since some of them take no key, and it logs nowhere."""


@resource_rule(
    "no-public-bucket",
    of=BLOCK,
    promise="Nothing in a bucket can be made public, by a policy or by an ACL.",
    page=f"{GUIDE}/access-control-block-public-access.html",
)
def no_public_bucket(block: ResourceValidationArgs) -> Iterator[str]:
    """Check the four switches."""
    for switch in (
        "blockPublicAcls",
        "blockPublicPolicy",
        "ignorePublicAcls",
        "restrictPublicBuckets",
    ):
        if block.props.get(switch) is not True:
            yield f"{switch} is not true."


def _needs(name: str, companion: str, what: str, page: str) -> Rule:
    @stack_rule(name, of=BUCKET, promise=f"Every bucket has {what}.", page=f"{GUIDE}/{page}.html")
    def rule(bucket: PolicyResource, stack: Stack) -> Iterator[str]:
        if not stack.pointing_at(bucket, companion, "bucket"):
            yield f"There is no {companion.rpartition(':')[2]} for it."

    return rule


bucket_has_a_block = _needs(
    "bucket-blocks-public-access",
    BLOCK,
    "a block of public access of its own",
    "access-control-block-public-access",
)
bucket_is_versioned = _needs("bucket-keeps-versions", VERSIONING, "versioning", "Versioning")
bucket_states_ownership = _needs(
    "bucket-states-ownership", OWNERSHIP, "a rule on who owns its objects", "about-object-ownership"
)
bucket_has_a_lifecycle = _needs(
    "bucket-has-a-lifecycle", LIFECYCLE, "a lifecycle", "object-lifecycle-mgmt"
)


@resource_rule(
    "versioning-is-on",
    of=VERSIONING,
    promise="An overwritten or deleted object can be restored.",
    page=f"{GUIDE}/Versioning.html",
)
def versioning_is_on(versioning: ResourceValidationArgs) -> Iterator[str]:
    """Check that it is not merely stated, and off."""
    status = versioning.props.get("versioningConfiguration", {}).get("status")
    if status != "Enabled":
        yield f"Versioning is {status}."


@resource_rule(
    "no-object-acls",
    of=OWNERSHIP,
    promise="No object has an ACL: the bucket's owner owns all, and policies alone decide.",
    page=f"{GUIDE}/about-object-ownership.html",
)
def no_object_acls(ownership: ResourceValidationArgs) -> Iterator[str]:
    """Check who owns what is uploaded."""
    found = ownership.props.get("rule", {}).get("objectOwnership")
    if found != "BucketOwnerEnforced":
        yield f"objectOwnership is {found}."


@stack_rule(
    "bucket-encrypted-with-own-key",
    of=BUCKET,
    promise="Objects are encrypted with a KMS key of the stack, by way of a bucket key.",
    page=f"{GUIDE}/UsingKMSEncryption.html",
)
def encrypted_with_own_key(bucket: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check key and bucket key; a log bucket may have S3's own key."""
    rules = [
        rule
        for each in stack.pointing_at(bucket, ENCRYPTION, "bucket")
        for rule in each.props["rules"]
    ]
    if not rules:
        yield f"There is no {ENCRYPTION.rpartition(':')[2]} for it."
    if is_log_bucket(bucket, stack):
        return
    for rule in rules:
        default = rule.get("applyServerSideEncryptionByDefault", {})
        if default.get("sseAlgorithm") != "aws:kms" or not default.get("kmsMasterKeyId"):
            yield f"Its default encryption is {default.get('sseAlgorithm')}, not that of a key."
        elif rule.get("bucketKeyEnabled") is not True:
            yield "bucketKeyEnabled is not true: each object would be a request to KMS."


@stack_rule(
    "bucket-refuses-clear-text",
    of=BUCKET,
    promise="S3 answers a request for a bucket over TLS alone.",
    page=f"{GUIDE}/security-best-practices.html",
)
def refuses_clear_text(bucket: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check that a policy denies all that comes without TLS, to everybody and on everything."""
    if not any(_denies_clear_text(each) for each in _policy_of(bucket, stack)):
        yield "No statement denies s3:* to everybody where aws:SecureTransport is false."


@resource_rule(
    "bucket-policy-opens-to-nobody-else",
    of=POLICY,
    promise="A bucket's policy lets in the stack's account, and services that deliver its logs.",
    page=f"{GUIDE}/security-best-practices.html",
)
def opens_to_nobody_else(policy: ResourceValidationArgs) -> Iterator[str]:
    """Check everybody whom the policy allows something."""
    own = allowed_accounts(policy.provider)
    for each in statements(policy.props["policy"]):
        if not each.allows:
            continue
        if each.exceptions:
            yield f"{each.sid} allows all but some: {', '.join(sorted(each.exceptions))}."
        for kind, name in sorted(each.principals):
            if kind == "Service" and name in LOG_DELIVERY:
                if own and not _for_own_account(each, own):
                    yield f"{each.sid} lets {name} write for any account: state aws:SourceAccount."
            elif kind != "AWS" or not is_own(name, policy.provider):
                yield f"{each.sid} lets {name} in."


@stack_rule(
    "current-objects-never-expire",
    of=LIFECYCLE,
    promise="No lifecycle deletes what is current: an artifact is kept until somebody deletes it.",
    page=f"{GUIDE}/lifecycle-expire-general-considerations.html",
)
def never_expire(lifecycle: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check every rule; those of a log bucket may expire what is old."""
    if any(
        is_log_bucket(each, stack) for each in lifecycle.property_dependencies.get("bucket", [])
    ):
        return
    for rule in lifecycle.props["rules"]:
        if rule.get("expiration", {}).keys() - {"expiredObjectDeleteMarker"}:
            yield f"Rule {rule['id']} expires current objects."


@resource_rule(
    "lifecycle-cleans-up",
    of=LIFECYCLE,
    promise="Old versions and the parts of broken uploads do not cost for ever.",
    page=f"{GUIDE}/mpu-abort-incomplete-mpu-lifecycle-config.html",
)
def cleans_up(lifecycle: ResourceValidationArgs) -> Iterator[str]:
    """Check that some rule is on for each."""
    on = [each for each in lifecycle.props["rules"] if each.get("status") == "Enabled"]
    for what in ("noncurrentVersionExpiration", "abortIncompleteMultipartUpload"):
        if not any(each.get(what) for each in on):
            yield f"No rule has {what}."


@stack_rule(
    "bucket-access-is-logged",
    of=BUCKET,
    promise="Every request for a bucket is logged, to a bucket that only log delivery writes to.",
    page=f"{GUIDE}/ServerLogs.html",
)
def access_is_logged(bucket: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check that it logs; a log bucket would log its own logging."""
    if is_log_bucket(bucket, stack):
        return
    if not stack.pointing_at(bucket, LOGGING, "bucket"):
        yield f"There is no {LOGGING.rpartition(':')[2]} for it."


def is_log_bucket(bucket: PolicyResource, stack: Stack) -> bool:
    """Whether log delivery may write to it."""
    return any(
        each.allows and any(("Service", name) in each.principals for name in LOG_DELIVERY)
        for each in _policy_of(bucket, stack)
    )


def _policy_of(bucket: PolicyResource, stack: Stack) -> list[Statement]:
    return [
        statement
        for each in stack.pointing_at(bucket, POLICY, "bucket")
        for statement in statements(each.props["policy"])
    ]


def _for_own_account(it: Statement, own: list[str]) -> bool:
    """Whether a service may act for the account alone.

    Load balancers send no source, but write below the account's id, which they take from
    themselves: enable-access-logging.html of their guide.
    """
    return it.requires("aws:SourceAccount", "aws:SourceArn") or all(
        any(f"/AWSLogs/{account}/" in each for account in own) for each in it.resources
    )


def _denies_clear_text(it: Statement) -> bool:
    wide = {each.endswith("/*") for each in it.resources} == {True, False}
    return (
        not it.allows
        and not it.exceptions
        and it.principals == {("*", "*")}
        and it.actions == {"s3:*"}
        and wide
        and it.conditions == {"Bool": {"aws:SecureTransport": "false"}}
    )


RULES: Final[tuple[Rule, ...]] = (
    no_public_bucket,
    bucket_has_a_block,
    bucket_is_versioned,
    versioning_is_on,
    bucket_states_ownership,
    no_object_acls,
    encrypted_with_own_key,
    refuses_clear_text,
    opens_to_nobody_else,
    bucket_has_a_lifecycle,
    never_expire,
    cleans_up,
    access_is_logged,
)
