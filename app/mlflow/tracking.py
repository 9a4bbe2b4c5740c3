"""MLflow's tracking store, within one project at a time."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from mlflow.entities.entity_type import EntityAssociationType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.tracking.dbmodels.models import SqlAssessments, SqlExperiment, SqlLoggedModel
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_batch_log_limits,
    _validate_run_id,
)
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from sqlalchemy.orm import selectinload

from app.mlflow import versions
from app.mlflow.metrics import log_metrics_once
from app.mlflow.untyped import Entity, Passed

NAMES_EXPERIMENTS: Final = frozenset(
    {"experiment_id", "experiment_ids", "location", "locations", "trace_info"}
)
"""Parameters of MLflow's store methods that hold ids of experiments."""
_ZERO: Final = ("0", 0)
_Store = TypeVar("_Store", bound=type)


def _translated(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``method`` take id 0 for the active project's first experiment."""
    parameters = list(inspect.signature(method).parameters)
    places = [(parameters.index(name), name) for name in parameters if name in NAMES_EXPERIMENTS]

    @functools.wraps(method)
    def translating(self: "ProjectTrackingStore", *args: Passed, **kwargs: Passed) -> Entity:
        for place, name in places:
            if name in kwargs:
                kwargs[name] = self.translate(kwargs[name])
            elif len(args) >= place:
                given = args[place - 1]
                translated = self.translate(given)
                if translated is not given:
                    args = (*args[: place - 1], translated, *args[place:])
        return method(self, *args, **kwargs)

    return translating


def _translate_everywhere(store: _Store) -> _Store:
    """Wrap each method that takes ids of experiments; MLflow has some sixty."""
    for name, method in inspect.getmembers(store, inspect.isfunction):
        outward = not name.startswith("_") or name in {"_search_runs", "_delete_traces"}
        if outward and NAMES_EXPERIMENTS & set(inspect.signature(method).parameters):
            setattr(store, name, _translated(method))
    return store


@_translate_everywhere
class ProjectTrackingStore(WorkspaceAwareSqlAlchemyStore):  # type: ignore[misc] # MLflow ships no types
    """What MLflow's store does, with the gaps between workspaces closed.

    A workspace has no experiment 0, which is what every client means that never chose one: here
    id 0 means the first experiment of the active workspace, ``Default``.
    """

    def __init__(self, db_uri: str, artifact_root: str) -> None:
        self._first_experiments: dict[str, str] = {}
        super().__init__(db_uri, artifact_root)

    def translate(self, given: Entity) -> Entity:
        """Replace id 0; return everything else as it is."""
        if isinstance(given, str | int):
            return self._first_experiment() if given in _ZERO else given
        if isinstance(given, list | tuple):
            if any(each in _ZERO for each in given):
                return [self.translate(each) for each in given]
            return given
        if hasattr(given, "trace_location"):
            place = given.trace_location.mlflow_experiment
            if place is not None and place.experiment_id in _ZERO:
                place.experiment_id = self._first_experiment()
        return given

    def _first_experiment(self) -> str:
        workspace = self._get_active_workspace()
        if workspace == DEFAULT_WORKSPACE_NAME:
            return "0"
        known = self._first_experiments.get(workspace)
        if known is None:
            known = self.make_first_experiment(workspace)
        return known

    def make_first_experiment(self, workspace: str) -> str:
        """Make the project's ``Default`` experiment unless it is there; return its id.

        It is made before anything else can be, so the lowest id stays its id whatever its name
        becomes. Two processes at once: the loser's insert is ignored.
        """
        with self.ManagedSessionMaker(read_only=False) as session:
            found = self._lowest_experiment(session, workspace)
            if found is None:
                self._create_default_experiment(session, workspace_override=workspace)
                found = self._lowest_experiment(session, workspace)
        self._first_experiments[workspace] = str(found)
        return str(found)

    @staticmethod
    def _lowest_experiment(session: Entity, workspace: str) -> int | None:
        found: int | None = (
            session.query(SqlExperiment.experiment_id)
            .filter(SqlExperiment.workspace == workspace)
            .order_by(SqlExperiment.experiment_id)
            .limit(1)
            .scalar()
        )
        return found

    @staticmethod
    def _get_eager_experiment_query_options() -> list[Entity]:
        """Load tags by their experiments' ids; MLflow repeats the whole query inside another."""
        return [selectinload(SqlExperiment.tags)]

    def _log_metrics_once(self, run_id: str, metrics: list[Entity]) -> None:
        log_metrics_once(self, run_id, metrics)

    def log_metric(self, run_id: str, metric: Entity) -> None:
        """Log a metric; one of a logged model only if the model is the project's own."""
        self._require_models([metric])
        super().log_metric(run_id, metric)

    def log_batch(
        self, run_id: str, metrics: list[Entity], params: list[Entity], tags: list[Entity]
    ) -> None:
        """Log a batch; metrics of logged models only if the models are the project's own.

        A batch of nothing but metrics, which is what training loops send, is one statement on one
        connection; MLflow would hold a second one meanwhile to ask for the run.
        """
        if params or tags or any(each.model_id is not None for each in metrics):
            self._require_models(metrics)
            super().log_batch(run_id, metrics, params, tags)
            return
        _validate_run_id(run_id)
        metrics, _, _ = _validate_batch_log_data(metrics, params, tags)
        _validate_batch_log_limits(metrics, params, tags)
        self._log_metrics(run_id, metrics)

    def log_inputs(
        self, run_id: str, datasets: list[Entity] | None = None, models: list[Entity] | None = None
    ) -> None:
        """Name inputs of a run; models only of the project's own."""
        self._require_models(models or ())
        super().log_inputs(run_id, datasets, models)

    def log_outputs(self, run_id: str, models: list[Entity]) -> None:
        """Name outputs of a run; models only of the project's own."""
        self._require_models(models)
        super().log_outputs(run_id, models)

    def _require_models(self, holders: Iterable[Entity]) -> None:
        wanted = {each.model_id for each in holders if each.model_id is not None}
        if not wanted:
            return
        with self.ManagedSessionMaker() as session:
            found = {
                row.model_id
                for row in self._get_query(session, SqlLoggedModel)
                .filter(SqlLoggedModel.model_id.in_(wanted))
                .with_entities(SqlLoggedModel.model_id)
            }
        for missing in sorted(wanted - found):
            self._raise_model_not_found(missing)

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        **rest: Passed,
    ) -> Entity:
        """Make a logged model; its source run must be the project's own."""
        self.require_run(source_run_id)
        return super().create_logged_model(experiment_id, name, source_run_id, **rest)

    def create_issue(self, experiment_id: str, *args: Passed, **rest: Passed) -> Entity:
        """Make an issue; its source run must be the project's own."""
        self.require_run(rest.get("source_run_id"))
        return super().create_issue(experiment_id, *args, **rest)

    def delete_logged_model(self, model_id: str) -> None:
        """Delete a logged model; one that a registered version stands on is deleted with it."""
        place = self.get_logged_model(model_id, allow_deleted=True).artifact_location
        versions.allow_delete(place.removeprefix("mlflow-artifacts:/"))
        super().delete_logged_model(model_id)

    def require_run(self, run_id: str | None) -> None:
        """Go on only if the run is the project's own, or none is named."""
        if run_id:
            with self.ManagedSessionMaker() as session:
                self._validate_run_accessible(session, run_id)

    def create_dataset(
        self,
        name: str,
        tags: dict[str, str] | None = None,
        experiment_ids: list[str] | None = None,
    ) -> Entity:
        """Make a dataset; it may be linked to the project's own experiments only."""
        wanted = [str(each) for each in experiment_ids or ()]
        if wanted:
            with self.ManagedSessionMaker() as session:
                found = {str(each) for each in self._filter_experiment_ids(session, wanted)}
            for missing in sorted(set(wanted) - found):
                raise MlflowException(
                    f"No Experiment with id={missing} exists", RESOURCE_DOES_NOT_EXIST
                )
        return super().create_dataset(name, tags, experiment_ids)

    def start_trace(self, trace_info: Entity) -> Entity:
        """Make a trace; MLflow would move assessments to it that belong to other traces."""
        wanted = {each.assessment_id for each in trace_info.assessments} - {None}
        if wanted:
            with self.ManagedSessionMaker() as session:
                found = self._traces_of_assessments(session, wanted)
                for assessment, trace in sorted(found.items()):
                    if trace != trace_info.trace_id:
                        raise _assessment_exists(assessment)
                if found:
                    self._validate_trace_accessible(session, trace_info.trace_id)
        return super().start_trace(trace_info)

    def create_assessment(self, assessment: Entity) -> Entity:
        """Make an assessment, under an id that none has."""
        if assessment.assessment_id:
            with self.ManagedSessionMaker() as session:
                self._validate_trace_accessible(session, assessment.trace_id)
                if self._traces_of_assessments(session, {assessment.assessment_id}):
                    raise _assessment_exists(assessment.assessment_id)
        return super().create_assessment(assessment)

    @staticmethod
    def _traces_of_assessments(session: Entity, wanted: set[str]) -> dict[str, str]:
        rows = session.query(SqlAssessments.assessment_id, SqlAssessments.trace_id).filter(
            SqlAssessments.assessment_id.in_(wanted)
        )
        return {row.assessment_id: row.trace_id for row in rows}

    def link_traces_to_run(self, trace_ids: list[str], run_id: str) -> None:
        """Link traces to a run; MLflow leaves out those of others without a word."""
        with self.ManagedSessionMaker() as session:
            kind = EntityAssociationType.TRACE
            found = {*self._filter_entity_ids(session, kind, list(trace_ids))}
        for missing in sorted({*trace_ids} - found):
            raise MlflowException(f"Trace with ID '{missing}' not found.", RESOURCE_DOES_NOT_EXIST)
        super().link_traces_to_run(trace_ids, run_id)

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        """Delete a tag of a trace, but not the one that says where its files are."""
        _refuse_location({key})
        super().delete_trace_tag(trace_id, key)

    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        """Set a tag of a trace, but not the one that says where its files are."""
        _refuse_location({key})
        super().set_trace_tag(trace_id, key, value)

    def deprecated_end_trace_v2(self, *args: Passed, **rest: Passed) -> Entity:
        """End a trace of the old protocol; its tags may not say where its files are."""
        _refuse_location(rest.get("tags") or {})
        return super().deprecated_end_trace_v2(*args, **rest)


def _assessment_exists(assessment_id: str) -> MlflowException:
    return MlflowException(
        f"Assessment with ID '{assessment_id}' exists already.", RESOURCE_ALREADY_EXISTS
    )


def _refuse_location(tags: Iterable[str]) -> None:
    if MLFLOW_ARTIFACT_LOCATION in tags:
        raise MlflowException(
            f"Tag '{MLFLOW_ARTIFACT_LOCATION}' is immutable on a trace.", INVALID_PARAMETER_VALUE
        )
