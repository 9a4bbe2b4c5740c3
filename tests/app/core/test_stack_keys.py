"""One key at both endpoints, with two tasks of each behind the balancer."""

import base64
import json
import subprocess
import time
import uuid
from collections.abc import Callable

import httpx
import pytest

from app.auth.api_key import ApiKey
from tests.stack import HOKUSAI, Stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("core-stack")]
WITHIN_SECONDS = 5.0
IN_A_ROW = 8
"""More requests than there are tasks, each on a connection of its own, so that all are asked."""


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def at_api(stack: Stack, headers: dict[str, str]) -> tuple[int, str]:
    answer = httpx.get(f"{stack.api_url}/api/v1/auth/whoami", headers=headers, timeout=30)
    return answer.status_code, answer.json().get("code", "")


def at_mlflow(stack: Stack, headers: dict[str, str]) -> tuple[int, str]:
    url = f"{stack.mlflow_url}/api/2.0/mlflow/experiments/search"
    answer = httpx.get(url, params={"max_results": 1}, headers=headers, timeout=30)
    code = "" if answer.is_success else answer.json()["message"].partition(":")[0]
    return answer.status_code, code


ENDPOINTS = pytest.mark.parametrize("endpoint", [at_api, at_mlflow], ids=["api", "mlflow"])
Endpoint = Callable[[Stack, dict[str, str]], tuple[int, str]]


def everywhere(stack: Stack, headers: dict[str, str]) -> set[tuple[int, str]]:
    """Ask both endpoints so often that every task has answered."""
    return {ask(stack, headers) for _ in range(IN_A_ROW) for ask in (at_api, at_mlflow)}


def make(stack: Stack, *permissions: str, **more: object) -> tuple[str, str]:
    body = {"name": "test", "permissions": list(permissions), **more}
    url = f"{stack.api_url}/api/v1/keys"
    answer = httpx.post(url, json=body, headers=bearer(stack.admin_key), timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.json()["key"], answer.json()["id"]


def wait_until_everywhere(stack: Stack, headers: dict[str, str], expected: tuple[int, str]) -> None:
    """Wait as long as is promised, then accept no exception."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while everywhere(stack, headers) != {expected} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert everywhere(stack, headers) == {expected}


def test_a_key_works_at_both_endpoints_at_once_and_is_revoked_at_both(stack: Stack) -> None:
    key, key_id = make(stack, "mlflow:read")
    wait_until_everywhere(stack, bearer(key), (200, ""))
    url = f"{stack.api_url}/api/v1/keys/{key_id}"
    assert httpx.delete(url, headers=bearer(stack.admin_key)).status_code == 204
    wait_until_everywhere(stack, bearer(key), (401, "revoked_key"))


def test_a_key_is_revoked_at_one_task_right_after_another_made_it(stack: Stack) -> None:
    for _ in range(6):
        _, key_id = make(stack, "mlflow:read")
        url = f"{stack.api_url}/api/v1/keys/{key_id}"
        assert httpx.delete(url, headers=bearer(stack.admin_key)).status_code == 204
        shown = httpx.get(url, headers=bearer(stack.admin_key))
        assert shown.json()["state"] == "revoked"


@ENDPOINTS
def test_bad_credentials_have_the_same_codes_at_both(stack: Stack, endpoint: Endpoint) -> None:
    unknown = ApiKey.generate("local").reveal()
    basic = base64.b64encode(f"user:{unknown}".encode()).decode()
    cases = [
        ({}, (401, "no_credential")),
        (bearer("hk_dev_nonsense"), (401, "malformed_key")),
        (bearer(stack.admin_key[:-1] + "!"), (401, "malformed_key")),
        (bearer(unknown), (401, "unknown_key")),
        ({"Authorization": f"Basic {basic}"}, (401, "unknown_key")),
        (bearer(ApiKey.generate("prod").reveal()), (401, "wrong_environment")),
        (bearer("a.b.c"), (401, "invalid_token")),
        ({"Authorization": "Digest x"}, (401, "malformed_credential")),
        (bearer(stack.admin_key) | {"X-API-Key": stack.admin_key}, (400, "several_credentials")),
        (bearer(stack.admin_key) | {"X-Hokusai-Project": "other"}, (403, "wrong_project")),
    ]
    for headers, expected in cases:
        assert endpoint(stack, headers) == expected


@ENDPOINTS
def test_every_form_of_a_good_credential_works_at_both(stack: Stack, endpoint: Endpoint) -> None:
    basic = base64.b64encode(f"anyone:{stack.admin_key}".encode()).decode()
    for headers in (
        bearer(stack.admin_key),
        {"X-API-Key": stack.admin_key},
        {"Authorization": f"Basic {basic}"},
        bearer(stack.admin_key) | {"X-MLFLOW-WORKSPACE": "main"},
    ):
        assert endpoint(stack, headers) == (200, "")


def test_a_key_expires_at_both(stack: Stack) -> None:
    ends = time.time() + 2
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
    key, _ = make(stack, "mlflow:read", expires_at=at)
    while time.time() < ends:
        time.sleep(0.1)
    wait_until_everywhere(stack, bearer(key), (401, "expired_key"))


def test_a_session_is_made_at_the_api_works_at_both_and_ends_at_both(stack: Stack) -> None:
    key, _ = make(stack, "mlflow:read")
    url = f"{stack.api_url}/api/v1/auth/session"
    made = httpx.post(url, json={"api_key": key}, timeout=30)
    assert made.status_code == 201
    session = bearer(made.json()["token"])
    wait_until_everywhere(stack, session, (200, ""))
    assert httpx.delete(url, headers=session).status_code == 204
    wait_until_everywhere(stack, session, (401, "ended_session"))


def test_models_are_listed_with_the_permissions_of_the_caller(stack: Stack) -> None:
    names = sorted(f"{kind}-{uuid.uuid4().hex[:8]}" for kind in ("churn", "fraud"))
    for name in names:
        made = httpx.post(
            f"{stack.mlflow_url}/api/2.0/mlflow/registered-models/create",
            json={"name": name, "description": "made by a test"},
            headers=bearer(stack.admin_key),
            timeout=30,
        )
        assert made.status_code == 200, made.text

    def listed(key: str, **query: object) -> httpx.Response:
        url = f"{stack.api_url}/api/v1/models"
        return httpx.get(url, params=query, headers=bearer(key), timeout=30)  # type: ignore[arg-type] # strings and numbers

    everything = listed(stack.admin_key, page_size=200).json()["models"]
    mine = [each for each in everything if each["name"] in names]
    assert [each["name"] for each in mine] == names
    assert mine[0]["description"] == "made by a test"
    reader, _ = make(stack, "models:read", "mlflow:read")
    assert {each["name"] for each in listed(reader, page_size=200).json()["models"]} >= {*names}
    narrowed, _ = make(stack, "models:read", "mlflow:read", resources=[f"model:{names[0]}"])
    assert [each["name"] for each in listed(narrowed, page_size=200).json()["models"]] == names[:1]
    enough, _ = make(stack, "models:read")
    assert {each["name"] for each in listed(enough, page_size=200).json()["models"]} >= {*names}
    other, _ = make(stack, "mlflow:read")
    denied = listed(other)
    assert (denied.status_code, denied.json()["required_permission"]) == (403, "models:read")
    first = listed(stack.admin_key, page_size=1).json()
    second = listed(stack.admin_key, page_size=1, page_token=first["next_page_token"]).json()
    assert first["models"][0]["name"] < second["models"][0]["name"]
    wrong = listed(stack.admin_key, page_token="nonsense")  # noqa: S106 -- not a password
    assert wrong.status_code == 400, wrong.text


def test_one_request_id_stands_in_the_logs_of_both_services(stack: Stack) -> None:
    request_id = f"test-{uuid.uuid4()}"
    answer = httpx.get(
        f"{stack.api_url}/api/v1/models",
        headers=bearer(stack.admin_key) | {"X-Request-ID": request_id},
        timeout=30,
    )
    assert answer.headers["x-request-id"] == request_id
    deadline = time.monotonic() + 5
    while True:
        served = [
            {json.loads(line)["service"]: json.loads(line)["principal"]}
            for name in ("api", "mlflow")
            for line in (stack.folder / f".hokusai/local/logs/{name}.log").read_text().splitlines()
            if request_id in line and json.loads(line)["event"] == "request_served"
        ]
        if len(served) == 2 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    principal = f"key:{stack.admin_key[7:23]}"
    assert served == [{"api": principal}, {"mlflow": principal}]


def test_the_logs_are_json_and_hold_no_secret(stack: Stack) -> None:
    key, _ = make(stack, "mlflow:read")
    for url in (stack.api_url, stack.mlflow_url):
        httpx.get(f"{url}/x/{key}?api_key={key}", headers=bearer(key), timeout=30)
        httpx.get(f"{url}/version", headers=bearer(key[:-2]), timeout=30)
    logs = list((stack.folder / ".hokusai/local/logs").glob("*.log"))
    assert {"api.log", "mlflow.log"} <= {each.name for each in logs}
    for log in logs:
        text = log.read_text()
        assert stack.admin_key[23:66] not in text
        assert key[23:66] not in text
        if log.stem in {"api", "mlflow"}:
            assert all(json.loads(line)["event"] for line in text.splitlines())


def test_health_and_ready(stack: Stack) -> None:
    assert httpx.get(f"{stack.api_url}/health").json() == {"status": "ok"}
    ready = httpx.get(f"{stack.api_url}/ready", timeout=10)
    assert ready.status_code == 200, ready.text
    assert set(ready.json()["checks"]) == {"database", "key_store", "mlflow", "secrets"}


def test_the_first_key_is_made_once(stack: Stack) -> None:
    argv = [str(HOKUSAI), "infra", "run", "api", str(stack.folder), "--", "app.admin", "first-key"]
    again = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert again.returncode != 0
    assert "has had its first key" in again.stdout + again.stderr
    assert "hk_dev_" not in again.stdout


def test_another_project_is_made_by_an_operator_and_sees_nothing_of_the_first(
    stack: Stack,
) -> None:
    theirs = stack.admin_key_of("neighbour")
    wait_until_everywhere(stack, bearer(theirs), (200, ""))
    mine, _ = make(stack, "mlflow:read")
    listed = httpx.get(
        f"{stack.api_url}/api/v1/keys", params={"page_size": 200}, headers=bearer(theirs)
    )
    ids = {each["id"] for each in listed.json()["keys"]}
    assert theirs[7:23] in ids
    assert not {mine[7:23], stack.admin_key[7:23]} & ids
