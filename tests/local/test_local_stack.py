"""The local stack, run for real with a program that is nothing of Hokusai's.

``program/`` is plain pulumi_aws with two services; that it runs shows that the local stack knows
the recorded graph only.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from hokusai_infra.local.leftovers import marked
from hokusai_infra.local.wording import near
from tests.stack import HOKUSAI, alive, start

T = TypeVar("T")
SHOWN = near(Path(HOKUSAI))
SOCKETS = Path("/tmp")  # noqa: S108 - SeaweedFS puts them there
PROGRAM = Path(__file__).with_name("program")
CALLERS = {"AWS_ACCESS_KEY_ID": "callers", "AWS_PROFILE": "callers", "MY_TOKEN": "callers"}

pytestmark = pytest.mark.xdist_group("tiny")


def copied(folder: Path) -> Path:
    shutil.copytree(PROGRAM, folder, ignore=shutil.ignore_patterns("__pycache__", ".hokusai"))
    return folder


def infra(*words: str | Path, say: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HOKUSAI, "infra", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        input=say,
    )


def soon(check: Callable[[], T], seconds: float = 20) -> T:
    """Return the first true answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(httpx.HTTPError, AssertionError, KeyError):
            if found := check():
                return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def sockets(tiny: "Tiny") -> list[Path]:
    """List what the object store has put outside its folder."""
    ports = json.loads((tiny.local / "state/ports.json").read_text())
    wanted = [port for name, port in ports.items() if name.endswith(".grpc")]
    return [found for port in wanted for found in SOCKETS.glob(f"seaweedfs-*-{port}.sock")]


class Tiny:
    """A running stack of the tiny program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.local = folder / ".hokusai/local"
        self.start()

    def start(self) -> None:
        self.up = start(self.folder, 2, **CALLERS)
        self.connection = json.loads((self.local / "connection.json").read_text())
        self.front, self.echo = self.connection["front_url"], self.connection["echo_url"]

    @property
    def said(self) -> str:
        return (self.folder / "up.log").read_text()

    def process(self, name: str) -> dict[str, Any]:
        record = json.loads((self.local / "run.json").read_text())
        found: dict[str, dict[str, Any]] = {each["name"]: each for each in record["processes"]}
        return found[name]

    def kill(self, name: str) -> int:
        pid = int(self.process(name)["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    def comes_back(self, name: str, *, instead_of: int) -> None:
        def back() -> bool:
            now = self.process(name)
            return bool(now["pid"] != instead_of and now["health"] == "healthy")

        soon(back)

    def env(self, url: str) -> dict[str, str]:
        found: dict[str, str] = httpx.get(f"{url}/environment").json()["environment"]
        return found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    running = Tiny(copied(tmp_path_factory.mktemp("tiny") / "program"))
    yield running
    assert infra("down", running.folder).stdout == "Stopped; the state is kept.\n"
    assert running.up.wait(10) == 0
    assert list(marked(running.local)) == []
    assert not (running.local / "connection.json").exists()
    assert infra("down", running.folder).stdout == "Nothing is running.\n"
    assert infra("status", running.folder).returncode == 1


def test_it_says_what_it_costs_then_each_step_and_what_to_copy(tiny: Tiny) -> None:
    soon(lambda: "stops it." in tiny.said)
    lines = tiny.said.splitlines()
    assert lines[0] == "Local only: no AWS account is used, nothing is billed."
    steps = {line.split("  ")[1] for line in lines if line.startswith("  ")}
    assert {"control plane", "program", "object store", "load balancer", "front", "echo"} <= steps
    assert f"curl {tiny.front}/" in lines
    key = tiny.connection["admin_key"]
    assert f'{{"braces": "stay"}} and the key is {key}' in lines
    assert tiny.said.count(key) == 1
    assert lines[-2] == (
        f"All of this is in {tiny.local}/connection.json, and how to come over HTTPS; "
        f"the logs are in {tiny.local}/logs."
    )
    assert lines[-1] == f"Ctrl-C here, or `{SHOWN} infra down {tiny.folder}` elsewhere, stops it."
    assert key.startswith("hello-")


def test_the_connection_file_is_private_and_names_the_parts(tiny: Tiny) -> None:
    assert (tiny.local / "connection.json").stat().st_mode & 0o777 == 0o600
    assert tiny.connection["bucket"] == "tiny-data-222233334444"
    assert tiny.echo.startswith("http://127.0.0.1:")
    assert tiny.front.startswith("http://localhost:")
    assert tiny.connection["aws_endpoint_url"].startswith("http://127.0.0.1:")
    assert tiny.connection["s3_endpoint_url"].startswith("http://127.0.0.1:")


def test_requests_reach_both_tasks_in_turn(tiny: Tiny) -> None:
    ports = [httpx.get(tiny.front).json()["port"] for _ in range(6)]
    assert sorted(set(ports)) == sorted(ports[:2])
    assert ports == [*ports[:2]] * 3


def test_a_task_gets_its_definitions_environment_and_nothing_of_the_callers(tiny: Tiny) -> None:
    found = tiny.env(tiny.front)
    assert found["WORD"] == "hello"
    assert found["PUBLIC_URL"] == tiny.front
    assert found["ECHO_URL"].startswith("http://127.0.0.1:")
    assert found["ECHO_URL"].endswith("/asked")
    assert found["AWS_REGION"] == "eu-central-1"
    assert not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "MY_TOKEN", "PYTHONDONTWRITEBYTECODE"} & {
        *found
    }


def test_a_service_reaches_another_by_its_name_with_no_header_changed(tiny: Tiny) -> None:
    answer = httpx.get(f"{tiny.front}/ask").json()["answer"]
    assert answer["path"] == "/asked"
    assert {name.lower() for name, _ in answer["headers"]} == {
        "accept-encoding",
        "connection",
        "host",
        "user-agent",
    } - ({"connection"} - {name.lower() for name, _ in answer["headers"]})


def test_a_task_may_do_what_its_role_allows(tiny: Tiny) -> None:
    env = tiny.env(tiny.front)
    keys = httpx.get(
        env["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        headers={"Authorization": env["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
    ).json()
    s3 = boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL_S3"],
        region_name="eu-central-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("Token"),
    )
    s3.put_object(Bucket="tiny-data-222233334444", Key="allowed/a", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket="tiny-data-222233334444", Key="elsewhere/a", Body=b"x")


def test_the_balancer_writes_headers_as_an_alb_does(tiny: Tiny) -> None:
    sent = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https", "Connection": "close"}
    answer = httpx.get(f"{tiny.front}/a%2Fb?c=1&c=2", headers=sent)
    headers = {name.lower(): value for name, value in answer.json()["headers"]}
    assert answer.json()["path"] == "/a%2Fb?c=1&c=2"
    assert headers["x-forwarded-for"].startswith("9.9.9.9, ")
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == tiny.front.rpartition(":")[2]
    assert headers["host"] == tiny.front.removeprefix("http://")
    assert not {"x-forwarded-host", "via"} & {*headers}
    assert "via" not in answer.headers


def test_an_answer_streams_through_the_balancer(tiny: Tiny) -> None:
    begun, came = time.monotonic(), []
    with httpx.stream("GET", f"{tiny.front}/slowly") as answer:
        came = [time.monotonic() - begun for _ in answer.iter_raw()]
    assert came[0] < 0.25
    assert came[-1] > 0.55


def test_logs_are_json_lines_with_the_task(tiny: Tiny) -> None:
    shown = infra("logs", "front", tiny.folder, "-n", "1000").stdout
    rows = [json.loads(line) for line in shown.splitlines()]
    assert {row["service"] for row in rows} == {"front"}
    assert {"front/1", "front/2", "front/1/migrate", "front/setup"} <= {row["task"] for row in rows}
    assert {"output", "request"} <= {row["event"] for row in rows}
    assert tiny.connection["admin_key"] not in shown
    times = [
        json.loads(line).get("timestamp", "")
        for line in infra("logs", "", tiny.folder).stdout.splitlines()
    ]
    assert times == sorted(times)


def test_a_second_up_says_that_one_is_running_and_where(tiny: Tiny) -> None:
    second = infra("up", tiny.folder)
    assert second.returncode == 1
    assert "is already running" in second.stdout
    assert tiny.front in second.stdout
    assert f"hint: Use it (addresses and keys are in {tiny.local}/connection.json)" in second.stdout
    assert (tiny.local / "connection.json").exists()


def test_status_shows_parts_tasks_and_urls(tiny: Tiny) -> None:
    shown = infra("status", tiny.folder)
    assert shown.returncode == 0
    rows = {line.split()[0]: line.split()[1] for line in shown.stdout.splitlines()[1:]}
    assert rows[tiny.front] == "stands"
    assert {rows[name] for name in ("control-plane", "objects", "balancer")} == {"healthy"}
    assert {rows[name] for name in ("front/1", "front/2", "echo/1", "echo/2")} == {"healthy"}


def test_a_one_off_task_overrides_the_command_and_its_code_is_ours(tiny: Tiny) -> None:
    done = infra("run", "front", tiny.folder, "--", "setup.py", "--flag", "a b")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["argv"] == ["setup.py", "--flag", "a b"]
    assert printed["admin_key"].startswith("hello-")
    assert (
        infra("run", "tiny-front", tiny.folder, "--", "-c", "raise SystemExit(7)").returncode == 7
    )


def test_a_program_given_as_command_is_explained(tiny: Tiny) -> None:
    done = infra("run", "front", tiny.folder, "--", "/bin/sh", "-c", "x")
    assert done.returncode != 0
    assert "follows the container's entry point: this ran `python /bin/sh -c x`" in done.stderr


def test_a_healthy_start_leaves_no_error_in_the_logs(tiny: Tiny) -> None:
    rows = [json.loads(line) for line in infra("logs", "balancer", tiny.folder).stdout.splitlines()]
    assert [row for row in rows if row.get("level") == "error"] == []


def test_what_precedes_a_service_runs_once_for_all_its_tasks_at_a_start(tiny: Tiny) -> None:
    shown = infra("logs", "echo", tiny.folder, "-n", "1000").stdout
    tasks = [json.loads(line)["task"] for line in shown.splitlines()]
    assert tasks.count("echo/1/migrate") == 1
    assert "echo/2/migrate" not in tasks


def test_a_killed_task_is_restarted_and_that_is_said(tiny: Tiny) -> None:
    pid = tiny.kill("front/1")
    assert httpx.post(tiny.front).status_code == 501  # the other one answers, that it has no POST
    tiny.comes_back("front/1", instead_of=pid)
    assert tiny.process("front/1")["restarts"] == 1
    assert "front/1 was ended by SIGKILL; starting it again in 0.5 s" in tiny.said


def test_an_unhealthy_task_is_restarted_and_gets_no_requests_meanwhile(tiny: Tiny) -> None:
    sick = int(httpx.get(f"{tiny.echo}/sicken").json()["pid"])
    name = next(n for n in ("echo/1", "echo/2") if tiny.process(n)["pid"] == sick)
    time.sleep(1.5)
    assert sick not in {httpx.get(tiny.echo).json()["pid"] for _ in range(4)}
    tiny.comes_back(name, instead_of=sick)
    assert f"{name} failed its health check once: " in tiny.said


@pytest.mark.parametrize("name", ["control-plane", "objects", "balancer"])
def test_a_killed_part_is_restarted_with_its_state(tiny: Tiny, name: str) -> None:
    pid = tiny.kill(name)
    tiny.comes_back(name, instead_of=pid)
    assert soon(lambda: httpx.get(tiny.front).status_code == 200)
    assert soon(lambda: infra("run", "echo", tiny.folder, "--", "-V").returncode == 0)
    assert f"{name} serves again" in tiny.said


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_finds_its_state(
    tiny: Tiny,
) -> None:
    before = tiny.connection
    grandchild = int(httpx.get(f"{tiny.front}/grandchild").json()["grandchild"])
    tiny.up.kill()
    tiny.up.wait()
    soon(lambda: not [*marked(tiny.local)] and not alive(grandchild))
    assert not (tiny.local / "connection.json").exists()
    assert soon(lambda: not sockets(tiny))
    tiny.start()
    assert tiny.connection == before


def test_a_kept_result_that_is_refused_is_said_and_can_be_replaced(tiny: Tiny) -> None:
    first = tiny.connection["admin_key"]
    (tiny.folder / "revoked.txt").write_text(f"Bearer {first}\n")
    assert infra("down", tiny.folder).returncode == 0
    assert tiny.up.wait(10) == 0
    assert not sockets(tiny)
    tiny.start()
    again = f"{SHOWN} infra setup {tiny.folder}"
    assert soon(
        lambda: f"The kept admin_key is valid no more. Make a new one: {again}" in tiny.said
    )
    assert first not in tiny.said
    assert "admin_key" not in tiny.connection

    done = infra("setup", tiny.folder)
    assert done.returncode == 0, done.stdout
    found = json.loads((tiny.local / "connection.json").read_text())
    assert f"admin_key: {found['admin_key']}\n" in done.stdout
    assert found["argv"] == ["setup.py", "--again"]
    assert json.loads((tiny.local / "state/setup.json").read_text()) == {
        name: found[name] for name in ("admin_key", "argv")
    }


def test_a_step_that_fails_is_named_with_its_cause_and_everything_stops(tmp_path: Path) -> None:
    folder = copied(tmp_path / "program")
    with (folder / "Pulumi.local.yaml").open("a") as file:
        file.write('  tiny:migrate-code: "3"\n')
    done = infra("up", folder)
    assert done.returncode == 1
    assert "error: echo/1/migrate exited with code 3\n    migrating\n" in done.stdout.replace(
        "front/1", "echo/1"
    )
    assert f"hint: Its log: {folder}/.hokusai/local/logs/" in done.stdout
    local = folder / ".hokusai/local"
    assert [*marked(local)] == []

    refused = infra("reset", folder, say="n\n")
    assert (refused.returncode, "Nothing was deleted." in refused.stdout) == (0, True)
    assert (local / "state/credentials.json").exists()
    assert "The local state is deleted." in infra("reset", folder, say="y\n").stdout
    assert [each.name for each in local.iterdir()] == ["lock"]
    assert infra("reset", folder).stdout == "There is no local state to delete.\n"


def test_a_mistake_in_the_program_is_shown_with_its_line(tmp_path: Path) -> None:
    folder = copied(tmp_path / "program")
    main = folder / "__main__.py"
    text = main.read_text() + '\npulumi.Config("tiny").require("missing")\n'
    main.write_text(text)
    done = infra("up", folder)
    assert done.returncode == 1
    assert "error: The Pulumi program does not run as stack 'local'." in done.stdout
    line = len(text.splitlines())
    assert f'__main__.py:{line}: pulumi.Config("tiny").require("missing")' in done.stdout
    assert "tiny:missing" in done.stdout
