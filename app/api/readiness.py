"""What ``/ready`` says: each dependency by name, asked at most once in a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import sqlalchemy
import structlog

from app.api.services import Services
from app.auth.follower import secret_name
from app.stores.postgres import UNAVAILABLE

Verdict = Literal["pass", "fail"]
ASK_SECONDS: Final = 2.0
"""How long a dependency may take to answer."""
KEEP_SECONDS: Final = {"pass": 2.0, "fail": 0.5}
"""How long an answer counts, so that a busy prober cannot load the dependencies."""
BEHIND_SECONDS: Final = 10.0
"""How old the keys in memory may be before this process says so."""

log = structlog.get_logger()


class Check:
    """One dependency, asked by one asker at a time."""

    def __init__(self, name: str, ask: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self._ask = ask
        self._asked_at = float("-inf")
        self._verdict: Verdict = "fail"
        self._running: asyncio.Task[bool] | None = None

    async def verdict(self) -> Verdict:
        """Say whether the dependency answers."""
        if time.monotonic() - self._asked_at < KEEP_SECONDS[self._verdict]:
            return self._verdict
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._asked())
        done, _ = await asyncio.wait({self._running}, timeout=ASK_SECONDS)
        passed = bool(done) and self._running.result()
        self._verdict, self._asked_at = ("pass" if passed else "fail"), time.monotonic()
        return self._verdict

    async def _asked(self) -> bool:
        try:
            return await self._ask()
        except Exception:
            log.exception("readiness_check_failed", part=self.name)
            return False


class Readiness:
    """Everything the API needs to serve."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.checks = (
            Check("database", self._database),
            Check("key_store", self._key_store),
            Check("secrets", self._secrets),
            Check("mlflow", self._mlflow),
        )

    async def verdicts(self) -> dict[str, Verdict]:
        """Ask all of them at once."""
        verdicts = await asyncio.gather(*(each.verdict() for each in self.checks))
        return {check.name: verdict for check, verdict in zip(self.checks, verdicts, strict=True)}

    async def _database(self) -> bool:
        def ask() -> bool:
            try:
                with self._services.engine.connect() as connection:
                    connection.execute(sqlalchemy.text("select 1"))
            except UNAVAILABLE as failure:
                log.warning("database_unavailable", cause=type(failure).__name__)
                return False
            return True

        return await asyncio.to_thread(ask)

    async def _key_store(self) -> bool:
        directory = self._services.verifier.directory
        behind = max(directory.seconds_since_contact(), directory.seconds_behind())
        return behind < BEHIND_SECONDS

    async def _secrets(self) -> bool:
        name = secret_name(self._services.settings.key_secret_prefix, "main")
        return await asyncio.to_thread(self._services.secrets.answers, name)

    async def _mlflow(self) -> bool:
        return await self._services.mlflow.is_healthy(ASK_SECONDS)
