"""Run a program under the recorder, once or many times in one process."""

import asyncio
import contextlib
import contextvars
import gc
import logging
import runpy
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

from pulumi.runtime import set_all_config, set_mocks
from pulumi.runtime.settings import SETTINGS, set_root_resource
from pulumi.runtime.stack import run_in_stack

from hokusai_infra.recorder.answers import answers_for
from hokusai_infra.recorder.config import StackFiles
from hokusai_infra.recorder.graph import Answers, Graph
from hokusai_infra.recorder.lookups import LookUps
from hokusai_infra.recorder.monitor import Monitor, Unused


def record(  # noqa: PLR0913 - what runs, and what answers it
    program: Path,
    stack: str,
    *,
    answers: Answers,
    preview: bool = False,
    config_overrides: Mapping[str, str] | None = None,
    look_ups: LookUps | None = None,
) -> Graph:
    """Run the program in the folder ``program`` as ``stack`` and return all that it registers.

    With ``preview``, an output that is not answered stays unknown, as before a first deployment;
    without, it is ``None``. Look-ups and reads are refused unless ``look_ups`` answers them. The
    working directory is the program's while it runs. An error in the program, or in ``answers``,
    comes out with its own type.
    """
    files = StackFiles.load(program, stack, config_overrides or {})
    folder = files.main.resolve()

    def main() -> None:
        with contextlib.chdir(folder), _first_on_path(folder):
            runpy.run_path(str(folder / "__main__.py"), run_name="__main__")

    return record_program(
        main, files=files, stack=stack, answers=answers, preview=preview, look_ups=look_ups
    )


def record_any(program: Path, stack: str, account: str, region: str) -> Graph:
    """Record a program that may be anybody's, for a preview.

    Types that nobody has described are answered with an id, and what AWS says the same to everybody
    is answered; all else that a program reads stays unknown.
    """
    return record(
        program,
        stack,
        answers=answers_for(account, region, any_type=True),
        preview=True,
        look_ups=LookUps(account, region),
    )


def record_program(  # noqa: PLR0913 - as above
    main: Callable[[], Awaitable[None] | None],
    *,
    answers: Answers,
    files: StackFiles | None = None,
    stack: str = "test",
    preview: bool = False,
    look_ups: LookUps | None = None,
) -> Graph:
    """Run a program that is a function."""
    files = files or StackFiles("hokusai", Path(), {}, [])
    monitor = Monitor(files.project, stack, files.main, answers, look_ups)

    async def run() -> None:
        # A task that fails is raised below; asyncio would report it again for each that waited.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        # This set alone of Pulumi's state is shared by all runs: a failed one would spoil the next.
        SETTINGS.outputs = set()
        # Any root at all keeps set_mocks from making a stack that ends before the program starts.
        set_root_resource(object())  # type: ignore[arg-type] # no stack is there to pass yet
        set_all_config(files.config, files.secret_keys)
        set_mocks(
            Unused(),
            project=files.project,
            stack=stack,
            preview=preview,
            logger=logging.getLogger("pulumi"),
            monitor=monitor,
        )
        set_root_resource(None)  # type: ignore[arg-type] # its type forgets that it may be unset
        await run_in_stack(main)

    with _without_garbage_collection():
        contextvars.copy_context().run(asyncio.run, run())
    return Graph(
        project=files.project,
        stack=stack,
        config=files.config,
        resources=tuple(each for _, each in sorted(monitor.recorded.items())),
        outputs=monitor.outputs,
        secret_outputs=monitor.secret_outputs,
    )


@contextlib.contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Save half the time of a recording, which makes many objects and few cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
