"""Every error the services answer with, and the two shapes it may take."""

from typing import Any, ClassVar, Final

from starlette.responses import JSONResponse

from app.permissions import Permission
from app.request_id import current_request_id

PROBLEM_JSON: Final = "application/problem+json"
MLFLOW_ERROR_CODES: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "BAD_REQUEST",
    409: "RESOURCE_CONFLICT",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    422: "INVALID_PARAMETER_VALUE",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""The names MLflow's clients know (``mlflow.protos.databricks_pb2.ErrorCode``), by status."""


class ApiError(Exception):
    """An answer, not a crash: what was wrong and what to do about it."""

    status: ClassVar[int]
    code: ClassVar[str]
    """Stable name of the error; clients branch on it."""

    def __init__(
        self,
        detail: str,
        *,
        fix: str,
        headers: dict[str, str] | None = None,
        required_permission: Permission | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix
        self.headers = headers or {}
        self.required_permission = required_permission

    @property
    def title(self) -> str:
        """Say the code in words; the same for every occurrence, as RFC 9457 asks."""
        return self.code.replace("_", " ").capitalize()

    def body(self) -> dict[str, Any]:
        """Describe the problem as RFC 9457 does."""
        request_id = current_request_id()
        body: dict[str, Any] = {
            "type": f"/docs/errors#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": f"{self.detail} {self.fix}".strip(),
            "instance": f"urn:hokusai:request:{request_id}",
            "code": self.code,
            "request_id": request_id,
        }
        if self.required_permission is not None:
            body["required_permission"] = str(self.required_permission)
        return body

    def mlflow_body(self) -> dict[str, str]:
        """Describe the problem as MLflow's clients expect it."""
        return {
            "error_code": MLFLOW_ERROR_CODES.get(self.status, "INTERNAL_ERROR"),
            "message": f"{self.code}: {self.detail} {self.fix}",
        }


class BadRequestError(ApiError):
    """The request cannot be understood."""

    status, code = 400, "bad_request"


class MalformedJsonError(BadRequestError):
    """The body is announced as JSON and is none."""

    code = "malformed_json"


class UnauthenticatedError(ApiError):
    """No credential, or one that does not hold; subclasses say which."""

    status, code = 401, "unauthenticated"

    def __init__(self, detail: str, *, fix: str) -> None:
        super().__init__(detail, fix=fix, headers={"WWW-Authenticate": 'Bearer realm="hokusai"'})


class PermissionDeniedError(ApiError):
    """Known, and may not."""

    status, code = 403, "permission_denied"


class NotFoundError(ApiError):
    """Not there, or not the caller's to know."""

    status, code = 404, "not_found"


class MethodNotAllowedError(ApiError):
    """The path exists, the method does not."""

    status, code = 405, "method_not_allowed"


class ConflictError(ApiError):
    """The request is fine, the state it meets is not."""

    status, code = 409, "conflict"


class TooLargeError(ApiError):
    """The body exceeds what this route takes."""

    status, code = 413, "too_large"


class UnsupportedMediaTypeError(ApiError):
    """The body is not of a type that this route reads."""

    status, code = 415, "unsupported_media_type"


class InvalidContentError(ApiError):
    """The body or a parameter has a wrong value."""

    status, code = 422, "invalid_content"

    def __init__(
        self, detail: str, *, fix: str, errors: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(detail, fix=fix)
        self.errors = errors or []

    def body(self) -> dict[str, Any]:
        """Name each wrong field beside the problem."""
        return super().body() | ({"errors": self.errors} if self.errors else {})


class TooManyError(ApiError):
    """A limit on a rate or a count is reached."""

    status, code = 429, "too_many_requests"


class InternalError(ApiError):
    """Something unforeseen; the log has the rest under the request id."""

    status, code = 500, "internal_error"

    @classmethod
    def unforeseen(cls) -> "InternalError":
        """Say nothing about the cause to the caller."""
        return cls("The server failed on this request.", fix="Report the request_id.")


class UnavailableError(ApiError):
    """A dependency is away; subclasses say which."""

    status, code = 503, "unavailable"
    retry_after: ClassVar[int] = 2

    def __init__(self, detail: str, *, fix: str = "Try again in a moment.") -> None:
        super().__init__(detail, fix=fix, headers={"Retry-After": str(self.retry_after)})


class DatabaseUnavailableError(UnavailableError):
    """PostgreSQL does not answer."""

    code = "database_unavailable"


class MlflowUnavailableError(UnavailableError):
    """The MLflow server does not answer."""

    code = "mlflow_unavailable"


def problem_response(error: ApiError) -> JSONResponse:
    """Answer with the problem."""
    return JSONResponse(error.body(), error.status, headers=error.headers, media_type=PROBLEM_JSON)
