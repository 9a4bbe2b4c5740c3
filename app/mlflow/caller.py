"""The caller of the request being served, for code that MLflow calls."""

from contextvars import ContextVar
from typing import Final

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from app.errors import ApiError, PermissionDeniedError
from app.permissions import Permission, Principal, decide

current_principal: Final[ContextVar[Principal]] = ContextVar("principal")
"""Set by the application for each request, and by nobody else; unset outside of one."""


def refusal(
    principal: Principal, wanted: Permission, resource: str | None = None
) -> PermissionDeniedError | None:
    """Return the answer that refuses the caller, or ``None``."""
    denied = decide(principal, wanted, resource)
    if denied is None:
        return None
    return PermissionDeniedError(
        denied.reason,
        fix=f"Whoever holds keys:write in project {principal.project} can grant it.",
        required_permission=denied.permission,
    )


def require(wanted: Permission, resource: str | None = None) -> None:
    """Go on only if the caller holds ``wanted``; if not, MLflow's handlers answer."""
    if refused := refusal(current_principal.get(), wanted, resource):
        raise as_mlflow(refused)


def owns(model: str) -> bool:
    """Tell whether the caller is not narrowed, or narrowed to this model among others."""
    principal = current_principal.get()
    return not principal.resources or any(
        decide(principal, held, f"model:{model}") is None for held in principal.permissions
    )


def as_mlflow(refused: ApiError) -> MlflowException:
    """Say in MLflow's words that the caller may not."""
    return MlflowException(refused.mlflow_body()["message"], error_code=PERMISSION_DENIED)
