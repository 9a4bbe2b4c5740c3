"""The id that ties an answer, the log lines of both services and a report together."""

import re
import secrets
from contextvars import ContextVar
from typing import Final

HEADER: Final = b"x-request-id"
_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{7,127}")
_current: ContextVar[str] = ContextVar("request_id", default="-")


def current_request_id() -> str:
    """Return the id of the request being served, or ``-`` outside of one."""
    return _current.get()


def take_or_make(received: bytes | None) -> str:
    """Use a well-formed id from outside, else make one, and remember it in this context."""
    if received is not None and _WELL_FORMED.fullmatch(received):
        request_id = received.decode("ascii")
    else:
        request_id = secrets.token_hex(16)
    _current.set(request_id)
    return request_id
