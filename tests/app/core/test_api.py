"""The API as it is composed, on real stores; only the MLflow server is missing here."""

import base64
import json
import time
from io import StringIO

import boto3
import httpx
import pytest

from app.api import readiness
from app.api.main import make_services
from app.start_gate import StartRefusedError
from app.stores import postgres
from tests.app.core.calls import bearer, key_with
from tests.app.core.parts import Backend

pytestmark = pytest.mark.timeout(60)


def test_whoami_says_who_where_and_what(api: httpx.Client) -> None:
    key, key_id = key_with(api, "models:read", "mlflow:read", resources=["model:churn-*"])
    answer = api.get("/api/v1/auth/whoami", headers=bearer(key))
    assert answer.status_code == 200
    assert answer.json() == {
        "principal": f"key:{key_id}",
        "project": "main",
        "credential": "api_key",
        "permissions": ["mlflow:read", "models:read"],
        "reach": "resources",
        "resources": ["model:churn-*"],
        "expires_at": None,
    }
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    for header in ({"Authorization": f"Basic {basic}"}, {"X-API-Key": key}):
        api.headers.pop("Authorization", None)
        assert api.get("/api/v1/auth/whoami", headers=header).json() == answer.json()


def test_every_refusal_is_a_problem_with_a_code_and_the_request_id(api: httpx.Client) -> None:
    del api.headers["Authorization"]
    cases = [
        ("GET", "/api/v1/auth/whoami", {}, 401, "no_credential"),
        ("GET", "/api/v1/auth/whoami", bearer("hk_dev_x"), 401, "malformed_key"),
        ("GET", "/api/v1/auth/whoami?api_key=x", {}, 400, "credential_in_query"),
        ("GET", "/nope", {}, 404, "not_found"),
        ("POST", "/health", {}, 405, "method_not_allowed"),
        ("GET", "/api/v1/keys/", {}, 404, "not_found"),
        ("POST", "/api/v1/auth/session", {}, 422, "invalid_content"),
    ]
    for method, path, headers, status, code in cases:
        answer = api.request(method, path, headers={**headers, "X-Request-ID": "asked-by-test"})
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["code"]) == (status, code)
        assert problem["request_id"] == answer.headers["x-request-id"] == "asked-by-test"
        assert {"type", "title", "detail", "instance"} <= problem.keys()
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
        if status == 405:
            assert answer.headers["allow"]


def test_authentication_comes_before_the_body(api: httpx.Client) -> None:
    def broken() -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return api.post("/api/v1/keys", content=b"{not json", headers=headers)

    assert (broken().status_code, broken().json()["code"]) == (400, "malformed_json")
    key, _ = key_with(api, "models:read")
    api.headers["Authorization"] = f"Bearer {key}"
    denied = broken()
    assert (denied.status_code, denied.json()["required_permission"]) == (403, "keys:write")
    del api.headers["Authorization"]
    assert broken().status_code == 401


def test_a_wrong_body_is_named_by_field_and_never_repeated(api: httpx.Client) -> None:
    wrong = {"name": "", "permissions": ["mlflow:everything"], "extra": "hunter2"}
    answer = api.post("/api/v1/keys", json=wrong)
    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["errors"]} == {
        "body.name",
        "body.permissions.0",
        "body.extra",
    }
    assert "hunter2" not in answer.text
    session = api.post("/api/v1/auth/session", json={"api_key": {"x": "hunter2"}})
    assert session.status_code == 422
    assert "hunter2" not in session.text


def test_large_bodies_are_refused_announced_or_not(api: httpx.Client) -> None:
    large = b" " * (1024 * 1024 + 1)
    announced = api.post("/api/v1/keys", content=large)
    assert (announced.status_code, announced.json()["code"]) == (413, "too_large")
    streamed = api.post("/api/v1/keys", content=iter([large[:600_000], large[600_000:]]))
    assert (streamed.status_code, streamed.json()["code"]) == (413, "too_large")


FORM = "application/x-www-form-urlencoded"
JSON = {"Content-Type": "application/json"}


BROKEN: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"{", JSON, 400, "malformed_json"),
    (b'{"api_key": "\xff"}', JSON, 400, "bad_request"),
    (b"[" * 200_000, JSON, 400, "bad_request"),
    (b"[]", JSON, 422, "invalid_content"),
    (b"", JSON, 422, "invalid_content"),
    (b"null", JSON, 422, "invalid_content"),
    (b'{"\\ud800": 1, "\\u0000": 2}', JSON, 422, "invalid_content"),
    (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    (b"a=b", {"Content-Type": FORM}, 415, "unsupported_media_type"),
    (b"{}", {}, 415, "unsupported_media_type"),
]


def test_a_body_that_cannot_be_read_is_a_problem(api: httpx.Client) -> None:
    for content, headers, status, code in BROKEN:
        for path in ("/api/v1/auth/session", "/api/v1/keys"):
            sent = headers | {"X-Request-ID": "broken-body"}
            answer = api.post(path, content=content, headers=sent)
            assert (answer.status_code, answer.json()["code"]) == (status, code), content[:9]
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-request-id"] == "broken-body"
            assert answer.json()["request_id"] == "broken-body"


def test_a_database_that_has_gone_silent_is_away_after_a_moment(
    api: httpx.Client, hokusai: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ANSWER_SECONDS", 0.3)
    assert api.get("/api/v1/keys").status_code == 200
    with hokusai.front.stall():
        started = time.monotonic()
        listed = api.get("/api/v1/keys")
        assert time.monotonic() - started < postgres.CONNECT_TIMEOUT_SECONDS * 2 + 1.5
    assert (listed.status_code, listed.json()["code"]) == (503, "database_unavailable")
    assert int(listed.headers["retry-after"]) > 0
    assert api.get("/api/v1/keys").status_code == 200


def test_a_session_by_cookie_signs_out_for_good(api: httpx.Client) -> None:
    key, _ = key_with(api, "models:read")
    del api.headers["Authorization"]
    made = api.post("/api/v1/auth/session", json={"api_key": key})
    assert made.status_code == 201
    cookie = made.headers["set-cookie"]
    assert cookie.startswith("hokusai_session=eyJ")
    assert all(each in cookie for each in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age="))
    assert "Domain" not in cookie
    assert key not in cookie
    assert made.headers["cache-control"] == "no-store"
    token = made.json()["token"]
    assert api.get("/api/v1/auth/whoami").json()["credential"] == "session"
    refused = api.delete("/api/v1/auth/session")
    assert (refused.status_code, refused.json()["code"]) == (403, "origin_mismatch")
    ended = api.delete("/api/v1/auth/session", headers={"Origin": str(api.base_url).rstrip("/")})
    assert ended.status_code == 204
    assert "Max-Age=0" in ended.headers["set-cookie"]
    after = api.get("/api/v1/auth/whoami", headers=bearer(token))
    assert (after.status_code, after.json()["code"]) == (401, "ended_session")
    by_key = api.delete("/api/v1/auth/session", headers=bearer(key))
    assert (by_key.status_code, by_key.json()["code"]) == (409, "no_session")


def test_a_bad_key_makes_no_session(api: httpx.Client) -> None:
    for wrong, code in (("hk_dev_x", "malformed_key"), ("x" * 300, "invalid_content")):
        answer = api.post("/api/v1/auth/session", json={"api_key": wrong})
        assert answer.json()["code"] == code
        assert "set-cookie" not in answer.headers


def test_ready_names_what_is_away_health_does_not_care_and_all_recovers(
    api: httpx.Client, hokusai: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(readiness.KEEP_SECONDS, "pass", 0.3)

    def ready(part: str, verdict: str) -> None:
        deadline = time.monotonic() + 10
        while (answer := api.get("/ready")).json()["checks"][part] != verdict:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)
        assert answer.status_code == 503  # MLflow is not there
        assert api.get("/health").status_code == 200
        assert "localhost" not in answer.text

    ready("database", "pass")
    ready("key_store", "pass")
    ready("secrets", "pass")
    ready("mlflow", "fail")
    with hokusai.front.away():
        ready("database", "fail")
        listed = api.get("/api/v1/keys")
        assert (listed.status_code, listed.json()["code"]) == (503, "database_unavailable")
        assert listed.headers["retry-after"]
        assert api.get("/api/v1/auth/whoami").status_code == 200
    ready("database", "pass")
    assert api.get("/api/v1/keys").status_code == 200
    with hokusai.control_plane.away():
        ready("secrets", "fail")
        body = {"name": "x", "permissions": ["models:read"]}
        made = api.post("/api/v1/keys", json=body)
        assert (made.status_code, made.json()["code"]) == (503, "secrets_unavailable")
    ready("secrets", "pass")
    key_with(api, "models:read")
    models = api.get("/api/v1/models")
    assert (models.status_code, models.json()["code"]) == (503, "mlflow_unavailable")


def test_version_says_what_runs(api: httpx.Client) -> None:
    version = api.get("/version").json()
    assert version["service"] == "api"
    assert {"version", "git_sha", "image_digest", "environment", "configuration"} <= version.keys()


def test_no_secret_reaches_a_log(
    logs: StringIO, api: httpx.Client, admin_key: str, hokusai: Backend
) -> None:
    key, key_id = key_with(api, "models:read")
    token = api.post("/api/v1/auth/session", json={"api_key": key}).json()["token"]
    api.cookies.clear()
    basic = base64.b64encode(f"x:{key}".encode()).decode()
    for headers in (
        bearer(token),
        bearer(key[:-1]),
        {"Authorization": f"Basic {basic}"},
        {"X-API-Key": key, "Authorization": f"Bearer {admin_key}"},
    ):
        api.get(f"/api/v1/keys/{key}?key={key}", headers=headers)
    with hokusai.front.away():
        api.get("/api/v1/keys")
    api.delete(f"/api/v1/keys/{key_id}")
    text = logs.getvalue()
    for secret in (key[-49:-6], admin_key[-49:-6], token.rpartition(".")[2], basic):
        assert secret not in text
    lines = [json.loads(line) for line in text.splitlines()]
    served = [each for each in lines if each["event"] == "request_served"]
    assert len(served) >= 7
    assert all({"timestamp", "level", "service", "request_id"} <= each.keys() for each in served)
    assert any(each["principal"] == f"key:{key_id}" for each in served)
    assert not any("Traceback" in line for line in text.splitlines())


def test_what_nobody_foresaw_is_logged_with_its_trace_and_answered_without(
    logs: StringIO, api: httpx.Client, hokusai: Backend
) -> None:
    hokusai.sql("drop table api_key_revocation")
    answer = api.get("/api/v1/keys")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "revocation" not in answer.text
    deadline = time.monotonic() + 5
    while "request_failed" not in logs.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    failed = [each for each in lines if each["event"] == "request_failed"]
    assert len(failed) == 1
    assert failed[0]["request_id"] == answer.json()["request_id"]
    assert "UndefinedTable" in failed[0]["exception"]


def test_the_description_is_complete(api: httpx.Client) -> None:
    description = api.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    assert description["components"]["schemas"]["Problem"]["properties"]["code"]
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert {"500", "503"} <= operation["responses"].keys(), where
            if "requestBody" in operation:
                assert {"400", "413", "415", "422"} <= operation["responses"].keys(), where
            if "x-permission" in operation:
                assert {"400", "401", "403"} <= operation["responses"].keys(), where
                assert operation["security"], where
    guarded = {
        path
        for path, operations in description["paths"].items()
        if any("x-permission" in each for each in operations.values())
    }
    reach = description["components"]["schemas"]["Caller"]["properties"]["permissions"]
    assert "nothing outside" in reach["description"]
    assert guarded == set(description["paths"]) - {"/health", "/ready", "/version"}


def test_the_api_does_not_start_without_its_signing_keys(hokusai: Backend, admin_key: str) -> None:
    assert admin_key
    settings = hokusai.api_settings(signing_keys_secret_arn="hokusai/local/nowhere")  # noqa: S106 -- its name
    with pytest.raises(StartRefusedError, match="signing keys"):
        make_services(settings)


def test_two_processes_sign_with_the_same_key(hokusai: Backend, admin_key: str) -> None:
    assert admin_key
    first, second = (make_services(hokusai.api_settings()) for _ in range(2))
    try:
        token = first.tokens.mint_session("key:x", "main").token
        assert second.verifier.directory.signing_key(first.tokens.kid) is not None
        assert first.tokens.kid == second.tokens.kid
        assert token
        assert hokusai.sql("select count(*) from signing_keys") == [(1,)]
        stored = boto3.client("secretsmanager").get_secret_value(
            SecretId="hokusai/local/signing-keys"
        )
        rows = hokusai.sql("select version_id from signing_key_set")
        assert rows == [(stored["VersionId"],)]
        public = hokusai.sql("select public_key from signing_keys")[0][0]
        assert "PUBLIC KEY" in str(public)
    finally:
        for each in (first, second):
            each.verifier.close()
            each.engine.dispose()
