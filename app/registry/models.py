"""Registered models: what a caller may see of them."""

from app.permissions import Permission, Principal, decide
from app.stores.mlflow import Mlflow, Page


class Registry:
    """The rules about models, above the store that holds them."""

    def __init__(self, mlflow: Mlflow) -> None:
        self.mlflow = mlflow

    async def models(self, caller: Principal, *, page_size: int, page_token: str | None) -> Page:
        """List the models that a caller may read; a narrowed caller gets shorter pages."""
        page = await self.mlflow.registered_models(
            caller, page_size=page_size, page_token=page_token
        )
        visible = [
            each
            for each in page.models
            if decide(caller, Permission.MODELS_READ, f"model:{each.name}") is None
        ]
        return Page(visible, page.next_page_token)
