"""What stands before PostgreSQL and makes it look like RDS: TLS only, IAM logins, one port."""

import argparse
import asyncio
import contextlib
import signal
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import uvloop

from hokusai_infra.local.parts.calls import CallLog
from hokusai_infra.local.parts.certificates import Certificates
from hokusai_infra.local.parts.events import log
from hokusai_infra.local.parts.front_logins import DatabaseInstance, Logins
from hokusai_infra.local.parts.front_protocol import SSL_REQUEST, Front
from hokusai_infra.local.parts.postgres import SOCKET
from hokusai_infra.local.process import NotReadyError, ProcessSpec, child_environment

__all__ = ["DatabaseFront", "DatabaseInstance"]


@dataclass(frozen=True, kw_only=True)
class DatabaseFront:
    """The TLS end point of the database on ``localhost`` and ``127.0.0.1``."""

    port: int
    state: Path
    """The state folder, with ``postgres/``, ``identities.json`` and ``credentials.json``."""
    certificates: Certificates
    control_plane: str
    """URL of the control plane."""
    calls: Path | None = None
    """File to which every login of a role is appended with the decision about it."""

    def configure(self, instance: DatabaseInstance) -> None:
        """Say which instance this is; the front follows at the next login.

        Kept in the state folder. Until it was called once, every login is refused.
        """
        instance.write(self.state / "database-instance.json")

    def process(self) -> ProcessSpec:
        """Describe the front; it may start before PostgreSQL and before ``configure``.

        ``Credentials.prepare`` and ``Certificates.prepare`` must have run.
        """
        arguments: dict[str, object] = {
            "--port": self.port,
            "--state": self.state.resolve(),
            "--certificate": self.certificates.leaf_file.resolve(),
            "--key": self.certificates.leaf_key_file.resolve(),
            "--control-plane": self.control_plane,
        }
        if self.calls:
            arguments["--calls"] = self.calls.resolve()
        flags = [str(each) for pair in arguments.items() for each in pair]
        return ProcessSpec(
            name="database-front",
            argv=(sys.executable, "-m", __spec__.name, *flags),
            env=child_environment(self.state / "home" / "database-front"),
            cwd=self.state,
            ready=self._ready,
        )

    async def _ready(self) -> None:
        """Ask for TLS, as a client does."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as problem:
            raise NotReadyError(f"127.0.0.1:{self.port} does not answer: {problem}") from problem
        try:
            writer.write(SSL_REQUEST)
            if await asyncio.wait_for(reader.read(1), 2) != b"S":
                raise NotReadyError(f"127.0.0.1:{self.port} does not offer TLS")
        except (OSError, TimeoutError) as problem:
            raise NotReadyError(f"127.0.0.1:{self.port} does not offer TLS") from problem
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _serve(options: argparse.Namespace) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.certificate, options.key)
    tls.num_tickets = 0  # nobody resumes, and two tickets a session cost time
    calls = CallLog(options.calls)
    logins = Logins(options.state, options.port, options.control_plane, calls)
    socket = Path("postgres", SOCKET)  # relative to the state folder: absolute it may be too long
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        lambda: Front(logins, tls, socket), "127.0.0.1", options.port, backlog=512
    )
    log("database_front_started", port=options.port, loop=type(loop).__module__)
    async with server:
        await stop.wait()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--control-plane", required=True)
    parser.add_argument("--calls", type=Path)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options))


if __name__ == "__main__":
    main()
