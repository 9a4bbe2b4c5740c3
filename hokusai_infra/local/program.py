"""Run the Pulumi program under the recorder and hand its graph to the supervisor.

A process of its own: its 150 MB are gone when the graph is known.
"""

import gc
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.process import child_environment, serves

MISTAKE: Final = 3
"""Exit code for an error that standard error explains."""


@dataclass(frozen=True)
class Request:
    """What the child needs to know; it crosses as JSON in a file that only its owner reads."""

    program: str
    stack: str
    account_id: str
    region: str
    control_plane: str
    database_port: int
    master_password: str
    graph: str
    """File to write the graph to."""


def environment(home: Path, credentials: Credentials, region: str) -> dict[str, str]:
    """Build the environment of the child: the operator's key, and nothing of the caller's."""
    key = credentials.operator.key
    return child_environment(
        home,
        AWS_ACCESS_KEY_ID=key.access_key_id,
        AWS_SECRET_ACCESS_KEY=key.secret_access_key,
        AWS_REGION=region,
        AWS_DEFAULT_REGION=region,
        AWS_EC2_METADATA_DISABLED="true",
    )


def main() -> None:
    """Record; leave without tearing the interpreter down."""
    gc.disable()
    request = Request(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    code = 0
    try:
        _run(request)
    except Exception as error:  # noqa: BLE001 - the program may raise anything
        _explain(error, Path(request.program))
        code = MISTAKE
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(request: Request) -> None:
    from hokusai_infra.local.answers import Database, LocalAnswers  # noqa: PLC0415 - after gc
    from hokusai_infra.local.state import write_private  # noqa: PLC0415 - the same
    from hokusai_infra.recorder import record  # noqa: PLC0415 - the same

    answers = LocalAnswers(
        request.account_id,
        request.region,
        request.control_plane,
        Database(request.database_port, request.master_password),
    )
    _wait_for(request.control_plane)
    graph = record(Path(request.program), request.stack, answers=answers)
    found: dict[str, Any] = json.loads(graph.to_json())
    found["local"] = {"role_policies": answers.policies_by_role(), "databases": answers.databases}
    write_private(Path(request.graph), found)


def _wait_for(url: str, seconds: float = 30) -> None:
    """Wait until the control plane listens: Pulumi is imported while it starts."""
    port, until = urlsplit(url).port or 80, time.monotonic() + seconds
    while not serves(port):
        if time.monotonic() > until:
            raise TimeoutError(f"nothing listens at {url}")
        time.sleep(0.05)


def _explain(error: Exception, program: Path) -> None:
    """Write the error, and the lines of the program that led to it."""
    import traceback  # noqa: PLC0415 - on failure only

    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(program) and ".venv" not in frame.filename
    ]
    for frame in frames[-6:]:
        where = Path(frame.filename).relative_to(program)
        sys.stderr.write(f"{where}:{frame.lineno}: {frame.line}\n")
    sys.stderr.write(f"{type(error).__name__}: {error}\n")


if __name__ == "__main__":
    main()
