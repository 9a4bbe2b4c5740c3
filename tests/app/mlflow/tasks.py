"""The MLflow processes of a running local stack, seen from outside."""

import contextlib
import json
import socket
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

from tests.stack import Stack


@dataclass(frozen=True)
class Task:
    """A running MLflow process."""

    pid: int
    environment: dict[str, str] = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.environment["PORT"])

    @property
    def bucket(self) -> str:
        return self.environment["HOKUSAI_ARTIFACT_BUCKET"]

    def s3(self) -> "S3Client":
        """Reach the object store with the credentials of the task's own role."""
        request = urllib.request.Request(  # noqa: S310 -- an address of this machine
            self.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            headers={"Authorization": self.environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 -- the same
            found = json.load(response)
        session = boto3.Session(
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found.get("Token"),
            region_name=self.environment["AWS_REGION"],
        )
        return session.client("s3", endpoint_url=self.environment["AWS_ENDPOINT_URL_S3"])

    def open_uploads(self) -> list[str]:
        """List the keys of the multipart uploads that are not finished."""
        found = self.s3().list_multipart_uploads(Bucket=self.bucket)
        return [each["Key"] for each in found.get("Uploads", [])]

    def memory(self, name: str) -> float:
        """Read ``VmRSS`` or ``VmHWM`` in MiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        raise AssertionError(f"no {name}")

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


def tasks(program: Path) -> list[Task]:
    """Find the MLflow processes that run from a program's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().split(b"\0")
            if b"app.mlflow" in command and (folder / "cwd").readlink() == program.resolve():
                pairs = (folder / "environ").read_bytes().decode().split("\0")
                environment = dict(each.split("=", 1) for each in pairs if "=" in each)
                found.append(Task(int(folder.name), environment))
    assert found, f"no MLflow process runs from {program}"
    return found


def begin_upload(stack: Stack, key: str, path: str, length: int) -> socket.socket:
    task = tasks(stack.folder)[0]
    host = urlsplit(task.environment["HOKUSAI_MLFLOW_URL"]).netloc
    raw = socket.create_connection(("127.0.0.1", task.port), timeout=30)
    raw.sendall(
        f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
    )
    return raw
