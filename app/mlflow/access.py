"""Whether a caller may use a route at all; the stores decide about single models.

Routes ask for ``mlflow:read`` or ``mlflow:write``. Those of the model registry are content with
``models:read`` or ``models:write``: what one may do to models at the API one may do here.

A key that is narrowed to some models (``model:churn-*``) may use the registry, where it sees and
touches those models only, and the files of their versions. It may read experiments, runs and
traces, which belong to no model, but write nothing outside the registry: not even a new file that
a version could be made from, since nothing tells yet whose it will be. So it makes versions from
versions of its own models only.
"""

import re
from collections.abc import Mapping
from typing import Final

from app.errors import PermissionDeniedError
from app.mlflow.caller import refusal
from app.mlflow.routes import WANTED, Access, Route, RouteDeniedError
from app.permissions import Permission, Principal

REGISTRY: Final = re.compile(
    r"/(api|ajax-api)/2\.0/mlflow/(registered-models|model-versions)/.*"
    r"|/model-versions/get-artifact"
)
ARTIFACTS: Final = re.compile(r"/(api|ajax-api)/2\.0/mlflow-artifacts/.*")
IN_REGISTRY: Final[Mapping[Access, Permission]] = {
    Access.READ: Permission.MODELS_READ,
    Access.WRITE: Permission.MODELS_WRITE,
}


def check(principal: Principal, route: Route) -> None:
    """Refuse a caller who may not use a route."""
    if route.access is Access.PUBLIC:
        return
    wanted = WANTED.get(route.access)
    if wanted is None:
        raise RouteDeniedError(
            f"{route.template} is not offered here.", fix="Nobody can grant it; see the docs."
        )
    of_registry = REGISTRY.fullmatch(route.template) is not None
    if refused := refusal(principal, wanted):
        instead = IN_REGISTRY[route.access] if of_registry else None
        if instead is None or refusal(principal, instead):
            raise refused
    elsewhere = not of_registry and not ARTIFACTS.fullmatch(route.template)
    if principal.resources and route.access is Access.WRITE and elsewhere:
        raise narrowed(
            principal, f"and may write to the model registry only, not by {route.template}"
        )


def narrowed(principal: Principal, why: str) -> PermissionDeniedError:
    """Say that a key is narrowed, and what that keeps it from."""
    return PermissionDeniedError(
        f"{principal.subject} is narrowed to {', '.join(principal.resources)} {why}.",
        fix="Use a key that is not narrowed.",
    )
