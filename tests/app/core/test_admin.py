import json
import os
import subprocess
import sys

import pytest

from app import admin
from app.auth.api_key import parse
from app.start_gate import StartRefusedError
from tests.app.core.parts import Backend


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.admin", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_generate_key_needs_nothing_and_prints_a_key_with_its_digest() -> None:
    done = run("generate-key", "--environment", "prod")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    key = parse(made["api_key"], "prod")
    assert (made["key_id"], made["digest"]) == (key.key_id, key.digest.hex())


def test_missing_settings_are_named_and_nothing_is_printed() -> None:
    done = run("first-key", HOKUSAI_MASTER_PASSWORD="hunter2")  # noqa: S106 -- the point
    assert done.returncode == 1
    assert done.stdout == ""
    line = json.loads(done.stderr.splitlines()[-1])
    assert line["event"] == "start_refused"
    assert "database_host: Field required" in line["reason"]
    assert "hunter2" not in done.stderr


def test_the_first_key_is_an_admin_and_is_made_once(hokusai: Backend) -> None:
    settings = hokusai.api_settings()
    made = admin.first_key(settings, admin.parser().parse_args(["first-key"]))
    assert made.keys() == {"admin_key", "key_id", "project"}
    assert parse(made["admin_key"], "local").key_id == made["key_id"]
    with pytest.raises(StartRefusedError, match="has had its first key"):
        admin.first_key(settings, admin.parser().parse_args(["first-key"]))
    again = admin.first_key(settings, admin.parser().parse_args(["first-key", "--again"]))
    assert again["key_id"] != made["key_id"]


def test_outside_of_local_no_key_is_printed(hokusai: Backend) -> None:
    settings = hokusai.api_settings(environment="staging")
    with pytest.raises(StartRefusedError, match="log of this staging task"):
        admin.first_key(settings, admin.parser().parse_args(["first-key"]))
    offline = admin.generate_key("staging")
    arguments = ["first-key", "--key-id", offline["key_id"], "--digest", offline["digest"]]
    made = admin.first_key(settings, admin.parser().parse_args(arguments))
    assert made == {"key_id": offline["key_id"], "project": "main"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key-id", "short", "--digest", "0" * 64],
        ["--key-id", "0" * 16],
        ["--key-id", "0" * 16, "--digest", "0" * 63],
        ["--key-id", "0" * 16, "--digest", "g" * 64],
        ["--digest", "0" * 64],
    ],
)
def test_a_wrong_id_or_digest_is_refused(hokusai: Backend, arguments: list[str]) -> None:
    chosen = admin.parser().parse_args(["first-key", *arguments])
    with pytest.raises(StartRefusedError, match="generate-key"):
        admin.first_key(hokusai.api_settings(environment="prod"), chosen)


def test_an_unreachable_database_is_a_refusal(hokusai: Backend) -> None:
    with hokusai.front.away(), pytest.raises(StartRefusedError, match="database does not answer"):
        admin.first_key(hokusai.api_settings(), admin.parser().parse_args(["first-key"]))


def test_the_id_of_a_key_that_is_or_was_anywhere_is_taken(hokusai: Backend) -> None:
    settings = hokusai.api_settings()

    def register(key_id: str, project: str, *more: str) -> None:
        offline = admin.generate_key("local")
        chosen = ["--key-id", key_id, "--digest", offline["digest"], "--project", project, *more]
        admin.first_key(settings, admin.parser().parse_args(["first-key", *chosen]))

    known = admin.generate_key("local")["key_id"]
    register(known, "main")
    for project in ("main", "other"):
        with pytest.raises(StartRefusedError, match=f"is or was a key {known}"):
            register(known, project, "--again")
    hokusai.sql(
        "insert into api_key_revocation (key_id, project, record, revoked_by, sequence)"
        " values ('0000000000000000', 'main', '{}', 'test', 1)"
    )
    with pytest.raises(StartRefusedError, match="is or was a key 0000000000000000"):
        register("0" * 16, "other")
    register(admin.generate_key("local")["key_id"], "other")
