"""Log files of the local stack: one JSON object a line, whatever the process writes."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

ROTATE_AT: Final = 32 << 20
"""Bytes after which a file is put aside as ``<name>.log.1``; one such file is kept."""
LONGEST_LINE: Final = 1 << 20


class LogFile:
    """The log of one part or service; several of its tasks share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        path.chmod(0o600)

    def write(self, lines: Iterable[bytes], source: Mapping[str, str]) -> None:
        """Append lines; those that are no JSON object are wrapped in one."""
        rows = [as_json(line, source) for line in lines if line.strip()]
        if not rows:
            return
        if self._file.tell() > ROTATE_AT:
            self._file.close()
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._file = self.path.open("ab")
            self.path.chmod(0o600)
        self._file.write(b"".join(rows))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def as_json(line: bytes, source: Mapping[str, str]) -> bytes:
    """Add ``source`` to a line that is a JSON object; make an object of any other."""
    text = line.strip()
    if text.startswith(b"{"):
        try:
            there = json.loads(text)
        except ValueError:
            pass
        else:
            wanted = {"timestamp": "", **source}
            missing = {name: value for name, value in wanted.items() if name not in there}
            if "timestamp" in missing:
                missing["timestamp"] = _now()
            if not missing:
                return text + b"\n"
            comma = b", " if there else b""
            return text[:-1].rstrip() + comma + json.dumps(missing).encode()[1:] + b"\n"
    row = {"timestamp": _now(), "event": "output", **source}
    row["message"] = text.decode(errors="replace")
    return json.dumps(row).encode() + b"\n"


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Lines:
    """Cuts a stream of bytes into lines; a line without end is cut at ``LONGEST_LINE``."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes, give the lines that are complete."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        return lines

    def rest(self) -> list[bytes]:
        """Give the last line, which has no end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
