"""Resources that hold what cannot be made again, and what makes a provider replace one."""

from typing import Final

REPLACED_BY: Final[dict[str, frozenset[str]]] = {
    "aws:cloudwatch/logGroup:LogGroup": frozenset({"logGroupClass", "name", "namePrefix"}),
    "aws:ecr/repository:Repository": frozenset({"encryptionConfigurations", "name"}),
    "aws:kms/key:Key": frozenset(
        {"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"}
    ),
    "aws:rds/instance:Instance": frozenset(
        {
            "availabilityZone",
            "backupTarget",
            "characterSetName",
            "customIamInstanceProfile",
            "dbName",
            "engine",
            "kmsKeyId",
            "ncharCharacterSetName",
            "restoreToPointInTime",
            "s3Import",
            "snapshotIdentifier",
            "storageEncrypted",
            "timezone",
            "username",
        }
    ),
    "aws:route53/zone:Zone": frozenset({"delegationSetId", "name"}),
    "aws:s3/bucket:Bucket": frozenset({"bucket", "bucketPrefix", "objectLockEnabled"}),
    "aws:secretsmanager/secret:Secret": frozenset({"name", "namePrefix"}),
}
"""Types that hold data, each with the properties whose change makes the AWS provider delete it and
make an empty one in its place.

Seen with version 5.100 of the Terraform provider that pulumi-aws is made of: each property of these
types was changed in turn, and these are the ones that its plan wanted to replace the resource for.
A database's ``identifier`` is none of them: AWS renames. Version 6 adds ``region`` to every type;
it is not listed, since a stack has one region and states it at the provider.
"""

PROTECTED: Final = tuple(sorted(REPLACED_BY.keys() - {"aws:cloudwatch/logGroup:LogGroup"}))
"""Types that Pulumi itself has to protect in prod. A log group is not among them: its lines are
forgotten after a month by design, and a service that is taken away takes its group along."""
