"""The trail of API calls: who asked for what, as JSON lines in one file.

Several processes append to it, each line with one write.
"""

import datetime as dt
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

Outcome = Literal["allowed", "refused"]
UNREAD: Final = "unread"
"""Action of a call that could not be told from what was logged: the trail has a hole there."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One permission that one request needed; a request may need several."""

    role: str
    """Physical name of the IAM role, ``""`` where the key that signed is not known."""
    action: str
    """As policies spell it: ``s3:PutObject``."""
    resource: str
    """ARN, ``*`` where the action takes none."""
    outcome: Outcome
    """What whoever was asked decided."""
    by: str
    """Who was asked: control plane, object store, database, or ECS as the supervisor plays it."""
    time: str = ""
    """RFC 3339, UTC."""


class CallLog:
    """Appends to the trail; without a file, nothing is written."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._descriptor: int | None = None

    @property
    def recording(self) -> bool:
        """Whether calls are written at all."""
        return self._file is not None

    def write(self, *calls: Call) -> None:
        """Append calls; the file is made at the first one, readable for its owner only."""
        if self._file is None or not calls:
            return
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._descriptor = os.open(self._file, flags, 0o600)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        lines = [json.dumps(asdict(each) | {"time": each.time or now}) for each in calls]
        os.write(self._descriptor, "".join(f"{line}\n" for line in lines).encode())


def read_calls(file: Path) -> tuple[Call, ...]:
    """Read a trail; a file that is not there holds none."""
    return tuple(_read(file.read_bytes().splitlines() if file.exists() else ()))


def _read(lines: Iterable[bytes]) -> Iterator[Call]:
    for line in lines:
        yield Call(**json.loads(line))
