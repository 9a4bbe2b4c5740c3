"""Every failure becomes a problem, whoever raised it."""

from collections.abc import Callable
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.errors import (
    ApiError,
    BadRequestError,
    InternalError,
    InvalidContentError,
    MalformedJsonError,
    MethodNotAllowedError,
    NotFoundError,
    UnsupportedMediaTypeError,
    problem_response,
)
from app.stores import postgres

log = structlog.get_logger()


def install(app: FastAPI) -> None:
    """Answer every exception of ``app`` with a problem."""
    app.add_exception_handler(ApiError, _known)
    app.add_exception_handler(HTTPException, _from_framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unforeseen)
    for each in postgres.UNAVAILABLE:
        app.add_exception_handler(each, _database_away)


async def _known(_: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    if error.status >= InternalError.status:
        log.warning("dependency_failed", code=error.code, cause=str(error))
    return problem_response(error)


def _no_such_route(request: Request) -> ApiError:
    return NotFoundError(f"There is no {request.url.path}.", fix="See /docs for what there is.")


def _no_such_method(request: Request) -> ApiError:
    return MethodNotAllowedError(
        f"{request.url.path} does not take {request.method}.", fix="See /docs for what it takes."
    )


_FRAMEWORK: Final[dict[int, Callable[[Request], ApiError]]] = {
    404: _no_such_route,
    405: _no_such_method,
}


async def _from_framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    make = _FRAMEWORK.get(error.status_code)
    if make is None:
        return problem_response(
            BadRequestError("The request could not be read.", fix="Check body and headers.")
        )
    problem = make(request)
    problem.headers |= dict(error.headers or {})
    return problem_response(problem)


async def _invalid(request: Request, error: Exception) -> Response:
    """Name the wrong fields; what was sent stays out of the answer, since it may be a secret."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return problem_response(
            MalformedJsonError("The body is no JSON.", fix="Send one JSON object.")
        )
    if isinstance(error.body, bytes) and error.body:  # what is not announced as JSON is not read
        announced = "none" if "content-type" not in request.headers else "another"
        return problem_response(
            UnsupportedMediaTypeError(
                f"The body must be JSON, and its Content-Type is {announced}.",
                fix="Send Content-Type: application/json.",
            )
        )
    errors = [
        {"field": ".".join(str(part) for part in each["loc"]), "message": str(each["msg"])}
        for each in found
    ]
    return problem_response(
        InvalidContentError(
            f"{len(errors)} part(s) of the request are invalid.",
            fix="Correct what errors names.",
            errors=errors,
        )
    )


async def _unforeseen(_: Request, __: Exception) -> Response:
    """Answer; the framework raises the exception once more, and the outermost layer logs it."""
    return problem_response(InternalError.unforeseen())


async def _database_away(_: Request, error: Exception) -> Response:
    log.warning("database_unavailable", cause=type(error).__name__)
    return problem_response(postgres.away())
