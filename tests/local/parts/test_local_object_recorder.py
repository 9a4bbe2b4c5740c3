"""S3 through what writes its calls down: the same answers, and a line for each permission."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest
from botocore.config import Config

from hokusai_infra.local.parts.calls import UNREAD, Call, CallLog, read_calls
from hokusai_infra.local.parts.credentials import KeyPair
from hokusai_infra.local.parts.object_recorder import ObjectRecorder
from hokusai_infra.local.process import NotReadyError
from tests.local.parts.running import KEY_ARN, Parts, free_port, refused

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET = "parts-data"
ARN = f"arn:aws:s3:::{BUCKET}"
ODD = "in/a  b+c%2F/ü&.txt"
MIB = 1024 * 1024


@dataclass
class Recorded:
    """The recorder, running, and its trail."""

    part: ObjectRecorder
    calls: Path

    def client(self, key: KeyPair) -> "S3Client":
        made: S3Client = boto3.client(
            "s3",
            endpoint_url=self.part.url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4"),
        )
        return made

    def seen(self, count: int) -> list[Call]:
        """Return the lines that were written since they were read last."""
        until = time.monotonic() + 5
        while len(read_calls(self.calls)) < count and time.monotonic() < until:
            time.sleep(0.02)
        found = read_calls(self.calls)
        os.truncate(self.calls, 0)
        return [*found]


@pytest.fixture(scope="module")
def recorded(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorder")
    part = ObjectRecorder(
        folder=folder / "caddy",
        port=free_port(),
        behind=parts.store.ports["s3"],
        credentials=parts.credentials,
        calls=CallLog(folder / "calls.jsonl"),
        keys={BUCKET: KEY_ARN},
    )
    part.prepare()
    spec = part.process()
    with subprocess.Popen(
        spec.argv, env=dict(spec.env), cwd=spec.cwd, stdout=subprocess.PIPE
    ) as process:
        reader = threading.Thread(target=part.take, args=(process.stdout,))
        reader.start()
        wait_for(part)
        yield Recorded(part, folder / "calls.jsonl")
        process.terminate()
        reader.join()


def wait_for(part: ObjectRecorder) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            return asyncio.run(part.process().ready())
        except NotReadyError:
            assert time.monotonic() < until
            time.sleep(0.02)


def call(role: str, action: str, key: str, outcome: str = "allowed") -> tuple[str, ...]:
    return role, f"s3:{action}", f"{ARN}/{key}" if key else ARN, outcome


def told(calls: list[Call], by: str = "object store") -> list[tuple[str, ...]]:
    return [
        (each.role, each.action, each.resource, each.outcome) for each in calls if each.by == by
    ]


def test_every_request_passes_and_is_written_down(parts: Parts, recorded: Recorded) -> None:
    api = recorded.client(parts.api.key)
    body = os.urandom(8 * MIB)
    api.put_object(Bucket=BUCKET, Key=ODD, Body=body, ChecksumAlgorithm="SHA256")
    assert api.get_object(Bucket=BUCKET, Key=ODD)["Body"].read() == body
    assert api.get_object(Bucket=BUCKET, Key=ODD, Range="bytes=1-3")["Body"].read() == body[1:4]
    assert api.head_object(Bucket=BUCKET, Key=ODD)["ContentLength"] == len(body)
    listed = api.list_objects_v2(Bucket=BUCKET, Prefix="in/a ")["Contents"]
    assert [each["Key"] for each in listed] == [ODD]
    with refused():
        api.delete_object(Bucket=BUCKET, Key=ODD)
    seen = recorded.seen(9)
    assert told(seen) == [
        call("api-task", "PutObject", ODD),
        *[call("api-task", "GetObject", ODD)] * 3,
        call("api-task", "ListBucket", ""),
        call("api-task", "DeleteObject", ODD, "refused"),
    ]
    # Refused, as the policy lets this role use the key through Secrets Manager alone.
    assert told(seen, "KMS, for S3") == [
        ("api-task", f"kms:{action}", KEY_ARN, "refused")
        for action in ("GenerateDataKey", "Decrypt", "Decrypt")
    ]


def test_an_upload_in_parts_and_a_deletion_of_several(parts: Parts, recorded: Recorded) -> None:
    operator = recorded.client(parts.credentials.operator.key)
    key = "in/parts"
    upload = operator.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = operator.upload_part(
        Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"1" * MIB
    )
    assert len(operator.list_parts(Bucket=BUCKET, Key=key, UploadId=upload)["Parts"]) == 1
    operator.complete_multipart_upload(
        Bucket=BUCKET,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )
    broken = operator.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    operator.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=broken)
    operator.put_object(Bucket=BUCKET, Key="in/<&>", Body=b"")
    gone = operator.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": "in/parts"}, {"Key": "in/<&>"}]}
    )
    assert sorted(each["Key"] for each in gone["Deleted"]) == ["in/<&>", "in/parts"]
    seen = recorded.seen(14)
    assert told(seen, "KMS, for S3") == [
        ("local-operator", f"kms:{action}", KEY_ARN, "allowed")
        for action in ("GenerateDataKey", "Decrypt") * 2 + ("GenerateDataKey",)
    ]
    assert told(seen) == [
        call("local-operator", action, key)
        for action, key in (
            ("PutObject", "in/parts"),
            ("PutObject", "in/parts"),
            ("ListMultipartUploadParts", "in/parts"),
            ("PutObject", "in/parts"),
            ("PutObject", "in/parts"),
            ("AbortMultipartUpload", "in/parts"),
            ("PutObject", "in/<&>"),
            ("DeleteObject", "in/parts"),
            ("DeleteObject", "in/<&>"),
        )
    ]


def test_a_presigned_address_tells_who_signed_it(parts: Parts, recorded: Recorded) -> None:
    where = {"Bucket": BUCKET, "Key": "in/signed"}
    url = recorded.client(parts.api.key).generate_presigned_url("put_object", Params=where)
    assert httpx.put(url, content=b"1").status_code == 200
    assert httpx.get(f"{recorded.part.url}/{BUCKET}/in/signed").status_code == 403
    assert told(recorded.seen(3)) == [
        call("api-task", "PutObject", "in/signed"),
        call("", "GetObject", "in/signed", "refused"),
    ]


@pytest.mark.parametrize("line", [b"no JSON", b"{}", b"[]", b'{"request": {"headers": {"a": []}}}'])
def test_a_line_that_says_nothing_leaves_a_mark(recorded: Recorded, line: bytes) -> None:
    recorded.part.take([line])
    (mark,) = recorded.seen(1)
    assert (mark.action, mark.role) == (UNREAD, "")


def test_a_client_that_went_away_has_asked_all_the_same(recorded: Recorded) -> None:
    asked = {"method": "GET", "uri": "/b/a", "headers": {}}
    recorded.part.take([json.dumps({"request": asked, "status": 0}).encode()])
    assert [each.action for each in recorded.seen(1)] == ["s3:GetObject"]
