"""The key of what watches an account: its trail, and the topic of its findings."""

from typing import Final

import pulumi

from hokusai_infra.components.account.findings import EVENTS
from hokusai_infra.components.encryption_key import EncryptionKey, EncryptionKeyArgs, KeyAccess
from hokusai_infra.iam_policy import AllowTo, Condition, Unscoped
from hokusai_infra.suppressions import Suppression

TRAILS: Final = "cloudtrail.amazonaws.com"
THE_KEY: Final = Unscoped(because="in the policy of a key, it means that key")


def audit_key(  # noqa: PLR0913 - keyword arguments of one key
    name: str,
    *,
    alias: str,
    account_id: str,
    region: str,
    trail_name: str,
    opts: pulumi.ResourceOptions | None = None,
) -> EncryptionKey:
    """Make a key that CloudTrail and EventBridge use in their own name, for this account alone."""
    trail = f"arn:aws:cloudtrail:{region}:{account_id}:trail/{trail_name}"
    access = KeyAccess(
        account_id=account_id,
        region=region,
        # Whoever reads the trail does so through S3, and whoever publishes through SNS.
        services=("s3", "sns"),
        others=(
            # docs.aws.amazon.com/awscloudtrail/latest/userguide/
            # create-kms-key-policy-for-cloudtrail.html
            AllowTo(
                sid="EncryptTrail",
                service=TRAILS,
                actions=frozenset({"kms:GenerateDataKey"}),
                resources=THE_KEY,
                conditions=(
                    Condition(operator="StringEquals", key="aws:SourceArn", values=(trail,)),
                    Condition(
                        operator="StringLike",
                        key="kms:EncryptionContext:aws:cloudtrail:arn",
                        values=(f"arn:aws:cloudtrail:*:{account_id}:trail/*",),
                    ),
                ),
            ),
            AllowTo(
                sid="DescribeForTrail",
                service=TRAILS,
                actions=frozenset({"kms:DescribeKey"}),
                resources=THE_KEY,
                conditions=(
                    Condition(operator="StringEquals", key="aws:SourceArn", values=(trail,)),
                ),
            ),
            # docs.aws.amazon.com/sns/latest/dg/sns-key-management.html, "AWS services"
            AllowTo(
                sid="TellFindings",
                service=EVENTS,
                actions=frozenset({"kms:Decrypt", "kms:GenerateDataKey"}),
                resources=THE_KEY,
            ),
        ),
    )
    return EncryptionKey(
        name,
        EncryptionKeyArgs(
            alias=alias, description="The account's trail and its findings", access=access
        ),
        opts,
    )


SUPPRESSIONS: Final = (
    Suppression(
        check="key-opens-to-nobody-else",
        of="aws:kms/key:Key",
        within="hokusai:index:EncryptionKey",
        named="audit",
        because="No page says that EventBridge sends its source when it encrypts for a topic, and "
        "a condition on what is not sent would lose findings; who may publish is in the topic's "
        "policy.",
    ),
)
