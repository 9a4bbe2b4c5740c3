"""MLflow's REST API, called on behalf of a caller."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import structlog

from app.errors import (
    BadRequestError,
    MlflowUnavailableError,
    NotFoundError,
    PermissionDeniedError,
)
from app.permissions import Permission, Principal
from app.request_id import current_request_id
from app.settings import HEALTH_PATH

API: Final = "/api/2.0/mlflow"
NEW_CALLER_SECONDS: Final = 0.5
"""How long to give MLflow's processes to hear of a key that was made a moment ago."""
_CODE: Final = re.compile(r"^[a-z_]+: ")
_LACKING: Final = re.compile(r"lacks the permission ([a-z:]+)")
_TIMEOUT: Final = httpx.Timeout(30.0, connect=2.0, pool=5.0)

log = structlog.get_logger()


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model; moments are milliseconds since the epoch, as MLflow keeps them."""

    name: str
    description: str
    created_at_ms: int
    updated_at_ms: int
    tags: dict[str, str] = field(default_factory=dict[str, str])
    aliases: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Page:
    """Some of the registered models, and how to get the next ones."""

    models: list[RegisteredModel]
    next_page_token: str | None


class Mlflow:
    """A client that shows MLflow a token with the caller's principal, and nothing else."""

    def __init__(self, url: str, mint: Callable[[Principal], str]) -> None:
        self._mint = mint
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=_TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=40, max_keepalive_connections=20, keepalive_expiry=60
            ),
        )

    async def registered_models(
        self, caller: Principal, *, page_size: int, page_token: str | None
    ) -> Page:
        """List registered models of the caller's project, by name."""
        query: dict[str, str | int] = {"max_results": page_size, "order_by": "name ASC"}
        if page_token:
            query["page_token"] = page_token
        found = await self._get(caller, f"{API}/registered-models/search", query)
        return Page(
            [_model(each) for each in found.get("registered_models", [])],
            found.get("next_page_token") or None,
        )

    async def is_healthy(self, within: float) -> bool:
        """Tell whether MLflow answers."""
        try:
            return (await self._http.get(HEALTH_PATH, timeout=within)).is_success
        except httpx.HTTPError as failure:
            log.warning("mlflow_unavailable", cause=type(failure).__name__)
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(
        self, caller: Principal, path: str, query: dict[str, str | int]
    ) -> dict[str, Any]:
        for last in (False, True):
            headers = {
                "Authorization": f"Bearer {self._mint(caller)}",
                "X-Request-ID": current_request_id(),
            }
            try:
                answer = await self._http.get(path, params=query, headers=headers)
            except httpx.HTTPError as failure:
                log.warning("mlflow_unavailable", cause=type(failure).__name__)
                raise MlflowUnavailableError("The MLflow server does not answer.") from None
            if answer.status_code != httpx.codes.UNAUTHORIZED or last:
                break
            await asyncio.sleep(NEW_CALLER_SECONDS)
        if answer.is_success:
            body: dict[str, Any] = answer.json()
            return body
        raise _error(answer)


def _error(answer: httpx.Response) -> Exception:
    try:
        message = str(answer.json()["message"])
    except (KeyError, TypeError, ValueError):
        message = f"MLflow answered {answer.status_code}."
    # Our own layer before MLflow puts the code first; here it has a field of its own.
    message = _CODE.sub("", message)
    match answer.status_code:
        case 400:
            return BadRequestError(message, fix="Correct the request.")
        case 403:
            lacking = _LACKING.search(message)
            wanted = Permission(lacking[1]) if lacking and lacking[1] in set(Permission) else None
            return PermissionDeniedError(message, fix="", required_permission=wanted)
        case 404:
            return NotFoundError(message, fix="Check the name.")
        case _:
            log.warning("mlflow_refused", status=answer.status_code, message=message)
            return MlflowUnavailableError("The MLflow server could not answer.")


def _model(found: dict[str, Any]) -> RegisteredModel:
    return RegisteredModel(
        name=found["name"],
        description=found.get("description", ""),
        created_at_ms=int(found["creation_timestamp"]),
        updated_at_ms=int(found["last_updated_timestamp"]),
        tags={each["key"]: each["value"] for each in found.get("tags", [])},
        aliases={each["alias"]: each["version"] for each in found.get("aliases", [])},
    )
