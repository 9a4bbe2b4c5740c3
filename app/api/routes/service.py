"""About the service itself: alive, ready, which version."""

import hashlib
from importlib import metadata
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from app.api import docs_page
from app.api.access import GuardedRoute, Public
from app.api.readiness import Readiness, Verdict
from app.api.services import services_of
from app.settings import HEALTH_PATH, ApiSettings

router = APIRouter(route_class=GuardedRoute, tags=["service"])


class Health(BaseModel):
    """The process serves."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Which dependencies answer."""

    status: Verdict
    checks: dict[str, Verdict]


class Version(BaseModel):
    """What runs."""

    service: str
    version: str
    git_sha: str
    image_digest: str
    environment: str
    configuration: str
    """Changes when a setting changes."""


@router.get(HEALTH_PATH, summary="Is the process alive?")
async def health(_: Public) -> Health:
    """Answer without touching any dependency."""
    return Health()


@router.get(
    "/ready",
    summary="Do the dependencies answer?",
    responses={503: {"model": Ready, "description": "At least one does not."}},
)
async def ready(_: Public, request: Request, response: Response) -> Ready:
    """Ask each dependency."""
    readiness: Readiness = request.app.state.readiness
    checks = await readiness.verdicts()
    status: Verdict = "pass" if set(checks.values()) == {"pass"} else "fail"
    if status == "fail":
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    response.headers["Cache-Control"] = "no-store"
    return Ready(status=status, checks=checks)


@router.get("/version", summary="Which version runs?")
async def version(_: Public, request: Request) -> Version:
    """Name the release, the commit, the image and the configuration."""
    settings = services_of(request).settings
    return Version(
        service="api",
        version=_release(),
        git_sha=settings.git_sha,
        image_digest=settings.image_digest,
        environment=settings.environment,
        configuration=_fingerprint(settings),
    )


@router.get("/docs", include_in_schema=False, summary="What there is, for people")
async def docs(_: Public, request: Request) -> HTMLResponse:
    """Describe every operation."""
    return HTMLResponse(docs_page.describe(request.app.openapi()), headers=docs_page.HEADERS)


@router.get("/docs/errors", include_in_schema=False, summary="What each error means")
async def errors(_: Public) -> HTMLResponse:
    """Describe every error."""
    return HTMLResponse(docs_page.describe_errors(), headers=docs_page.HEADERS)


def _release() -> str:
    try:
        return metadata.version("hokusai-app")
    except metadata.PackageNotFoundError:
        return "0.1.0"


def _fingerprint(settings: ApiSettings) -> str:
    text = settings.model_dump_json(exclude={"port"})
    return hashlib.sha256(text.encode()).hexdigest()[:12]
