"""A stack that one test at a time may hurt."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.stack import ROOT, Stack, copy_program, start, stop


@dataclass
class Running:
    """A stack of its own, whose parts a test may hurt."""

    up: "subprocess.Popen[str]"
    stack: Stack

    def ask(self, path: str, key: str | None = None, seconds: float = 15) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.stack.admin_key}"}
        return httpx.get(f"{self.stack.mlflow_url}{path}", headers=headers, timeout=seconds)

    def ready(self) -> dict[str, str]:
        answer = httpx.get(f"{self.stack.api_url}/ready", timeout=15)
        if answer.headers.get("content-type") != "application/json":
            return {"load balancer": "no task"}
        checks: dict[str, str] = answer.json()["checks"]
        return checks


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    folder = copy_program(ROOT / ".hokusai" / "tests" / "survival")
    found = Running(start(folder, tasks=1), Stack.read(folder))
    yield found
    stop(found.up.pid)
    found.up.wait()
