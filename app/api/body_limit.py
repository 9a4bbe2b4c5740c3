"""Refuse bodies that no route of the API takes, before they are read."""

import contextlib
from typing import Final

from app.errors import TooLargeError, problem_response
from app.request_context import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 1024 * 1024


class _TooMuchError(Exception):
    pass


class BodyLimit:
    """Pure ASGI middleware that counts what arrives, announced or not."""

    def __init__(self, app: ASGIApp, *, limit: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose body is small enough."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = [value for name, value in scope["headers"] if name == b"content-length"]
        if any(not value.isdigit() or int(value) > self.limit for value in announced):
            await problem_response(self._error())(scope, receive, send)
            return
        taken = 0
        started = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limit:
                raise _TooMuchError
            return message

        async def watched(message: Message) -> None:
            # Whatever the application makes of the broken body, the answer is ours.
            nonlocal started
            if taken <= self.limit:
                started = True
                await send(message)

        with contextlib.suppress(_TooMuchError):
            await self.app(scope, counted, watched)
        if taken > self.limit and not started:
            await problem_response(self._error())(scope, receive, send)

    def _error(self) -> TooLargeError:
        return TooLargeError(
            f"The body is larger than {self.limit} bytes.",
            fix="Large data goes to the object store, by a presigned URL.",
        )
