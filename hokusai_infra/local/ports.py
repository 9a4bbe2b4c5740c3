"""Free ports on loopback, the same ones after a restart."""

import errno
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hokusai_infra.local.state import read_json, write_private_text

RANGE: Final = range(20_000, 32_000)
"""Below what Linux (32768) and macOS (49152) hand to outgoing connections, so that nobody's
client is found sitting on a port of ours after a restart."""


class Ports:
    """Ports by what they are for."""

    def __init__(self, file: Path) -> None:
        self._file = file
        kept = read_json(file) or {}
        self._kept = {name: port for name, port in kept.items() if isinstance(port, int)}
        self._held: dict[str, int] = {}
        self.moved: list[str] = []
        """Sentences about ports that somebody else has taken meanwhile."""

    def get(self, name: str) -> int:
        """Give the port of ``name``: the kept one while it is free, else a new one."""
        if name in self._held:
            return self._held[name]
        kept = self._kept.get(name)
        port = kept if kept is not None and self._usable(kept) else self._pick()
        if kept is not None and port != kept:
            self.moved.append(
                f"port {kept} of {_shown(name)} is taken by another program: now {port}"
            )
        self._held[name] = port
        if kept != port:
            self._kept[name] = port
            write_private_text(self._file, json.dumps(self._kept, indent=1, sort_keys=True) + "\n")
        return port

    def _usable(self, port: int) -> bool:
        return port not in self._held.values() and is_free(port)

    def _pick(self) -> int:
        kept = set(self._kept.values())
        for port in _shuffled():
            if port not in kept and self._usable(port):
                return port
        raise OSError(errno.EADDRINUSE, f"no free port in {RANGE.start}-{RANGE.stop - 1}")


def _shown(name: str) -> str:
    """Name what a port is for without the kind, which only keeps names apart."""
    kind, _, rest = name.partition("/")
    return rest if kind in ("name", "task") else name


def _shuffled() -> Iterator[int]:
    yield from random.sample(RANGE, len(RANGE))


def is_free(port: int) -> bool:
    """Whether nobody listens there; a connection that is only winding down does not count."""
    return all(_bindable(family, host, port) for family, host in loopback())


def _bindable(family: socket.AddressFamily, host: str, port: int) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def loopback() -> list[tuple[socket.AddressFamily, str]]:
    """List the loopback addresses of this machine."""
    return [(socket.AF_INET, "127.0.0.1"), *_ipv6()]


def _ipv6() -> list[tuple[socket.AddressFamily, str]]:
    if not socket.has_ipv6:
        return []
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return []
    return [(socket.AF_INET6, "::1")]
