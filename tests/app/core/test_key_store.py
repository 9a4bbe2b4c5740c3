"""Keys between PostgreSQL and Secrets Manager, both real enough to be taken away."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boto3
import pytest
import sqlalchemy

from app.auth import follower
from app.auth.api_key import ApiKey
from app.auth.key_record import KeyRecord
from app.auth.key_store import AlreadySetUpError, KeyChangeLimitError, KeySetFullError, KeyStore
from app.auth.verifier import Verifier
from app.errors import ApiError, InvalidContentError, NotFoundError
from app.start_gate import StartRefusedError
from app.stores import postgres
from app.stores.secrets import Secrets, SecretsUnavailableError
from tests.app.core.keys import bearer, record_of, request
from tests.app.core.parts import Backend

pytestmark = pytest.mark.timeout(60)
SECRET = "hokusai/local/projects/main/api-keys"  # noqa: S105 -- its name


@pytest.fixture
def engine(hokusai: Backend) -> Iterator[sqlalchemy.Engine]:
    made = postgres.engine(hokusai.api_settings(), "hokusai", "hokusai_api")
    yield made
    made.dispose()


@pytest.fixture
def store(engine: sqlalchemy.Engine) -> KeyStore:
    kms_key = boto3.client("kms").create_key(Description="key secrets")["KeyMetadata"]["Arn"]
    return KeyStore(engine, Secrets(), prefix="hokusai/local/projects/", kms_key=kms_key)


@contextmanager
def process(hokusai: Backend, audience: str = "api") -> Iterator[Verifier]:
    """Stand for another process: a verifier that knows only what it follows."""
    started = Verifier.start(hokusai.api_settings(), audience)  # type: ignore[arg-type] # one of two
    try:
        yield started
    finally:
        started.close()


def make(store: KeyStore, **fields: object) -> tuple[ApiKey, KeyRecord]:
    key = ApiKey.generate("local")
    record = record_of(key, **fields)
    store.add(record)
    return key, record


def code_of(verifier: Verifier, key: ApiKey) -> str:
    try:
        verifier.authenticate(request(bearer(key.reveal())))
    except ApiError as refused:
        return refused.code
    return "ok"


def wait_for(verifier: Verifier, key: ApiKey, code: str, within: float = 5.0) -> float:
    started = time.monotonic()
    while (found := code_of(verifier, key)) != code:
        assert time.monotonic() - started < within, found
        time.sleep(0.005)
    return time.monotonic() - started


def versions() -> int:
    found = boto3.client("secretsmanager").list_secret_version_ids(
        SecretId=SECRET, IncludeDeprecated=True
    )
    return len(found["Versions"])


def test_a_change_reaches_every_process_of_both_services(hokusai: Backend, store: KeyStore) -> None:
    with process(hokusai) as api, process(hokusai, "mlflow") as mlflow:
        key, record = make(store)
        wait_for(api, key, "ok")
        wait_for(mlflow, key, "ok")
        store.revoke(record, by="test")
        wait_for(api, key, "revoked_key")
        wait_for(mlflow, key, "revoked_key")


def test_a_process_that_starts_later_knows_the_same(hokusai: Backend, store: KeyStore) -> None:
    kept, _ = make(store)
    gone, record = make(store)
    store.revoke(record, by="test")
    with process(hokusai) as api:
        assert (code_of(api, kept), code_of(api, gone)) == ("ok", "revoked_key")
    store.fold()
    assert (
        gone.key_id
        not in boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
    )
    with process(hokusai) as api:
        assert (code_of(api, kept), code_of(api, gone)) == ("ok", "revoked_key")


def test_the_secret_holds_digests_and_its_version_is_the_one_that_postgresql_names(
    hokusai: Backend, store: KeyStore
) -> None:
    key, _ = make(store)
    stored = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)
    assert key.secret not in stored["SecretString"]
    assert key.digest.hex() in stored["SecretString"]
    assert hokusai.sql("select version_id from api_key_set") == [(stored["VersionId"],)]
    described = boto3.client("secretsmanager").describe_secret(SecretId=SECRET)
    assert described["KmsKeyId"] == store.kms_key
    assert {"Key": "hokusai:project", "Value": "main"} in described["Tags"]


def test_keys_made_at_once_by_several_writers_are_all_kept(
    hokusai: Backend, store: KeyStore
) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = [each for each, _ in pool.map(lambda _: make(store), range(12))]
    with process(hokusai) as api:
        assert {code_of(api, each) for each in made} == {"ok"}


def test_a_version_whose_commit_failed_never_counts(hokusai: Backend, store: KeyStore) -> None:
    kept, _ = make(store)
    hokusai.sql("revoke insert on table api_key_set_change from hokusai_api")
    orphan = ApiKey.generate("local")
    with pytest.raises(sqlalchemy.exc.ProgrammingError):
        store.add(record_of(orphan))
    assert versions() == 2
    hokusai.sql("grant insert on table api_key_set_change to hokusai_api")
    with process(hokusai) as api:
        assert (code_of(api, kept), code_of(api, orphan)) == ("ok", "unknown_key")
        later, _ = make(store)
        wait_for(api, later, "ok")
        assert (code_of(api, kept), code_of(api, orphan)) == ("ok", "unknown_key")


def test_without_secrets_manager_known_keys_work_and_revoking_works(
    hokusai: Backend, store: KeyStore
) -> None:
    known, _ = make(store)
    revoked, record = make(store)
    with process(hokusai) as api, process(hokusai, "mlflow") as mlflow:
        with hokusai.control_plane.away():
            with pytest.raises(SecretsUnavailableError):
                store.add(record_of(ApiKey.generate("local")))
            started = time.monotonic()
            store.revoke(record, by="test")
            assert time.monotonic() - started < 1
            for each in (api, mlflow):
                assert code_of(each, known) == "ok"
                wait_for(each, revoked, "revoked_key")
                assert code_of(each, ApiKey.generate("local")) == "unknown_key"
            with pytest.raises(StartRefusedError, match="API keys cannot be loaded"):
                Verifier.start(hokusai.api_settings(), "api")
            with pytest.raises(SecretsUnavailableError):
                store.fold()
        later, _ = make(store)
        wait_for(api, later, "ok")
    assert hokusai.sql("select folded from api_key_revocation") == [(True,)]


def test_a_change_made_while_a_reader_cannot_reach_secrets_manager_arrives_later(
    hokusai: Backend, store: KeyStore
) -> None:
    with process(hokusai) as api:
        loader = api._background[1]  # type: ignore[index] # noqa: SLF001 -- the part that is cut off
        reachable, read = threading.Event(), loader.secrets.read

        def cut_off(secret_id: str, version_id: str) -> str:
            if not reachable.is_set():
                raise SecretsUnavailableError("GetSecretValue", "ConnectTimeoutError")
            return read(secret_id, version_id)

        loader.secrets.read = cut_off  # type: ignore[method-assign] # a network that fails
        key, record = make(store)
        other, _ = make(store)
        store.revoke(record, by="test")
        wait_for(api, key, "revoked_key")
        assert code_of(api, other) == "unknown_key"
        assert api.directory.seconds_behind() > 0
        reachable.set()
        wait_for(api, other, "ok")
        assert api.directory.seconds_behind() == 0


def test_without_postgresql_keys_count_and_changes_hold_soon_after_its_return(
    hokusai: Backend, store: KeyStore
) -> None:
    key, record = make(store)
    with process(hokusai) as api, process(hokusai, "mlflow") as mlflow:
        with hokusai.front.away():
            with pytest.raises(postgres.UNAVAILABLE):
                store.revoke(record, by="test")
            assert code_of(api, key) == code_of(mlflow, key) == "ok"
            assert api.directory.seconds_since_contact() < 30
            with pytest.raises(StartRefusedError, match="PostgreSQL"):
                Verifier.start(hokusai.api_settings(), "api")
        store.revoke(record, by="test")
        wait_for(api, key, "revoked_key")
        wait_for(mlflow, key, "revoked_key")


def test_a_connection_that_has_gone_silent_is_given_up(
    hokusai: Backend, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "ANSWER_SECONDS", 0.5)
    key, record = make(store)
    with process(hokusai) as api:
        assert api.directory.seconds_since_contact() < 3
        wait_for(api, key, "ok")
        following = api._background[0]  # type: ignore[index] # noqa: SLF001 -- the part that waits
        deadline = time.monotonic() + 5
        while (silent := following._connection) is None:  # noqa: SLF001 -- nothing public tells
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with hokusai.front.stall():
            deadline = time.monotonic() + 5
            while not silent.closed:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert api.directory.seconds_since_contact() >= 0.5
        store.revoke(record, by="test")
        assert wait_for(api, key, "revoked_key") < 5


def test_a_lost_notification_is_made_up_for_by_the_poll(hokusai: Backend, store: KeyStore) -> None:
    key, _ = make(store)
    with process(hokusai) as api:
        wait_for(api, key, "ok")
        record = json.dumps({"digest": key.digest.hex()})
        hokusai.sql(
            f"""
            update change_sequence set value = value + 1;
            insert into api_key_revocation (key_id, project, record, revoked_by, sequence)
            select '{key.key_id}', 'main', '{record}', 'test', value from change_sequence
            """  # noqa: S608 -- no one else's text
        )
        assert wait_for(api, key, "revoked_key") < 5


def test_a_database_restored_from_a_backup_is_read_anew(hokusai: Backend, store: KeyStore) -> None:
    kept, _ = make(store)
    backup = hokusai.sql("select value, version_id from change_sequence, api_key_set")[0]
    with process(hokusai) as api:
        lost, _ = make(store)
        wait_for(api, lost, "ok")
        hokusai.sql(
            f"update change_sequence set value = {backup[0]};"  # noqa: S608 -- no one else's text
            f"update api_key_set set version_id = '{backup[1]}', sequence = {backup[0]};"
            "notify hokusai_change"
        )
        wait_for(api, lost, "unknown_key")
        assert code_of(api, kept) == "ok"


def test_two_tasks_that_fold_at_once_write_one_version(hokusai: Backend, store: KeyStore) -> None:
    _, record = make(store)
    store.revoke(record, by="test")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.fold(), range(4)))
    assert versions() == 2
    assert hokusai.sql("select folded from api_key_revocation") == [(True,)]


def test_eighty_changes_a_day_are_the_limit_and_revoking_goes_on(
    hokusai: Backend, store: KeyStore
) -> None:
    _, record = make(store)
    hokusai.sql(
        "insert into api_key_set_change (project, version_id, changed_at)"
        " select 'main', n::text, now() - interval '23 hours' from generate_series(1, 79) n"
    )
    with pytest.raises(KeyChangeLimitError) as refused:
        make(store)
    assert refused.value.status == 429
    assert 3500 <= int(refused.value.headers["Retry-After"]) <= 3600
    store.revoke(record, by="test")
    store.fold()
    assert hokusai.sql("select folded from api_key_revocation") == [(False,)]
    hokusai.sql("update api_key_set_change set changed_at = now() - interval '25 hours'")
    make(store)
    assert hokusai.sql("select folded from api_key_revocation") == [(True,)]


def test_a_document_that_is_full_says_so(store: KeyStore) -> None:
    for _ in range(16):
        make(store, name="x" * 3700)
    with pytest.raises(KeySetFullError, match=r"17 keys of project main would take .* 65536 fit"):
        make(store, name="x" * 3700)
    make(store)


def test_a_key_that_would_keep_others_out_is_refused_for_its_own_size(store: KeyStore) -> None:
    with pytest.raises(InvalidContentError, match="4096 are allowed"):
        make(store, resources=("model:" + "x" * 50_000,))
    with pytest.raises(InvalidContentError, match="4096 are allowed"):
        make(store, resources=tuple(f"model:{n}" + "\N{SNOWMAN}" * 50 for n in range(20)))


def test_keys_that_expired_long_ago_make_room(store: KeyStore) -> None:
    now = int(time.time())
    old, _ = make(store, expires_at=now - 31 * 24 * 3600)
    young, _ = make(store, expires_at=now - 29 * 24 * 3600)
    make(store)
    stored = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"]
    assert old.key_id not in stored
    assert young.key_id in stored


def test_what_newer_code_wrote_survives_older_code(hokusai: Backend, store: KeyStore) -> None:
    key, _ = make(store)
    client = boto3.client("secretsmanager")
    document = json.loads(client.get_secret_value(SecretId=SECRET)["SecretString"])
    document["keys"][0]["permissions"].append("things:do")
    document["keys"][0]["colour"] = "blue"
    version = client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))
    hokusai.sql(
        f"update api_key_set set version_id = '{version['VersionId']}', sequence = 99;"  # noqa: S608 -- no one else's text
        "update change_sequence set value = 99"
    )
    make(store)
    after = json.loads(client.get_secret_value(SecretId=SECRET)["SecretString"])
    assert after["keys"][0] == document["keys"][0]
    with process(hokusai) as api:
        assert code_of(api, key) == "ok"


def test_the_first_key_is_made_once(store: KeyStore) -> None:
    store.add(record_of(ApiKey.generate("local")), only_first=True)
    with pytest.raises(AlreadySetUpError):
        store.add(record_of(ApiKey.generate("local")), only_first=True)


def test_a_project_that_is_not_there_takes_no_key(store: KeyStore) -> None:
    with pytest.raises(NotFoundError):
        make(store, project="nowhere")


def test_two_projects_have_a_secret_each(hokusai: Backend, store: KeyStore) -> None:
    store.make_project("other")
    store.make_project("other")
    mine, _ = make(store)
    theirs, _ = make(store, project="other")
    with process(hokusai) as api:
        principal = api.authenticate(request(bearer(theirs.reveal())))
        assert principal.project == "other"
        assert {each.key_id for each in api.directory.records_of("main")} == {mine.key_id}
    names = {each["Name"] for each in boto3.client("secretsmanager").list_secrets()["SecretList"]}
    assert {SECRET, SECRET.replace("main", "other")} <= names


def test_a_document_with_a_key_of_another_project_is_not_believed(
    hokusai: Backend, store: KeyStore
) -> None:
    make(store)
    client = boto3.client("secretsmanager")
    text = client.get_secret_value(SecretId=SECRET)["SecretString"]
    forged = json.loads(text)
    forged["keys"][0]["project"] = "other"
    version = client.put_secret_value(SecretId=SECRET, SecretString=json.dumps(forged))["VersionId"]
    hokusai.sql(f"update api_key_set set version_id = '{version}'")  # noqa: S608 -- no one else's text
    with pytest.raises(StartRefusedError, match="another project"):
        Verifier.start(hokusai.api_settings(), "api")


def test_a_process_does_not_start_on_a_schema_it_does_not_know(hokusai: Backend) -> None:
    hokusai.sql("update alembic_version set version_num = '9999'")
    with pytest.raises(StartRefusedError, match="revision 9999"):
        Verifier.start(hokusai.api_settings(), "api")
    hokusai.sql("drop table alembic_version")
    with pytest.raises(StartRefusedError, match="migrate"):
        Verifier.start(hokusai.api_settings(), "mlflow")


def test_a_session_that_was_signed_out_ends_in_every_process(
    hokusai: Backend, store: KeyStore
) -> None:
    with process(hokusai) as api, process(hokusai, "mlflow") as mlflow:
        number = store.end_session("some-session", time.time() + 60)
        for each in (api, mlflow):
            assert each.directory.caught_up(number, timeout=5)
            assert each.directory.is_ended("some-session")
        store.end_session("past", time.time() - 7200)
        store.end_session("another", time.time() + 60)
    assert hokusai.sql("select count(*) from session_revocation") == [(2,)]
