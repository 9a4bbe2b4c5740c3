"""A load generator that leaves the processor to the server: keep-alive connections, no parsing."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

PATIENCE_SECONDS = 60
MakeBody = Callable[[int, int], bytes]
"""Makes the body of a request from the connection's number and the request's."""


@dataclass(frozen=True)
class Target:
    """A route of one server, and how to call it."""

    port: int
    method: str
    path: str
    make_body: MakeBody | None = None
    authorization: str | None = None

    def request(self, connection: int, number: int) -> bytes:
        """Spell a whole request."""
        body = b"" if self.make_body is None else self.make_body(connection, number)
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        if self.authorization is not None:
            lines.append(f"Authorization: {self.authorization}")
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Measured:
    """What one server did in one stretch of time."""

    rate: float
    """Answers with status 200 in a second."""
    p50_ms: float
    p99_ms: float
    failed: int
    """Answers with any other status; the first of them is in ``failure``."""
    failure: str = ""


class _Connection(asyncio.Protocol):
    def __init__(self, target: Target, number: int, until: float, taken: "_Taken") -> None:
        self._target = target
        self._number = number
        self._until = until
        self._taken = taken
        self._serial = time.time_ns()
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._started = time.perf_counter()
        self._serial += 1
        self._transport.write(self._target.request(self._number, self._serial))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        now = time.perf_counter()
        if head.startswith(b"HTTP/1.1 200"):
            self._taken.seconds.append(now - self._started)
        else:
            self._taken.failures.append(body.decode("latin-1"))
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server hung up"))


@dataclass
class _Taken:
    seconds: list[float] = field(default_factory=list[float])
    failures: list[str] = field(default_factory=list[str])


async def _measure(target: Target, connections: int, seconds: float) -> Measured:
    taken = _Taken()
    started = time.perf_counter()
    until = started + seconds
    loop = asyncio.get_running_loop()
    running = []
    for number in range(connections):
        _, protocol = await loop.create_connection(
            partial(_Connection, target, number, until, taken), "127.0.0.1", target.port
        )
        running.append(protocol.done)
    await asyncio.wait_for(asyncio.gather(*running), seconds + PATIENCE_SECONDS)
    rate = len(taken.seconds) / (time.perf_counter() - started)
    seconds_each = taken.seconds or [float("inf")]
    cuts = statistics.quantiles(seconds_each * 2, n=100)
    failure = taken.failures[0] if taken.failures else ""
    return Measured(rate, cuts[49] * 1000, cuts[98] * 1000, len(taken.failures), failure)


def measure(target: Target, *, connections: int = 8, seconds: float = 3) -> Measured:
    """Keep ``connections`` busy for ``seconds``."""
    return uvloop.run(_measure(target, connections, seconds))
