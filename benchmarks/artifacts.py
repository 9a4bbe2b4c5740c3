"""Artifacts through a running local stack, against the object store itself.

    hokusai infra up            # in another shell
    python benchmarks/artifacts.py [program folder] [--mib 256] [--rounds 3]

The same bare HTTP client sends the same bytes to both; the stock client is reported beside them.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.app.mlflow.tasks import tasks

MIB = 1024 * 1024
FILES = "/api/2.0/mlflow-artifacts/artifacts"
Timed = Callable[[], float]


def _put(url: str, data: bytes, headers: dict[str, str]) -> float:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600)
    started = time.perf_counter()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection.request("PUT", target, body=data, headers=headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(answer[:500])
    return time.perf_counter() - started


def _get(url: str, size: int, headers: dict[str, str]) -> tuple[float, float]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=600)
    started = time.perf_counter()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection.request("GET", target, headers=headers)
    response = connection.getresponse()
    got = len(response.read(1))
    first = time.perf_counter() - started
    while piece := response.read(MIB):
        got += len(piece)
    if response.status != http.HTTPStatus.OK or got != size:
        raise RuntimeError(f"{response.status}, {got} bytes")
    return time.perf_counter() - started, first


def measure(program: Path, size: int, rounds: int) -> dict[str, list[float]]:
    """Measure in turns; seconds by what was done."""
    connection = json.loads((program / ".hokusai/local/connection.json").read_text())
    task = tasks(program)[0]
    s3, bucket = task.s3(), task.bucket
    folder, data = f"workspaces/main/benchmark-{uuid.uuid4().hex}", os.urandom(size)
    headers = {"Authorization": f"Bearer {connection['admin_key']}"}
    origins = {
        "one task": f"http://127.0.0.1:{task.port}",
        "through the balancer": connection["mlflow_url"],
    }
    direct = {
        method: s3.generate_presigned_url(
            method, Params={"Bucket": bucket, "Key": f"{folder}/direct"}, ExpiresIn=3600
        )
        for method in ("put_object", "get_object")
    }
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)

    upload, download = _stock_client(connection, data)
    for number in range(rounds + 1):
        timed = {
            "PUT direct": _put(direct["put_object"], data, {}),
            "PUT stock client": upload(),
        }
        timed["GET direct"], timed["first byte direct"] = _get(direct["get_object"], size, {})
        for name, origin in origins.items():
            url = f"{origin}{FILES}/{folder}/ours"
            timed[f"PUT {name}"] = _put(url, data, headers)
            timed[f"GET {name}"], timed[f"first byte {name}"] = _get(url, size, headers)
        timed["GET stock client"] = download()
        if number:  # the first round warms everything up
            for name, seconds in timed.items():
                note(name, seconds)
    for key in ("ours", "direct"):
        s3.delete_object(Bucket=bucket, Key=f"{folder}/{key}")
    return found


def _stock_client(connection: dict[str, str], data: bytes) -> tuple[Timed, Timed]:
    os.environ["MLFLOW_TRACKING_TOKEN"] = connection["admin_key"]
    import mlflow  # noqa: PLC0415 -- takes seconds, and reads the environment

    mlflow.set_tracking_uri(connection["mlflow_url"])
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    folder = Path(tempfile.mkdtemp())
    (folder / "data").write_bytes(data)

    def upload() -> float:
        started = time.perf_counter()
        client.log_artifact(run_id, str(folder / "data"))
        return time.perf_counter() - started

    def download() -> float:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as to:
            client.download_artifacts(run_id, "data", to)
        return time.perf_counter() - started

    return upload, download


def table(found: dict[str, list[float]], size: int) -> str:
    """Lay out the ratios."""

    def middle(name: str) -> float:
        return statistics.median(found[name])

    ways = ("one task", "through the balancer", "stock client")
    lines = [
        f"| ÷ direct rate | {' | '.join(ways)} | MiB/s: direct, {', '.join(ways)} |",
        "| --- " * (len(ways) + 2) + "|",
    ]
    for verb in ("PUT", "GET"):
        direct = middle(f"{verb} direct")
        taken = [middle(f"{verb} {way}") for way in ways]
        ratios = " | ".join(f"{direct / each:.2f}" for each in taken)
        rates = ", ".join(f"{size / MIB / each:.0f}" for each in (direct, *taken))
        lines.append(f"| {verb} | {ratios} | {rates} |")
    first = [middle(f"first byte {way}") * 1000 for way in ("direct", *ways[:2])]
    said = ", ".join(f"{each:.0f}" for each in first)
    return "\n".join([*lines, f"\nFirst byte in ms: direct, {', '.join(ways[:2])}: {said}."])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, nargs="?", default=Path(__file__).parents[1])
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    size = chosen.mib * MIB
    print(table(measure(chosen.program, size, chosen.rounds), size))


if __name__ == "__main__":
    main()
