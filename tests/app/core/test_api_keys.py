"""The life of a key, through the API."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app import admin
from tests.app.core.calls import bearer, key_with
from tests.app.core.parts import Backend

pytestmark = pytest.mark.timeout(60)


def in_years(years: float) -> str:
    later = datetime.now(UTC) + timedelta(days=365 * years)
    return later.isoformat(timespec="seconds")


def test_the_life_of_a_key(api: httpx.Client) -> None:
    key, key_id = key_with(api, "keys:read", "keys:write")
    listed = api.get("/api/v1/keys", headers=bearer(key)).json()["keys"]
    assert {each["name"] for each in listed} == {"first key", "test"}
    assert "key" not in listed[0]
    shown = api.get(f"/api/v1/keys/{key_id}").json()
    assert (shown["state"], shown["permissions"]) == ("active", ["keys:read", "keys:write"])
    assert api.delete(f"/api/v1/keys/{key_id}", headers=bearer(key)).status_code == 204
    refused = api.get("/api/v1/auth/whoami", headers=bearer(key))
    assert (refused.status_code, refused.json()["code"]) == (401, "revoked_key")
    shown = api.get(f"/api/v1/keys/{key_id}").json()
    assert (shown["state"], shown["revoked_by"]) == ("revoked", f"key:{key_id}")
    assert api.delete(f"/api/v1/keys/{key_id}").status_code == 204
    assert api.get("/api/v1/keys/0000000000000000").status_code == 404
    assert api.delete("/api/v1/keys/0000000000000000").status_code == 404


def test_a_key_that_expires(api: httpx.Client) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    key, key_id = key_with(api, "models:read", expires_at=soon)
    assert api.get("/api/v1/auth/whoami", headers=bearer(key)).json()["expires_at"] == soon
    session = api.post("/api/v1/auth/session", json={"api_key": key}).json()
    assert session["expires_in"] <= 2
    time.sleep(2.1)
    for credential in (key, session["token"]):
        refused = api.get("/api/v1/auth/whoami", headers=bearer(credential))
        assert (refused.status_code, refused.json()["code"]) == (401, "expired_key")
    api.cookies.clear()
    assert api.get(f"/api/v1/keys/{key_id}").json()["state"] == "expired"
    past = {"name": "x", "permissions": ["models:read"], "expires_at": "2020-01-01T00:00:00Z"}
    assert api.post("/api/v1/keys", json=past).status_code == 422


def test_no_key_makes_more_than_it_holds(api: httpx.Client) -> None:
    maker, _ = key_with(
        api,
        "keys:write",
        "models:read",
        resources=["model:churn-*"],
        expires_at=in_years(5),
    )
    api.headers["Authorization"] = f"Bearer {maker}"

    def attempt(*permissions: str, **more: object) -> tuple[int, str]:
        body = {"name": "x", "permissions": list(permissions), **more}
        answer = api.post("/api/v1/keys", json=body)
        return answer.status_code, answer.json().get("code", "made")

    inside = ["model:churn-a", "model:churn-b*"]
    assert attempt("models:read", resources=inside) == (201, "made")
    assert attempt("models:write", resources=inside) == (403, "exceeds_maker")
    assert attempt("admin", resources=inside) == (403, "exceeds_maker")
    assert attempt("models:read", resources=["model:*"]) == (403, "exceeds_maker")
    assert attempt("models:read") == (403, "exceeds_maker")
    assert attempt("models:read", resources=["bucket:*"]) == (422, "invalid_content")
    late = {"resources": inside, "expires_at": in_years(6)}
    assert attempt("models:read", **late) == (403, "exceeds_maker")


def test_keys_are_listed_in_pages_that_leave_none_out(api: httpx.Client) -> None:
    ids = {key_with(api, "models:read")[1] for _ in range(5)}
    found: list[str] = []
    token = None
    while True:
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        page = api.get("/api/v1/keys", params=query).json()
        assert len(page["keys"]) <= 2
        found += [each["id"] for each in page["keys"]]
        if (token := page["next_page_token"]) is None:
            break
    assert found == sorted(found)
    assert ids < set(found)
    assert len(found) == 6
    assert api.get("/api/v1/keys", params={"page_token": "x"}).status_code == 422


def test_keys_of_another_project_are_not_there(api: httpx.Client, hokusai: Backend) -> None:
    chosen = admin.parser().parse_args(["first-key", "--project", "other"])
    theirs = admin.first_key(hokusai.api_settings(), chosen)
    other = bearer(theirs["admin_key"])
    deadline = time.monotonic() + 5
    while api.get("/api/v1/auth/whoami", headers=other).status_code != 200:
        assert time.monotonic() < deadline
    key, key_id = key_with(api, "models:read")
    assert api.get(f"/api/v1/keys/{key_id}", headers=other).status_code == 404
    assert api.delete(f"/api/v1/keys/{key_id}", headers=other).status_code == 404
    assert api.get("/api/v1/auth/whoami", headers=bearer(key)).status_code == 200
    listed = api.get("/api/v1/keys", headers=other).json()["keys"]
    assert [each["id"] for each in listed] == [theirs["key_id"]]
