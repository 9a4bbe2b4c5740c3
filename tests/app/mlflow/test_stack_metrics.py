"""The one statement writes what MLflow's own dozen would have written, on a real PostgreSQL."""

import math
import threading
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.workspace_context import ServerWorkspaceContext

from app.mlflow.tracking import ProjectTrackingStore
from tests.stack import Stack

Rows = set[tuple[str, float, int, int, bool]]
HISTORY = "select key, value, timestamp, step, is_nan from metrics where run_uuid = %s"
LATEST = "select key, value, timestamp, step, is_nan from latest_metrics where run_uuid = %s"

metric = st.builds(
    Metric,
    key=st.sampled_from(["a", "b", "c/d"]),
    value=st.sampled_from([0.0, -1.5, 2.0, math.nan, math.inf, -math.inf, 1e308]),
    timestamp=st.integers(0, 3),
    step=st.integers(-1, 2),
)
batches = st.lists(st.lists(metric, max_size=8), min_size=1, max_size=4)


@dataclass(frozen=True)
class Pair:
    """MLflow's store and ours on one database."""

    stock: Any
    ours: Any
    database: psycopg.Connection

    def new_run(self) -> str:
        run = self.stock.create_run(
            experiment_id=self.ours.translate("0"),
            user_id="u",
            start_time=0,
            tags=[],
            run_name="r",
        )
        return str(run.info.run_id)

    def rows(self, query: str, run_id: str) -> Rows:
        return set(self.database.execute(query, (run_id,)).fetchall())


@pytest.fixture(scope="module")
def pair(stack: Stack) -> Iterator[Pair]:
    name = f"metrics_{uuid.uuid4().hex}"
    url = stack.database_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(stack.database_url, autocommit=True) as master:
        master.execute(f"create database {name}")
        patch = pytest.MonkeyPatch()
        patch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        uri = url.replace("postgresql://", "postgresql+psycopg://")
        with (
            warnings.catch_warnings(),
            psycopg.connect(url, autocommit=True) as database,
            ServerWorkspaceContext("metrics"),
        ):
            warnings.simplefilter("ignore")  # MLflow's own, of libraries it calls
            stock = WorkspaceAwareSqlAlchemyStore(uri, "mlflow-artifacts:/")
            ours = ProjectTrackingStore(uri, "mlflow-artifacts:/")
            yield Pair(stock, ours, database)
            for store in (stock, ours):
                store.engine.dispose()
                store._get_workspace_provider_instance()._engine.dispose()  # noqa: SLF001 -- it has no other end
        patch.undo()
        master.execute(f"drop database {name} with (force)")


@given(batches)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_tables_end_up_equal(pair: Pair, batches: list[list[Metric]]) -> None:
    by_mlflow, by_us = pair.new_run(), pair.new_run()
    for batch in batches:
        pair.stock.log_batch(by_mlflow, batch, [], [])
        pair.ours.log_batch(by_us, batch, [], [])
    assert pair.rows(HISTORY, by_us) == pair.rows(HISTORY, by_mlflow)
    assert pair.rows(LATEST, by_us) == pair.rows(LATEST, by_mlflow)


def test_a_batch_of_everything_is_written_whole(pair: Pair) -> None:
    run_id = pair.new_run()
    metrics, params, tags = [Metric("a", 1.0, 0, 0)], [Param("p", "1")], [RunTag("t", "x")]
    pair.ours.log_batch(run_id, metrics, params, tags)
    data = pair.stock.get_run(run_id).data
    assert (data.metrics, data.params, data.tags["t"]) == ({"a": 1.0}, {"p": "1"}, "x")


def test_more_than_1000_metrics_at_once_are_refused_as_mlflow_does(pair: Pair) -> None:
    run_id = pair.new_run()
    for store in (pair.stock, pair.ours):
        with pytest.raises(MlflowException, match="1000 metrics"):
            store.log_batch(run_id, [Metric(f"m{n}", 1.0, 0, 0) for n in range(1001)], [], [])


@pytest.mark.parametrize(
    "wrong",
    [
        Metric("", 1.0, 0, 0),
        Metric("a\0", 1.0, 0, 0),
        Metric("a", "x", 0, 0),
        Metric("a", 1.0, -1, 0),
        Metric("a", 1.0, 0, 2**70),
    ],
    ids=["no key", "odd key", "no number", "before the epoch", "no step"],
)
def test_what_mlflow_refuses_is_refused_with_the_same_code(pair: Pair, wrong: Metric) -> None:
    run_id = pair.new_run()
    said = []
    for store in (pair.stock, pair.ours):
        with pytest.raises(MlflowException) as refused:
            store.log_batch(run_id, [Metric("fine", 1.0, 0, 0), wrong], [], [])
        said.append(refused.value.error_code)
    assert said[0] == said[1]
    assert pair.rows(HISTORY, run_id) == set()


def test_a_run_that_is_deleted_or_elsewhere_is_refused_as_mlflow_does(pair: Pair) -> None:
    deleted, one = pair.new_run(), [Metric("a", 1.0, 0, 0)]
    pair.stock.delete_run(deleted)
    foreign = pair.new_run()
    for workspace, run_id in (("metrics", deleted), ("metrics", "0" * 32), ("other", foreign)):
        said = []
        with ServerWorkspaceContext(workspace):
            for store in (pair.stock, pair.ours):
                with pytest.raises(MlflowException) as refused:
                    store._log_metrics_once(run_id, one)  # noqa: SLF001 -- the function that is replaced
                said.append((refused.value.error_code, refused.value.message))
        assert said[0] == said[1]
        assert pair.rows(HISTORY, run_id) == set()


def test_batches_for_one_run_at_once_do_not_wait_for_each_other_for_ever(pair: Pair) -> None:
    run_id = pair.new_run()
    failed: list[Exception] = []

    def write(number: int) -> None:
        keys = [f"k{each}" for each in range(50)]
        with ServerWorkspaceContext("metrics"):
            for step in range(10):
                batch = [Metric(key, float(number), step, step) for key in keys]
                if number % 2:
                    batch.reverse()
                try:
                    pair.ours.log_batch(run_id, batch, [], [])
                except MlflowException as error:
                    failed.append(error)

    threads = [threading.Thread(target=write, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    assert failed == []
    assert len(pair.rows(HISTORY, run_id)) == 4 * 10 * 50
    assert {row[3] for row in pair.rows(LATEST, run_id)} == {9}
