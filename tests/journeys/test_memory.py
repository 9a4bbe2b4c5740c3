"""What one task holds in memory when many send at once; on a stack that serves nobody else."""

import os
import socket
import time
from contextlib import ExitStack

import httpx
import pytest

from tests.app.mlflow.tasks import begin_upload, tasks
from tests.journeys.conftest import Running

pytestmark = [pytest.mark.xdist_group("survival"), pytest.mark.timeout(240)]
MIB = 1024 * 1024
GIB = 1024 * MIB
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module")
def folder(running: Running) -> str:
    made = httpx.post(
        f"{running.stack.mlflow_url}/api/2.0/mlflow/runs/create",
        json={"experiment_id": "0"},
        headers={"Authorization": f"Bearer {running.stack.admin_key}"},
    )
    uri: str = made.json()["run"]["info"]["artifact_uri"]
    return uri.removeprefix("mlflow-artifacts:/")


def begin(running: Running, path: str, length: int) -> socket.socket:
    return begin_upload(running.stack, running.stack.admin_key, f"{FILES}/{path}", length)


def test_a_length_that_is_only_claimed_takes_no_memory(running: Running, folder: str) -> None:
    task = tasks(running.stack.folder)[0]
    task.forget_peak()
    before = task.memory("VmRSS")
    block = os.urandom(MIB)
    with ExitStack() as open_uploads:
        uploads = [
            open_uploads.enter_context(
                begin_upload(
                    running.stack,
                    running.stack.admin_key,
                    f"{FILES}/{folder}/claimed-{n}",
                    97 * GIB,
                )
            )
            for n in range(4)
        ]
        for _ in range(64):
            for each in uploads:
                each.sendall(block)
        assert task.memory("VmHWM") - before < 100
    deadline = time.monotonic() + 20
    while any("claimed-" in each for each in task.open_uploads()):
        assert time.monotonic() < deadline, "a multipart upload is still open"
        time.sleep(0.1)


def test_bodies_that_many_send_at_once_are_refused_with_a_time_to_try_again(
    running: Running, folder: str
) -> None:
    length = 200 * MIB
    with ExitStack() as held:
        first = [
            held.enter_context(
                begin_upload(
                    running.stack, running.stack.admin_key, f"{FILES}/{folder}/held-{n}", length
                )
            )
            for n in range(17)
        ]
        for each in first:
            each.sendall(b"x")
        time.sleep(1)
        with begin_upload(
            running.stack, running.stack.admin_key, f"{FILES}/{folder}/one-more", length
        ) as raw:
            answer = raw.recv(1000).lower()
    assert answer.startswith(b"http/1.1 503")
    assert b"retry-after" in answer
    deadline = time.monotonic() + 10
    while True:
        stored = httpx.put(
            f"{running.stack.mlflow_url}{FILES}/{folder}/after",
            content=b"x",
            headers={"Authorization": f"Bearer {running.stack.admin_key}"},
        )
        if stored.status_code == 200 or time.monotonic() > deadline:
            break
    assert stored.status_code == 200, stored.text
