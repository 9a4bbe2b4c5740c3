"""The start-up gate: a process opens its port only when it has everything it needs."""

import contextlib
import sys
from collections.abc import Iterator

import structlog
from pydantic import ValidationError

log = structlog.get_logger()


class StartRefusedError(Exception):
    """A process must not serve: what it needs is missing or wrong."""

    def __init__(self, reason: str, *, fix: str) -> None:
        super().__init__(f"{reason} {fix}")
        self.reason = reason
        self.fix = fix


@contextlib.contextmanager
def start_gate() -> Iterator[None]:
    """Leave with status 1 and one clear event when what happens inside refuses to start."""
    try:
        yield
    except StartRefusedError as refusal:
        log.error("start_refused", reason=refusal.reason, fix=refusal.fix)  # noqa: TRY400 -- an answer, no crash
        sys.exit(1)
    except ValidationError as failure:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in failure.errors()]
        log.error(  # noqa: TRY400 -- an answer, no crash
            "start_refused",
            reason=f"Settings are missing or wrong: {'; '.join(wrong)}.",
            fix="Set the variables that app/settings.py names.",
        )
        sys.exit(1)
