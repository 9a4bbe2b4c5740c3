"""Artifacts over HTTP: what a client and a browser rely on, and what a task can bear."""

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from app.migrations import cluster
from tests.app.mlflow.caller import API, Caller
from tests.app.mlflow.tasks import Task, tasks
from tests.stack import Stack

MIB = 1024 * 1024
DATA = bytes(range(256)) * 40
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class Logged:
    """One artifact, and every route that serves it."""

    run: dict[str, str]
    routes: dict[str, tuple[str, dict[str, str]]]


@pytest.fixture(scope="module")
def logged(left: Caller) -> Logged:
    run = left.run()
    folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    model = left.post(f"{API}/logged-models", experiment_id=run["experiment_id"], name="m").json()[
        "model"
    ]["info"]
    name, trace = f"files-{run['run_id'][:6]}", f"tr-{run['run_id']}"
    left.post(f"{API}/registered-models/create", name=name)
    left.post(
        f"{API}/model-versions/create",
        name=name,
        source=run["artifact_uri"],
        run_id=run["run_id"],
    )
    left.post(
        "/api/3.0/mlflow/traces",
        trace={
            "trace_info": {
                "trace_id": trace,
                "trace_location": {
                    "type": "MLFLOW_EXPERIMENT",
                    "mlflow_experiment": {"experiment_id": run["experiment_id"]},
                },
                "request_time": "2026-01-01T00:00:00Z",
                "state": "OK",
            }
        },
    )
    attachment = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    trace_folder = f"workspaces/left/{run['experiment_id']}/traces/{trace}/artifacts"
    model_folder = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for place in (
        f"{folder}/data.bin",
        f"{model_folder}/data.bin",
        f"{trace_folder}/attachments/{attachment}",
    ):
        stored = left.http.put(f"{FILES}/{place}", content=DATA)
        assert (stored.status_code, stored.content) == (200, b""), stored.text
    model_files = f"/ajax-api/2.0/mlflow/logged-models/{model['model_id']}/artifacts/files"
    trace_files = {"request_id": trace, "path": attachment}
    return Logged(
        run,
        {
            "api": (f"{FILES}/{folder}/data.bin", {}),
            "ajax-api": (f"/ajax-api{FILES.removeprefix('/api')}/{folder}/data.bin", {}),
            "run": ("/get-artifact", {"run_id": run["run_id"], "path": "data.bin"}),
            "run_uuid": ("/get-artifact", {"run_uuid": run["run_id"], "path": "data.bin"}),
            "model version": (
                "/model-versions/get-artifact",
                {"name": name, "version": "1", "path": "data.bin"},
            ),
            "logged model": (model_files, {"artifact_file_path": "data.bin"}),
            "trace 2": ("/ajax-api/2.0/mlflow/get-trace-artifact", trace_files),
            "trace 3": ("/ajax-api/3.0/mlflow/get-trace-artifact", trace_files),
        },
    )


ROUTES = (
    "api",
    "ajax-api",
    "run",
    "run_uuid",
    "model version",
    "logged model",
    "trace 2",
    "trace 3",
)


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_sends_the_file_its_length_and_a_range(
    left: Caller, logged: Logged, route: str
) -> None:
    path, query = logged.routes[route]
    whole = left.http.get(path, params=query)
    assert whole.status_code == 200, whole.text
    assert whole.content == DATA
    assert whole.headers["content-length"] == str(len(DATA))
    assert whole.headers["content-disposition"].startswith("attachment")
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = left.http.get(path, params=query, headers={"Range": "bytes=250-259"})
    assert (part.status_code, part.content) == (206, DATA[250:260])
    assert part.headers["content-range"] == f"bytes 250-259/{len(DATA)}"
    again = left.http.get(path, params=query, headers={"If-None-Match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = left.http.head(path, params=query)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(DATA))


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-0", 206, DATA[:1]),
        ("bytes=-5", 206, DATA[-5:]),
        ("bytes=10230-", 206, DATA[10230:]),
        ("bytes=10230-99999", 206, DATA[10230:]),
        ("bytes=5-2", 200, DATA),
        ("bytes=0-1,4-5", 200, DATA),
        ("lines=1-2", 200, DATA),
        ("bytes=-", 200, DATA),
    ],
)
def test_ranges(left: Caller, logged: Logged, asked: str, status: int, content: bytes) -> None:
    path, _ = logged.routes["api"]
    response = left.http.get(path, headers={"Range": asked})
    assert (response.status_code, response.content) == (status, content)


def test_a_range_beyond_the_end_is_416(left: Caller, logged: Logged) -> None:
    path, _ = logged.routes["api"]
    response = left.http.get(path, headers={"Range": "bytes=10240-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(DATA)}"
    assert response.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_range_of_another_version_sends_the_whole_file(left: Caller, logged: Logged) -> None:
    path, _ = logged.routes["api"]
    etag = left.http.head(path).headers["etag"]
    same = left.http.get(path, headers={"Range": "bytes=1-2", "If-Range": etag})
    other = left.http.get(path, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


@pytest.mark.parametrize("route", [each for each in ROUTES if not each.startswith("trace")])
def test_what_is_not_there_is_404(left: Caller, logged: Logged, route: str) -> None:
    path, query = logged.routes[route]
    missing = left.http.get(
        path.replace("data.bin", "none"),
        params={name: value.replace("data.bin", "none") for name, value in query.items()},
    )
    assert missing.status_code == 404
    assert missing.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_a_folder_is_no_file(left: Caller, logged: Logged) -> None:
    path, _ = logged.routes["api"]
    folder = path.removesuffix("/data.bin")
    assert left.http.get(folder).status_code == 404
    assert left.http.get(f"{folder}/").status_code == 400
    assert left.http.put(f"{folder}/", content=b"x").status_code == 400


@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 11 * MIB])
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_body_arrives_whole_whatever_its_length_and_framing(
    left: Caller, logged: Logged, size: int, framing: str
) -> None:
    data = os.urandom(size)
    path = logged.routes["api"][0].replace("data.bin", f"{framing}-{size}")

    def pieces() -> Iterator[bytes]:
        for start in range(0, size, MIB):
            yield data[start : start + MIB]

    stored = left.http.put(path, content=data if framing == "content-length" else pieces())
    assert stored.status_code == 200, stored.text
    assert left.http.get(path).content == data


def test_a_name_with_any_character_comes_back(left: Caller, logged: Logged) -> None:
    name = "ünï cöde (1) +&=%.txt"
    folder = logged.routes["api"][0].removesuffix("/data.bin")
    path = f"{folder}/ünï cöde (1) +&=%25.txt"
    assert left.http.put(path, content=b"x").status_code == 200
    listed = left.get(FILES, path=f"{folder.removeprefix(FILES)[1:]}")
    assert name in {each["path"] for each in listed.json()["files"]}
    sent = left.get("/get-artifact", run_id=logged.run["run_id"], path=name)
    assert sent.content == b"x"
    assert "filename*=UTF-8''%C3%BCn%C3%AF" in sent.headers["content-disposition"]


def test_an_upload_that_breaks_off_leaves_nothing(
    stack: Stack, left: Caller, logged: Logged
) -> None:
    path = logged.routes["api"][0].replace("data.bin", "broken")
    url = urlsplit(stack.mlflow_url)
    with socket.create_connection((url.hostname, url.port)) as raw:
        raw.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {left.key}\r\n"
            f"Content-Length: {40 * MIB}\r\n\r\n".encode()
        )
        for _ in range(20):
            raw.sendall(b"x" * MIB)
    deadline = time.monotonic() + 10
    uploads = tasks(stack.folder)[0].open_uploads
    key = path.removeprefix(f"{FILES}/")
    while key in uploads():
        assert time.monotonic() < deadline, "the multipart upload is still open"
        time.sleep(0.1)
    assert left.http.get(path).status_code == 404


@dataclass(frozen=True)
class Transfers:
    """Four transfers at once with one task, without a balancer between."""

    task: Task
    key: str
    folder: str
    size: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.task.port, timeout=600)

    def headers(self, **more: str) -> dict[str, str]:
        host = urlsplit(self.task.environment["HOKUSAI_MLFLOW_URL"]).netloc
        return {"Host": host, "Authorization": f"Bearer {self.key}", **more}

    def upload(self, number: int) -> float:
        block = os.urandom(MIB)
        connection = self.connect()
        connection.request(
            "PUT",
            f"{self.folder}/{number}",
            body=(block for _ in range(self.size // MIB)),
            headers=self.headers(**{"Content-Length": str(self.size)}),
        )
        response = connection.getresponse()
        assert response.status == 200, response.read()
        return 0.0

    def download(self, number: int) -> float:
        connection = self.connect()
        started = time.monotonic()
        connection.request("GET", f"{self.folder}/{number}", headers=self.headers())
        response = connection.getresponse()
        assert response.status == 200
        got = len(response.read(1))
        first_byte = time.monotonic() - started
        while piece := response.read(MIB):
            got += len(piece)
        assert got == self.size
        return first_byte

    def four_at_once(self, transfer: Callable[[int], float]) -> tuple[float, float]:
        """Return the extra memory in MiB and the longest wait for a first byte."""
        self.task.forget_peak()
        before = self.task.memory("VmRSS")
        waited: list[float] = []
        threads = [
            threading.Thread(target=lambda n=n: waited.append(transfer(n))) for n in range(4)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(waited) == 4, "a transfer failed"
        return self.task.memory("VmHWM") - before, max(waited)


@pytest.mark.slow
def test_four_transfers_of_1_gib_each_way_fit_into_100_mib(
    stack: Stack, left: Caller, logged: Logged
) -> None:
    folder = logged.routes["api"][0].replace("/data.bin", "/large")
    transfers = Transfers(tasks(stack.folder)[0], left.key, folder, 1024 * MIB)
    extra, _ = transfers.four_at_once(transfers.upload)
    assert extra < 100
    extra, first_byte = transfers.four_at_once(transfers.download)
    assert extra < 100
    assert first_byte < 1
    left.http.delete(folder)


def test_what_goes_through_leaves_no_file_behind(
    left: Caller, stack: Stack, logged: Logged
) -> None:
    path, _ = logged.routes["api"]
    folders = {Path(each.environment["TMPDIR"]) for each in tasks(stack.folder)}
    left.http.put(path.replace("data.bin", "twelve"), content=os.urandom(12 * MIB))
    run_id = logged.run["run_id"]
    assert len(left.get("/get-artifact", run_id=run_id, path="twelve").content) == 12 * MIB
    sent = left.http.post(
        "/ajax-api/2.0/mlflow/upload-artifact",
        params={"run_uuid": run_id, "path": "some/where.txt"},
        content=b"by the UI",
    )
    assert sent.status_code == 200, sent.text
    assert left.get("/get-artifact", run_id=run_id, path="some/where.txt").content == b"by the UI"
    left_behind = [each for folder in folders for each in folder.rglob("*") if each.is_file()]
    assert left_behind == []


def test_the_ui_may_upload_10_mib_and_no_more(left: Caller, logged: Logged) -> None:
    query = {"run_uuid": logged.run["run_id"], "path": "x.bin"}
    upload = "/ajax-api/2.0/mlflow/upload-artifact"
    fits = left.http.post(upload, params=query, content=bytes(10 * MIB))
    assert fits.status_code == 200
    larger = left.http.post(upload, params=query, content=bytes(10 * MIB + 1))
    assert larger.status_code == 413
    assert "too_large" in larger.json()["message"]


def test_spans_that_are_not_in_the_database_come_from_the_traces_folder(
    stack: Stack, left: Caller, logged: Logged
) -> None:
    trace = logged.routes["trace 3"][1]["request_id"]
    place = f"workspaces/left/{logged.run['experiment_id']}/traces/{trace}/artifacts"
    left.http.put(f"{FILES}/{place}/traces.json", content=b'{"spans": []}')
    with psycopg.connect(stack.database_url, dbname="mlflow", autocommit=True) as database:
        database.execute(f"set role {cluster.OWNERS['mlflow']}")
        database.execute(
            "delete from trace_tags where request_id = %s and key = %s",
            (trace, "mlflow.trace.spansLocation"),
        )
    sent = left.get("/ajax-api/3.0/mlflow/get-trace-artifact", request_id=trace)
    assert (sent.status_code, sent.content) == (200, b'{"spans": []}')
