"""Callers of the MLflow endpoint, in two projects that must not know of each other."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import filelock
import httpx
import pytest

from tests.stack import Stack

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.server.fastapi_app  # noqa: F401 -- for what it warns about while it is imported

READER = ("mlflow:read",)
WRITER = ("mlflow:read", "mlflow:write")
API = "/api/2.0/mlflow"


@dataclass(frozen=True)
class Caller:
    """An HTTP client of one API key."""

    http: httpx.Client
    key: str
    project: str

    def get(self, path: str, /, **query: str) -> httpx.Response:
        return self.http.get(path, params=query)

    def post(self, path: str, /, **body: object) -> httpx.Response:
        return self.http.post(path, json=body)

    def run(self) -> dict[str, str]:
        """Start a run in the project's own experiment."""
        started = self.post(f"{API}/runs/create", experiment_id="0")
        assert started.status_code == 200, started.text
        info: dict[str, str] = started.json()["run"]["info"]
        return info


@dataclass(frozen=True)
class Callers:
    """Makes callers of one stack."""

    stack: Stack

    def of(self, project: str, *permissions: str) -> Caller:
        with filelock.FileLock(self.stack.folder / "projects.lock"):
            key = self.stack.key(*permissions, project=project)
        http = httpx.Client(
            base_url=self.stack.mlflow_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
        )
        return Caller(http, key, project)


@pytest.fixture(scope="session")
def callers(stack: Stack) -> Callers:
    return Callers(stack)


@pytest.fixture(scope="session")
def left(callers: Callers) -> Iterator[Caller]:
    """A writer in the project ``left``."""
    caller = callers.of("left", *WRITER)
    yield caller
    caller.http.close()


@pytest.fixture(scope="session")
def right(callers: Callers) -> Iterator[Caller]:
    """A writer in the project ``right``, who tries to reach ``left``."""
    caller = callers.of("right", *WRITER)
    yield caller
    caller.http.close()


@pytest.fixture(scope="session")
def reader(callers: Callers) -> Iterator[Caller]:
    """A reader in the project ``left``."""
    caller = callers.of("left", *READER)
    yield caller
    caller.http.close()


@pytest.fixture
def nobody(stack: Stack) -> Iterator[httpx.Client]:
    """A client without any credential."""
    with httpx.Client(base_url=stack.mlflow_url, timeout=30, trust_env=False) as http:
        yield http
