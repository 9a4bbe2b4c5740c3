import base64
import hashlib
import http.client
import secrets
import time
import urllib.parse
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import obstore
import pytest
from botocore.exceptions import ClientError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from hokusai_infra.local.parts.credentials import KeyPair
from hokusai_infra.local.parts.object_store import Bucket, buckets_of
from tests.local.parts.running import Parts

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import VersioningConfigurationTypeDef

BUCKET = "parts-data"


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def s3(parts: Parts) -> "S3Client":
    client: S3Client = parts.client("s3", parts.api.key)
    return client


def test_a_role_reads_and_writes_where_its_policy_lets_it(s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="in/a", Body=b"abc")
    assert s3.get_object(Bucket=BUCKET, Key="in/a")["Body"].read() == b"abc"
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="in/")["Contents"]
    assert "in/a" in [each["Key"] for each in listed]


def test_a_role_is_refused_everything_else(parts: Parts, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="in/sealed/a", Body=b"abc")
    other = parts.client("s3", parts.other.key)
    stranger = parts.client("s3", KeyPair(parts.api.key.access_key_id, secrets.token_hex(20)))
    suspended: VersioningConfigurationTypeDef = {"Status": "Suspended"}
    for call, reason in (
        (lambda: s3.get_object(Bucket=BUCKET, Key="in/sealed/a"), "AccessDenied"),
        (lambda: s3.put_object(Bucket=BUCKET, Key="out/a", Body=b""), "AccessDenied"),
        (lambda: s3.list_objects_v2(Bucket=BUCKET), "AccessDenied"),
        (lambda: s3.delete_object(Bucket=BUCKET, Key="in/a"), "AccessDenied"),
        (lambda: s3.create_bucket(Bucket="another"), "AccessDenied"),
        (
            lambda: s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=suspended),
            "AccessDenied",
        ),
        (lambda: other.get_object(Bucket=BUCKET, Key="in/a"), "AccessDenied"),
        (lambda: stranger.get_object(Bucket=BUCKET, Key="in/a"), "SignatureDoesNotMatch"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code(caught) == reason


def test_nobody_gets_in_without_credentials(parts: Parts, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="in/a", Body=b"abc")
    for port in (parts.store.ports["s3"], parts.store.ports["filer"], parts.store.ports["volume"]):
        for path in (f"/{BUCKET}/in/a", f"/buckets/{BUCKET}/in/a"):
            assert get(f"http://127.0.0.1:{port}{path}")[0] in {400, 401, 403, 404}


def test_a_wrong_checksum_stores_nothing(s3: "S3Client") -> None:
    wrong = base64.b64encode(hashlib.sha256(b"something else").digest()).decode()
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="in/wrong", Body=b"abc", ChecksumSHA256=wrong)
    assert code(caught) == "BadDigest"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="in/wrong")
    assert code(caught) == "NoSuchKey"


def test_a_presigned_url_ends(parts: Parts, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="in/a", Body=b"abc")
    where = {"Bucket": BUCKET, "Key": "in/a"}
    url = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=1)
    assert url.startswith(parts.store.url)
    assert get(url) == (200, b"abc")
    assert get(url.replace("X-Amz-Expires=1&", "X-Amz-Expires=600&"))[0] == 403
    time.sleep(1.5)
    assert get(url)[0] == 403


def get(url: str) -> tuple[int, bytes]:
    parsed = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parsed.netloc, timeout=5)
    connection.request("GET", f"{parsed.path}?{parsed.query}")
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_obstore_works_with_the_credentials_of_a_task(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    url = parts.control_plane.url
    for name, value in parts.credentials.task_environment(url, "api-task", "7").items():
        monkeypatch.setenv(name, value)
    store = S3Store(
        BUCKET,
        region="us-east-1",
        endpoint=parts.store.url,
        client_options={"allow_http": True},
        credential_provider=Boto3CredentialProvider(boto3.Session(region_name="us-east-1")),
    )
    obstore.put(store, "in/obstore", b"streamed")
    assert obstore.get(store, "in/obstore").bytes() == b"streamed"


def test_what_was_written_survives_a_kill_and_other_policies_need_one(parts: Parts) -> None:
    operator = parts.client("s3")
    operator.put_object(Bucket=BUCKET, Key="in/versioned", Body=b"1")
    operator.put_object(Bucket=BUCKET, Key="in/versioned", Body=b"2")
    late = parts.credentials.identity(
        name="late-task", arn="arn:late", policies=[parts.api.policies[0]]
    )
    parts.credentials.publish([parts.api, parts.other, late])
    assert parts.store.prepare()
    assert not parts.store.prepare(), "nothing changed since"
    server = parts.children["objects"]
    server.kill()
    server.start()
    versions = parts.client("s3").list_object_versions(Bucket=BUCKET, Prefix="in/versioned")
    assert len(versions["Versions"]) == 2
    parts.client("s3", late.key).put_object(Bucket=BUCKET, Key="in/late", Body=b"")


def test_secrets_are_readable_by_the_owner_only(parts: Parts) -> None:
    for file in ("objects/s3.json", "credentials.json", "identities.json", "ca/ca.key"):
        assert (parts.state / file).stat().st_mode & 0o777 == 0o600, file
    assert (parts.state / "objects").stat().st_mode & 0o777 == 0o700


def test_buckets_are_read_from_the_recorded_resources(parts: Parts) -> None:
    recorded = [
        resource("s3/bucket:Bucket", {"bucket": "graph-data"}, {"id": "graph-data"}),
        resource("s3/bucket:Bucket", {"bucket": "graph-bare"}, {"id": "graph-bare"}),
        resource(
            "s3/bucketVersioning:BucketVersioning",
            {"bucket": "graph-data", "versioningConfiguration": {"status": "Enabled"}},
        ),
        resource(
            "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            {
                "bucket": "graph-data",
                "rules": [
                    {
                        "id": "old-versions",
                        "status": "Enabled",
                        "noncurrentVersionExpiration": {"noncurrentDays": 90},
                        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                    },
                    {
                        "id": "colder",
                        "status": "Enabled",
                        "transitions": [{"days": 0, "storageClass": "INTELLIGENT_TIERING"}],
                    },
                ],
            },
        ),
        resource(
            "s3/bucketCorsConfiguration:BucketCorsConfiguration",
            {
                "bucket": "graph-data",
                "corsRules": [{"allowedMethods": ["GET"], "allowedOrigins": ["https://a.b"]}],
            },
        ),
        resource("s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"bucket": "graph-data"}),
        resource(
            "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            {
                "bucket": "graph-data",
                "rules": [
                    {
                        "applyServerSideEncryptionByDefault": {
                            "sseAlgorithm": "aws:kms",
                            "kmsMasterKeyId": "arn:key",
                        }
                    }
                ],
            },
        ),
    ]
    found = buckets_of(recorded)
    rule = {
        "Filter": {},
        "ID": "old-versions",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    colder = {
        "Filter": {},
        "ID": "colder",
        "Status": "Enabled",
        "Transitions": [{"Days": 0, "StorageClass": "INTELLIGENT_TIERING"}],
    }
    cors = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.b"]}
    assert found == [
        Bucket(name="graph-bare"),
        Bucket(
            name="graph-data",
            versioned=True,
            cors_rules=(cors,),
            lifecycle_rules=(rule, colder),
            kms_key_arn="arn:key",
        ),
    ]
    parts.store.make_buckets(found)
    parts.store.make_buckets(found)
    operator = parts.client("s3")
    assert operator.get_bucket_versioning(Bucket="graph-data")["Status"] == "Enabled"
    lifecycle = operator.get_bucket_lifecycle_configuration(Bucket="graph-data")
    assert [each["ID"] for each in lifecycle["Rules"]] == ["old-versions"]
    kept = operator.get_bucket_cors(Bucket="graph-data")["CORSRules"]
    assert [each["AllowedOrigins"] for each in kept] == [["https://a.b"]]


def resource(
    kind: str, inputs: dict[str, Any], state: dict[str, Any] | None = None
) -> SimpleNamespace:
    return SimpleNamespace(type=f"aws:{kind}", inputs=inputs, state=state or {})
