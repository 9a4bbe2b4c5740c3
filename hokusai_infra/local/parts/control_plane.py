"""Every AWS API but S3 and the database: moto in a process of ours that keeps its state."""

import argparse
import asyncio
import http.client
import sys
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from hokusai_infra.local.parts.calls import CallLog
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.process import NotReadyError, ProcessSpec, child_environment


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """AWS APIs on loopback; every request is signed and authorized from the first one on.

    It follows ``Credentials.publish``: who is published may sign, with the policies published.
    It also hands tasks their credentials (``Credentials.task_environment``).
    """

    port: int
    state: Path
    """The state folder: ``control-plane.snapshot`` is kept there, ``credentials.json`` read."""
    account_id: str
    region: str = "us-east-1"
    calls: Path | None = None
    """File to which every call is appended with the decision about it."""

    @property
    def url(self) -> str:
        """Value of ``AWS_ENDPOINT_URL``."""
        return f"http://127.0.0.1:{self.port}"

    def process(self) -> ProcessSpec:
        """Describe the server; ``Credentials.prepare`` must have run."""
        arguments: dict[str, object] = {
            "--port": self.port,
            "--state": self.state.resolve(),
            "--account-id": self.account_id,
            "--region": self.region,
        }
        if self.calls:
            arguments["--calls"] = self.calls.resolve()
        flags = [str(each) for pair in arguments.items() for each in pair]
        return ProcessSpec(
            name="control-plane",
            argv=(sys.executable, "-m", __spec__.name, *flags),
            env=child_environment(
                self.state / "home" / "control-plane",
                AWS_ACCESS_KEY_ID="unused",
                AWS_SECRET_ACCESS_KEY="unused",  # noqa: S106 - moto calls nobody, and asks for some
                AWS_DEFAULT_REGION=self.region,
                MOTO_ACCOUNT_ID=self.account_id,
                MOTO_DISABLE_GLOBAL_CORS="1",
            ),
            cwd=self.state,
            ready=self._ready,
        )

    async def _ready(self) -> None:
        await asyncio.to_thread(self._ask)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/_control/health")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as problem:
            raise NotReadyError(f"{self.url} does not answer: {problem}") from problem
        finally:
            connection.close()
        if status != HTTPStatus.OK:
            raise NotReadyError(f"{self.url}/_control/health answers {status}")


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--account-id", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--calls", type=Path)
    options = parser.parse_args()

    from hokusai_infra.local.parts import (  # noqa: PLC0415 - moto takes 0.3 s, here alone
        control_server,
        moto_authorization,
        secret_rules,
    )

    moto_authorization.install(CallLog(options.calls))
    secret_rules.install()
    application = control_server.ControlApplication(
        Credentials.load(options.state),
        options.account_id,
        options.region,
        options.state / "control-plane.snapshot",
    )
    application.start()
    control_server.serve(application, options.port)


if __name__ == "__main__":
    main()
