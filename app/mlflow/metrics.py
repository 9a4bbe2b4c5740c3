"""Metrics, written by one SQL statement instead of a dozen ORM round trips."""

from typing import Final

from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.utils.validation import _validate_metric
from sqlalchemy import text

from app.mlflow.untyped import Entity

WRITE_METRICS: Final = text("""
with run as (
  select r.lifecycle_stage as stage
  from runs r join experiments e on e.experiment_id = r.experiment_id
  where r.run_uuid = :run and e.workspace = :workspace
), given as (
  select x.key, x.value, x."timestamp", x.step, x.is_nan
  from unnest(cast(:keys as varchar[]), cast(:values as float8[]), cast(:timestamps as int8[]),
              cast(:steps as int8[]), cast(:nans as bool[]))
       as x(key, value, "timestamp", step, is_nan),
       run
  where run.stage = 'active'
), history as (
  insert into metrics (key, value, "timestamp", run_uuid, step, is_nan)
  select key, value, "timestamp", :run, step, is_nan from given
  on conflict do nothing
), latest as (
  insert into latest_metrics as l (key, value, "timestamp", step, is_nan, run_uuid)
  select distinct on (key) key, value, "timestamp", step, is_nan, :run from given
  order by key, step desc, "timestamp" desc, value desc
  on conflict (key, run_uuid) do update
  set value = excluded.value, "timestamp" = excluded."timestamp",
      step = excluded.step, is_nan = excluded.is_nan
  where (excluded.step, excluded."timestamp", excluded.value)
        > (l.step, l."timestamp", l.value)
)
select stage from run
""")
"""Adds to the history what is not yet in it, and moves each key's latest value forward.

The latest value is the greatest by (step, timestamp, value), as in MLflow. Rows come in sorted by
key, so two batches for one run lock in the same order. A run of another workspace, or a deleted
one, yields no rows to write.
"""


def log_metrics_once(store: Entity, run_id: str, metrics: list[Entity]) -> None:
    """Do what ``SqlAlchemyStore._log_metrics_once`` does, on PostgreSQL."""
    single = len(metrics) == 1
    rows = set()
    for index, metric in enumerate(metrics):
        _validate_metric(
            metric.key,
            metric.value,
            metric.timestamp,
            metric.step,
            path="" if single else f"metrics[{index}]",
        )
        is_nan, value = store.sanitize_metric_value(metric.value)
        rows.add((metric.key, float(value), metric.timestamp, metric.step, is_nan))
    keys, values, timestamps, steps, nans = zip(*sorted(rows), strict=True) if rows else ((),) * 5
    with store.ManagedSessionMaker(read_only=False) as session:
        stage = session.execute(
            WRITE_METRICS,
            {
                "run": run_id,
                "workspace": store._get_active_workspace(),  # noqa: SLF001 -- a part of the store
                "keys": list(keys),
                "values": list(values),
                "timestamps": list(timestamps),
                "steps": list(steps),
                "nans": list(nans),
            },
        ).scalar_one_or_none()
    if stage is None:
        raise MlflowException(f"Run with id={run_id} not found", RESOURCE_DOES_NOT_EXIST)
    if stage != LifecycleStage.ACTIVE:
        raise MlflowException(
            f"The run {run_id} must be in the 'active' state. Current state is {stage}.",
            INVALID_PARAMETER_VALUE,
        )
