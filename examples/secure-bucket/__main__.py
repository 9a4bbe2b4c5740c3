"""One bucket that loses nothing: the least that a program has of this library."""

import pulumi

from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs

config = pulumi.Config()
account_id = config.require("account-id")

reports = SecureBucket(
    "reports",
    SecureBucketArgs(
        bucket_name=f"example-reports-{account_id}",
        account_id=account_id,
        region=pulumi.Config("aws").require("region"),
        access_logs=config.require("log-bucket"),
    ),
    pulumi.ResourceOptions(protect=True),
)
pulumi.export("bucket", reports.bucket_name)
