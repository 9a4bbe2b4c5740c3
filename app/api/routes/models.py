"""Models."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from app.api.access import GuardedRoute, ModelReader
from app.api.services import services_of
from app.stores.mlflow import RegisteredModel

router = APIRouter(prefix="/models", route_class=GuardedRoute, tags=["models"])


class Model(BaseModel):
    """A registered model."""

    name: str
    description: str
    created_at: datetime
    updated_at: datetime
    tags: dict[str, str]
    aliases: dict[str, str]
    """Alias and the version it names."""


class ModelPage(BaseModel):
    """Some models, and how to get the next ones."""

    models: list[Model]
    next_page_token: str | None


@router.get("", summary="List models")
async def list_models(
    caller: ModelReader,
    request: Request,
    page_size: Annotated[int, Query(ge=1, le=200)] = 50,
    page_token: Annotated[str | None, Query(max_length=1000)] = None,
) -> ModelPage:
    """List the registered models of the caller's project, by name."""
    page = await services_of(request).registry.models(
        caller, page_size=page_size, page_token=page_token
    )
    return ModelPage(
        models=[_shown(each) for each in page.models], next_page_token=page.next_page_token
    )


def _shown(model: RegisteredModel) -> Model:
    return Model(
        name=model.name,
        description=model.description,
        created_at=datetime.fromtimestamp(model.created_at_ms / 1000, UTC),
        updated_at=datetime.fromtimestamp(model.updated_at_ms / 1000, UTC),
        tags=model.tags,
        aliases=model.aliases,
    )
