import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.request_context import (
    Message,
    Receive,
    RequestContext,
    Scope,
    Send,
    client_address,
    current_request_id,
    remember_principal,
)

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def scope_of(*headers: tuple[str, str], path: str = "/x", peer: str = "10.0.0.9") -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": (peer, 1),
    }


def call(app: App, scope: Scope) -> tuple[list[Message], list[Any]]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    with capture_logs() as logs:
        asyncio.run(RequestContext(app)(scope, receive, send))
    return sent, logs


async def answer(_: Scope, __: Receive, send: Send) -> None:
    body = current_request_id().encode()
    await send({"type": "http.response.start", "status": 204, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": body})


def request_id_of(sent: list[Message]) -> str:
    found = [value for name, value in sent[0]["headers"] if name == b"x-request-id"]
    assert len(found) == 1
    return str(found[0].decode())


def test_a_well_formed_id_is_kept_and_comes_back() -> None:
    sent, logs = call(answer, scope_of(("x-request-id", "from-outside_1.2")))
    assert request_id_of(sent) == sent[1]["body"].decode() == "from-outside_1.2"
    assert (b"a", b"b") in sent[0]["headers"]
    assert [each["event"] for each in logs] == ["request_served"]


@given(st.text(st.characters(codec="latin-1"), max_size=200))
def test_an_id_that_could_forge_a_log_is_replaced(received: str) -> None:
    scope = scope_of()
    scope["headers"] = [(b"x-request-id", received.encode("latin-1"))]
    sent, _ = call(answer, scope)
    kept = request_id_of(sent)
    assert kept.isascii()
    assert set(kept) <= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")
    assert 8 <= len(kept) <= 128


def test_two_ids_are_none_and_every_request_gets_its_own() -> None:
    header = ("x-request-id", "sent-twice")
    first, _ = call(answer, scope_of(header, header))
    second, _ = call(answer, scope_of())
    assert len({request_id_of(first), request_id_of(second), "sent-twice"}) == 3


def test_the_last_line_says_who_what_and_how_long() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        remember_principal({**scope}, "key:someone")
        await answer(scope, receive, send)

    _, logs = call(app, scope_of(("x-forwarded-for", "1.2.3.4, 5.6.7.8"), path="/a/b"))
    line = logs[-1]
    assert line["event"] == "request_served"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/a/b", 204)
    assert (line["principal"], line["client"]) == ("key:someone", "5.6.7.8")
    assert line["duration_ms"] >= 0


def test_health_is_not_logged_unless_it_fails() -> None:
    async def healthy(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert call(healthy, scope_of(path="/health"))[1] == []
    assert len(call(answer, scope_of(path="/health"))[1]) == 1


def test_a_crash_becomes_an_answer_that_says_nothing_about_it() -> None:
    async def crash(_: Scope, __: Receive, ___: Send) -> None:
        raise RuntimeError("the password is hunter2")

    sent, logs = call(crash, scope_of())
    assert sent[0]["status"] == 500
    assert b"hunter2" not in sent[1]["body"]
    assert request_id_of(sent).encode() in sent[1]["body"]
    assert [each["event"] for each in logs] == ["request_failed", "request_served"]


def test_nothing_of_one_request_is_left_in_the_next() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(structlog.contextvars.get_contextvars())
        remember_principal(scope, "key:first")
        await answer(scope, receive, send)

    call(app, scope_of())
    call(app, scope_of())
    assert all("principal" not in each for each in seen)


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ([], 1, "10.0.0.9"),
        (["1.1.1.1"], 0, "10.0.0.9"),
        (["1.1.1.1"], 1, "1.1.1.1"),
        (["6.6.6.6, 1.1.1.1"], 1, "1.1.1.1"),
        (["6.6.6.6", "1.1.1.1"], 1, "1.1.1.1"),
        (["6.6.6.6, 1.1.1.1, 10.1.1.1"], 2, "1.1.1.1"),
        (["1.1.1.1"], 2, "10.0.0.9"),
        (["2001:db8::1"], 1, "2001:db8::1"),
        (["nonsense"], 1, "10.0.0.9"),
        (["x, \n{}"], 1, "10.0.0.9"),
        ([""], 1, "10.0.0.9"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_not_ours(
    forwarded: list[str], proxies: int, expected: str
) -> None:
    scope = scope_of(*(("x-forwarded-for", each) for each in forwarded))
    assert client_address(scope, proxies) == expected


@given(st.lists(st.ip_addresses().map(str), max_size=4), st.ip_addresses().map(str))
def test_nothing_the_client_writes_moves_its_own_address(claims: list[str], true: str) -> None:
    scope = scope_of(("x-forwarded-for", ", ".join([*claims, true])))
    assert client_address(scope, 1) == true
