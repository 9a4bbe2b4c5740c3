"""Log lines of the parts that are processes of ours: one JSON object each, on standard output."""

import datetime as dt
import json
import sys
import traceback


def log(event: str, *, error: BaseException | None = None, **fields: object) -> None:
    """Write one event; ``error`` adds its type, text and traceback."""
    line: dict[str, object] = {
        "timestamp": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "level": "info" if error is None else "error",
        "event": event,
        **fields,
    }
    if error is not None:
        line["error"] = f"{type(error).__name__}: {error}"
        line["traceback"] = "".join(traceback.format_exception(error))
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()
