"""From ASGI to MLflow's Flask application: one body in, one body out, a few threads."""

import asyncio
import contextlib
import contextvars
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode

from app.errors import ApiError, InternalError, UnavailableError
from app.mlflow.artifacts import Artifacts, Download
from app.mlflow.bodies import BODY_LIMIT, held_body
from app.request_context import Message, Receive, Scope, Send
from app.request_id import current_request_id

DRAIN_LIMIT: Final = 1024 * 1024
DRAIN_SECONDS: Final = 2
ANSWER_SECONDS: Final = 90
"""Longer than any statement may take, shorter than load balancers wait."""
WHOLE: Final = 512 * 1024
"""An answer up to this size is sent in one piece."""
DOWNLOAD: Final = "hokusai.download"
"""Where a view leaves the object to send instead of its own body."""
_FAILED: Final = 500
_NOT_OFFERED: Final = 501
_OF_THE_BODY: Final = frozenset({b"content-length", b"content-type", b"content-encoding"})

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

log = structlog.get_logger()


@dataclass
class _Answer:
    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    rest: Iterator[bytes] | None = None
    close: Callable[[], None] | None = None
    download: Download | None = None


class TooSlowError(UnavailableError):
    """MLflow waits for something that does not come back; most likely for PostgreSQL."""

    code = "mlflow_too_slow"


class Incoming:
    """A request's ``receive``, which knows whether the body has come in whole."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        """Receive one message."""
        message = await self._receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Take in what is left of a short body, before an answer that did not need it.

        A proxy that is still sending the body when the answer comes drops the connection, and the
        caller sees no answer at all.
        """
        read = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and read < DRAIN_LIMIT:
                    read += len((await self()).get("body", b""))


class Outgoing:
    """A request's ``send``, which knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        self.begun = True
        await self._send(message)


class FlaskBridge:
    """Runs a WSGI application for ASGI requests in a fixed number of threads.

    MLflow holds two database connections at once in one place, so twice the threads must not
    exceed what its pool can open: otherwise requests wait for connections that only they release.
    """

    def __init__(self, app: WsgiApp, artifacts: Artifacts, *, threads: int) -> None:
        self._app = app
        self._artifacts = artifacts
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix="mlflow")

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, *, limit: int = BODY_LIMIT
    ) -> None:
        """Serve one request."""
        async with held_body(scope, receive, limit) as body:
            if body is not None:
                await self._answer(scope, receive, send, body)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await loop.run_in_executor(
                    self.executor, context.run, self._run, build_environ(scope, body)
                )
        except TimeoutError:
            raise TooSlowError("MLflow did not answer in time.") from None
        if answer.download is not None:
            extra = [each for each in answer.headers if each[0] == b"x-frame-options"]
            await self._artifacts.download(scope, receive, send, answer.download, extra)
            return
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": answer.headers,
            }
        )
        more = answer.rest is not None
        await send({"type": "http.response.body", "body": answer.body, "more_body": more})
        if answer.rest is None:
            return
        try:
            while piece := await loop.run_in_executor(
                self.executor, context.run, _next_piece, answer.rest
            ):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            if answer.close is not None:
                await loop.run_in_executor(self.executor, context.run, answer.close)
        await send({"type": "http.response.body", "body": b""})

    def _run(self, environ: dict[str, Any]) -> _Answer:
        answer = _Answer()

        def start_response(
            status: str, headers: list[tuple[str, str]], _: object = None
        ) -> Callable[[bytes], None]:
            answer.status = int(status[:3])
            answer.headers = [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
            ]
            return _no_write

        chunks = self._app(environ, start_response)
        answer.close = getattr(chunks, "close", None)
        answer.download = environ.get(DOWNLOAD) if answer.status < 300 else None  # noqa: PLR2004 -- success
        pieces, size, rest = [], 0, iter(chunks)
        for piece in rest:
            pieces.append(piece)
            size += len(piece)
            if size > WHOLE:
                answer.rest = (each for each in rest if each)
                break
        answer.body = b"".join(pieces)
        if answer.rest is None and answer.close is not None:
            answer.close()
        if says_too_much(answer.status):
            _say_less(answer)
        return answer


def _next_piece(rest: Iterator[bytes]) -> bytes:
    return next(rest, b"")


def _no_write(_: bytes) -> None:
    raise NotImplementedError("MLflow's views return their bodies")


def _say_less(answer: _Answer) -> None:
    kept = [each for each in answer.headers if each[0] not in _OF_THE_BODY]
    answer.body, headers = less(answer.status, answer.body)
    answer.headers = [*kept, *headers]
    answer.rest = None


def less(status: int, body: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Keep the cause of a failure in the log: SQL and host names are not the caller's to see."""
    try:
        code = json.loads(body)["error_code"]
    except (ValueError, KeyError, TypeError):
        code = "INTERNAL_ERROR"
    log.error(
        "mlflow_failed", status=status, code=code, cause=body[:2000].decode("utf-8", "replace")
    )
    error: ApiError = InternalError.unforeseen()
    if code == ErrorCode.Name(TEMPORARILY_UNAVAILABLE):
        error = UnavailableError("The database or the artifact store does not answer.")
    said = error.mlflow_body()
    shown = {
        "error_code": code,
        "message": f"{said['message']} (request {current_request_id()})",
    }
    text = json.dumps(shown).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return text, headers


def quiet(send: Send) -> Send:
    """Say less where MLflow's FastAPI application answers with a failure."""
    failed: list[Message] = []
    pieces: list[bytes] = []

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and says_too_much(message["status"]):
            failed.append(message)
        elif failed and message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                status = failed[0]["status"]
                body, headers = less(status, b"".join(pieces))
                start = {"type": "http.response.start", "status": status, "headers": headers}
                await send(start)
                await send({"type": "http.response.body", "body": body})
        else:
            await send(message)

    return sending


def says_too_much(status: int) -> bool:
    """Tell whether an answer may hold what broke inside; 501 only says what is not offered."""
    return status >= _FAILED and status != _NOT_OFFERED


def build_environ(scope: Scope, body: bytes) -> dict[str, Any]:
    """Describe a request as PEP 3333 does."""
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("ascii"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("", 0))[0],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        if name == b"content-type":
            environ["CONTENT_TYPE"] = value.decode("latin-1")
        elif name not in {b"content-length", b"transfer-encoding"} and b"_" not in name:
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ
