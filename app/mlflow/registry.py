"""MLflow's model registry store, within one project and one caller's permissions."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from app.mlflow.caller import current_principal, require
from app.mlflow.untyped import Entity, Passed
from app.permissions import Permission

PROTECTED_ALIASES: Final = frozenset({"production", "staging"})
"""Aliases that others deploy by; moving one is a promotion."""
_READING: Final = ("get_", "search_", "list_")
_Store = TypeVar("_Store", bound=type)


def _narrowed(method: Callable[..., Any], wanted: Permission) -> Callable[..., Any]:
    """Keep callers that are narrowed to some models from ``method`` on all others."""

    @functools.wraps(method)
    def checked(self: Entity, name: str, *args: Passed, **rest: Passed) -> Entity:
        if current_principal.get().resources:
            require(wanted, f"model:{name}")
        return method(self, name, *args, **rest)

    return checked


def _narrow_everywhere(store: _Store) -> _Store:
    """Wrap each method whose first parameter names a registered model."""
    for name, method in inspect.getmembers(store, inspect.isfunction):
        if name.startswith("_") or "webhook" in name:
            continue
        if list(inspect.signature(method).parameters)[1:2] == ["name"]:
            reading = name.startswith(_READING)
            wanted = Permission.MLFLOW_READ if reading else Permission.MLFLOW_WRITE
            setattr(store, name, _narrowed(method, wanted))
    return store


@_narrow_everywhere
class ProjectModelRegistry(WorkspaceAwareSqlAlchemyStore):  # type: ignore[misc] # MLflow ships no types
    """What MLflow's store does; promotion and deletion ask for their own permissions.

    The check stands here and not in front of the HTTP routes, so that what is checked is what is
    done, whatever spelling the request body had.
    """

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version; a protected one needs ``models:promote``."""
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
        """Rename a model; with a protected alias on it, what others deploy by goes away."""
        aliases = super().get_registered_model(name).aliases
        for alias in PROTECTED_ALIASES & {str(each).lower() for each in aliases}:
            _require_promotion(name, alias)
        if current_principal.get().resources:
            require(Permission.MLFLOW_WRITE, f"model:{new_name}")
        return super().rename_registered_model(name, new_name)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model with all its versions."""
        require(Permission.MODELS_DELETE, f"model:{name}")
        super().delete_registered_model(name)

    def delete_model_version(self, name: str, version: str) -> None:
        """Delete one version of a model."""
        require(Permission.MODELS_DELETE, f"model:{name}")
        super().delete_model_version(name, version)


def _require_promotion(name: str, alias: str) -> None:
    if alias.lower() in PROTECTED_ALIASES:
        require(Permission.MODELS_PROMOTE, f"model:{name}")
