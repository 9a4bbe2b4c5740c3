"""StateStore: where Pulumi keeps what it knows of the stacks, and the key of their secrets."""

from dataclasses import dataclass

import pulumi

from hokusai_infra.components.encryption_key import EncryptionKey, EncryptionKeyArgs, KeyAccess
from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs
from hokusai_infra.iam_policy import Allow, Deny


@dataclass(frozen=True, kw_only=True)
class StateStoreArgs:
    """What a caller decides about the store."""

    bucket_name: str
    alias: str
    """Name of the key, which stack files name as ``awskms://alias/<alias>``."""
    account_id: str
    region: str
    access_logs: pulumi.Input[str]
    """Name of the bucket that hears of every request."""
    own_project: str
    """Pulumi project that the store itself belongs to; no other role may touch its state."""
    noncurrent_days: int = 365
    """Days that an earlier state can still be brought back."""

    def __post_init__(self) -> None:
        if not self.own_project:
            raise ValueError("own_project is empty: name the Pulumi project that makes the store")


class StateStore(pulumi.ComponentResource):
    """A bucket and a key that outlive every stack whose state they hold."""

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]
    key_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: StateStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:StateStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        key = EncryptionKey(
            f"{name}-key",
            EncryptionKeyArgs(
                alias=args.alias,
                description=f"States in {args.bucket_name}, and the secrets in stack files",
                # Directly, not through a service: Pulumi encrypts the secrets itself.
                access=KeyAccess(account_id=args.account_id, region=args.region, services=()),
            ),
            child,
        )
        bucket = SecureBucket(
            name,
            SecureBucketArgs(
                bucket_name=args.bucket_name,
                kms_key_arn=key.key_arn,
                access_logs=args.access_logs,
                noncurrent_days=args.noncurrent_days,
            ),
            child,
        )
        self._own_project = args.own_project
        self.bucket_name, self.bucket_arn = bucket.bucket_name, bucket.bucket_arn
        self.key_arn = key.key_arn
        self.register_outputs(
            {
                "bucket_name": self.bucket_name,
                "bucket_arn": self.bucket_arn,
                "key_arn": self.key_arn,
            }
        )

    def readable(self) -> tuple[Allow | Deny, ...]:
        """Let a role read states, and the secrets in them; not those of the account itself."""
        return (
            self._listed(),
            Allow(
                sid="ReadStates",
                actions=frozenset({"s3:GetObject"}),
                resources=(pulumi.Output.concat(self.bucket_arn, "/.pulumi/*"),),
            ),
            Allow(
                sid="DecryptStates", actions=frozenset({"kms:Decrypt"}), resources=(self.key_arn,)
            ),
            self._but_its_own(),
        )

    def writable(self) -> tuple[Allow | Deny, ...]:
        """Let a role keep states, lock them, and encrypt secrets; not those of the account.

        A deletion leaves a version behind; no role may remove that one.
        """
        return (
            self._listed(),
            Allow(
                sid="KeepStates",
                actions=frozenset({"s3:DeleteObject", "s3:GetObject", "s3:PutObject"}),
                resources=(pulumi.Output.concat(self.bucket_arn, "/.pulumi/*"),),
            ),
            Allow(
                sid="EncryptStates",
                actions=frozenset({"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}),
                resources=(self.key_arn,),
            ),
            self._but_its_own(),
        )

    def _listed(self) -> Allow:
        return Allow(
            sid="ListStates",
            actions=frozenset({"s3:GetBucketLocation", "s3:ListBucket"}),
            resources=(self.bucket_arn,),
        )

    def _but_its_own(self) -> Deny:
        """Keep a role from the state that it is itself in.

        The project is a folder below stacks, history, backups and locks.
        """
        return Deny(
            sid="LeaveTheAccountsState",
            actions=frozenset({"s3:*"}),
            resources=(pulumi.Output.concat(self.bucket_arn, f"/.pulumi/*/{self._own_project}/*"),),
        )
