"""Each role may do what its service does, and no more: everything is done once, and compared."""

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from hokusai_infra.local.call_findings import Grant
from hokusai_infra.local.parts.calls import Call, Outcome
from tests.calls import Excuse, excuses, findings, policies, trail
from tests.journeys.test_survival import eventually
from tests.local.test_call_findings import document
from tests.stack import Stack

MIB = 1024 * 1024
ARTIFACTS = "/api/2.0/mlflow-artifacts"
PROJECT = "iam-journey"


@pytest.fixture
def mlflow(stack: Stack) -> Iterator[httpx.Client]:
    """A client with the key of a project that was made just now, and revoked at the end."""
    keys = f"{stack.api_url}/api/v1/keys"
    admin = {"Authorization": f"Bearer {stack.admin_key_of(PROJECT)}"}
    body = {"name": "journey", "permissions": ["mlflow:read", "mlflow:write"]}
    made = httpx.post(keys, json=body, headers=admin, timeout=30).json()
    key = {"Authorization": f"Bearer {made['key']}"}
    with httpx.Client(base_url=stack.mlflow_url, headers=key, timeout=60) as client:
        yield client
        assert httpx.delete(f"{keys}/{made['id']}", headers=admin, timeout=30).is_success
        eventually(lambda: client.get("/version").status_code == 401, 5)


def done(answer: httpx.Response) -> httpx.Response:
    assert answer.is_success, answer.text
    return answer


def in_parts(mlflow: httpx.Client, folder: str, *, complete: bool) -> None:
    """Upload by presigned addresses, as the stock client does above half a gigabyte."""
    began = mlflow.post(
        f"{ARTIFACTS}/mpu/create/{folder}", json={"path": "parts.bin", "num_parts": 1}
    )
    upload = done(began).json()
    (part,) = upload["credentials"]
    put = done(httpx.put(part["url"], content=b"x" * MIB, timeout=30))
    parts = [{"part_number": 1, "etag": put.headers["etag"], "url": part["url"]}]
    more = {"parts": parts} if complete else {}
    ends = {"path": "parts.bin", "upload_id": upload["upload_id"], **more}
    done(mlflow.post(f"{ARTIFACTS}/mpu/{'complete' if complete else 'abort'}/{folder}", json=ends))


def break_off(mlflow: httpx.Client, path: str) -> None:
    url = mlflow.base_url
    with socket.create_connection((url.host, url.port or 80)) as raw:
        raw.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {urlsplit(str(url)).netloc}\r\n"
            f"Authorization: {mlflow.headers['authorization']}\r\n"
            f"Content-Length: {40 * MIB}\r\n\r\n".encode()
        )
        for _ in range(20):
            raw.sendall(b"x" * MIB)


def test_each_role_may_do_what_its_service_does_and_no_more(
    stack: Stack, mlflow: httpx.Client
) -> None:
    made = mlflow.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
    folder = done(made).json()["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    file = f"{ARTIFACTS}/artifacts/{folder}"
    done(mlflow.put(f"{file}/small.txt", content=b"the great wave"))
    done(mlflow.put(f"{file}/large.bin", content=b"x" * 20 * MIB))
    in_parts(mlflow, folder, complete=True)
    in_parts(mlflow, folder, complete=False)
    break_off(mlflow, f"{file}/broken.bin")
    assert done(mlflow.get(f"{file}/small.txt")).content == b"the great wave"
    listed = done(mlflow.get(f"{ARTIFACTS}/artifacts", params={"path": folder})).json()["files"]
    assert [each["path"] for each in listed] == ["large.bin", "parts.bin", "small.txt"]
    done(mlflow.delete(file))
    for url in (stack.api_url, stack.mlflow_url):
        done(httpx.get(f"{url}/ready", timeout=30))

    deadline = time.monotonic() + 15
    while found := findings(trail(stack.folder), policies(stack.folder), excuses()):
        assert time.monotonic() < deadline, "\n".join(found)
        time.sleep(0.5)


def call(action: str, role: str = "web", outcome: Outcome = "allowed") -> Call:
    return Call(role=role, action=action, resource="a/1", outcome=outcome, by="object store")


POLICIES = {"web": [document(["s3:GetObject", "s3:PutObject"], "a/*")]}
BOTH = (call("s3:GetObject"), call("s3:PutObject"))
EXCUSE = Excuse(role="w*", actions=("s3:PutObject",), resource="a/*", because="nobody writes here")


@pytest.mark.parametrize(
    ("calls", "excused", "found"),
    [
        (BOTH, [], []),
        (BOTH[:1], [EXCUSE], []),
        (BOTH[:1], [], ["web may s3:PutObject on a/* and never did"]),
        (BOTH, [EXCUSE], ["unseen.yaml excuses s3:PutObject of w* on a/*"]),
        (
            (*BOTH, call("s3:DeleteObject")),
            [],
            ["web called s3:DeleteObject on a/1, which its policies do not allow"],
        ),
        (
            (BOTH[0], call("s3:PutObject", outcome="refused")),
            [],
            ["web may s3:PutObject on a/* and never did"],
        ),
    ],
)
def test_a_finding_says_what_to_change(
    calls: tuple[Call, ...], excused: list[Excuse], found: list[str]
) -> None:
    said = findings(calls, POLICIES, excused)
    assert len(said) == len(found)
    assert all(text.startswith(start) for text, start in zip(said, found, strict=True))


def test_every_excuse_has_a_reason() -> None:
    assert all(len(each.because) > 20 for each in excuses())
    assert EXCUSE.covers(Grant("web", "s3:PutObject", "a/*"))
    assert not EXCUSE.covers(Grant("job", "s3:PutObject", "a/*"))
