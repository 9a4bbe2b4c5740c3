"""The pages for people: complete, and harmless on the origin that holds the session cookie."""

import base64
import hashlib
import html
import re

import httpx

from app.api import docs_page
from app.errors import ApiError, InvalidContentError


def test_the_pages_load_and_run_nothing(api: httpx.Client) -> None:
    del api.headers["Authorization"]
    for path in ("/docs", "/docs/errors"):
        answer = api.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        [style] = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert not re.search(r"<(script|link|img|iframe|form|base)\b|\bon\w+=|//", answer.text)
        assert " style=" not in answer.text
        assert all(each.startswith(("/", "#")) for each in re.findall('href="(.*?)"', answer.text))
    assert api.get("/redoc").status_code == 404


def test_every_operation_is_described_and_every_link_leads_somewhere(api: httpx.Client) -> None:
    page = api.get("/docs").text
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            assert f'<span class="method {method}">{method.upper()}</span>{path}<' in page
            assert html.escape(operation["summary"]) in page
    ids = set(re.findall('id="(.*?)"', page))
    assert set(re.findall('href="#(.*?)"', page)) == ids
    for path in set(re.findall('href="(/[^"#]*)"', page)):
        assert api.get(path).status_code == 200
    assert "Needs <code>keys:write</code>" in page


def test_the_type_of_every_error_is_explained(api: httpx.Client) -> None:
    page = api.get("/docs/errors").text
    answered = api.get("/nope").json()["type"]
    assert answered.startswith("/docs/errors#")
    known = {InvalidContentError, *docs_page._subclasses(ApiError)}  # noqa: SLF001 -- all of them
    for each in known:
        if hasattr(each, "code"):
            assert f'<tr id="{each.code}">' in page


def test_text_is_escaped() -> None:
    page = docs_page.describe(
        {
            "info": {"title": "<script>", "summary": "&"},
            "paths": {
                "/<x>": {
                    "get": {
                        "summary": "<b>",
                        "description": "`<i>`",
                        "responses": {"200": {"description": "<u>"}},
                    }
                }
            },
        }
    )
    assert not re.search("<(script|x|b|i|u)>", page)
    assert "<code>&lt;i&gt;</code>" in page
