"""EncryptionKey: what data at rest is encrypted with, and through whom alone."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_aws import kms

from hokusai_infra.iam_policy import Allow, AllowTo

# docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html; "aws/" is taken by AWS.
ALIAS: Final = re.compile(r"(?!aws/)[A-Za-z0-9/_-]{1,250}")
ACCOUNT_ID: Final = re.compile(r"\d{12}")
SERVICE: Final = re.compile(r"[a-z0-9-]+")
# docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
DELETION_DAYS: Final = range(7, 31)

ADMINISTER: Final = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListAliases",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
"""What an administrator may do; none of it encrypts or decrypts, and rotation is never off."""
USE: Final = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
BYPASS_LOCKOUT_CHECK: Final = True
"""Whether KMS leaves out its check that whoever makes a key could put another policy on it.

KMS asks before the key has its tags, and a deploy role may change policies of keys with the tag of
its environment only: the check would refuse every first deployment. What the check is for, a key
that nobody can administer, cannot come about: ``KeyAccess`` always lets the account administer it.
docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html, BypassPolicyLockoutSafetyCheck
"""
DECRYPT: Final = frozenset({"kms:Decrypt"})
ENCRYPT: Final = frozenset({"kms:Decrypt", "kms:GenerateDataKey"})
"""What a service needs of its caller to write, and to put together what came in parts."""


@dataclass(frozen=True, kw_only=True)
class KeyAccess:
    """Who may use a key, beyond the IAM policy that each caller needs in addition."""

    account_id: str
    """The one account whose callers may use the key at all."""
    region: str
    services: tuple[str, ...]
    """Services that use the key in the name of their caller, as ``s3`` or ``rds``; nobody uses it
    but through them. With none, callers use it directly.

    docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    log_groups: tuple[str, ...] = ()
    """Names of CloudWatch log groups that it encrypts; ``*`` stands for any characters."""
    others: tuple[AllowTo, ...] = ()
    """Services that use it in their own name, each with the conditions of its documentation."""

    def __post_init__(self) -> None:
        if not ACCOUNT_ID.fullmatch(self.account_id):
            raise ValueError(f"account_id {self.account_id!r}: AWS has 12 digits")
        for service in self.services:
            if not SERVICE.fullmatch(service):
                raise ValueError(f"services has {service!r}: name it as in s3.<region>")

    def policy(self) -> str:
        """Spell the key's policy.

        docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html: without the
        account as principal, no IAM policy counts, and a key can be lost for good.
        """
        account = {"AWS": f"arn:aws:iam::{self.account_id}:root"}
        statements: list[dict[str, Any]] = [
            {
                "Sid": "Administer",
                "Effect": "Allow",
                "Principal": account,
                "Action": list(ADMINISTER),
                "Resource": "*",
            },
            {
                "Sid": "Use",
                "Effect": "Allow",
                "Principal": account,
                "Action": list(USE),
                "Resource": "*",
                **({"Condition": {"StringEquals": self._via()}} if self.services else {}),
            },
            # RDS keeps on using the key by a grant, after whoever made the database has gone.
            {
                "Sid": "LetServicesGoOnUsingIt",
                "Effect": "Allow",
                "Principal": account,
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": {
                    "Bool": {"kms:GrantIsForAWSResource": "true"},
                    **({"StringEquals": self._via()} if self.services else {}),
                },
            },
        ]
        if self.log_groups:
            statements.append(self._logs())
        statements += [each.rendered() for each in self.others]
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    def _via(self) -> dict[str, list[str]]:
        names = [f"{each}.{self.region}.amazonaws.com" for each in sorted(self.services)]
        return {"kms:ViaService": names}

    def _logs(self) -> dict[str, Any]:
        """Let CloudWatch Logs use it, which does so in its own name.

        docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        """
        prefix = f"arn:aws:logs:{self.region}:{self.account_id}:log-group:"
        return {
            "Sid": "EncryptLogs",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{self.region}.amazonaws.com"},
            "Action": ["kms:DescribeKey", *USE],
            "Resource": "*",
            "Condition": {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        prefix + each for each in self.log_groups
                    ]
                }
            },
        }


@dataclass(frozen=True, kw_only=True)
class EncryptionKeyArgs:
    """What a caller decides about a key; that it rotates is fixed."""

    alias: str
    """Name for people, without ``alias/``; carries the environment."""
    description: str
    access: KeyAccess
    deletion_days: int = 30
    """Days until a deleted key is gone, and with it all that it has encrypted."""

    def __post_init__(self) -> None:
        if not ALIAS.fullmatch(self.alias):
            raise ValueError(
                f"alias {self.alias!r}: up to 250 letters, digits and any of /_-, "
                "without 'aws/' in front"
            )
        if self.deletion_days not in DELETION_DAYS:
            raise ValueError(f"deletion_days is {self.deletion_days}: AWS takes 7 to 30")


class EncryptionKey(pulumi.ComponentResource):
    """A key that AWS renews every year and that nobody uses but through the named services."""

    key_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: EncryptionKeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:EncryptionKey", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        key = kms.Key(
            name,
            description=args.description,
            enable_key_rotation=True,
            deletion_window_in_days=args.deletion_days,
            policy=args.access.policy(),
            bypass_policy_lockout_safety_check=BYPASS_LOCKOUT_CHECK,
            opts=child,
        )
        kms.Alias(name, name=f"alias/{args.alias}", target_key_id=key.key_id, opts=child)

        self.key_arn = key.arn
        self.register_outputs({"key_arn": self.key_arn})

    def decrypt(self) -> Allow:
        """Let a role read what is encrypted with the key, through the services it is for."""
        return use_of_key(self.key_arn, f"DecryptBy{as_sid(self._name)}", DECRYPT)

    def encrypt(self) -> Allow:
        """Let a role read and write what is encrypted with the key, through its services."""
        return use_of_key(self.key_arn, f"EncryptBy{as_sid(self._name)}", ENCRYPT)


def use_of_key(key_arn: pulumi.Input[str], sid: str, actions: frozenset[str]) -> Allow:
    """Let a role use a key; its policy says through which services."""
    return Allow(sid=sid, actions=actions, resources=(key_arn,))


def as_sid(name: str) -> str:
    """Spell a logical name as a part of a statement's id: ``mlflow-data`` as ``MlflowData``."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name))
