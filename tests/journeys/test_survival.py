"""What happens to a whole stack when its parts, or all of it, are killed or do not answer."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.conftest import Running
from tests.stack import Stack, alive, start, stop

pytestmark = [pytest.mark.xdist_group("survival"), pytest.mark.timeout(240)]
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
SEED = """
import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("height", 36.0)
    mlflow.log_text("the great wave", "wave.txt")
client = mlflow.MlflowClient()
client.create_registered_model("fuji")
client.create_model_version("fuji", f"runs:/{run.info.run_id}/wave.txt", run.info.run_id)
print(run.info.run_id)
"""


def processes(folder: Path) -> dict[str, int]:
    """Name what runs, as ``hokusai infra status`` does."""
    found = json.loads((folder / ".hokusai/local/run.json").read_text())
    return {each["name"]: each["pid"] for each in found["processes"]}


def eventually(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds; a request that fails meanwhile does not."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if holds():
                return
        assert time.monotonic() < deadline, "it did not hold in time"
        time.sleep(0.2)


def stock_client(stack: Stack, code: str) -> str:
    """Run code with the stock client, which knows address and key and nothing else."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_"))}
    env |= {"MLFLOW_TRACKING_URI": stack.mlflow_url, "MLFLOW_TRACKING_TOKEN": stack.admin_key}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=env, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@contextlib.contextmanager
def paused(running: Running, part: str) -> Iterator[None]:
    """Let a part hang: it accepts connections and answers nothing."""
    pid = processes(running.stack.folder)[part]
    os.killpg(os.getpgid(pid), signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(os.getpgid(pid), signal.SIGCONT)


def test_everything_survives_the_death_of_everything(running: Running) -> None:
    run_id = stock_client(running.stack, SEED)
    before = running.stack
    found = processes(before.folder)
    os.kill(running.up.pid, signal.SIGKILL)
    for pid in found.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.up.wait()
    eventually(lambda: not any(alive(pid) for pid in found.values()), 10)

    running.up = start(before.folder, tasks=1)
    running.stack = Stack.read(before.folder)

    assert running.stack == before, "a second start keeps addresses and key"
    run = running.ask(f"/api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"]
    assert [each["value"] for each in run["data"]["metrics"]] == [36.0]
    assert running.ask(f"/get-artifact?run_id={run_id}&path=wave.txt").text == "the great wave"
    version = running.ask("/api/2.0/mlflow/model-versions/get?name=fuji&version=1").json()
    assert version["model_version"]["run_id"] == run_id


@pytest.mark.parametrize("part", ["postgres", "objects", "control-plane", "api/1", "mlflow/1"])
def test_a_part_that_is_killed_comes_back(running: Running, part: str) -> None:
    pid = processes(running.stack.folder)[part]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: processes(running.stack.folder).get(part, pid) != pid, 20)
    eventually(lambda: set(running.ready().values()) == {"pass"}, 40)
    eventually(lambda: running.ask(SEARCH).is_success, 20)
    assert part in (running.stack.folder / "up.log").read_text().split("Ready after")[-1]


def test_secrets_manager_away(running: Running) -> None:
    keys = f"{running.stack.api_url}/api/v1/keys"
    headers = {"Authorization": f"Bearer {running.stack.admin_key}"}
    body = {"name": "doomed", "permissions": ["mlflow:read"]}
    doomed = httpx.post(keys, json=body, headers=headers, timeout=15).json()
    with paused(running, "control-plane"):
        assert running.ask(SEARCH).status_code == 200
        unknown = running.ask("/version", key=doomed["key"][:-1] + "0")
        assert unknown.status_code == 401
        assert httpx.delete(f"{keys}/{doomed['id']}", headers=headers, timeout=15).is_success
        eventually(lambda: running.ask("/version", key=doomed["key"]).status_code == 401, 5)
        assert httpx.get(f"{running.stack.api_url}/health", timeout=15).status_code == 200
        eventually(lambda: running.ready().get("secrets") == "fail", 15)
        assert httpx.post(keys, json=body, headers=headers, timeout=60).status_code == 503
    eventually(lambda: set(running.ready().values()) == {"pass"}, 20)
    assert httpx.post(keys, json=body, headers=headers, timeout=15).status_code == 201


def test_postgresql_away(running: Running) -> None:
    with paused(running, "database-front"):
        eventually(lambda: running.ready().get("database") == "fail", 20)
        assert httpx.get(f"{running.stack.api_url}/health", timeout=15).status_code == 200
        assert httpx.get(f"{running.stack.mlflow_url}/health", timeout=15).status_code == 200
    eventually(lambda: set(running.ready().values()) == {"pass"}, 20)
    eventually(lambda: running.ask(SEARCH).is_success, 20)


@pytest.mark.slow  # a hung store is given half a minute
def test_the_object_store_away(running: Running) -> None:
    run_id = stock_client(running.stack, SEED.replace("fuji", "hokusai"))
    path = f"/get-artifact?run_id={run_id}&path=wave.txt"
    with paused(running, "objects"):
        assert running.ask(SEARCH).status_code == 200
        answer = running.ask(path, seconds=60)
        assert answer.status_code == 503
        assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    eventually(lambda: running.ask(path).text == "the great wave", 20)


def test_a_stop_leaves_nothing_behind(running: Running) -> None:
    found = processes(running.stack.folder)
    stop(running.up.pid)
    running.up.wait()
    assert not any(alive(pid) for pid in found.values())
    assert not (running.stack.folder / ".hokusai/local/connection.json").exists()
