"""Request bodies: how long one may take, how large it may be, how many are held at once."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from app.errors import ApiError, BadRequestError, TooLargeError, UnavailableError
from app.request_context import Message, Receive, Scope

BODY_LIMIT: Final = 64 * 1024 * 1024
"""Of what MLflow reads as one message; files go another way and have no such limit."""
READ_LIMIT: Final = 4 * 1024 * 1024
"""Of a question: a filter, a list of ids, a query."""
HELD_LIMIT: Final = 256 * 1024 * 1024
"""Of all bodies that this process holds at one moment."""
IDLE_SECONDS: Final = 30
"""How long a body may pause that is held in memory until it is whole."""
FILE_IDLE_SECONDS: Final = 290
"""How long one may pause that goes on as it comes; a load balancer ends the connection at 300."""
_INFLATED_AT_ONCE: Final = 1024 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class BodyTooSlowError(ApiError):
    """The body stopped coming in."""

    status, code = 408, "body_too_slow"

    def mlflow_body(self) -> dict[str, str]:
        """Blame the request, not the server."""
        return {**super().mlflow_body(), "error_code": "BAD_REQUEST"}


class TooManyBodiesError(UnavailableError):
    """The bodies of other requests fill what memory there is for them."""

    code = "too_many_bodies"


class Budget:
    """The bytes that all requests of this process may hold together."""

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Count ``size`` bytes more, or refuse."""
        if self._held + size > self._limit:
            raise TooManyBodiesError("This server holds as many bodies as it can.")
        self._held += size

    def give_back(self, size: int) -> None:
        """Count ``size`` bytes less."""
        self._held -= size

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        """Hold ``size`` bytes for as long as a request needs them."""
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)


budget: Final = Budget()
"""This process's own."""


async def receive_within(seconds: float, receive: Receive) -> Message:
    """Receive a piece of a body, which may not let one wait for ever."""
    try:
        async with asyncio.timeout(seconds):
            return await receive()
    except TimeoutError:
        raise BodyTooSlowError(
            f"No byte of the body came for {seconds} seconds.",
            fix="Send the body without pauses.",
        ) from None


@asynccontextmanager
async def held_body(
    scope: Scope, receive: Receive, limit: int, *, inflated: bool = False
) -> AsyncIterator[bytes | None]:
    """Read a body and count it until the request is done; ``None`` if the client went away.

    With ``inflated``, a body that is compressed is given as what it holds, and ``limit`` is of
    that: a few bytes can stand for any number.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
    held = 0
    try:
        pieces, size = [], 0
        async for piece in _pieces(receive):
            if piece is None:
                yield None
                return
            budget.take(len(piece))
            held += len(piece)
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        del pieces
        if inflated and (encoding := _encoding(scope)):
            plain = bytearray()
            for piece in inflate(body, encoding):
                budget.take(len(piece))
                held += len(piece)
                plain += piece
                if len(plain) > limit:
                    raise _too_large(limit)
                await asyncio.sleep(0)
            body = bytes(plain)
            del plain
        yield body
    finally:
        budget.give_back(held)


async def _pieces(receive: Receive) -> AsyncIterator[bytes | None]:
    """Yield what comes; ``None`` for a client that is gone."""
    more = True
    while more:
        message = await receive_within(IDLE_SECONDS, receive)
        if message["type"] == "http.disconnect":
            yield None
            return
        if piece := message.get("body", b""):
            yield piece
        more = message.get("more_body", False)


def _encoding(scope: Scope) -> str:
    found = [
        value.decode("latin-1").strip().lower()
        for name, value in scope["headers"]
        if name == b"content-encoding"
    ]
    return "" if found in ([], ["identity"]) else ",".join(found)


def inflate(body: bytes, encoding: str) -> Iterator[bytes]:
    """Yield what a compressed body holds, a piece at a time (RFC 9110, 8.4.1)."""
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise BadRequestError(
            f"The body is encoded as {encoding!r}.", fix="Send it as it is, or with gzip."
        )
    wbits = _GZIP
    if encoding == "deflate":
        # RFC 9110 means zlib's format; some clients send the bare stream (RFC 1951).
        zlib_header = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED
        zlib_header = zlib_header and int.from_bytes(body[:2]) % 31 == 0
        wbits = zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS
    rest = body
    try:
        while rest:
            stream = zlib.decompressobj(wbits)
            while not stream.eof:
                piece = stream.decompress(rest, _INFLATED_AT_ONCE)
                rest = stream.unconsumed_tail
                if not piece and not rest and not stream.eof:
                    raise _broken()
                yield piece
            rest = stream.unused_data if wbits == _GZIP else b""
    except zlib.error:
        raise _broken() from None


def _broken() -> BadRequestError:
    return BadRequestError(
        "The body is not what its Content-Encoding says.", fix="Compress it anew."
    )


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"The body is larger than {limit // (1024 * 1024)} MiB.",
        fix="Send less at once; log large data as an artifact.",
    )
