"""ApiKeyStore: the secrets that only the application writes."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import kms, secretsmanager

from hokusai_infra.components.encryption_key import (
    BYPASS_LOCKOUT_CHECK,
    DECRYPT,
    ENCRYPT,
    KeyAccess,
    use_of_key,
)
from hokusai_infra.iam_policy import Allow
from hokusai_infra.suppressions import Suppression


@dataclass(frozen=True, kw_only=True)
class ApiKeyStoreArgs:
    """What a caller decides about the store."""

    region: str
    account_id: str
    key_secret_prefix: str
    """Name prefix of the secrets that hold API keys, one secret a project; ends with ``/``."""
    signing_keys_name: str
    """Name of the secret that holds the private session signing keys."""
    protected: bool = True
    """A deleted secret can be restored for a while; and its name is taken for as long. Without, it
    is gone at once, and a stack of the same name can be built again."""
    recovery_days: int = 30
    """Days that a deleted secret can still be restored, where it is protected."""

    def __post_init__(self) -> None:
        if not self.key_secret_prefix.endswith("/"):
            raise ValueError(f"key_secret_prefix {self.key_secret_prefix!r} must end with '/'")
        if self.signing_keys_name.startswith(self.key_secret_prefix):
            raise ValueError(
                f"signing_keys_name {self.signing_keys_name!r} is below {self.key_secret_prefix}, "
                "so whoever reads API keys could sign sessions"
            )
        if self.recovery_days not in range(7, 31):
            raise ValueError(
                f"recovery_days is {self.recovery_days}: AWS takes 7 to 30; protected=False keeps "
                "nothing"
            )


class ApiKeyStore(pulumi.ComponentResource):
    """Key secrets and signing keys under a KMS key that is used through Secrets Manager alone.

    No secret has a first version here: the application writes them, and a value from the program
    would overwrite the real one.
    """

    kms_key_arn: pulumi.Output[str]
    signing_keys_arn: pulumi.Output[str]
    key_secret_prefix: str

    def __init__(
        self, name: str, args: ApiKeyStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:ApiKeyStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        key = kms.Key(
            name,
            description=f"Secrets below {args.key_secret_prefix} and {args.signing_keys_name}",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=KeyAccess(
                account_id=args.account_id, region=args.region, services=("secretsmanager",)
            ).policy(),
            bypass_policy_lockout_safety_check=BYPASS_LOCKOUT_CHECK,
            opts=child,
        )
        kms.Alias(
            name,
            name=f"alias/{args.key_secret_prefix.rstrip('/')}",
            target_key_id=key.key_id,
            opts=child,
        )
        signing_keys = secretsmanager.Secret(
            f"{name}-signing-keys",
            name=args.signing_keys_name,
            description="Private keys that sign sessions; written by the API alone",
            kms_key_id=key.arn,
            recovery_window_in_days=args.recovery_days if args.protected else 0,
            opts=child,
        )

        self.kms_key_arn, self.signing_keys_arn = key.arn, signing_keys.arn
        self.key_secret_prefix = args.key_secret_prefix
        self._key_secrets = (
            f"arn:aws:secretsmanager:{args.region}:{args.account_id}:secret:"
            f"{args.key_secret_prefix}*"
        )
        self.register_outputs(
            {"kms_key_arn": self.kms_key_arn, "signing_keys_arn": self.signing_keys_arn}
        )

    def readable(self) -> tuple[Allow, ...]:
        """Let a role read the API keys' digests."""
        return (
            Allow(
                sid="ReadKeySecrets",
                actions=frozenset({"secretsmanager:GetSecretValue"}),
                resources=(self._key_secrets,),
            ),
            use_of_key(self.kms_key_arn, "DecryptSecrets", DECRYPT),
        )

    def writable(self) -> tuple[Allow, ...]:
        """Let a role read and write the API keys' digests, and make secrets for new projects."""
        return (
            Allow(
                sid="WriteKeySecrets",
                actions=frozenset(
                    {
                        "secretsmanager:CreateSecret",
                        "secretsmanager:DescribeSecret",
                        "secretsmanager:GetSecretValue",
                        "secretsmanager:PutSecretValue",
                        "secretsmanager:TagResource",
                    }
                ),
                resources=(self._key_secrets,),
            ),
            use_of_key(self.kms_key_arn, "EncryptSecrets", ENCRYPT),
        )

    def signing(self) -> Allow:
        """Let a role read and replace the session signing keys; goes with ``writable``."""
        return Allow(
            sid="KeepSigningKeys",
            actions=frozenset({"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"}),
            resources=(self.signing_keys_arn,),
        )


SUPPRESSIONS: Final = (
    Suppression(
        check="CKV2_AWS_57",
        of="aws:secretsmanager/secret:Secret",
        because="The application alone makes signing keys, and PostgreSQL says which of them sign; "
        "a rotation by Secrets Manager would write one that PostgreSQL does not know.",
    ),
)
