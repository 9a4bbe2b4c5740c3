import asyncio
import gzip
import zlib
from collections.abc import Iterable

import pytest
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent

from app.errors import ApiError, BadRequestError, TooLargeError
from app.mlflow import bodies
from app.mlflow.bodies import BodyTooSlowError, Budget, TooManyBodiesError, held_body, inflate
from app.mlflow.registry import ProjectModelRegistry
from app.request_context import Message, Receive

MIB = 1024 * 1024
DATA = bytes(range(256)) * 20_000


def receiving(pieces: Iterable[bytes]) -> Receive:
    waiting = list(pieces)

    async def receive() -> Message:
        if not waiting:
            await asyncio.sleep(60)
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting) or not piece}

    return receive


async def read(pieces: Iterable[bytes], limit: int = MIB, encoding: str = "") -> bytes | None:
    headers = [(b"content-encoding", encoding.encode())] if encoding else []
    async with held_body({"headers": headers}, receiving(pieces), limit, inflated=True) as body:
        return body


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> Budget:
    made = Budget(4 * MIB)
    monkeypatch.setattr(bodies, "budget", made)
    return made


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(DATA)),
        ("gzip", gzip.compress(DATA[:9]) + gzip.compress(DATA[9:])),
        ("deflate", zlib.compress(DATA)),
        ("deflate", raw_deflate(DATA)),
    ],
)
def test_a_compressed_body_is_given_as_what_it_holds(encoding: str, body: bytes) -> None:
    assert b"".join(inflate(body, encoding)) == DATA
    assert asyncio.run(read([body], 8 * MIB, encoding)) == DATA


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, raw_deflate])
def test_a_body_that_grows_without_end_is_refused(budget: Budget, compress: object) -> None:
    assert callable(compress)
    bomb = compress(bytes(64 * MIB))
    encoding = "gzip" if compress is gzip.compress else "deflate"
    with pytest.raises(TooLargeError):
        asyncio.run(read([bomb], MIB, encoding))
    budget.take(4 * MIB)  # all that was held was given back


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(DATA)[:-9]),
        ("gzip", b"not compressed"),
        ("deflate", zlib.compress(DATA)[:100]),
        ("br", b"x"),
        ("gzip,gzip", b"x"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(BadRequestError):
        asyncio.run(read([body], 8 * MIB, encoding))


def test_bodies_have_one_budget_and_give_it_back(budget: Budget) -> None:
    budget.take(3 * MIB)
    with pytest.raises(TooManyBodiesError) as refused:
        asyncio.run(read([bytes(MIB), bytes(1)], 2 * MIB))
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "2"})
    assert asyncio.run(read([bytes(MIB)])) == bytes(MIB)
    assert asyncio.run(read([bytes(MIB)])) == bytes(MIB)


def test_a_body_that_pauses_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "IDLE_SECONDS", 0.01)
    with pytest.raises(ApiError) as refused:
        asyncio.run(read([b"begun", b""]))
    assert isinstance(refused.value, BodyTooSlowError)
    assert refused.value.status == 408
    assert refused.value.mlflow_body()["error_code"] == "BAD_REQUEST"


def test_no_webhook_is_ever_found() -> None:
    event = WebhookEvent(WebhookEntity.REGISTERED_MODEL, WebhookAction.CREATED)
    store = object.__new__(ProjectModelRegistry)  # one that reaches no database
    found = store.list_webhooks_by_event(event, max_results=100, page_token=None)
    assert (list(found), found.token) == ([], None)
