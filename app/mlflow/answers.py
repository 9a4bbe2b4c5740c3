"""Small ASGI answers of this endpoint's own."""

import json
from collections.abc import Iterable
from typing import Final

from app.errors import ApiError
from app.request_context import Send

JSON: Final = b"application/json"
HTML: Final = b"text/html; charset=utf-8"
TEXT: Final = b"text/plain; charset=utf-8"


async def answer(
    send: Send,
    status: int,
    body: bytes = b"",
    *,
    media_type: bytes = TEXT,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Send a whole answer."""
    length = str(len(body)).encode()
    head = [(b"content-type", media_type), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, status: int, content: object) -> None:
    """Send a JSON document."""
    await answer(send, status, json.dumps(content).encode(), media_type=JSON)


async def refuse(send: Send, error: ApiError) -> None:
    """Send an error in the shape that MLflow's client reads."""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in error.headers.items()
    ]
    body = json.dumps(error.mlflow_body()).encode()
    await answer(send, error.status, body, media_type=JSON, headers=headers)


async def redirect(send: Send, to: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a browser on to a place of this host, by GET."""
    location = (b"location", to.encode("latin-1"))
    no_store = (b"cache-control", b"no-store")
    await answer(send, 303, headers=[location, no_store, *headers])
