import inspect
import json

import pytest
from mlflow.protos.databricks_pb2 import ErrorCode

import app.api.routes.auth
import app.auth.errors
import app.auth.grants
import app.auth.key_store
import app.errors
import app.stores.secrets
from app.errors import (
    MLFLOW_ERROR_CODES,
    ApiError,
    PermissionDeniedError,
    UnavailableError,
    problem_response,
)
from app.permissions import Permission

MODULES = (
    app.api.routes.auth,
    app.auth.errors,
    app.auth.grants,
    app.auth.key_store,
    app.errors,
    app.stores.secrets,
)
CLASSES = sorted(
    {
        each
        for module in MODULES
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, ApiError) and each is not ApiError
    },
    key=lambda each: each.code,
)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in CLASSES if each is not app.stores.secrets.VersionNotFoundError]
    assert len(codes) == len(set(codes))
    assert len(codes) > 25
    assert all(code == code.lower() and " " not in code for code in codes)


def test_every_status_has_a_name_that_clients_of_mlflow_know() -> None:
    assert {each.status for each in CLASSES} <= MLFLOW_ERROR_CODES.keys()
    assert set(MLFLOW_ERROR_CODES.values()) <= set(ErrorCode.keys())


def test_a_problem_says_what_rfc_9457_asks_for() -> None:
    error = PermissionDeniedError(
        "No.", fix="Ask.", required_permission=Permission.MODELS_WRITE, headers={"X-A": "b"}
    )
    response = problem_response(error)
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-a"] == "b"
    assert json.loads(bytes(response.body)) == {
        "type": "/docs/errors#permission_denied",
        "title": "Permission denied",
        "status": 403,
        "detail": "No. Ask.",
        "instance": "urn:hokusai:request:-",
        "code": "permission_denied",
        "request_id": "-",
        "required_permission": "models:write",
    }


def test_mlflow_gets_its_own_shape_with_our_code_in_the_message() -> None:
    error = app.auth.errors.RevokedKeyError("It was revoked.", fix="Get another.")
    assert error.mlflow_body() == {
        "error_code": "UNAUTHENTICATED",
        "message": "revoked_key: It was revoked. Get another.",
    }


@pytest.mark.parametrize(
    "kind", [each for each in CLASSES if each.status == 503], ids=lambda each: each.code
)
def test_what_is_unavailable_says_when_to_try_again(kind: type[ApiError]) -> None:
    assert issubclass(kind, UnavailableError)
    arguments = (
        ("GetSecretValue", "Timeout")
        if "operation" in kind.__init__.__code__.co_varnames
        else ("x",)
    )
    error = kind(*arguments)
    assert int(error.headers["Retry-After"]) > 0
