"""``python -m app.admin``: what an operator does before anybody has a key.

``first-key`` runs as a one-off task of the API. What a task prints goes to a log, so it prints a
key in the local environment alone; elsewhere the operator makes the key with ``generate-key`` on a
machine of their own, and hands the task its id and digest.
"""

import argparse
import json
import sys
import time
from typing import Any, Final

from app.auth.api_key import PREFIXES, ApiKey, is_key_id
from app.auth.key_record import KeyRecord
from app.auth.key_store import KeyStore
from app.errors import ApiError
from app.logs import configure_logging
from app.permissions import Permission
from app.settings import API_DATABASE_ROLE, HOKUSAI_DATABASE, ApiSettings
from app.start_gate import StartRefusedError, start_gate
from app.stores import postgres
from app.stores.secrets import Secrets

DIGEST_LENGTH: Final = 64
MADE_BY: Final = "operator"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its answer is one JSON object on stdout, everything else goes to stderr."""
    configure_logging("admin", sys.stderr)
    chosen = parser().parse_args(arguments)
    if chosen.command == "generate-key":
        _print(generate_key(chosen.environment))
        return 0
    with start_gate():
        _print(first_key(ApiSettings(), chosen))
    return 0


def generate_key(environment: str) -> dict[str, str]:
    """Make a key without telling anybody; it works once its id and digest are registered."""
    names = {str(each): each for each in PREFIXES}
    key = ApiKey.generate(names[environment])
    return {"api_key": key.reveal(), "digest": key.digest.hex(), "key_id": key.key_id}


def first_key(settings: ApiSettings, chosen: argparse.Namespace) -> dict[str, str]:
    """Give a project its first key, with every permission."""
    key, key_id, digest = _chosen_key(settings, chosen)
    engine = postgres.engine(
        settings, HOKUSAI_DATABASE, API_DATABASE_ROLE, pool_size=1, max_overflow=1
    )
    keys = KeyStore(
        engine,
        Secrets(),
        prefix=settings.key_secret_prefix,
        kms_key=settings.key_secrets_kms_key_arn,
    )
    record = KeyRecord(
        key_id=key_id,
        project=chosen.project,
        name="first key",
        digest=digest,
        permissions=frozenset({Permission.ADMIN}),
        created_at=int(time.time()),
        created_by=MADE_BY,
    )
    try:
        keys.make_project(chosen.project)
        keys.add(record, only_first=not chosen.again, chosen_id=key is None)
    except ApiError as failure:
        raise StartRefusedError(failure.detail, fix=failure.fix) from failure
    except postgres.UNAVAILABLE as failure:
        raise StartRefusedError(
            f"The database does not answer ({type(failure).__name__}).",
            fix="Check that it runs and that migrate has run.",
        ) from failure
    finally:
        engine.dispose()
    answer = {"key_id": key_id, "project": chosen.project}
    return answer if key is None else answer | {"admin_key": key.reveal()}


def _chosen_key(
    settings: ApiSettings, chosen: argparse.Namespace
) -> tuple[ApiKey | None, str, bytes]:
    if chosen.key_id is None and chosen.digest is None:
        if settings.environment != "local":
            raise StartRefusedError(
                f"A key made here would stand in the log of this {settings.environment} task.",
                fix="Make it with 'app.admin generate-key', and pass --key-id and --digest.",
            )
        key = ApiKey.generate(settings.environment)
        return key, key.key_id, key.digest
    if chosen.key_id is None or not is_key_id(chosen.key_id):
        raise StartRefusedError(
            "--key-id is missing or no key id.", fix="Copy it from generate-key."
        )
    try:
        digest = bytes.fromhex(chosen.digest or "")
    except ValueError:
        digest = b""
    if len(digest) * 2 != DIGEST_LENGTH:
        raise StartRefusedError(
            "--digest is missing or no SHA-256.", fix="Copy it from generate-key."
        )
    return None, chosen.key_id, digest


def parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    parser = argparse.ArgumentParser(prog="python -m app.admin", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("first-key", help="give a project its first key")
    first.add_argument("--project", default="main")
    first.add_argument("--key-id", help="id of a key made by generate-key")
    first.add_argument("--digest", help="SHA-256 of its secret, in hex")
    first.add_argument(
        "--again", action="store_true", help="also where the project has had its first key"
    )
    generate = commands.add_parser("generate-key", help="make a key offline")
    generate.add_argument("--environment", choices=sorted(PREFIXES), required=True)
    return parser


def _print(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    sys.exit(main())
