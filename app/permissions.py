"""Who may do what: one vocabulary, one decision.

Every permission counts within the project of its holder and nowhere else. ``admin`` is no
exception: it stands for all the others in that project, so a project's admin sees and changes
nothing of another project, and nothing of the platform.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto, unique
from fnmatch import fnmatchcase
from typing import Final


@unique
class Permission(StrEnum):
    """``resource:action``; stored with keys and grants, so a value is never renamed."""

    ADMIN = "admin"
    """All the others, within the holder's project."""
    AUDIT_READ = "audit:read"
    DATA_CONTRIBUTE = "data:contribute"
    DATA_READ = "data:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    MLFLOW_ADMIN = "mlflow:admin"
    MLFLOW_READ = "mlflow:read"
    MLFLOW_WRITE = "mlflow:write"
    MODELS_DELETE = "models:delete"
    MODELS_PROMOTE = "models:promote"
    MODELS_READ = "models:read"
    MODELS_WRITE = "models:write"
    PROJECTS_READ = "projects:read"
    PROJECTS_WRITE = "projects:write"


WHOLE_PROJECT: Final = frozenset(
    {
        Permission.ADMIN,
        Permission.AUDIT_READ,
        Permission.MLFLOW_ADMIN,
        Permission.PROJECTS_WRITE,
    }
)
"""What concerns a project as a whole, so that a holder who is narrowed to resources has no use
for it."""


class Credential(Enum):
    """How a caller proved who they are."""

    API_KEY = auto()
    SESSION = auto()
    INTERNAL = auto()


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A caller, the project they act in, and what they hold there."""

    subject: str
    """``key:<key id>``; stable, and safe to log."""
    project: str
    credential: Credential
    permissions: frozenset[Permission]
    resources: tuple[str, ...] = ()
    """Patterns such as ``model:churn-*`` that narrow what is held; empty means everything."""


@dataclass(frozen=True)
class Denied:
    """A refusal, with the sentence the caller gets to read."""

    permission: Permission
    reason: str


def decide(principal: Principal, wanted: Permission, resource: str | None = None) -> Denied | None:
    """Return why not, or ``None``.

    ``admin`` holds every permission in its project; that what is touched belongs to the
    principal's project is for the caller to see to. A principal that is narrowed to resources may
    only touch a ``resource`` (``model:<name>``) that one of its patterns matches, and nothing that
    concerns the whole project.
    """
    if not principal.permissions & {wanted, Permission.ADMIN}:
        return Denied(wanted, f"{principal.subject} lacks the permission {wanted}.")
    if resource is None and principal.resources and wanted in WHOLE_PROJECT:
        return Denied(
            wanted, f"{principal.subject} is narrowed, and {wanted} is about the whole project."
        )
    if (
        resource is not None
        and principal.resources
        and not any(fnmatchcase(resource, pattern) for pattern in principal.resources)
    ):
        return Denied(wanted, f"{principal.subject} is narrowed and may not touch {resource}.")
    return None
