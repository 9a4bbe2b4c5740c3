"""What must hold of keys whatever is sent, stored or timed."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import boto3
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.api.routes.keys import _shown
from app.api.services import Services
from app.auth.api_key import ApiKey
from app.auth.key_record import KeyDocument, KeyRecord
from tests.app.core.calls import bearer, key_with
from tests.app.core.keys import record_of
from tests.app.core.parts import Backend

pytestmark = pytest.mark.timeout(60)
KEYS = "/api/v1/keys"
WHOAMI = "/api/v1/auth/whoami"
SECRET = "hokusai/local/projects/main/api-keys"  # noqa: S105 -- its name
LATE = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12)))

some = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
texts = st.text(st.characters(), max_size=20)
"""Any code points, surrogates and control characters among them."""
usual = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)
whole = st.integers(-(2**80), 2**80)
records = st.builds(
    lambda **fields: record_of(ApiKey.generate("local"), **fields),
    name=texts,
    created_by=texts,
    resources=st.lists(texts, max_size=3).map(tuple),
    created_at=whole,
    expires_at=st.none() | whole,
)


def post(api: httpx.Client, **body: object) -> httpx.Response:
    """Send what httpx itself would refuse to encode."""
    content = json.dumps({"name": "test", "permissions": ["models:read"]} | body)
    return api.post(KEYS, content=content, headers={"Content-Type": "application/json"})


def whoami(api: httpx.Client, key: str) -> tuple[int, str]:
    answer = api.get(WHOAMI, headers=bearer(key))
    return answer.status_code, answer.json().get("code", "")


@some
@given(record=records)
@example(record=record_of(ApiKey.generate("local"), name="\x00"))
@example(record=record_of(ApiKey.generate("local"), resources=("model:\ud800",)))
def test_every_record_can_be_revoked_and_shown(
    services: Services, api: httpx.Client, record: KeyRecord
) -> None:
    services.keys.revoke(record, by=record.created_by, reason=record.name)
    shown = api.get(f"{KEYS}/{record.key_id}")
    assert (shown.status_code, shown.json()["state"]) == (200, "revoked")
    assert _shown(record, 0).model_dump_json().encode()


def test_every_key_that_can_be_made_can_be_revoked(hokusai: Backend, api: httpx.Client) -> None:
    made: list[str] = []

    @some
    @given(
        name=texts | usual,
        resources=st.lists((texts | usual).map("model:{}".format), max_size=3),
        expires_at=st.none()
        | st.floats(60, 10**9).map(lambda ahead: time.time() + ahead)
        | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
        | whole
        | st.floats(),
    )
    @example(name="a\x00", resources=[], expires_at=None)
    @example(name="a", resources=["model:\ud800"], expires_at=None)
    @example(name="a", resources=[], expires_at=LATE.isoformat())
    def try_one(name: str, resources: list[str], expires_at: object) -> None:
        hokusai.sql("delete from api_key_set_change")
        answer = post(api, name=name, resources=resources, expires_at=expires_at)
        assert answer.status_code in {201, 400, 422}, answer.text
        if answer.status_code == 201:
            key, key_id = answer.json()["key"], answer.json()["id"]
            made.append(key_id)
            assert whoami(api, key)[0] == 200
            assert api.delete(f"{KEYS}/{key_id}").status_code == 204
            assert whoami(api, key) == (401, "revoked_key")
        assert api.get(KEYS).status_code == 200

    try_one()
    assert len(made) > 3


WRONG: list[dict[str, object]] = [
    {"name": "a\x00b"},
    {"name": "\ud800"},
    {"name": "two\nlines"},
    {"name": "\u202etxt.exe"},
    {"name": "   "},
    {"name": "x" * 101},
    {"resources": ["model:\ud800"]},
    {"resources": ["model:\x7f"]},
    {"resources": ["model:" + "x" * 251]},
    {"resources": ["model:" + "x" * 50_000]},
    {"resources": [f"model:{n}" for n in range(21)]},
    {"resources": ["model:" + f"{n:02}" + "\N{SNOWMAN}" * 240 for n in range(20)]},
    {"expires_at": LATE.isoformat()},
    {"expires_at": (datetime.now(UTC) + timedelta(days=3700)).isoformat()},
    {"expires_at": "2020-01-01T00:00:00Z"},
]


def test_what_no_key_may_be_is_refused_with_a_reason_and_nothing_is_made(
    hokusai: Backend, api: httpx.Client
) -> None:
    before = hokusai.sql("select version_id from api_key_set")
    for wrong in WRONG:
        answer = post(api, **wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_content"), wrong
        fields = {each["field"].split(".")[1] for each in answer.json().get("errors", [])}
        assert fields <= set(wrong)
        detail = answer.json()["detail"]
        assert fields or "bytes" in detail or "expires_at" in detail
    assert hokusai.sql("select version_id from api_key_set") == before


def test_names_in_every_script_are_taken(api: httpx.Client) -> None:
    for name in ("Łódź, обучение, 学習", "\U0001f9d1\u200d\U0001f4bb pipeline", "' \" <b>"):
        made = post(api, name=name)
        assert made.json()["name"] == name
        assert api.get(f"{KEYS}/{made.json()['id']}").json()["name"] == name


def store_document(hokusai: Backend, change: Callable[[list[Any]], None]) -> None:
    """Put a document that this code would not write in the place of the current one."""
    client = boto3.client("secretsmanager")
    [[version]] = hokusai.sql("select version_id from api_key_set")
    current = client.get_secret_value(SecretId=SECRET, VersionId=str(version))
    document = json.loads(current["SecretString"])
    change(document["keys"])
    new = client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))["VersionId"]
    hokusai.sql(
        f"""
        update change_sequence set value = value + 1;
        update api_key_set set version_id = '{new}', sequence = value from change_sequence;
        notify hokusai_change
        """  # noqa: S608 -- no one else's text
    )


def test_bad_records_break_nothing_and_can_be_revoked(hokusai: Backend, api: httpx.Client) -> None:
    good, _ = key_with(api, "models:read")
    damaged, damaged_id = key_with(api, "models:read")
    never, never_id = key_with(api, "models:read")
    session = api.post("/api/v1/auth/session", json={"api_key": damaged}).json()["token"]
    api.cookies.clear()

    def damage(keys: list[Any]) -> None:
        for each in keys:
            if each["key_id"] == damaged_id:
                each["permissions"] = 7
                each["expires_at"] = "soon"
            if each["key_id"] == never_id:
                each |= {"expires_at": int(LATE.timestamp()), "resources": ["model:\ud800"]}
        keys += [None, {"name": "nameless"}, {"key_id": "../x"}]

    store_document(hokusai, damage)
    listed = api.get(KEYS)
    assert listed.status_code == 200
    states = {each["id"]: each["state"] for each in listed.json()["keys"]}
    assert (states[damaged_id], states[never_id], len(states)) == ("unreadable", "active", 4)
    assert whoami(api, good) == whoami(api, never) == (200, "")
    assert whoami(api, damaged) == (401, "unknown_key")
    assert whoami(api, session) == (401, "invalid_token")
    shown = api.get(f"{KEYS}/{damaged_id}").json()
    assert shown["created_at"] is shown["created_by"] is shown["expires_at"] is None
    for key_id in (damaged_id, never_id):
        assert api.delete(f"{KEYS}/{key_id}").status_code == 204
        assert api.get(f"{KEYS}/{key_id}").json()["state"] == "revoked"
    assert whoami(api, never) == (401, "revoked_key")
    assert api.get(KEYS).status_code == 200
    later, _ = key_with(api, "models:read")
    assert whoami(api, later) == (200, "")
    [[version]] = hokusai.sql("select version_id from api_key_set")
    client = boto3.client("secretsmanager")
    stored = client.get_secret_value(SecretId=SECRET, VersionId=str(version))["SecretString"]
    assert damaged_id not in stored


def test_a_revocation_that_cannot_be_read_holds_all_the_same(
    hokusai: Backend, api: httpx.Client
) -> None:
    key, key_id = key_with(api, "models:read")
    for odd, record in ((key_id, "[]"), ("0" * 16, '{"digest": "no hex"}'), ("1" * 16, "null")):
        hokusai.sql(
            f"""
            update change_sequence set value = value + 1;
            insert into api_key_revocation (key_id, project, record, revoked_by, sequence)
            select '{odd}', 'main', '{record}', 'test', value from change_sequence;
            notify hokusai_change
            """  # noqa: S608 -- no one else's text
        )
    listed = api.get(KEYS).json()["keys"]
    assert [each["state"] for each in listed].count("revoked") == 3
    assert whoami(api, key)[0] == 401
    key_with(api, "models:read")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
stored_keys = st.fixed_dictionaries(
    {"key_id": st.just("0" * 16) | json_values},
    optional={name: json_values for name in KeyRecord.__dataclass_fields__ if name != "key_id"},
)


@given(st.lists(stored_keys | json_values, max_size=3))
def test_whatever_a_document_holds_its_good_keys_are_read(keys: list[Any]) -> None:
    good = record_of(ApiKey.generate("local"))
    document = KeyDocument("main", tuple(keys)).with_key(good)
    read = KeyDocument.parse("main", document.text())
    assert good in read.records()
    assert good in read.without(["0" * 16], expired_before=100).records()
    assert {each.key_id for each in read.without(["0" * 16], expired_before=0).records()} == {
        good.key_id
    }


def test_a_revoked_key_makes_no_key_after_its_revocation_is_acknowledged(
    services: Services, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, maker_id = key_with(api, "keys:write", "models:read")
    write, revoked = services.secrets.write, []

    def write_after_the_revocation(secret_id: str, text: str) -> str:
        revoked.append(api.delete(f"{KEYS}/{maker_id}").status_code)
        return write(secret_id, text)

    monkeypatch.setattr(services.folder, "soon", lambda: None)
    monkeypatch.setattr(services.secrets, "write", write_after_the_revocation)
    body = {"name": "late", "permissions": ["models:read"]}
    late = httpx.post(f"{services.settings.api_url}{KEYS}", json=body, headers=bearer(maker))
    assert revoked == [204]
    assert (late.status_code, late.json()["code"]) == (401, "revoked_key")
    assert "late" not in {each["name"] for each in api.get(KEYS).json()["keys"]}


def test_no_key_revokes_a_stronger_one(api: httpx.Client) -> None:
    [first] = api.get(KEYS).json()["keys"]
    reader, reader_id = key_with(api, "models:read")
    writer, writer_id = key_with(api, "keys:read", "keys:write")
    narrowed, _ = key_with(api, "keys:write", "models:read", resources=["model:a*"])

    def attempt(key: str, key_id: str) -> tuple[int, str | None]:
        answer = api.delete(f"{KEYS}/{key_id}", headers=bearer(key))
        body = answer.json() if answer.content else {"code": None}
        assert body["code"] in {None, "stronger_key"}
        return answer.status_code, body.get("required_permission")

    assert attempt(writer, first["id"]) == (403, "admin")
    assert attempt(writer, reader_id) == (403, "models:read")
    assert attempt(narrowed, reader_id) == (403, "keys:write")
    assert whoami(api, reader) == (200, "")
    assert attempt(writer, writer_id) == (204, None)
    assert whoami(api, writer) == (401, "revoked_key")
    assert api.delete(f"{KEYS}/{reader_id}").status_code == 204


def test_a_session_makes_no_key_but_revokes_one(services: Services, api: httpx.Client) -> None:
    _, key_id = key_with(api, "models:read")
    admin_key = api.headers.pop("Authorization").removeprefix("Bearer ")
    token = api.post("/api/v1/auth/session", json={"api_key": admin_key}).json()["token"]
    origin = {"Origin": services.settings.api_url}
    by_cookie = api.post(KEYS, json={"name": "x", "permissions": ["admin"]}, headers=origin)
    api.cookies.clear()
    by_header = api.post(KEYS, json={"name": "x", "permissions": ["admin"]}, headers=bearer(token))
    for answer in (by_cookie, by_header):
        assert (answer.status_code, answer.json()["code"]) == (403, "api_key_required")
        assert "API key itself" in answer.json()["detail"]
    assert api.delete(f"{KEYS}/{key_id}", headers=bearer(token)).status_code == 204
