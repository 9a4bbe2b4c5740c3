"""Keep parts and tasks running: whatever dies is started again, and that is said."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hokusai_infra.local.output import Output
from hokusai_infra.local.process import ProcessSpec
from hokusai_infra.local.state import StackError
from hokusai_infra.local.supervisor import Child, Sinks, Supervisor
from hokusai_infra.local.tasks import Task

STEADY_SECONDS = 60.0
"""Whoever ran this long may fail anew without waiting for it."""


def pauses() -> Iterator[float]:
    """Give the pauses between two starts: doubled from half a second up to half a minute."""
    pause = 0.5
    while True:
        yield pause
        pause = min(pause * 2, 30.0)


@dataclass
class Keeper:
    """Repeats one start for ever."""

    supervisor: Supervisor
    output: Output
    _pauses: Iterator[float] = field(default_factory=pauses, init=False)
    _since: float = field(default=0.0, init=False)

    async def pause(self, what: str) -> None:
        """Say what happened and wait before the next start."""
        now = asyncio.get_running_loop().time()
        if now - self._since > STEADY_SECONDS:
            self._pauses = pauses()
        seconds = next(self._pauses)
        self.output.note(f"{what}; starting it again in {seconds:g} s")
        await asyncio.sleep(seconds)
        self._since = asyncio.get_running_loop().time()


@dataclass
class PartKeeper(Keeper):
    """Keeps one server of the stack."""

    prepare: Callable[[], object]
    make: Callable[[], ProcessSpec]
    kind: str = "part"
    port: int | None = None
    sinks: Sinks | None = None
    child: Child | None = None

    async def start(self) -> None:
        """Start it and wait until it serves."""
        await asyncio.to_thread(self.prepare)
        spec = self.make()
        self.child = await self.supervisor.spawn(
            spec, kind=self.kind, log=spec.name, port=self.port, sinks=self.sinks
        )
        await self.supervisor.ready(self.child)

    async def keep(self) -> None:
        """Start it again whenever it ends."""
        restarts = 0
        while self.child is not None:
            child = self.child
            await child.wait()
            why = f"{child.spec.name} {child.ended()}"
            while True:
                await self.supervisor.stop(child)
                restarts += 1
                await self.pause(why)
                try:
                    await self.start()
                except StackError as error:
                    why, child = error.what.rstrip("."), self.child
                    continue
                self.child.record.restarts = restarts
                self.output.note(f"{child.spec.name} serves again")
                break


@dataclass
class TaskKeeper(Keeper):
    """Keeps one task of a service."""

    task: Task

    async def start(self) -> None:
        """Start the task and wait until it is healthy."""
        await self.task.start()

    async def keep(self) -> None:
        """Replace the task whenever an essential container ends or is unhealthy."""
        while True:
            why = f"{self.task.label} {await self.task.ended()}"
            while True:
                await self.task.stop()
                self.task.restarts += 1
                await self.pause(why)
                try:
                    await self.task.start()
                except StackError as error:
                    why = error.what.rstrip(".")
                    continue
                self.output.note(f"{self.task.label} is healthy again")
                break
