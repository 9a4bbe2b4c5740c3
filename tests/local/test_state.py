"""Ports, logs, leftovers and the lock."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hokusai_infra.local.greeting import filled
from hokusai_infra.local.leftovers import MARK, end, marked, start_time
from hokusai_infra.local.log_files import LONGEST_LINE, Lines, LogFile, as_json
from hokusai_infra.local.ports import RANGE, Ports
from hokusai_infra.local.state import AlreadyRunningError, Folders, RunRecord, StackError, lock


def test_a_port_is_kept_over_restarts(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json")
    port, other = first.get("a"), first.get("b")
    again = Ports(tmp_path / "ports.json")
    assert (again.get("a"), again.get("b")) == (port, other)
    assert {port, other} <= set(RANGE)
    assert port != other
    assert again.moved == []


def test_a_port_that_somebody_took_is_replaced_and_that_is_said(tmp_path: Path) -> None:
    port = Ports(tmp_path / "ports.json").get("name/a.localhost")
    with socket.create_server(("127.0.0.1", port)):
        again = Ports(tmp_path / "ports.json")
        moved = again.get("name/a.localhost")
    assert moved != port
    assert again.moved == [f"port {port} of a.localhost is taken by another program: now {moved}"]
    assert Ports(tmp_path / "ports.json").get("name/a.localhost") == moved


def test_a_broken_file_of_ports_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"a": ')
    assert Ports(tmp_path / "ports.json").get("a") in RANGE


@pytest.mark.parametrize(
    ("line", "added"),
    [
        (b'{"timestamp": "t"}', {"timestamp": "t", "task": "api/1"}),
        (b'{"timestamp": "t", "task": "mine"} ', {"timestamp": "t", "task": "mine"}),
    ],
)
def test_a_json_line_gets_the_task(line: bytes, added: dict[str, str]) -> None:
    written = as_json(line, {"task": "api/1"})
    assert json.loads(written) == added
    assert written.endswith(b"}\n")


@pytest.mark.parametrize("line", [b"{}", b'{"event": "x"}'])
def test_a_line_that_does_not_say_when_gets_the_time(line: bytes) -> None:
    row = json.loads(as_json(line, {"task": "api/1"}))
    assert row.keys() - {"event"} == {"timestamp", "task"}
    assert row["timestamp"].endswith("Z")


@pytest.mark.parametrize("line", [b"plain", b"{broken", b'["list"]', b"\xff\xfe"])
def test_any_other_line_is_wrapped(line: bytes) -> None:
    row = json.loads(as_json(line, {"task": "api/1"}))
    assert row["message"] == line.decode(errors="replace")
    assert (row["event"], row["task"]) == ("output", "api/1")


def test_lines_are_cut_where_they_end_or_grow_too_long() -> None:
    lines = Lines()
    assert lines.feed(b"a\nb") == [b"a"]
    assert lines.feed(b"c\n\nd") == [b"bc", b""]
    assert [len(each) for each in lines.feed(b"x" * (LONGEST_LINE + 1))] == [LONGEST_LINE + 2]
    assert lines.rest() == []


def test_a_log_is_put_aside_when_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hokusai_infra.local.log_files.ROTATE_AT", 10)
    log = LogFile(tmp_path / "a.log")
    log.write([b'{"timestamp": 1}', b"  ", b'{"timestamp": 2}'], {})
    log.write([b'{"timestamp": 3}'], {})
    log.close()
    assert (tmp_path / "a.log").read_text() == '{"timestamp": 3}\n'
    assert (tmp_path / "a.log.1").read_text() == '{"timestamp": 1}\n{"timestamp": 2}\n'


def test_a_dead_process_is_not_taken_for_its_successor() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    born = start_time(process.pid)
    assert born == start_time(process.pid)
    process.kill()
    while start_time(process.pid) is not None:  # a zombie until the next line
        time.sleep(0.01)
    process.communicate()
    assert start_time(process.pid) is None


def test_what_a_run_has_started_is_found_and_ended(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(99)"
    )
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", deaf],
        env={MARK: f"{tmp_path}#run1"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert list(marked(tmp_path)) == [process.pid]
    assert list(marked(tmp_path, run_id="run1")) == [process.pid]
    assert list(marked(tmp_path, but="run1")) == []
    assert list(marked(tmp_path.parent)) == []
    assert end([process.pid], grace=0.2) == [process.pid]
    assert process.wait(1) == -9
    process.stdout.close()


def program(tmp_path: Path) -> Folders:
    (tmp_path / "Pulumi.yaml").write_text("name: x")
    return Folders.of(tmp_path)


def test_a_folder_without_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"no Pulumi\.yaml"):
        Folders.of(tmp_path)


def test_one_folder_is_held_once(tmp_path: Path) -> None:
    folders = program(tmp_path)
    record = RunRecord.mine("run1", "local")
    record.urls = {"api.example": "http://127.0.0.1:20001"}
    with lock(folders):
        record.write(folders)
        with (
            pytest.raises(
                AlreadyRunningError, match=r"already running .* http://127\.0\.0\.1:20001"
            ),
            lock(folders),
        ):
            pass
    with lock(folders):
        pass


def test_files_with_secrets_are_private(tmp_path: Path) -> None:
    folders = program(tmp_path)
    folders.make()
    RunRecord.mine("run1", "local").write(folders)
    assert folders.run.stat().st_mode & 0o777 == 0o600
    assert folders.logs.stat().st_mode & 0o777 == 0o700


def test_a_template_keeps_braces_that_are_its_own() -> None:
    text = "curl -d '{\"a\": {b}}' {api_url} {unknown}"
    assert filled(text, {"api_url": "http://x"}) == "curl -d '{\"a\": {b}}' http://x {unknown}"
