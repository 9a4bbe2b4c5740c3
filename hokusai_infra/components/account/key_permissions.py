"""What a deploy role may do with KMS keys: make its environment's own, and leave all others."""

from dataclasses import dataclass
from typing import Final

import pulumi

from hokusai_infra.components.account.provider_calls import CALLS, writes
from hokusai_infra.iam_policy import Allow, AllowIf, Condition, Deny, OtherThan, Unscoped

ENVIRONMENT_TAG: Final = "environment"
"""Default tag of every stack file, by which keys belong to an environment."""
PART_TAG: Final = "part"
ACCOUNT_PART: Final = "account"
"""Default tag of what an account has once, by which deploy roles leave it alone."""
VIA: Final = ("rds", "secretsmanager")
"""Services that use a key in the name of whoever deploys: RDS for the database's storage, Secrets
Manager for the master password and the signing keys. S3 and CloudWatch Logs only store its ARN."""

_WITHOUT_ARN: Final = frozenset({"kms:CreateKey"})
# docs.aws.amazon.com/kms/latest/developerguide/abac.html: it may take five minutes until the tags
# of a new key count, and the first deployment goes on at once.
_ON_YOUNG_KEYS: Final = frozenset({"kms:CreateAlias", "kms:EnableKeyRotation"})
_THROUGH_SERVICES: Final = frozenset({"kms:Decrypt", "kms:GenerateDataKey"})
_OF_ALIASES: Final = frozenset({"kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"})
_TAGGING: Final = frozenset({"kms:TagResource", "kms:UntagResource"})
_CHANGES: Final = _TAGGING | {
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Delete*",
    "kms:Disable*",
    "kms:Enable*",
    "kms:Put*",
    "kms:ScheduleKeyDeletion",
    "kms:Update*",
}
_EVERY_KEY: Final = Unscoped(because="of every key that has the tag")


@dataclass(frozen=True, kw_only=True)
class KeyPermissions:
    """Keys of one environment in one account and region."""

    account_id: str
    region: str
    environment: str
    project: str

    def _arn(self, resource: str) -> str:
        return f"arn:aws:kms:{self.region}:{self.account_id}:{resource}"

    def _via(self) -> Condition:
        """Hold for requests that a service makes in the caller's name.

        docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
        """
        names = tuple(f"{each}.{self.region}.amazonaws.com" for each in VIA)
        return Condition(operator="StringEquals", key="kms:ViaService", values=names)

    def _tag(self, of: str) -> Condition:
        key = f"aws:{of}/{ENVIRONMENT_TAG}"
        return Condition(operator="StringEquals", key=key, values=(self.environment,))

    def allowed(self) -> tuple[Allow | AllowIf, ...]:
        """Let a role make keys, change those of its environment, and use them through services."""
        keys = (self._arn("key/*"),)
        known = {each for each in writes(CALLS) if each.startswith("kms:")}
        return (
            # KMS asks for kms:TagResource on a key that is being made, so it has no tag yet that
            # a condition could name; the denials below keep it from keys that have one.
            AllowIf(
                sid="MakeKeys",
                actions=_WITHOUT_ARN | {"kms:TagResource"},
                resources=Unscoped(because="a key that is being made has no ARN"),
                conditions=(self._tag("RequestTag"),),
            ),
            Allow(sid="SetKeysUp", actions=_ON_YOUNG_KEYS, resources=keys),
            AllowIf(
                sid="UseKeysThroughServices",
                actions=_THROUGH_SERVICES,
                resources=keys,
                conditions=(self._via(),),
            ),
            AllowIf(
                sid="ChangeKeys",
                actions=frozenset(known) - _WITHOUT_ARN - _ON_YOUNG_KEYS,
                resources=keys,
                conditions=(self._tag("ResourceTag"),),
            ),
            AllowIf(
                sid="LetServicesUseKeys",
                actions=frozenset({"kms:CreateGrant"}),
                resources=keys,
                conditions=(
                    Condition(operator="Bool", key="kms:GrantIsForAWSResource", values=("true",)),
                    self._via(),
                ),
            ),
            # A name may go on with the label of a second stack.
            AllowIf(
                sid="ChangeAliases",
                actions=_OF_ALIASES,
                resources=(self._arn(f"alias/{self.project}/{self.environment}*"),),
                conditions=(
                    Condition(
                        operator="StringEquals", key="aws:RequestedRegion", values=(self.region,)
                    ),
                ),
            ),
        )

    def denied(self, closed_keys: tuple[pulumi.Input[str], ...]) -> tuple[Deny, ...]:
        """Keep a role from keys of the account, of another environment, and from claiming any."""
        accounts = Condition(
            operator="StringEquals", key=f"aws:ResourceTag/{PART_TAG}", values=(ACCOUNT_PART,)
        )
        another = OtherThan(key=f"aws:ResourceTag/{ENVIRONMENT_TAG}", values=(self.environment,))
        return (
            Deny(sid="LeaveTheAccountsKeys", actions=_CHANGES, resources=closed_keys),
            Deny(
                sid="LeaveWhatHasTheAccountsTag",
                actions=_CHANGES,
                resources=_EVERY_KEY,
                conditions=(accounts,),
            ),
            Deny(
                sid="LeaveKeysOfOthers",
                actions=_CHANGES,
                resources=_EVERY_KEY,
                conditions=(another,),
            ),
        )
