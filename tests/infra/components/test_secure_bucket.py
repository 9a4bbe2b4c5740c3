import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_infra.components.secure_bucket import SecureBucket, SecureBucketArgs
from tests.infra.recordings import alone, inputs

ARN = "arn:aws:s3:::models-111122223333"


def bucket() -> SecureBucket:
    return SecureBucket("models", SecureBucketArgs(bucket_name="models-111122223333"))


def test_a_bucket_is_private_encrypted_and_keeps_every_version() -> None:
    found = inputs(alone(bucket))
    policy = json.loads(found["BucketPolicy models-tls-only"].pop("policy"))
    of = {"bucket": "models-id"}
    assert found == {
        "Bucket models": {"bucket": "models-111122223333"},
        "BucketVersioning models-versioning": {
            **of,
            "versioningConfiguration": {"status": "Enabled"},
        },
        "BucketServerSideEncryptionConfiguration models-encryption": {
            **of,
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        },
        "BucketOwnershipControls models-ownership": {
            **of,
            "rule": {"objectOwnership": "BucketOwnerEnforced"},
        },
        "BucketPublicAccessBlock models-private": {
            **of,
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        "BucketPolicy models-tls-only": of,
        "BucketLifecycleConfiguration models-lifecycle": {
            **of,
            "rules": [
                {
                    "id": "tier-by-use",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "transitions": [{"days": 30, "storageClass": "INTELLIGENT_TIERING"}],
                },
                {
                    "id": "forget-old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrentVersionExpiration": {"noncurrentDays": 90},
                    "expiration": {"expiredObjectDeleteMarker": True},
                },
                {
                    "id": "clean-up-broken-uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                },
            ],
        },
    }
    assert policy["Statement"] == [
        {
            "Sid": "RefuseClearText",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [ARN, f"{ARN}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


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
        {
            "Sid": "ListObjects",
            "Effect": "Allow",
            "Action": [
                "s3:GetBucketLocation",
                "s3:ListBucket",
                "s3:ListBucketMultipartUploads",
            ],
            "Resource": [ARN],
        },
        {
            "Sid": "ReadAndWriteObjects",
            "Effect": "Allow",
            "Action": sorted(f"s3:{each}" for each in {*objects, "ListMultipartUploadParts"}),
            "Resource": [f"{ARN}/*"],
        },
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
    ],
)
def test_what_s3_would_refuse_does_not_construct(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SecureBucketArgs(**{"bucket_name": "models"} | wrong)


@given(st.text(st.sampled_from("abcxyz019-"), max_size=70))
def test_a_name_constructs_if_and_only_if_s3_takes_it(name: str) -> None:
    taken = 3 <= len(name) <= 63 and name[0] != "-" and name[-1] != "-"
    try:
        SecureBucketArgs(bucket_name=name)
    except ValueError:
        assert not taken
    else:
        assert taken
