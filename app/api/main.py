"""Compose the API."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import structlog
from botocore.exceptions import BotoCoreError
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from app.api import problems
from app.api.access import Problem
from app.api.body_limit import BodyLimit
from app.api.readiness import Readiness
from app.api.routes import auth, keys, models, service
from app.api.services import Services
from app.auth.folder import Folder
from app.auth.key_store import KeyStore
from app.auth.signing_keys import token_maker
from app.auth.verifier import Verifier
from app.registry.models import Registry
from app.request_context import ASGIApp, RequestContext
from app.settings import API_DATABASE_ROLE, HOKUSAI_DATABASE, ApiSettings
from app.start_gate import StartRefusedError
from app.stores import postgres
from app.stores.mlflow import Mlflow
from app.stores.secrets import Secrets, SecretsUnavailableError

SECURITY_SCHEMES: Final = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "The password is the API key."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a session."},
}

log = structlog.get_logger()


def make_services(settings: ApiSettings) -> Services:
    """Make everything below the routes, or raise ``StartRefusedError``."""
    verifier = Verifier.start(settings, "api")
    secrets = Secrets()
    engine = postgres.engine(
        settings,
        HOKUSAI_DATABASE,
        API_DATABASE_ROLE,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
    )
    try:
        tokens = token_maker(
            engine, secrets, settings.signing_keys_secret_arn, settings.environment
        )
    except (SecretsUnavailableError, BotoCoreError, *postgres.UNAVAILABLE) as failure:
        verifier.close()
        engine.dispose()
        raise StartRefusedError(
            f"The signing keys cannot be loaded ({failure}).",
            fix="Check the secret of the signing keys and the task role.",
        ) from failure
    key_store = KeyStore(
        engine,
        secrets,
        prefix=settings.key_secret_prefix,
        kms_key=settings.key_secrets_kms_key_arn,
    )
    mlflow = Mlflow(settings.mlflow_internal_url, tokens.mint_inner)
    return Services(
        settings=settings,
        verifier=verifier,
        engine=engine,
        secrets=secrets,
        keys=key_store,
        folder=Folder(key_store),
        tokens=tokens,
        mlflow=mlflow,
        registry=Registry(mlflow),
    )


def create_app(services: Services) -> FastAPI:
    """Build the API around its services."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.folder.start()
        yield
        services.folder.close()
        services.verifier.close()
        await services.mlflow.close()
        services.engine.dispose()

    app = FastAPI(
        title="Hokusai",
        version="1",
        summary="Models, keys and who may use them.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.services = services
    app.state.readiness = Readiness(services)
    problems.install(app)
    app.include_router(service.router)
    version_1 = APIRouter(prefix="/api/v1")
    for each in (auth.router, keys.router, models.router):
        version_1.include_router(each)
    app.include_router(version_1)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's documented way
    return app


def wrap(app: FastAPI, settings: ApiSettings) -> ASGIApp:
    """Put around the API what every request meets first, outermost last."""
    return RequestContext(BodyLimit(app), trusted_proxies=settings.trusted_proxies)


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        components = schema.setdefault("components", {})
        components["securitySchemes"] = SECURITY_SCHEMES
        components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        app.openapi_schema = schema
    return app.openapi_schema
