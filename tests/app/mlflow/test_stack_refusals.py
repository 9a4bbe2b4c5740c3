"""Every route that MLflow has, asked for without a credential or without the permission."""

import http.client
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from app.mlflow.routes import WANTED, Access, read_table
from tests.app.mlflow.caller import Caller
from tests.app.mlflow.mlflow_tables import Served, served
from tests.stack import Stack

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda path: path,
    "double slash": lambda path: "/" + path,
    "encoded letter": lambda path: f"/%{ord(path[1:2] or 'x'):02x}{path[2:]}",
    "dot segments": lambda path: "/x/.." + path,
    "encoded dot segments": lambda path: "/x/%2e%2e" + path,
    "trailing slash": lambda path: path + "/",
    "upper case": str.upper,
    "behind health": lambda path: "/health/.." + path,
}


def concrete(route: Served) -> str:
    return re.sub(r"<(path:)?\w+>", "x1", route.template)


@pytest.fixture(scope="module")
def raw(stack: Stack) -> Iterator[http.client.HTTPConnection]:
    """A connection that sends a path as it is spelled."""
    connection = http.client.HTTPConnection(urlsplit(stack.mlflow_url).netloc, timeout=30)
    yield connection
    connection.close()


def ask(
    raw: http.client.HTTPConnection, method: str, path: str, key: str | None = None
) -> tuple[int, str]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    raw.request(method, path, body=b"{}" if method != "GET" else None, headers=headers)
    response = raw.getresponse()
    return response.status, response.read().decode()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_without_a_credential_every_route_refuses(
    raw: http.client.HTTPConnection, spelling: str
) -> None:
    answered = []
    for route in served():
        path = SPELLINGS[spelling](concrete(route))
        status, _ = ask(raw, route.method, path)
        if status != 401 and path != "/health":
            answered.append((str(route), path, status))
    assert answered == []


def test_a_wrong_key_opens_nothing(raw: http.client.HTTPConnection, left: Caller) -> None:
    wrong = left.key[:-1] + ("a" if left.key[-1] != "a" else "b")
    answered = [
        (str(route), status)
        for route in served()
        if (status := ask(raw, route.method, concrete(route), wrong)[0]) != 401
        and route.template != "/health"
    ]
    assert answered == []


def test_a_reader_may_read_and_is_told_what_else_it_takes(
    raw: http.client.HTTPConnection, reader: Caller
) -> None:
    differing = []
    for route in served():
        access = read_table()[route.method, route.template]
        status, body = ask(raw, route.method, concrete(route), reader.key)
        wanted = WANTED.get(access)
        if access in {Access.PUBLIC, Access.READ}:
            fine = status not in {401, 403}
        elif wanted is None:
            fine = status == 403 and "route_not_offered" in body
        else:
            fine = status == 403 and f"lacks the permission {wanted}." in body
        if not fine:
            differing.append((str(route), status, body[:200]))
    assert differing == []


def test_a_writer_may_call_every_route_that_writes(
    raw: http.client.HTTPConnection, left: Caller
) -> None:
    refused = [
        (str(route), status, body[:200])
        for route in served()
        if read_table()[route.method, route.template] is Access.WRITE
        for status, body in [ask(raw, route.method, concrete(route), left.key)]
        if status in {401, 405} or (status == 403 and "models:" not in body)
    ]
    assert refused == []


@pytest.mark.parametrize("spelling", [each for each in SPELLINGS if each != "as it is"])
def test_with_a_credential_an_odd_spelling_reaches_no_route(
    raw: http.client.HTTPConnection, left: Caller, spelling: str
) -> None:
    path = SPELLINGS[spelling]("/api/2.0/mlflow/experiments/get")
    status, body = ask(raw, "GET", path, left.key)
    assert status in {400, 404}
    assert '"error_code"' in body


def test_errors_have_mlflows_shape_and_a_request_id(left: Caller) -> None:
    missing = left.get("/api/2.0/mlflow/nothing-here")
    assert missing.status_code == 404
    assert missing.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert len(missing.headers["x-request-id"]) == 32


def test_a_key_in_the_query_is_refused(left: Caller) -> None:
    refused = left.http.get("/version", params={"api_key": left.key})
    assert refused.status_code == 400
    assert "credential_in_query" in refused.json()["message"]


def test_health_needs_no_credential_and_no_name(stack: Stack) -> None:
    url = urlsplit(stack.mlflow_url)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", "/health", headers={"Host": "10.0.0.7:5000"})
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"OK")
    connection.close()


def test_ready_names_each_part(stack: Stack) -> None:
    url = urlsplit(stack.mlflow_url)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    status, body = ask(connection, "GET", "/ready")
    assert status == 200
    assert '"database": "pass"' in body
    assert '"object_store": "pass"' in body
    assert '"key_store": "pass"' in body
    connection.close()
