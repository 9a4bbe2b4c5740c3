"""Files that versions of registered models stand on: who may change, delete and read them.

Files are named by runs and logged models, versions by the registry, and MLflow connects the two in
one direction only. Without this, whoever may log a file could replace the one that production
loads.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from mlflow.entities.model_registry.model_version_stages import (
    STAGE_DELETED_INTERNAL,
    STAGE_PRODUCTION,
    STAGE_STAGING,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.server.handlers import _get_model_registry_store
from mlflow.utils.workspace_context import get_request_workspace
from sqlalchemy import text

from app.mlflow.access import narrowed
from app.mlflow.caller import as_mlflow, current_principal, owns, require
from app.permissions import Permission

PROTECTED_ALIASES: Final = frozenset({"production", "staging"})
"""Aliases that others deploy by; moving one is a promotion."""
PROTECTED_STAGES: Final = frozenset({STAGE_PRODUCTION, STAGE_STAGING})
"""What aliases were before there were aliases."""

# workspaces/<project>/<experiment>/<run>/… or …/<experiment>/models/<logged model>/…
_FOLDER: Final = re.compile(
    r"workspaces/[^/]+/[^/]+/(?:(?:models|traces)/[^/]+|(?!(?:models|traces)(?:/|$))[^/]+)"
)
_TRACES: Final = re.compile(r"workspaces/[^/]+/[^/]+/traces/.*")
_VERSIONS: Final = text("""
select v.name, v.storage_location as location, v.current_stage as stage, array(
         select lower(a.alias) from registered_model_aliases a
         where a.workspace = v.workspace and a.name = v.name and a.version = v.version
       ) as aliases
from model_versions v
where v.workspace = :workspace and v.current_stage <> :deleted
  and (starts_with(v.storage_location, :folder) or starts_with(v.storage_location, :of_run))
""")


@dataclass(frozen=True)
class Version:
    """A version of a registered model, as far as its files are concerned."""

    model: str
    key: str
    """The file or folder it stands on."""
    protected: bool
    """Whether others deploy it by an alias or a stage."""

    def covers(self, key: str) -> bool:
        """Tell whether ``key`` is one of the version's files or a folder of them."""
        return f"{key}/".startswith(f"{self.key}/")


def allow_write(key: str) -> None:
    """Refuse to change a version that is deployed, unless the caller may promote another one."""
    found = [each for each in _around(key) if each.covers(key)]
    for each in found:
        if each.protected:
            require(Permission.MODELS_PROMOTE, f"model:{each.model}")
    _require_own(found)


def allow_delete(key: str) -> None:
    """Refuse to delete a version's files, unless the caller may delete the version."""
    if not _FOLDER.match(key):
        raise MlflowException(
            "The path holds the files of more than one run, model or trace. "
            "Delete them one run, model or trace at a time.",
            error_code=INVALID_PARAMETER_VALUE,
        )
    found = [
        each for each in _around(key) if each.covers(key) or f"{each.key}/".startswith(f"{key}/")
    ]
    for each in found:
        require(Permission.MODELS_DELETE, f"model:{each.model}")
    _require_own(found)


def allow_read(key: str) -> None:
    """Refuse a file that is none of the models' that the caller is narrowed to."""
    if current_principal.get().resources:
        _require_own([each for each in _around(key) if each.covers(key)])


def _require_own(found: Iterable[Version]) -> None:
    """Let a narrowed caller go on if only models of theirs stand on what is touched."""
    principal = current_principal.get()
    if not principal.resources:
        return
    models = {each.model for each in found}
    if not models or not all(owns(each) for each in models):
        raise as_mlflow(narrowed(principal, "and may touch files of versions of those models only"))


def _around(key: str) -> list[Version]:
    """Find the versions that stand on files of the same run or logged model as ``key``."""
    folder = _FOLDER.match(key)
    if folder is None or _TRACES.match(key):
        return []  # a version's source lies within a run or a logged model
    run = folder[0].rpartition("/")[2]
    with _get_model_registry_store().ManagedSessionMaker() as session:
        rows = session.execute(
            _VERSIONS,
            {
                "workspace": get_request_workspace(),
                "deleted": STAGE_DELETED_INTERNAL,
                "folder": f"mlflow-artifacts:/{folder[0]}/",
                "of_run": f"runs:/{run}/",
            },
        ).all()
    return [
        Version(
            model=row.name,
            key=place,
            protected=row.stage in PROTECTED_STAGES or bool(PROTECTED_ALIASES & {*row.aliases}),
        )
        for row in rows
        for place in _keys(row.location, folder[0])
    ]


def _keys(location: str, folder: str) -> set[str]:
    """Return the keys that a location may mean: as it is spelled, and decoded."""
    scheme, _, path, _, _ = urlsplit(location)
    parts = [each for each in path.split("/") if each]
    if scheme == "runs":
        parts = [*folder.split("/"), "artifacts", *parts[1:]]
    key = "/".join(parts)
    return {key, unquote(key)}
