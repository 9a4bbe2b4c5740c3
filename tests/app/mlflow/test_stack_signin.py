"""The sign-in page: a key goes in, a session comes out, and MLflow's pages open."""

import base64
import hashlib
import re
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.app.mlflow.caller import Caller
from tests.stack import Stack

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def browser(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=stack.mlflow_url, headers=PAGE, timeout=30, trust_env=False
    ) as client:
        yield client


def sign_in(browser: httpx.Client, key: str, wanted: str = "/") -> httpx.Response:
    return browser.post("/sign-in", data={"api_key": key, "next": wanted})


def test_a_page_leads_to_the_sign_in_and_back(browser: httpx.Client, left: Caller) -> None:
    sent = browser.get("/get-artifact?run_id=1&path=a")
    assert sent.status_code == 303
    page = browser.get(sent.headers["location"])
    assert page.status_code == 200
    wanted = re.search(r'name="next" value="([^"]+)"', page.text)
    assert wanted is not None
    assert wanted[1] == "/get-artifact?run_id=1&amp;path=a"
    back = sign_in(browser, left.key, "/get-artifact?run_id=1&path=a")
    assert (back.status_code, back.headers["location"]) == (303, "/get-artifact?run_id=1&path=a")


def test_the_cookie_holds_a_session_and_never_the_key(browser: httpx.Client, left: Caller) -> None:
    cookie = sign_in(browser, left.key).headers["set-cookie"]
    value, *attributes = [each.strip() for each in cookie.split(";")]
    assert value.startswith("hokusai_session=eyJ")
    assert left.key not in cookie
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert not any(each.startswith("Domain") for each in attributes)


def test_mlflows_pages_and_calls_work_with_the_cookie(browser: httpx.Client, left: Caller) -> None:
    sign_in(browser, left.key)
    front = browser.get("/")
    assert "<title>MLflow</title>" in front.text
    script = re.search(r'src="\.?/?(static-files/[^"]+\.js)"', front.text)
    assert script is not None
    assert browser.get(f"/{script[1]}").status_code == 200
    found = browser.get("/ajax-api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})
    assert found.json()["experiment"]["name"] == "Default"
    info = browser.get("/ajax-api/3.0/mlflow/server-info").json()
    assert info["workspaces_enabled"] is False


def test_a_change_by_cookie_must_come_from_a_page_of_this_host(
    browser: httpx.Client, stack: Stack, left: Caller
) -> None:
    sign_in(browser, left.key)
    create, body = "/ajax-api/2.0/mlflow/runs/create", {"experiment_id": "0"}
    assert browser.post(create, json=body).status_code == 403
    foreign = browser.post(create, json=body, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert "origin_mismatch" in foreign.json()["message"]
    own = browser.post(create, json=body, headers={"Origin": stack.mlflow_url})
    assert own.status_code == 200


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "Paste an API key"),
        ("hk_dev_garbage", "form of a Hokusai API key"),
        ("hk_live_" + "a" * 65, ""),
    ],
)
def test_a_wrong_key_shows_the_page_again_and_says_why(
    browser: httpx.Client, key: str, says: str
) -> None:
    page = sign_in(browser, key, "/#/models")
    assert page.status_code == 401
    assert 'role="alert"' in page.text
    assert says in page.text
    assert 'value="/#/models"' in page.text
    assert "set-cookie" not in page.headers
    assert key == "" or key not in page.text


def test_the_page_runs_its_own_script_and_style_and_no_others(browser: httpx.Client) -> None:
    page = browser.get("/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        assert inside is not None
        digest = base64.b64encode(hashlib.sha256(inside[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert 'lang="en"' in page.text
    assert '<label for="api-key">' in page.text


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_one_never_ends_up_elsewhere(browser: httpx.Client, left: Caller, wanted: str) -> None:
    assert sign_in(browser, left.key, wanted).headers["location"] == "/"


def test_markup_in_the_return_path_stays_text(browser: httpx.Client) -> None:
    page = browser.get("/sign-in", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text


def test_a_form_of_another_site_is_refused(browser: httpx.Client, left: Caller) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = browser.post("/sign-in", data={"api_key": left.key}, headers=headers)
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers


def test_signing_out_ends_the_session(browser: httpx.Client, stack: Stack, left: Caller) -> None:
    sign_in(browser, left.key)
    token = browser.cookies["hokusai_session"]
    shown = browser.get("/sign-in")
    assert "You are signed in" in shown.text
    assert "Sign out" in shown.text
    out = browser.post("/sign-out", headers={"Origin": stack.mlflow_url})
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert browser.get("/").status_code == 303
    assert token.count(".") == 2


def test_a_session_that_does_not_hold_leads_back_to_the_sign_in(browser: httpx.Client) -> None:
    browser.cookies.set("hokusai_session", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.")
    assert browser.get("/").status_code == 303
    assert browser.get("/ajax-api/2.0/mlflow/experiments/get").status_code == 303
    ajax = browser.get("/ajax-api/2.0/mlflow/experiments/get", headers={"Accept": "*/*"})
    assert ajax.status_code == 401
    assert ajax.json()["error_code"] == "UNAUTHENTICATED"


def test_the_page_is_served_under_its_public_name(stack: Stack, browser: httpx.Client) -> None:
    port = httpx.URL(stack.mlflow_url).port
    sent = browser.get("/sign-in?next=/x", headers={"Host": f"127.0.0.1:{port}"})
    assert sent.status_code in {303, 403}
    if sent.status_code == 303:
        assert sent.headers["location"] == f"{stack.mlflow_url}/sign-in?next=/x"


def test_signing_out_ends_the_session_itself(browser: httpx.Client, left: Caller) -> None:
    cookie = sign_in(browser, left.key).headers["set-cookie"].partition(";")[0]
    kept = {"Cookie": cookie, "Host": browser.base_url.netloc.decode()}
    assert httpx.get(f"{browser.base_url}/version", headers=kept).status_code == 200
    origin = {"Origin": str(browser.base_url).rstrip("/")}
    assert browser.post("/sign-out", headers=origin).status_code == 303
    deadline = time.monotonic() + 5
    while httpx.get(f"{browser.base_url}/version", headers=kept).status_code != 401:
        assert time.monotonic() < deadline, "a copy of the cookie still works"
        time.sleep(0.1)


def test_a_text_too_long_for_a_key_is_told_on_the_page(browser: httpx.Client) -> None:
    refused = sign_in(browser, "h" * 100_000)
    assert refused.status_code == 413
    assert "too long" in refused.text
