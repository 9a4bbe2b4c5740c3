import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_infra.components.encryption_key import KeyAccess
from hokusai_infra.components.log_delivery import LogDelivery
from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs
from hokusai_infra.iam_policy import policy
from tests.infra.recordings import alone, inputs

ARN = "arn:aws:s3:::models-111122223333"
OBJECTS = f"{ARN}/*"
KEY = "arn:aws:kms:us-east-1:111122223333:key/example"
ARGS = SecureBucketArgs(bucket_name="models-111122223333", kms_key_arn=KEY)
LOGS = LogDelivery(account_id="111122223333", region="us-east-1", days=90)
LOG_ARGS = SecureBucketArgs(bucket_name="models-111122223333", logs=LOGS)
OF = {"bucket": "models-id"}
HEADER = "s3:x-amz-server-side-encryption"
CLEAR_TEXT = {
    "Sid": "RefuseClearText",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [ARN, OBJECTS],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
OLD_VERSIONS = {
    "id": "forget-old-versions",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "noncurrentVersionExpiration": {"noncurrentDays": 90},
    "expiration": {"expiredObjectDeleteMarker": True},
}
BROKEN_UPLOADS = {
    "id": "clean-up-broken-uploads",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
}


LISTING = {
    "Sid": "ListModels",
    "Effect": "Allow",
    "Action": ["s3:ListBucket"],
    "Resource": [ARN],
}


def bucket(args: SecureBucketArgs = ARGS) -> SecureBucket:
    return SecureBucket("models", args)


def refusal(what: str, **condition: dict[str, str]) -> dict[str, Any]:
    return CLEAR_TEXT | {
        "Sid": f"Refuse{what}",
        "Action": "s3:PutObject",
        "Resource": OBJECTS,
        "Condition": condition,
    }


def test_a_bucket_is_private_encrypted_and_keeps_every_version() -> None:
    found = inputs(alone(bucket))
    document = json.loads(found["BucketPolicy models-tls-only"].pop("policy"))
    assert found == {
        "Bucket models": {"bucket": "models-111122223333"},
        "BucketVersioning models-versioning": {
            **OF,
            "versioningConfiguration": {"status": "Enabled"},
        },
        "BucketServerSideEncryptionConfiguration models-encryption": {
            **OF,
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": KEY,
                    },
                    "bucketKeyEnabled": True,
                }
            ],
        },
        "BucketOwnershipControls models-ownership": {
            **OF,
            "rule": {"objectOwnership": "BucketOwnerEnforced"},
        },
        "BucketPublicAccessBlock models-private": {
            **OF,
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        "BucketPolicy models-tls-only": OF,
        "BucketLifecycleConfiguration models-lifecycle": {
            **OF,
            "rules": [
                {
                    "id": "tier-by-use",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "transitions": [{"days": 30, "storageClass": "INTELLIGENT_TIERING"}],
                },
                OLD_VERSIONS,
                BROKEN_UPLOADS,
            ],
        },
    }
    named = f"{HEADER}-aws-kms-key-id"
    assert document["Statement"] == [
        CLEAR_TEXT,
        refusal("OtherKeys", Null={named: "false"}, StringNotEquals={named: KEY}),
        refusal("OtherEncryption", Null={HEADER: "false"}, StringNotEquals={HEADER: "aws:kms"}),
        refusal("KeysOfClients", Null={f"{HEADER}-customer-algorithm": "false"}),
    ]


def test_a_bucket_without_a_key_makes_its_own_for_s3_alone() -> None:
    args = replace(ARGS, kms_key_arn=None, account_id="111122223333", region="us-east-1")
    found = inputs(alone(lambda: bucket(args)))
    key = found["Key models-key"]
    access = KeyAccess(account_id="111122223333", region="us-east-1", services=("s3",))
    assert key["policy"] == access.policy()
    assert found["Alias models-key"]["name"] == "alias/models-111122223333"
    (rule,) = found["BucketServerSideEncryptionConfiguration models-encryption"]["rules"]
    own = "arn:aws:kms:us-east-1:111122223333:key/models-key"
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"] == own
    assert own in found["BucketPolicy models-tls-only"]["policy"]


def test_a_bucket_that_is_not_protected_can_be_deleted_with_what_it_holds() -> None:
    found = inputs(alone(lambda: bucket(replace(ARGS, protected=False))))
    assert found["Bucket models"]["forceDestroy"] is True


def test_every_request_is_logged_under_the_bucket_s_name() -> None:
    found = inputs(alone(lambda: bucket(replace(ARGS, access_logs="logs-111122223333"))))
    assert found["BucketLogging models-access-logs"] == {
        **OF,
        "targetBucket": "logs-111122223333",
        "targetPrefix": "s3/models-111122223333/",
        "targetObjectKeyFormat": {"partitionedPrefix": {"partitionDateSource": "EventTime"}},
    }


def test_pages_of_the_named_origins_alone_may_upload() -> None:
    found = inputs(alone(lambda: bucket(replace(ARGS, upload_origins=["https://api.example.com"]))))
    assert found["BucketCorsConfiguration models-uploads"] == {
        **OF,
        "corsRules": [
            {
                "allowedOrigins": ["https://api.example.com"],
                "allowedMethods": ["PUT"],
                "allowedHeaders": ["content-md5", "content-type", "x-amz-*"],
                "exposeHeaders": ["ETag"],
                "maxAgeSeconds": 3600,
            }
        ],
    }


def test_a_log_bucket_differs_in_its_keys_its_writers_and_that_logs_expire() -> None:
    data, logs = inputs(alone(bucket)), inputs(alone(lambda: bucket(LOG_ARGS)))
    assert logs.keys() == data.keys()
    assert {name for name in logs if logs[name] != data[name]} == {
        "BucketServerSideEncryptionConfiguration models-encryption",
        "BucketLifecycleConfiguration models-lifecycle",
        "BucketPolicy models-tls-only",
    }
    assert logs["BucketServerSideEncryptionConfiguration models-encryption"]["rules"] == [
        {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    ]
    assert logs["BucketLifecycleConfiguration models-lifecycle"]["rules"] == [
        {
            "id": "forget-old-logs",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "expiration": {"days": 90},
        },
        OLD_VERSIONS,
        BROKEN_UPLOADS,
    ]
    document = json.loads(logs["BucketPolicy models-tls-only"]["policy"])
    assert document["Statement"] == [CLEAR_TEXT, *LOGS.statements(ARN)]


def test_nobody_hears_of_a_log_bucket_before_its_policy_is_there() -> None:
    def main() -> None:
        SecureBucket("data", replace(ARGS, access_logs=bucket(LOG_ARGS).bucket_name))

    graph = alone(main)
    there = graph.one("aws:s3/bucketPolicy:BucketPolicy", "models-tls-only")
    (logging,) = graph.of("aws:s3/bucketLogging:BucketLogging")
    assert there.urn in logging.dependencies


def test_lifecycle_waits_for_versioning_and_policy_for_the_block() -> None:
    graph = alone(bucket)
    by_name = {each.name: each for each in graph.resources if not each.component}
    assert by_name["models-versioning"].urn in by_name["models-lifecycle"].dependencies
    assert by_name["models-private"].urn in by_name["models-tls-only"].dependencies


def test_a_writer_may_not_remove_versions_or_change_the_bucket() -> None:
    def main() -> None:
        pulumi.export("grants", [each.rendered() for each in bucket().writable()])

    objects = {"AbortMultipartUpload", "DeleteObject", "GetObject", "PutObject"}
    assert alone(main).outputs["grants"] == [
        LISTING,
        {
            "Sid": "ReadAndWriteModels",
            "Effect": "Allow",
            "Action": sorted(f"s3:{each}" for each in objects),
            "Resource": [OBJECTS],
        },
        {
            "Sid": "UseKeyOfModels",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": [KEY],
        },
    ]


def test_a_reader_may_read_below_a_prefix_and_write_nothing() -> None:
    def main() -> None:
        pulumi.export("grants", [each.rendered() for each in bucket().readable("public/")])

    assert alone(main).outputs["grants"] == [
        LISTING,
        {
            "Sid": "ReadModels",
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": [f"{ARN}/public/*"],
        },
        {
            "Sid": "UseKeyOfModels",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [KEY],
        },
    ]


def test_one_role_may_write_to_two_buckets_and_read_logs() -> None:
    def main() -> None:
        one, other = bucket(), SecureBucket("pipeline-data", ARGS)
        logs = SecureBucket("logs", LOG_ARGS)
        pulumi.export("document", policy(*one.writable(), *other.writable(), *logs.readable()))

    document = json.loads(alone(main).outputs["document"])
    assert [each["Sid"] for each in document["Statement"]] == [
        *("ListModels", "ReadAndWriteModels", "UseKeyOfModels"),
        *("ListPipelineData", "ReadAndWritePipelineData", "UseKeyOfPipelineData"),
        *("ListLogs", "ReadLogs"),
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bucket_name": "ab"}, "3 to 63"),
        ({"bucket_name": "Models"}, "lower-case"),
        ({"bucket_name": "a.b.c"}, "lower-case"),
        ({"bucket_name": "-models"}, "lower-case"),
        ({"noncurrent_days": 0}, "a deletion cannot be undone"),
        ({"tier_days": -1}, "tier_days is -1"),
        ({"upload_origins": ["*"]}, "name one host"),
        ({"upload_origins": ["https://*.example.com"]}, "name one host"),
        ({"upload_origins": ["https://api.example.com/"]}, "without path"),
        ({"upload_origins": ["http://api.example.com"]}, "as https://api.example.com"),
        ({"kms_key_arn": None}, "name a key, or account_id and region"),
        ({"kms_key_arn": None, "account_id": "111122223333"}, "account_id and region"),
        ({"logs": LOGS}, "kms_key_arn with logs"),
        ({"kms_key_arn": None, "logs": LOGS, "access_logs": "x"}, "access_logs with logs"),
        (
            {"kms_key_arn": None, "logs": LOGS, "upload_origins": ["https://a.b"]},
            "upload_origins with logs",
        ),
    ],
)
def test_what_s3_would_refuse_does_not_construct(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS, **wrong)


@pytest.mark.parametrize("origin", ["https://a.example:8443", "http://localhost:8000"])
def test_a_port_and_a_laptop_are_origins_too(origin: str) -> None:
    assert replace(ARGS, upload_origins=[origin]).upload_origins == [origin]


@given(st.text(st.sampled_from("abcxyz019-"), max_size=70))
def test_a_name_constructs_if_and_only_if_s3_takes_it(name: str) -> None:
    taken = 3 <= len(name) <= 63 and name[0] != "-" and name[-1] != "-"
    try:
        SecureBucketArgs(bucket_name=name, kms_key_arn=KEY)
    except ValueError:
        assert not taken
    else:
        assert taken
