"""What holds for secrets, keys and logs."""

import json
from collections.abc import Iterator
from typing import Any, Final

from pulumi_policy import PolicyResource, ResourceValidationArgs

from hokusai_infra.policy.documents import is_own, is_prod, matches, statements
from hokusai_infra.policy.rule import Rule, Stack, plain, resource_rule, shown, stack_rule

KEY: Final = "aws:kms/key:Key"
LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
REPOSITORY: Final = "aws:ecr/repository:Repository"
REPOSITORY_LIFECYCLE: Final = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
SECRET: Final = "aws:secretsmanager/secret:Secret"  # noqa: S105 (a type)
TOPIC: Final = "aws:sns/topic:Topic"
VERSION: Final = "aws:secretsmanager/secretVersion:SecretVersion"
SECRETS_GUIDE: Final = "https://docs.aws.amazon.com/secretsmanager/latest/userguide"
KEYS_GUIDE: Final = "https://docs.aws.amazon.com/kms/latest/developerguide"

WRITE: Final = "secretsmanager:PutSecretValue"
WHOLE_MONTH: Final = 30


@stack_rule(
    "application-writes-its-secrets",
    of=VERSION,
    promise="A secret that a role may write has no value of the program, which would come back.",
    page=f"{SECRETS_GUIDE}/manage_update-secret-value.html",
)
def application_writes(version: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check the secret of each value against what roles may write."""
    for role in _writers(str(version.props["secretId"]), stack):
        yield f"{role} may write it: take the SecretVersion out of the program."


@stack_rule(
    "secret-has-a-writer",
    of=SECRET,
    promise="Somebody writes each secret: the program once, AWS, or a role.",
    page=f"{SECRETS_GUIDE}/create_secret.html",
)
def has_a_writer(secret: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check that a task that starts finds a value, or that a role may put one there."""
    if not stack.pointing_at(secret, VERSION, "secretId") and not _writers(
        str(secret.props["arn"]), stack
    ):
        yield "It has no SecretVersion, and no role may write it."


@resource_rule(
    "secret-encrypted-with-own-key",
    of=SECRET,
    promise="A secret has a key of the stack; in prod it can be restored for 30 days.",
    page=f"{SECRETS_GUIDE}/security-encryption.html",
)
def own_key(secret: ResourceValidationArgs) -> Iterator[str]:
    """Check key and recovery window; without one, a stack of the same names can be built again."""
    if not secret.props.get("kmsKeyId"):
        yield "kmsKeyId is not stated, so the key is one that all of the account shares."
    window = secret.props.get("recoveryWindowInDays", WHOLE_MONTH)
    if is_prod(secret.provider) and window < WHOLE_MONTH:
        yield f"recoveryWindowInDays is {shown(window)}."


@resource_rule(
    "key-rotates",
    of=KEY,
    promise="A KMS key gets new material every year, and a deletion can be taken back for 30 days.",
    page=f"{KEYS_GUIDE}/rotate-keys.html",
)
def key_rotates(key: ResourceValidationArgs) -> Iterator[str]:
    """Check rotation and window."""
    if key.props.get("enableKeyRotation") is not True:
        yield "enableKeyRotation is not true."
    window = key.props.get("deletionWindowInDays", WHOLE_MONTH)
    if window < WHOLE_MONTH:
        yield f"deletionWindowInDays is {shown(window)}."


@resource_rule(
    "key-opens-to-nobody-else",
    of=KEY,
    promise="A key's policy is stated, and lets in the stack's account, and services for it.",
    page=f"{KEYS_GUIDE}/key-policies.html",
)
def key_opens_to_nobody_else(key: ResourceValidationArgs) -> Iterator[str]:
    """Check each principal; services and everybody only on behalf of the account."""
    found = statements(key.props.get("policy"))
    if not found:
        yield "policy is not stated."
    for each in (each for each in found if each.allows):
        for kind, name in sorted(each.principals):
            if kind == "AWS" and is_own(name, key.provider):
                continue
            for_account = each.requires(
                "aws:SourceAccount",
                "aws:SourceArn",
                "kms:CallerAccount",
                "kms:EncryptionContext:aws:logs:arn",
            )
            if kind == "AWS" or not for_account:
                yield f"{each.sid} lets {name} in, whoever it works for."


@resource_rule(
    "logs-are-encrypted-and-forgotten",
    of=LOG_GROUP,
    promise="Logs are encrypted with a key of the stack, and forgotten after a stated time.",
    page="https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
)
def logs_are_forgotten(group: ResourceValidationArgs) -> Iterator[str]:
    """Check retention and key; CloudWatch's default keeps all for ever."""
    if not group.props.get("retentionInDays"):
        yield "retentionInDays is not stated."
    if not group.props.get("kmsKeyId"):
        yield "kmsKeyId is not stated."


@resource_rule(
    "topic-is-encrypted",
    of=TOPIC,
    promise="What a topic tells is encrypted while it waits.",
    page="https://docs.aws.amazon.com/sns/latest/dg/sns-server-side-encryption.html",
)
def topic_is_encrypted(topic: ResourceValidationArgs) -> Iterator[str]:
    """Check that a key is stated."""
    if not topic.props.get("kmsMasterKeyId"):
        yield "kmsMasterKeyId is not stated."


@resource_rule(
    "images-never-change",
    of=REPOSITORY,
    promise="A tag of an image never moves, and each image is scanned when it comes.",
    page="https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html",
)
def images_never_change(repository: ResourceValidationArgs) -> Iterator[str]:
    """Check tags, scan, encryption, and what a deletion takes along."""
    if repository.props.get("imageTagMutability") != "IMMUTABLE":
        yield "imageTagMutability is not IMMUTABLE."
    if (repository.props.get("imageScanningConfiguration") or {}).get("scanOnPush") is not True:
        yield "imageScanningConfiguration.scanOnPush is not true."
    if repository.props.get("forceDelete"):
        yield "forceDelete is true: a deletion takes all images along."


@resource_rule(
    "tagged-images-are-kept",
    of=REPOSITORY_LIFECYCLE,
    promise="No lifecycle deletes an image with a tag: a rollback needs it.",
    page="https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html",
)
def tagged_images_are_kept(lifecycle: ResourceValidationArgs) -> Iterator[str]:
    """Check which images each rule is about."""
    for each in _rules(lifecycle.props["policy"]):
        status = each["selection"]["tagStatus"]
        if status != "untagged":
            yield f"Rule {each['rulePriority']} deletes images whose tagStatus is {status}."


def _rules(policy: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (text, or the same as an object)
    parsed = json.loads(policy) if isinstance(policy, str) else plain(policy)
    rules: list[dict[str, Any]] = parsed["rules"]
    return rules


def _writers(arn: str, stack: Stack) -> list[str]:
    return [
        each.name
        for each in stack.of(ROLE_POLICY)
        for statement in statements(each.props["policy"])
        if statement.allows
        and WRITE in statement.actions
        and any(matches(pattern, arn) for pattern in statement.resources)
    ]


RULES: Final[tuple[Rule, ...]] = (
    application_writes,
    has_a_writer,
    own_key,
    key_rotates,
    key_opens_to_nobody_else,
    logs_are_forgotten,
    topic_is_encrypted,
    images_never_change,
    tagged_images_are_kept,
)
