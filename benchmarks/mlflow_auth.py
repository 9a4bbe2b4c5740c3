"""What authentication and isolation cost, or give: stock, stock with Basic, ours; same load.

python benchmarks/mlflow_auth.py [--rounds 3] [--seconds 3]
"""

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import Measured, Target, measure
from benchmarks.servers import Server, basic_auth, ours, postgres, stock

BATCH = 100
MANY = 40
API = "/api/2.0/mlflow"
Results = dict[tuple[str, str, int], list[Measured]]


def targets(server: Server) -> dict[str, Target]:
    """Make runs to write to, one for each connection, and say what is measured."""
    runs = [server.post("runs/create", {"experiment_id": "0"})["run"]["info"] for _ in range(MANY)]
    experiment = runs[0]["experiment_id"]

    def metric(connection: int, number: int) -> bytes:
        # Both from the clock: a value that is repeated would measure how stock recovers from it.
        body = {
            "run_id": runs[connection]["run_id"],
            "key": "loss",
            "value": number % 997,
            "timestamp": number // 1_000_000,
            "step": number % 2**40,
        }
        return json.dumps(body).encode()

    def batch(connection: int, number: int) -> bytes:
        step = number % 2**40
        metrics = [
            {"key": f"m{each}", "value": each, "timestamp": number // 1_000_000, "step": step}
            for each in range(BATCH)
        ]
        return json.dumps({"run_id": runs[connection]["run_id"], "metrics": metrics}).encode()

    def target(method: str, path: str, make_body: object = None) -> Target:
        return Target(server.port, method, f"{API}/{path}", make_body, server.authorization)  # type: ignore[arg-type] # one of the above

    return {
        "experiments/get": target("GET", f"experiments/get?experiment_id={experiment}"),
        "log-metric": target("POST", "runs/log-metric", metric),
        f"log-batch of {BATCH}": target("POST", "runs/log-batch", batch),
    }


def run(rounds: int, seconds: float) -> Results:
    """Measure all servers in turns, so that what else the machine does hits each alike."""
    results: Results = {}
    with ExitStack() as stack:
        host = stack.enter_context(postgres())
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(each(host, logs)) for each in (stock, basic_auth, ours)]
        prepared = {each.name: targets(each) for each in servers}
        for server in servers:
            for target in prepared[server.name].values():
                measure(target, connections=2, seconds=0.5)
        for _ in range(rounds):
            for operation in prepared["ours"]:
                for server in servers:
                    counts = (8,) if server.name == "basic-auth" else (8, MANY)
                    for connections in counts:
                        measured = measure(
                            prepared[server.name][operation],
                            connections=connections,
                            seconds=seconds,
                        )
                        if measured.failed and server.name == "ours":
                            raise RuntimeError(f"{operation}: {measured.failure}")
                        key = (operation, server.name, connections)
                        results.setdefault(key, []).append(measured)
    return results


def _ratio(results: Results, above: tuple[str, str, int], below: tuple[str, str, int]) -> str:
    pairs = zip(results[above], results[below], strict=True)
    ratios = [one.rate / other.rate for one, other in pairs]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _failures(results: Results, which: tuple[str, str, int]) -> str:
    failed = sum(each.failed for each in results[which])
    return f", {failed} failed" if failed else ""


def table(results: Results) -> str:
    """Lay out ratios first; rates mean little on another machine."""
    columns = (
        "",
        "ours ÷ stock",
        "ours ÷ basic-auth",
        "p99 ours / stock, ms",
        f"ours, {MANY} ÷ 8 connections",
        f"stock, {MANY} ÷ 8",
        "requests/s: stock, basic-auth, ours",
    )
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for operation in dict.fromkeys(each[0] for each in results):

        def of(name: str, connections: int = 8, what: str = operation) -> tuple[str, str, int]:
            return what, name, connections

        def middle(name: str, field: str, what: str = operation) -> float:
            return float(statistics.median(getattr(each, field) for each in results[what, name, 8]))

        rates = ", ".join(
            f"{middle(name, 'rate'):.0f}" if name != "basic-auth" else f"{middle(name, 'rate'):.1f}"
            for name in ("stock", "basic-auth", "ours")
        )
        lines.append(
            f"| {operation} | {_ratio(results, of('ours'), of('stock'))} "
            f"| {_ratio(results, of('ours'), of('basic-auth'))} "
            f"| {middle('ours', 'p99_ms'):.0f} / {middle('stock', 'p99_ms'):.0f} "
            f"| {_ratio(results, of('ours', MANY), of('ours'))} "
            f"| {_ratio(results, of('stock', MANY), of('stock'))}"
            f"{_failures(results, of('stock', MANY))} | {rates} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    chosen = parser.parse_args()
    print(table(run(chosen.rounds, chosen.seconds)))


if __name__ == "__main__":
    main()
