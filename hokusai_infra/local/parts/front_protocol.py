"""The front's side of PostgreSQL's protocol: TLS, one password, then bytes both ways.

www.postgresql.org/docs/18/protocol-flow.html, …/protocol-message-formats.html
"""

import asyncio
import ssl
import struct
from collections.abc import Coroutine
from pathlib import Path
from typing import Final, cast

from hokusai_infra.local.parts.events import log
from hokusai_infra.local.parts.front_logins import (
    CANNOT_CONNECT_NOW,
    INVALID_AUTHORIZATION,
    LoginError,
    Logins,
)

SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)

_GSS_REQUEST: Final = struct.pack("!ii", 8, 80877104)
_CANCEL_CODE: Final = 80877102
_PASSWORD_HEAD: Final = struct.Struct("!ci")
_ASK_CLEAR_PASSWORD: Final = struct.pack("!cii", b"R", 8, 3)
_LONGEST_STARTUP: Final = 10_000
_LOGIN_SECONDS: Final = 15
_PROTOCOL_VIOLATION: Final = "08P01"


def error_response(code: str, message: str) -> bytes:
    """Build an ``ErrorResponse`` that ends the session."""
    fields = (("S", "FATAL"), ("V", "FATAL"), ("C", code), ("M", message))
    body = b"".join(f"{kind}{text}\0".encode() for kind, text in fields) + b"\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


class Pipe(asyncio.Protocol):
    """Hands what one side sends to the other, as fast as that one takes it."""

    def __init__(self) -> None:
        self.peer: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        cast("asyncio.Transport", self.peer).write(data)

    def pause_writing(self) -> None:
        """Stop the other side, whose bytes this side does not take fast enough."""
        if self.peer is not None:
            self.peer.pause_reading()

    def resume_writing(self) -> None:
        """Let the other side go on."""
        if self.peer is not None:
            self.peer.resume_reading()

    def connection_lost(self, problem: Exception | None) -> None:  # noqa: ARG002 - either way
        """End the other side once it has got everything."""
        if self.peer is not None:
            self.peer.close()


class Front(asyncio.Protocol):
    """A client until it has logged in; then its transport belongs to a ``Pipe``."""

    def __init__(self, logins: Logins, tls: ssl.SSLContext, socket: Path) -> None:
        self._logins, self._tls, self._socket = logins, tls, str(socket)
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._startup = b""
        self._secure = False
        self._shaking_hands = self._logging_in = False
        self._tasks = set[asyncio.Task[None]]()
        self._transport: asyncio.Transport
        self._deadline: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the client some seconds to log in."""
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = self._loop.call_later(_LOGIN_SECONDS, self._transport.abort)

    def connection_lost(self, problem: Exception | None) -> None:  # noqa: ARG002 - either way
        """Forget the client."""
        self._deadline.cancel()

    def data_received(self, data: bytes) -> None:
        """Take the next piece of the log-in."""
        self._received += data
        self._advance()

    def _advance(self) -> None:
        if self._shaking_hands or self._logging_in:
            return
        if self._startup:
            self._password()
        while not (self._startup or self._shaking_hands) and self._opening():
            pass

    def _opening(self) -> bool:
        """Read an untyped message: a request for TLS, a cancellation, or the start-up."""
        if len(self._received) < len(SSL_REQUEST):
            return False
        length, code = struct.unpack_from("!ii", self._received)
        if not 8 <= length <= _LONGEST_STARTUP:  # noqa: PLR2004 - length and code
            self._refuse(_PROTOCOL_VIOLATION, "invalid length of startup packet")
            return False
        if len(self._received) < length:
            return False
        message = bytes(self._received[:length])
        del self._received[:length]
        if not self._secure and message == _GSS_REQUEST:
            self._transport.write(b"N")
        elif not self._secure and message == SSL_REQUEST:
            self._begin_tls()
        elif code == _CANCEL_CODE:
            self._run(self._cancel(message))
        elif code >> 16 != 3:  # noqa: PLR2004 - the protocol's major version
            self._refuse("0A000", "unsupported frontend protocol")
        elif self._secure:
            self._startup = message
            self._transport.write(_ASK_CLEAR_PASSWORD)
        else:
            names = startup_names(message)
            whom = f'user "{names.get("user")}", database "{names.get("database")}"'
            reason = f'no pg_hba.conf entry for host "127.0.0.1", {whom}, no encryption'
            self._refuse(INVALID_AUTHORIZATION, reason)
        return True

    def _begin_tls(self) -> None:
        if self._received:  # bytes that were smuggled in before the encryption (CVE-2021-23214)
            self._refuse(_PROTOCOL_VIOLATION, "received unencrypted data after SSL request")
            return
        self._shaking_hands = True
        self._transport.pause_reading()
        self._transport.write(b"S")
        self._run(self._shake_hands())

    async def _shake_hands(self) -> None:
        try:
            transport = await self._loop.start_tls(
                self._transport, self, self._tls, server_side=True, ssl_handshake_timeout=10
            )
        except ssl.SSLError as problem:
            log("tls_failed", reason=str(problem))
            return
        except OSError:  # the client went away
            return
        if transport is not None:
            self._transport, self._secure, self._shaking_hands = transport, True, False
            self._advance()  # what came before this task had its turn

    def _password(self) -> None:
        """Read a ``PasswordMessage`` and try it."""
        if len(self._received) < _PASSWORD_HEAD.size:
            return
        kind, length = _PASSWORD_HEAD.unpack_from(self._received)
        if kind != b"p" or not _PASSWORD_HEAD.size <= length <= _LONGEST_STARTUP:
            self._refuse(_PROTOCOL_VIOLATION, "expected a password")
        elif len(self._received) > length:
            password = bytes(self._received[_PASSWORD_HEAD.size : length])
            del self._received[: length + 1]
            self._logging_in = True
            self._transport.pause_reading()
            self._run(self._log_in(password.decode(errors="replace")))

    async def _log_in(self, password: str) -> None:
        user = startup_names(self._startup).get("user", "")
        try:
            await self._logins.check(user, password)
            server = await self._connect()
        except LoginError as refused:
            log("login_refused", user=user, code=refused.code, reason=refused.message)
            self._refuse(refused.code, refused.message)
            return
        self._deadline.cancel()
        if self._transport.is_closing():
            server.close()
            return
        client_side, server_side = Pipe(), cast("Pipe", server.get_protocol())
        client_side.peer, server_side.peer = server, self._transport
        self._transport.set_protocol(client_side)
        server.write(self._startup + self._received)
        self._transport.resume_reading()

    async def _connect(self) -> asyncio.Transport:
        try:
            transport, _ = await self._loop.create_unix_connection(Pipe, self._socket)
        except OSError as problem:
            raise LoginError(
                CANNOT_CONNECT_NOW, f"the database does not answer: {problem}"
            ) from None
        return transport

    async def _cancel(self, message: bytes) -> None:
        """Pass a cancellation on; it carries its own secret and gets no answer."""
        try:
            server = await self._connect()
        except LoginError as problem:
            log("cancel_failed", reason=problem.message)
        else:
            cast("Pipe", server.get_protocol()).peer = self._transport
            server.write(message)
            return
        self._transport.close()

    def _refuse(self, code: str, message: str) -> None:
        self._received.clear()
        if not self._transport.is_closing():
            self._transport.write(error_response(code, message))
            self._transport.close()

    def _run(self, step: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def startup_names(message: bytes) -> dict[str, str]:
    """Read the parameters of a start-up message; the database defaults to the user's name."""
    words = message[8:].split(b"\0")
    pairs = zip(words[::2], words[1::2], strict=False)
    found = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in pairs}
    return {"database": found.get("user", ""), **found}
