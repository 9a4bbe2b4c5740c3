"""The local stack as the tests see it: a copy of the program, run as a user would."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import filelock
import httpx

ROOT = Path(__file__).parents[1]
HOKUSAI = str(Path(sys.executable).with_name("hokusai"))
PROGRAM = ("__main__.py", "Pulumi.yaml", "Pulumi.local.yaml", "pyproject.toml", "app")


@dataclass(frozen=True)
class Stack:
    """A running local stack; the addresses are those of its connection file."""

    folder: Path
    api_url: str
    mlflow_url: str
    https_api_url: str
    https_mlflow_url: str
    ca_file: str
    aws_endpoint_url: str
    s3_endpoint_url: str
    database_url: str
    admin_key: str

    @classmethod
    def read(cls, folder: Path) -> "Stack":
        found = json.loads((folder / ".hokusai/local/connection.json").read_text())
        names = cls.__dataclass_fields__.keys() - {"folder"}
        return cls(folder=folder, **{name: found[name] for name in names})

    def run(self, service: str, *command: str) -> str:
        """Run a one-off task of a service, as an operator would, and return what it printed."""
        argv = [HOKUSAI, "infra", "run", service, str(self.folder), "--", *command]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def key(self, *permissions: str, project: str = "main", **more: object) -> str:
        """Make a key with these permissions only."""
        body = {"name": "test", "permissions": list(permissions), **more}
        answer = httpx.post(
            f"{self.api_url}/api/v1/keys",
            json=body,
            headers={"Authorization": f"Bearer {self.admin_key_of(project)}"},
            timeout=30,
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    def admin_key_of(self, project: str) -> str:
        """Return a key with every permission in a project, which is made where it is missing."""
        if project == "main":
            return self.admin_key
        kept = self.folder / f"{project}.key"
        with filelock.FileLock(self.folder / "projects.lock"):  # other workers ask as well
            if not kept.exists():
                printed = self.run("api", "app.admin", "first-key", "--project", project)
                kept.write_text(json.loads(printed)["admin_key"])
        return kept.read_text()


def copy_program(folder: Path) -> Path:
    """Lay a fresh copy of the program, without state, so that no test meets a user's stack."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in PROGRAM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def start(folder: Path, tasks: int = 2, **more: str) -> subprocess.Popen[str]:
    """Run ``hokusai infra up`` and return once it is ready; its output goes to ``up.log``."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | more
    log = folder / "up.log"
    # One that was killed together with its watchdog could not take it back.
    (folder / ".hokusai/local/connection.json").unlink(missing_ok=True)
    with log.open("w") as out:
        up = subprocess.Popen(
            [HOKUSAI, "infra", "up", str(folder), "--tasks", str(tasks)],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
            text=True,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while not (folder / ".hokusai/local/connection.json").exists():
        if up.poll() is not None or time.monotonic() > deadline:
            up.kill()
            raise AssertionError(f"the local stack did not start:\n{log.read_text()}")
        time.sleep(0.2)
    return up


def stop(pid: int, seconds: float = 30) -> None:
    """Stop a stack as Ctrl-C does, and wait until it is gone."""
    try:
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and alive(pid):
            time.sleep(0.1)
    except ProcessLookupError:
        return


def alive(pid: int) -> bool:
    """Say whether a process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
