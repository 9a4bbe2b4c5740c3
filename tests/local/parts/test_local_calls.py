"""The trail of calls, and which permissions an S3 request needs."""

import json
from pathlib import Path

import pytest

from hokusai_infra.local.parts.calls import Call, CallLog, read_calls
from hokusai_infra.local.parts.s3_requests import S3Request
from tests.local.parts.running import KEY_ARN, SERVICE_USER, USER_ARN, Parts, refused

KEY = "arn:aws:s3:::b/a/x y+z"
SIGNED = "AWS4-HMAC-SHA256 Credential=AKIA234/20260101/us-east-1/s3/aws4_request, Signature=1"
DELETE = (
    '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a&amp;b</Key></Object>'
    "<Object><Key>c</Key><VersionId>v</VersionId></Object></Delete>"
)


@pytest.mark.parametrize(
    ("method", "uri", "needs"),
    [
        ("GET", "/", [("s3:ListAllMyBuckets", "*")]),
        ("GET", "/b?list-type=2&prefix=a%2F", [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("HEAD", "/b/", [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("GET", "/b?location", [("s3:GetBucketLocation", "arn:aws:s3:::b")]),
        ("GET", "/b?uploads", [("s3:ListBucketMultipartUploads", "arn:aws:s3:::b")]),
        ("PUT", "/b?versioning", [("s3:PutBucketVersioning", "arn:aws:s3:::b")]),
        ("GET", "/b/a/x%20y%2Bz", [("s3:GetObject", KEY)]),
        ("HEAD", "/b/a/x%20y%2Bz", [("s3:GetObject", KEY)]),
        ("GET", "/b/a/x%20y%2Bz?versionId=3", [("s3:GetObjectVersion", KEY)]),
        ("GET", "/b/a/x%20y%2Bz?uploadId=1", [("s3:ListMultipartUploadParts", KEY)]),
        ("PUT", "/b/a/x%20y%2Bz?x-id=PutObject", [("s3:PutObject", KEY)]),
        ("PUT", "/b/a/x%20y%2Bz?partNumber=1&uploadId=1", [("s3:PutObject", KEY)]),
        ("POST", "/b/a/x%20y%2Bz?uploads", [("s3:PutObject", KEY)]),
        ("POST", "/b/a/x%20y%2Bz?uploadId=1", [("s3:PutObject", KEY)]),
        ("DELETE", "/b/a/x%20y%2Bz", [("s3:DeleteObject", KEY)]),
        ("DELETE", "/b/a/x%20y%2Bz?uploadId=1", [("s3:AbortMultipartUpload", KEY)]),
        ("GET", "/b/a/x%20y%2Bz?tagging", [("s3:GetObjectTagging", KEY)]),
        ("PATCH", "/b/a/x%20y%2Bz", [("s3:UnknownPatch", KEY)]),
        (
            "POST",
            "/b?delete",
            [
                ("s3:DeleteObject", "arn:aws:s3:::b/a&b"),
                ("s3:DeleteObjectVersion", "arn:aws:s3:::b/c"),
            ],
        ),
    ],
)
def test_a_request_needs(method: str, uri: str, needs: list[tuple[str, str]]) -> None:
    assert [*S3Request(method, uri, {}, DELETE).needs()] == needs


def test_names_that_cannot_be_read_stand_for_all() -> None:
    broken = S3Request("POST", "/b?delete", {}, "<Delete><Object>")
    assert [*broken.needs()] == [("s3:DeleteObject", "arn:aws:s3:::b/*")]


def test_a_copy_needs_both_objects() -> None:
    copy = S3Request("PUT", "/b/to", {"x-amz-copy-source": "/b/fr%20om", "x-amz-tagging": "a=1"})
    assert [*copy.needs()] == [
        ("s3:PutObject", "arn:aws:s3:::b/to"),
        ("s3:GetObject", "arn:aws:s3:::b/fr om"),
        ("s3:PutObjectTagging", "arn:aws:s3:::b/to"),
    ]
    old = S3Request("PUT", "/b/to", {"x-amz-copy-source": "b/from?versionId=1"})
    assert ("s3:GetObjectVersion", "arn:aws:s3:::b/from") in [*old.needs()]


@pytest.mark.parametrize(
    ("method", "uri", "asked"),
    [
        ("PUT", "/b/a", ["kms:GenerateDataKey"]),
        ("GET", "/b/a", ["kms:Decrypt"]),
        ("GET", "/b/a?versionId=1", ["kms:Decrypt"]),
        ("POST", "/b/a?uploads", ["kms:GenerateDataKey", "kms:Decrypt"]),
        ("PUT", "/b/a?partNumber=1&uploadId=1", []),
        ("GET", "/b/a?uploadId=1", []),
        ("GET", "/b/a?tagging", []),
        ("HEAD", "/b/a", []),
        ("DELETE", "/b/a", []),
        ("GET", "/b?list-type=2", []),
        ("GET", "/plain/a", []),
    ],
)
def test_s3_asks_for_the_key_of_the_bucket(method: str, uri: str, asked: list[str]) -> None:
    needs = S3Request(method, uri, {}).needs_of_keys({"b": "arn:key"})
    assert [*needs] == [(action, "arn:key") for action in asked]


def test_a_copy_reads_with_the_key_of_its_source() -> None:
    copy = S3Request("PUT", "/plain/to", {"x-amz-copy-source": "/b/from"})
    assert [*copy.needs_of_keys({"b": "arn:key"})] == [("kms:Decrypt", "arn:key")]


def test_who_signed_stands_in_a_header_or_in_the_address() -> None:
    presigned = "/b/a?X-Amz-Credential=AKIA567%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
    assert S3Request("GET", "/b/a", {"authorization": SIGNED}).access_key_id() == "AKIA234"
    assert S3Request("GET", presigned, {}).access_key_id() == "AKIA567"
    assert S3Request("GET", "/b/a", {}).access_key_id() == ""


def call(action: str, resource: str, by: str, outcome: str = "allowed") -> dict[str, str]:
    return {
        "role": "api-task",
        "action": action,
        "resource": resource,
        "outcome": outcome,
        "by": by,
    }


def since(parts: Parts, before: int) -> list[dict[str, str]]:
    lines = parts.calls.read_text().splitlines()[before:]
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


def test_the_control_plane_writes_what_it_decides(parts: Parts) -> None:
    api = parts.client("secretsmanager", parts.api.key)
    before = len(read_calls(parts.calls))
    name = "hokusai/local/projects/calls/api-keys"
    api.create_secret(Name=name, SecretString="1", KmsKeyId=KEY_ARN)
    with refused():
        api.create_secret(
            Name=f"{name}-2", SecretString="1", Tags=[{"Key": "project", "Value": "calls"}]
        )
    with refused():
        api.list_secrets()
    arn = f"arn:aws:secretsmanager:us-east-1:111111111111:secret:{name}"
    by, create = "control plane", "secretsmanager:CreateSecret"
    assert since(parts, before) == [
        call(create, f"{arn}-AbCdEf", by),
        call("kms:GenerateDataKey", KEY_ARN, by),
        call("kms:Decrypt", KEY_ARN, by),
        call(create, f"{arn}-2-AbCdEf", by),
        call("secretsmanager:TagResource", f"{arn}-2-AbCdEf", by, "refused"),
        call("secretsmanager:ListSecrets", "*", by, "refused"),
    ]


def test_the_database_writes_who_logs_in(parts: Parts) -> None:
    before = len(read_calls(parts.calls))
    parts.connect(SERVICE_USER, parts.token()).close()
    with refused():
        parts.connect(SERVICE_USER, parts.token(key=parts.other.key))
    assert since(parts, before) == [
        call("rds-db:connect", USER_ARN, "database"),
        call("rds-db:connect", USER_ARN, "database", "refused") | {"role": "other-task"},
    ]


def test_a_line_is_appended_whole_and_a_missing_trail_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    assert read_calls(file) == ()
    one, other = CallLog(file), CallLog(file)
    made = [
        Call(role=f"role-{n}", action="a:B", resource="*", outcome="allowed", by="x", time="now")
        for n in range(4)
    ]
    one.write(made[0])
    other.write(made[1], made[2])
    one.write(made[3])
    assert read_calls(file) == tuple(made)
    assert file.stat().st_mode & 0o777 == 0o600
    CallLog(None).write(*made)
