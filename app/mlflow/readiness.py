"""``/ready``: which of this server's dependencies answer, asked at most once a second."""

import asyncio
import time
from collections.abc import Awaitable
from concurrent.futures import Executor
from typing import Final

import sqlalchemy

from app.auth.verifier import Verifier
from app.mlflow.artifacts import Artifacts

PATIENCE_SECONDS: Final = 3
KEPT_SECONDS: Final = 1.0
BEHIND_SECONDS: Final = 10.0
"""How old the keys in memory may be before this process says so."""


class Readiness:
    """Asks each dependency, and remembers the answer for a moment."""

    def __init__(
        self,
        verifier: Verifier,
        engine: sqlalchemy.Engine,
        artifacts: Artifacts,
        executor: Executor,
    ) -> None:
        self._verifier = verifier
        self._engine = engine
        self._artifacts = artifacts
        self._executor = executor
        self._lock = asyncio.Lock()
        self._asked = -KEPT_SECONDS
        self._found: dict[str, str] = {}

    async def checks(self) -> dict[str, str]:
        """Say ``pass`` or ``fail`` for each part."""
        async with self._lock:
            if time.monotonic() - self._asked >= KEPT_SECONDS:
                database, objects = await asyncio.gather(
                    _passes(self._ask_database()), _passes(self._artifacts.answers())
                )
                self._found = {
                    "database": database,
                    "object_store": objects,
                    "key_store": self._keys(),
                }
                self._asked = time.monotonic()
            return self._found

    def _keys(self) -> str:
        directory = self._verifier.directory
        behind = max(directory.seconds_since_contact(), directory.seconds_behind())
        return "pass" if behind < BEHIND_SECONDS else "fail"

    async def _ask_database(self) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._select)

    def _select(self) -> bool:
        try:
            with self._engine.connect() as connection:
                connection.execute(sqlalchemy.text("select 1"))
        except sqlalchemy.exc.SQLAlchemyError:
            return False
        return True


async def _passes(question: Awaitable[bool]) -> str:
    try:
        return "pass" if await asyncio.wait_for(question, PATIENCE_SECONDS) else "fail"
    except TimeoutError:
        return "fail"
