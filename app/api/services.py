"""What the routes work with, made once in ``main`` and given to the application."""

from dataclasses import dataclass

import sqlalchemy
from fastapi import Request

from app.auth.folder import Folder
from app.auth.key_store import KeyStore
from app.auth.tokens import TokenMaker
from app.auth.verifier import Verifier
from app.registry.models import Registry
from app.settings import ApiSettings
from app.stores.mlflow import Mlflow
from app.stores.secrets import Secrets


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything below the routes."""

    settings: ApiSettings
    verifier: Verifier
    engine: sqlalchemy.Engine
    secrets: Secrets
    keys: KeyStore
    folder: Folder
    tokens: TokenMaker
    mlflow: Mlflow
    registry: Registry


def services_of(request: Request) -> Services:
    """Find what this application was made with."""
    services: Services = request.app.state.services
    return services
