"""A project's MLflow workspace, made when the project first comes by."""

from typing import Final

from mlflow.store.workspace.abstract_store import WorkspaceNameValidator
from mlflow.store.workspace.dbmodels.models import SqlWorkspace
from mlflow.utils.workspace_context import ServerWorkspaceContext
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from sqlalchemy.dialects.postgresql import insert

from app.mlflow.tracking import ProjectTrackingStore

_DESCRIPTION: Final = "The workspace of the Hokusai project of this name."


class Workspaces:
    """Makes workspaces, and remembers which are there."""

    def __init__(self, store: ProjectTrackingStore) -> None:
        self._store = store
        self._made: set[str] = set()

    def has(self, project: str) -> bool:
        """Tell whether this process has seen the project's workspace."""
        return project in self._made

    def make(self, project: str) -> None:
        """Make the workspace and its ``Default`` experiment, unless they are there.

        MLflow's own ``default`` workspace is nobody's: its artifact root contains all others.
        """
        if project == DEFAULT_WORKSPACE_NAME:
            raise ValueError(f"no project may be called {project!r}")
        WorkspaceNameValidator.validate(project)
        statement = (
            insert(SqlWorkspace)
            .values(name=project, description=_DESCRIPTION)
            .on_conflict_do_nothing()
        )
        with self._store.ManagedSessionMaker(read_only=False) as session:
            session.execute(statement)
        with ServerWorkspaceContext(project):
            self._store.make_first_experiment(project)
        self._made.add(project)
