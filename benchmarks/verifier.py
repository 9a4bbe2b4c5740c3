"""How long the verifier takes for one request, with as many keys in memory as a large platform has.

python benchmarks/verifier.py [--keys 10000]
"""

import argparse
import contextlib
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.auth.api_key import ApiKey
from app.auth.key_directory import KeyDirectory, Update
from app.auth.key_record import KeyRecord
from app.auth.tokens import TokenMaker
from app.auth.verifier import Verifier
from app.errors import ApiError
from app.permissions import Permission

CALLS = 5000
WARM_UP = 500


def _record(key: ApiKey, project: str) -> KeyRecord:
    return KeyRecord(
        key_id=key.key_id,
        project=project,
        name="benchmark",
        digest=key.digest,
        permissions=frozenset({Permission.MLFLOW_READ, Permission.MLFLOW_WRITE}),
        created_at=0,
        created_by="benchmark",
    )


def _scope(name: str, value: str) -> dict[str, Any]:
    headers = [
        (b"host", b"mlflow.example.org"),
        (b"user-agent", b"mlflow-python-client/3.17.2"),
        (b"accept", b"*/*"),
        (name.encode(), value.encode()),
    ]
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/2.0/mlflow/runs/get",
        "query_string": b"run_id=0123456789abcdef0123456789abcdef",
        "headers": headers,
        "client": ("10.0.0.1", 1),
    }


def _microseconds(verifier: Verifier, scope: dict[str, Any]) -> list[float]:
    taken = []
    for number in range(CALLS + WARM_UP):
        started = time.perf_counter_ns()
        with contextlib.suppress(ApiError):
            verifier.authenticate(scope)
        if number >= WARM_UP:
            taken.append((time.perf_counter_ns() - started) / 1000)
    return taken


def main() -> None:
    """Measure each kind of credential and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000)
    number = parser.parse_args().keys
    directory, signer = KeyDirectory(), Ed25519PrivateKey.generate()
    directory.merge(
        Update(
            number=1,
            revoked={},
            ended_sessions={},
            signing_keys={"one": signer.public_key()},
            retired=frozenset(),
            key_sets={},
        )
    )
    for project in range(max(1, number // 100)):
        made = [ApiKey.generate("local") for _ in range(100)]
        name = f"project-{project}"
        directory.replace(name, "1", [_record(each, name) for each in made])
    directory.contact()
    key = made[-1]
    verifier = Verifier(
        directory, environment="local", audience="mlflow", origin="http://mlflow.example.org"
    )
    session = TokenMaker("one", signer, "local").mint_session(f"key:{key.key_id}", name)
    kinds = {
        "API key": _scope("authorization", f"Bearer {key.reveal()}"),
        "unknown API key": _scope("authorization", f"Bearer {ApiKey.generate('local').reveal()}"),
        "garbage": _scope("authorization", "Bearer hk_dev_garbage"),
        "session cookie": _scope("cookie", f"{verifier.cookie}={session.token}"),
        "no credential": _scope("x-nothing", "here"),
    }
    print(f"| {number} keys in memory | p50, ms | p99, ms |\n| --- | --- | --- |")
    for kind, scope in kinds.items():
        cuts = statistics.quantiles(_microseconds(verifier, scope), n=100)
        print(f"| {kind} | {cuts[49] / 1000:.3f} | {cuts[98] / 1000:.3f} |")


if __name__ == "__main__":
    main()
