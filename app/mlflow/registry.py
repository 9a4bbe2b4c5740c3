"""MLflow's model registry store, within one project and one caller's permissions."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.server.handlers import _get_tracking_store
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from app.mlflow.access import narrowed
from app.mlflow.caller import as_mlflow, current_principal, owns, require
from app.mlflow.guard import project_prefix
from app.mlflow.untyped import Entity, Passed
from app.mlflow.versions import PROTECTED_ALIASES, PROTECTED_STAGES
from app.permissions import Permission

_LOGGED_MODEL: Final = re.compile(r"models:/(m-[^/@]+)")
_IN_PROJECT: Final = r"mlflow-artifacts:/{prefix}/[^/%]+/(models/)?[^/%]+/artifacts(/.*)?"
_Store = TypeVar("_Store", bound=type)


def _narrowed(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keep callers that are narrowed to some models from ``method`` on all others."""

    @functools.wraps(method)
    def checked(self: Entity, name: str, *args: Passed, **rest: Passed) -> Entity:
        _require_own(name)
        return method(self, name, *args, **rest)

    return checked


def _narrow_everywhere(store: _Store) -> _Store:
    """Wrap each method whose first parameter names a registered model."""
    for name, method in inspect.getmembers(store, inspect.isfunction):
        if name.startswith("_") or "webhook" in name:
            continue
        if list(inspect.signature(method).parameters)[1:2] == ["name"]:
            setattr(store, name, _narrowed(method))
    return store


@_narrow_everywhere
class ProjectModelRegistry(WorkspaceAwareSqlAlchemyStore):  # type: ignore[misc] # MLflow ships no types
    """What MLflow's store does; promotion and deletion ask for their own permissions.

    The check stands here and not in front of the HTTP routes, so that what is checked is what is
    done, whatever spelling the request body had.
    """

    def search_registered_models(self, *args: Passed, **rest: Passed) -> Entity:
        """Search models; a narrowed caller sees theirs, so a page may be short of some."""
        found = super().search_registered_models(*args, **rest)
        return PagedList([each for each in found if owns(each.name)], found.token)

    def search_model_versions(self, *args: Passed, **rest: Passed) -> Entity:
        """Search versions; a narrowed caller sees those of their models."""
        found = super().search_model_versions(*args, **rest)
        return PagedList([each for each in found if owns(each.name)], found.token)

    def list_webhooks_by_event(self, *_: Passed, **__: Passed) -> Entity:
        """Say that nobody listens: MLflow would remember the answer for all projects alike."""
        return PagedList([], None)

    def create_model_version(  # noqa: PLR0913, PLR0917 -- MLflow's signature
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Entity = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> Entity:
        """Make a version; its run, its logged model and its files must be the project's own."""
        store = _get_tracking_store()
        store.require_run(run_id)
        logged = _LOGGED_MODEL.fullmatch(source)
        for each in {model_id, logged[1] if logged else None} - {None, ""}:
            store.get_logged_model(each)
        place = _IN_PROJECT.format(prefix=re.escape(project_prefix()))
        if source.startswith("mlflow-artifacts:") and not re.fullmatch(place, source):
            raise MlflowException(
                f"Invalid model version source: '{source}'. Use the URI of a folder of a run or a "
                "logged model as MLflow gives it.",
                error_code=INVALID_PARAMETER_VALUE,
            )
        principal = current_principal.get()
        if principal.resources and (logged or not source.startswith("models:/")):
            # MLflow has made sure that the version exists, and asked for it by its model's name.
            raise as_mlflow(
                narrowed(principal, "and makes versions from models:/<model>/<version> only")
            )
        return super().create_model_version(
            name, source, run_id, tags, run_link, description, local_model_path, model_id
        )

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version; a protected one needs ``models:promote``."""
        if not alias.isascii():
            # A letter that only looks like one of ``production`` would make a second such alias.
            raise MlflowException(
                "An alias consists of ASCII characters.", error_code=INVALID_PARAMETER_VALUE
            )
        _require_promotion(name, alias)
        super().set_registered_model_alias(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take an alias away; a protected one needs ``models:promote``."""
        _require_promotion(name, alias)
        super().delete_registered_model_alias(name, alias)

    def transition_model_version_stage(
        self,
        name: str,
        version: str,
        stage: str,
        archive_existing_versions: bool,  # noqa: FBT001 -- MLflow's signature
    ) -> Entity:
        """Move a version to a stage, which is what promotion was before aliases."""
        require(Permission.MODELS_PROMOTE, f"model:{name}")
        return super().transition_model_version_stage(
            name, version, stage, archive_existing_versions
        )

    def rename_registered_model(self, name: str, new_name: str) -> Entity:
        """Rename a model; what others deploy by an alias or a stage goes away with its name."""
        aliases = super().get_registered_model(name).aliases
        deployed = PROTECTED_ALIASES & {str(each).lower() for each in aliases}
        if deployed or super().get_latest_versions(name, sorted(PROTECTED_STAGES)):
            require(Permission.MODELS_PROMOTE, f"model:{name}")
        _require_own(new_name)
        return super().rename_registered_model(name, new_name)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model with all its versions."""
        require(Permission.MODELS_DELETE, f"model:{name}")
        super().delete_registered_model(name)

    def delete_model_version(self, name: str, version: str) -> None:
        """Delete one version of a model."""
        require(Permission.MODELS_DELETE, f"model:{name}")
        super().delete_model_version(name, version)


def _require_own(model: str) -> None:
    if not owns(model):
        raise as_mlflow(narrowed(current_principal.get(), f"and may not touch the model {model!r}"))


def _require_promotion(name: str, alias: str) -> None:
    if alias.lower() in PROTECTED_ALIASES:
        require(Permission.MODELS_PROMOTE, f"model:{name}")
