"""What MLflow itself says about its routes: which there are, and what its own checks ask for."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mlflow.server
from mlflow.protos.service_pb2 import MlflowService
from mlflow.server import fastapi_app, handlers

from app.mlflow.routes import Access, native_routes

READS = re.compile(r"_?validate_can_(read|search|list|view|get_(?!or_create)|batch_get|query)")
WRITES = re.compile(r"_?validate_can_")
AUTH = Path(mlflow.server.__file__).parent / "auth" / "__init__.py"


@dataclass(frozen=True)
class Served:
    """A route of MLflow's."""

    method: str
    template: str
    native: bool

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


@cache
def served() -> tuple[Served, ...]:
    """Every method and template that one of MLflow's two applications serves."""
    flask = [
        Served(method, rule.rule, native=False)
        for rule in mlflow.server.app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]
    native = [
        Served(method, each.template, native=True)
        for each in native_routes(fastapi_app.app)
        for method in sorted(each.methods)
    ]
    return tuple(flask + native)


def _checks_by_request() -> Iterator[tuple[str, str]]:
    """Read the tables ``…BEFORE_REQUEST_HANDLERS``: request class → function that checks it.

    Read, not imported: the module wants packages that nothing else here needs.
    """
    for node in ast.parse(AUTH.read_text()).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        (target,) = node.targets
        name = target.id if isinstance(target, ast.Name) else ""
        if not name.endswith("BEFORE_REQUEST_HANDLERS"):
            continue
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            if isinstance(key, ast.Name) and isinstance(value, ast.Name):
                yield key.id, value.id


def _access(check: str) -> Access | None:
    if check == "sender_is_admin":
        return Access.DENIED  # what MLflow keeps for its own admins is offered to nobody
    if READS.match(check):
        return Access.READ
    return Access.WRITE if WRITES.match(check) else None


@cache
def decided() -> dict[tuple[str, str], Access]:
    """What MLflow's own authorization decides: (method, template) → access."""
    by_request = {request: _access(check) for request, check in _checks_by_request()}
    services = (
        MlflowService,
        handlers.ModelRegistryService,
        handlers.MlflowArtifactsService,
        handlers.WebhookService,
    )
    found: dict[tuple[str, str], Access] = {}
    for service in services:
        for path, request, methods in handlers.get_service_endpoints(service, lambda each: each):
            access = by_request.get(request.__name__) if request is not None else None
            if access is not None:
                found |= {(method, path): access for method in methods}
    return found
