"""HTTP clients of the MLflow endpoint, each with a key of one project."""

from dataclasses import dataclass

import httpx

from tests.stack import Stack

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
        key = self.stack.key(*permissions, project=project)
        http = httpx.Client(
            base_url=self.stack.mlflow_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
            trust_env=False,
        )
        return Caller(http, key, project)
