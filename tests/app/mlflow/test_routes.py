import re
from urllib.parse import quote

import flask
import mlflow.server
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.server import fastapi_app

from app.errors import MethodNotAllowedError, NotFoundError
from app.mlflow.routes import (
    WANTED,
    Access,
    PathNotCanonicalError,
    Routes,
    canonical_path,
    read_table,
)
from tests.app.mlflow.mlflow_tables import decided, served

OTHERWISE = {
    # Where this endpoint asks for something else than MLflow's own tables, and why.
    r"/workspaces": "workspaces belong to projects, a list of them is a list of tenants",
    r"/gateway/": "the gateway is not offered; what it holds may be read",
    r"/prompt-optimization/jobs": "jobs do not run here",
}


@pytest.fixture(scope="module")
def routes() -> Routes:
    return Routes(mlflow.server.app, fastapi_app.app)


def test_every_route_of_mlflow_is_classified_and_no_line_is_left_over() -> None:
    table = read_table()
    routes = {(each.method, each.template) for each in served()}
    assert len(routes) > 480, "MLflow's routes were not found"
    assert sorted(routes - table.keys()) == [], "decide about them in app/mlflow/route_table.py"
    assert sorted(table.keys() - routes) == [], "MLflow has them no more"


def test_the_table_agrees_with_mlflows_own_authorization() -> None:
    table = read_table()
    assert len(decided()) > 290, "MLflow's own tables were not found"
    differing = [
        f"{method} {template}: {table[method, template].name}, MLflow: {access.name}"
        for (method, template), access in decided().items()
        if table[method, template] is not access
        and not any(re.search(each, template) for each in OTHERWISE)
    ]
    assert differing == []


def test_a_twin_asks_for_what_its_sibling_asks_for() -> None:
    table = read_table()
    differing = [
        (method, template)
        for (method, template), access in table.items()
        if template.startswith("/api/")
        and table.get((method, template.replace("/api/", "/ajax-api/", 1)), access) is not access
    ]
    assert differing == []


def test_only_reads_that_send_a_body_are_reads_by_post() -> None:
    reads = {
        template
        for (method, template), access in read_table().items()
        if access is Access.READ and method != "GET" and template.startswith("/a")
    }
    odd = [
        each
        for each in reads
        if not re.search(
            r"search|batchGet|get-latest-versions|presigned-download|ui-telemetry"
            r"|calculate-filter-correlation|traces/metrics",
            each,
        )
    ]
    assert odd == []


def test_each_access_but_denied_and_public_names_a_permission() -> None:
    assert set(Access) - set(WANTED) == {Access.PUBLIC, Access.DENIED}


def test_nothing_is_public_but_health() -> None:
    public = [key for key, access in read_table().items() if access is Access.PUBLIC]
    assert public == [("GET", "/health")]


def test_a_route_that_an_upgrade_brings_is_denied() -> None:
    upgraded = flask.Flask("upgraded", static_folder=None)
    upgraded.add_url_rule("/api/2.0/mlflow/new", "new", lambda: "", methods=["POST"])
    upgraded.add_url_rule("/api/2.0/mlflow/new/<path:x>", "newer", lambda: "", methods=["GET"])
    routes = Routes(upgraded, fastapi_app.app)
    assert routes.find("POST", "/api/2.0/mlflow/new").access is Access.DENIED
    assert routes.find("GET", "/api/2.0/mlflow/new/one").access is Access.DENIED


@pytest.mark.parametrize("route", served(), ids=str)
def test_what_is_classified_is_what_is_routed(route: object, routes: Routes) -> None:
    method, template = str(route).split()
    path = re.sub(r"<(path:)?\w+>", "x1", template)
    found = routes.find(method, path)
    concrete = re.compile(re.sub(r"<path:\w+>", ".*", re.sub(r"<\w+>", "[^/]+", found.template)))
    assert concrete.fullmatch(path)
    assert found.access is read_table()[method, found.template]


def test_head_asks_for_what_get_asks_for(routes: Routes) -> None:
    assert routes.find("HEAD", "/get-artifact").access is Access.READ


def test_a_method_that_a_path_does_not_have_is_refused(routes: Routes) -> None:
    with pytest.raises(MethodNotAllowedError):
        routes.find("DELETE", "/api/2.0/mlflow/runs/create")


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/experiments/get/",
        "/API/2.0/mlflow/experiments/get",
        "/api/2.0/mlflow/experiments/Get",
        "/api/2.0/mlflow",
        "/health/",
    ],
)
def test_another_case_or_a_trailing_slash_is_no_route(path: str, routes: Routes) -> None:
    with pytest.raises(NotFoundError):
        routes.find("GET", path)


@pytest.mark.parametrize(
    "raw",
    [
        b"//api/2.0/mlflow/experiments/get",
        b"/api//2.0",
        b"/%61pi/2.0/mlflow/experiments/get",
        b"/x/../api",
        b"/x/%2e%2e/api",
        b"/x/./api",
        b"/..",
        b"/a%2fb",
        b"/a%2Fb",
        b"/a%5cb",
        b"/a\\b",
        b"/a%00b",
        b"/a%0ab",
        b"/a%",
        b"/a%2",
        b"/a%zz",
        b"/a%ff",
        b"/a%7e",
        b"/\xc3\xa9",
        b"/a b",
        b"api/2.0",
        b"",
        b"*",
    ],
)
def test_an_odd_spelling_is_refused(raw: bytes) -> None:
    with pytest.raises(PathNotCanonicalError):
        canonical_path(raw)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/api/2.0/mlflow/experiments/get", "/api/2.0/mlflow/experiments/get"),
        (b"/a/%C3%BCn%C3%AF%20100%25.txt", "/a/ünï 100%.txt"),
        (b"/a/%c3%bc", "/a/ü"),
        (b"/a/.hidden/..two/x..y", "/a/.hidden/..two/x..y"),
        (b"/a/b(1)!*'~;,=+$&@:.txt", "/a/b(1)!*'~;,=+$&@:.txt"),
    ],
)
def test_what_clients_send_passes(raw: bytes, path: str) -> None:
    assert canonical_path(raw) == path


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1))
def test_every_name_has_one_spelling_that_passes(name: str) -> None:
    path = f"/a/{name}"
    raw = quote(path, safe="/~").encode()
    odd = "//" in path or "\\" in path or any(segment in {".", ".."} for segment in path.split("/"))
    if odd:
        with pytest.raises(PathNotCanonicalError):
            canonical_path(raw)
    else:
        assert canonical_path(raw) == path


@given(st.binary(min_size=1))
def test_whatever_comes_is_refused_or_has_no_second_reading(raw: bytes) -> None:
    try:
        path = canonical_path(b"/" + raw)
    except PathNotCanonicalError:
        return
    assert not {"", ".", ".."} & set(path.split("/")[1:-1])
    assert path.split("/")[-1] not in {".", ".."}
    assert path.isprintable() or any(ord(each) > 0x7F for each in path)
