"""What every request gets first: an id, a log line at the end, and an answer even after a crash."""

import ipaddress
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from app import request_id
from app.errors import InternalError, problem_response
from app.request_id import current_request_id
from app.settings import HEALTH_PATH

__all__ = ["RequestContext", "client_address", "current_request_id", "remember_principal"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_NOTES: Final = "hokusai.notes"
"""Where a request's notes hang in its scope; a shallow copy of the scope shares them."""

log = structlog.get_logger()


def remember_principal(scope: Scope, subject: str) -> None:
    """Name the caller on the log lines of this request, the last one included."""
    notes = scope.get(_NOTES)
    if notes is not None:
        notes["principal"] = subject
    bind_contextvars(principal=subject)


def client_address(scope: Scope, trusted_proxies: int) -> str:
    """Return the right-most address that no proxy of ours wrote about another one of ours.

    Each load balancer appends the address it was called from, so the last ``trusted_proxies``
    entries of ``X-Forwarded-For`` are true and the first of those is the client. Everything
    left of it is what the client claims.
    """
    peer = str((scope.get("client") or ("-", 0))[0])
    if trusted_proxies == 0:
        return peer
    hops = [
        hop.strip()
        for name, value in scope.get("headers", ())
        if name == b"x-forwarded-for"
        for hop in value.decode("latin-1").split(",")
    ]
    if len(hops) < trusted_proxies:
        return peer
    try:
        return str(ipaddress.ip_address(hops[-trusted_proxies]))
    except ValueError:
        return peer


class RequestContext:
    """Pure ASGI middleware, outermost in both services."""

    def __init__(self, app: ASGIApp, *, trusted_proxies: int = 1) -> None:
        self.app = app
        self.trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request inside its context."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = [value for name, value in scope["headers"] if name == request_id.HEADER]
        current = request_id.take_or_make(received[0] if len(received) == 1 else None)
        clear_contextvars()
        bind_contextvars(request_id=current)
        notes: dict[str, Any] = {}
        scope[_NOTES] = notes
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                notes["status"] = message["status"]
                headers = [h for h in message.get("headers", ()) if h[0] != request_id.HEADER]
                message["headers"] = [*headers, (request_id.HEADER, current.encode("ascii"))]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            if "status" not in notes:
                response = problem_response(InternalError.unforeseen())
                await response(scope, receive, send_with_id)
        finally:
            self._log_served(scope, notes, time.perf_counter() - started)

    def _log_served(self, scope: Scope, notes: dict[str, Any], seconds: float) -> None:
        status = notes.get("status")
        if scope["path"] == HEALTH_PATH and status == 200:  # noqa: PLR2004 -- asked every few seconds, by two parties
            return
        log.info(
            "request_served",
            method=scope["method"],
            path=scope["path"],
            status=status,
            duration_ms=round(seconds * 1000, 2),
            principal=notes.get("principal"),
            client=client_address(scope, self.trusted_proxies),
        )
