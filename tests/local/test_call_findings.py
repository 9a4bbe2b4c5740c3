"""What a trail says about policies."""

import json
import subprocess
from pathlib import Path

import pytest

from hokusai_infra.local.call_findings import Grant, grants, not_allowed, unused
from hokusai_infra.local.parts.calls import UNREAD, Call, CallLog, Outcome
from hokusai_infra.local.state import Folders, write_private
from tests.stack import HOKUSAI

READ, WRITE = "s3:GetObject", "s3:PutObject"


def document(action: object, resource: object, effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def call(action: str, resource: str, role: str = "web", outcome: Outcome = "allowed") -> Call:
    return Call(role=role, action=action, resource=resource, outcome=outcome, by="object store")


POLICIES = {
    "web": [document([READ, WRITE], ["a/*", "b/*"]), document(READ, "a/secret/*", "Deny")],
    "job": [document("s3:*", "c/*")],
}


def test_each_action_on_each_resource_is_a_grant() -> None:
    assert grants(POLICIES) == [
        Grant("job", "s3:*", "c/*"),
        *(
            Grant("web", action, resource)
            for action in (READ, WRITE)
            for resource in ("a/*", "b/*")
        ),
    ]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (call(READ, "a/1"), False),
        (call(READ, "a/secret/1"), True),
        (call(READ, "c/1"), True),
        (call("s3:DeleteObject", "a/1"), True),
        (call("S3:getobject", "c/1", "job"), False),
        (call("s3:DeleteObject", "a/1", "local-operator"), False),
        (call(READ, "a/1", outcome="refused"), False),
        (call(UNREAD, "*", role=""), True),
    ],
)
def test_a_call_that_the_policies_do_not_allow_is_found_once(asked: Call, *, found: bool) -> None:
    assert not_allowed([asked, asked], POLICIES) == [asked] * found


def test_what_nobody_was_given_is_unused() -> None:
    calls = [
        call(READ, "a/1"),
        call(READ, "a/1", outcome="refused"),
        call(WRITE, "b/1", outcome="refused"),
        call(WRITE, "a/1", "job"),
        call(READ, "c/1", "job"),
    ]
    assert unused(calls, POLICIES) == [
        Grant("web", READ, "b/*"),
        Grant("web", WRITE, "a/*"),
        Grant("web", WRITE, "b/*"),
    ]
    assert unused([], POLICIES) == grants(POLICIES)


def shown(folder: Path, *calls: Call) -> tuple[int, list[str]]:
    """Run ``hokusai infra calls`` in a program whose stack has recorded these calls."""
    folders = Folders(folder)
    folders.make()
    (folder / "Pulumi.yaml").write_text("name: tiny")
    facts = {"role_policies": {"web": POLICIES["web"]}, "databases": []}
    write_private(folders.graph, {"local": facts})
    CallLog(folders.calls).write(*calls)
    done = subprocess.run(
        [HOKUSAI, "infra", "calls", str(folder)], check=False, capture_output=True, text=True
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_the_command_shows_what_was_used_and_what_was_not(tmp_path: Path) -> None:
    used = (call(READ, "a/1"), call(READ, "b/1"), call(WRITE, "a/1"))
    expected = ["web", f"         2  {READ}", f"         1  {WRITE}", f"     never  {WRITE} on b/*"]
    assert shown(tmp_path, *used) == (0, expected)


def test_the_command_fails_where_something_was_not_allowed(tmp_path: Path) -> None:
    code, lines = shown(tmp_path, call("s3:DeleteObject", "a/1", outcome="refused"))
    assert (code, lines[-1]) == (1, "   REFUSED  s3:DeleteObject on a/1")


def test_the_command_says_how_to_record(tmp_path: Path) -> None:
    code, lines = shown(tmp_path)
    assert code == 1
    assert "up --record-calls" in lines[-1]
