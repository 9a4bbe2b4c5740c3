"""The MLflow processes of a running local stack, seen from outside."""

import contextlib
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3

from hokusai_infra.local.parts.credentials import Credentials

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
        """Reach its object store as the operator: what a test looks at, no role asked for."""
        state = Path(f"/proc/{self.pid}/cwd/.hokusai/local/state").resolve()
        key = Credentials.load(state).operator.key
        return boto3.client(
            "s3",
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            region_name=self.environment["AWS_REGION"],
            endpoint_url=self.environment["AWS_ENDPOINT_URL_S3"],
        )

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
