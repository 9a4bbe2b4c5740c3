import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mlflow.signin import safe_return, sign_in_path, wants_page


@pytest.mark.parametrize(
    "wanted",
    [
        "/",
        "/?x=1",
        "/#/experiments/1/runs/abc",
        "/get-artifact?run_id=1&path=a/b.txt",
        "/static-files/a.js",
    ],
)
def test_a_place_on_this_host_is_returned_to(wanted: str) -> None:
    assert safe_return(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "evil.example",
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " /x",
        "/x y",
        "javascript:alert(1)",
        "/é",
        "/x\r\nSet-Cookie: a=b",
        "/sign-in",
        "/sign-in?next=/x",
        "/sign-out",
        "/" + "x" * 2001,
    ],
)
def test_any_other_place_becomes_the_front_page(wanted: str) -> None:
    assert safe_return(wanted) == "/"


@given(st.text())
def test_whatever_is_asked_for_one_stays_on_this_host(wanted: str) -> None:
    chosen = safe_return(wanted)
    assert chosen.startswith("/")
    assert not chosen.startswith(("//", "/\\"))
    assert chosen.isprintable()
    assert chosen.isascii()


def scope(method: str, *headers: tuple[bytes, bytes]) -> dict[str, object]:
    return {"method": method, "headers": headers, "raw_path": b"/a/b", "query_string": b"c=d"}


def test_the_sign_in_page_remembers_where_one_wanted_to_go() -> None:
    assert sign_in_path(scope("GET")) == "/sign-in?next=/a/b%3Fc%3Dd"


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        (scope("GET", (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")), True),
        (scope("GET", (b"accept", b"*/*")), False),
        (scope("GET", (b"accept", b"application/json")), False),
        (scope("POST", (b"accept", b"text/html")), False),
        (scope("GET", (b"accept", b"text/html"), (b"authorization", b"Bearer x")), False),
    ],
)
def test_a_browser_that_opens_a_page_is_told_from_a_client(
    asked: dict[str, object],
    page: bool,  # noqa: FBT001 -- a column of the table
) -> None:
    assert wants_page(asked) is page
