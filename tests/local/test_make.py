"""The Makefile and the quickstart, as the first user meets them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import ROOT

PROMISE = "Local only: no AWS account is used, nothing is billed."
MAKE = shutil.which("make") or "make"
INPUTS = ("app", "hokusai_client", "hokusai_infra")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Lay a clone whose ``hokusai`` says how it was called, and whose ``uv`` is loud."""
    shutil.copy2(ROOT / "Makefile", tmp_path)
    for name in ("uv.lock", "pyproject.toml", *(f"{each}/pyproject.toml" for each in INPUTS)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    script(tmp_path / ".venv/bin/hokusai", 'echo "$HOKUSAI_VIA: $*"')
    script(tmp_path / "tools/uv", "for i in $(seq 200); do echo noise; done; exit ${FAILS:-0}")
    return tmp_path


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def make(clone: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{clone / 'tools'}:{os.environ['PATH']}", **more}
    return subprocess.run(
        [MAKE, *words], check=False, capture_output=True, text=True, cwd=clone, env=env
    )


def test_the_promise_comes_before_anything_is_installed_and_once(clone: Path) -> None:
    first = make(clone, "up", "-j4").stdout.splitlines()
    assert first[0] == PROMISE
    assert first[1].split() == ["packages", first[1].split()[1], "s", "in", ".venv"]
    assert first[2:] == ["make: infra up --tasks 1"]
    assert make(clone, "up", "TASKS=2").stdout == f"{PROMISE}\nmake: infra up --tasks 2\n"
    assert make(clone, "key").stdout == "make: infra setup\n"


def test_only_the_stack_is_told_that_make_called(clone: Path) -> None:
    make(clone, "down")
    script(clone / ".venv/bin/pytest", 'echo "[$HOKUSAI_VIA]"')
    assert make(clone, "test").stdout.splitlines()[-1] == "[]"


def test_packages_that_do_not_install_are_shown(clone: Path) -> None:
    failed = make(clone, "down", FAILS="7")
    assert failed.returncode == 2
    assert failed.stdout == "  packages         failed\n"
    assert failed.stderr.count("noise\n") == 200
    assert not (clone / ".venv/.synced").exists()


def quickstart(folder: Path, **more: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | more
    done = subprocess.run(
        [sys.executable, folder / "examples/quickstart.py"],
        check=False,
        capture_output=True,
        text=True,
        env=env,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_the_quickstart_without_a_stack_or_a_key_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    shutil.copy2(ROOT / "examples/quickstart.py", tmp_path / "examples")
    assert quickstart(tmp_path) == "No local stack is running here. Start it with: make up\n"
    connection = tmp_path / ".hokusai/local/connection.json"
    connection.parent.mkdir(parents=True)
    connection.write_text('{"mlflow_url": "http://127.0.0.1:9"}')
    assert "make a new one with: make key" in quickstart(tmp_path)
    connection.write_text('{"mlflow_url": "http://127.0.0.1:9", "admin_key": "k"}')
    assert quickstart(tmp_path).startswith("Nothing answers at http://127.0.0.1:9.")
