"""What the user sees: the promise, each step with its time, notes, failures."""

import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from hokusai_infra.local.state import StackError
from hokusai_infra.local.wording import via_make

PROMISE: Final = "Local only: no AWS account is used, nothing is billed."
WIDTH: Final = 16


class Output:
    """Plain lines; colours and a line of what is under way on a terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._begun = time.monotonic()
        self._under_way: list[str] = []
        self._console: Any = None
        self._status: Any = None
        if self._terminal:
            from rich.console import Console  # noqa: PLC0415 - a tenth of a second

            self._console = Console(highlight=False)

    def line(self, text: str = "", style: str = "") -> None:
        """Print a line; a terminal that was closed is no reason to stop in the middle."""
        with suppress(OSError):
            if self._console is None:
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()
            else:
                self._console.print(text, style=style or None, markup=False, soft_wrap=True)

    def promise(self) -> None:
        """Say first what this costs; ``make`` has said so before it installs anything."""
        if not via_make():
            self.line(PROMISE, "bold")

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time a step; what is put into the list stands behind its time."""
        begun, details = time.monotonic(), list[str]()
        self._show(name, begins=True)
        try:
            yield details
        except StackError:
            raise
        except Exception as error:
            raise StackError(
                f"The step {name!r} failed: {type(error).__name__}: {error}",
                fix="This is a fault of the local stack; logs/supervisor.log has the traceback.",
            ) from error
        finally:
            self._show(name, begins=False)
        took = f"{time.monotonic() - begun:5.1f} s"
        self.line(f"  {name:<{WIDTH}} {took}  {' '.join(details)}".rstrip())

    def _show(self, name: str, *, begins: bool) -> None:
        if begins:
            self._under_way.append(name)
        elif name in self._under_way:
            self._under_way.remove(name)
        if self._console is None:
            return
        if self._status is None:
            if not begins:  # everything is being stopped
                return
            self._status = self._console.status("")
            self._status.start()
        if self._under_way:
            self._status.update(f"[dim]{', '.join(self._under_way)}[/dim]")
        else:
            self.quiet()

    def quiet(self) -> None:
        """Stop saying what is under way."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._begun

    def note(self, text: str) -> None:
        """Tell of something that happened while the stack runs."""
        self.line(f"{time.strftime('%H:%M:%S')}  {text}", "yellow")

    def failure(self, error: StackError) -> None:
        """Name what failed, why, and what to do."""
        self.quiet()
        self.line()
        self.line(f"error: {error.what}", "bold red")
        if error.cause:
            self.line(textwrap.indent(error.cause, "    "), "dim")
        self.line(f"hint: {error.fix}")
