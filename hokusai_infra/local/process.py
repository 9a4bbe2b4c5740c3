"""What a part of the local stack asks the supervisor to run."""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
"""Of prctl(2)."""
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX")


class NotReadyError(Exception):
    """A part does not serve yet; the text says what was tried and what came back."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One child process: how to start it, how to see that it serves, how to stop it.

    The supervisor spawns ``argv`` in a session of its own with exactly ``env``, polls ``ready``
    until it returns, restarts the process when it dies, and stops it by ``stop_signal`` followed
    by SIGKILL after ``stop_seconds``. It spawns from its main thread: to the kernel the parent is
    the thread, so a child of a thread that ends gets its ``death_signal`` at once.
    """

    name: str
    """Short name for logs and messages."""
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment; nothing is inherited beside it."""
    cwd: Path
    ready: Callable[[], Coroutine[Any, Any, None]]
    """Return once the part serves, raise ``NotReadyError`` while it does not; cheap enough to be
    called every 50 ms, and as a health check later."""
    ready_seconds: float = 30.0
    """How long the first ``ready`` may take before the step has failed."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0
    death_signal: signal.Signals | None = signal.SIGKILL
    """What the kernel sends when the supervisor dies; ``None`` where ``argv`` sees to it itself."""

    def preexec(self) -> Callable[[], None] | None:
        """Make the ``preexec_fn`` that ties the child to this process, where the kernel can."""
        return None if self.death_signal is None else die_with_parent(self.death_signal)


def die_with_parent(sent: signal.Signals) -> Callable[[], None] | None:
    """Let the kernel send ``sent`` to a child when its parent dies; ``None`` off Linux."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def child_environment(home: Path, **extra: str) -> dict[str, str]:
    """Build an environment in which nothing is written outside ``home``.

    Credentials, proxies, Python switches and home folders of whoever runs the stack stay out.
    """
    (temporary := home / "tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
    folders = {
        "HOME": home,
        "TMPDIR": temporary,
        "XDG_CACHE_HOME": home / "cache",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_DATA_HOME": home / "data",
        "XDG_STATE_HOME": home / "state",
    }
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        **{name: str(path) for name, path in folders.items()},
        **extra,
    }


def serves(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1; far cheaper than any other check."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
