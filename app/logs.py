"""Logs: one JSON object a line, with no secret in it, from every library of the process."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

SECRET: Final = "[secret]"  # noqa: S105 -- what stands where a secret was
NEVER_LOGGED: Final = frozenset(
    {
        "admin_key",
        "api_key",
        "authorization",
        "cookie",
        "digest",
        "master_password",
        "password",
        "secret",
        "set-cookie",
        "set_cookie",
        "signature",
        "token",
        "x-api-key",
    }
)
"""Names of fields whose values never reach a log, at any depth."""
_LOOKS_SECRET: Final = re.compile(
    r"hk_(?:live|test|dev)_[0-9A-Za-z]{8,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|(?<=[Bb]asic )[A-Za-z0-9+/=_-]{12,}"
    r"|(?<=[Bb]earer )[^\s\"',]{12,}"
    r"|(?<=X-Amz-Signature=)[0-9a-f]+"
    r"|(?<=X-Amz-Security-Token=)[^\s&\"']+"
)
"""API keys (also broken ones), JWTs, credentials in headers, and AWS' presigned signatures."""
_MAY_BE_SECRET: Final = ("hk_", "eyJ", "asic ", "earer ", "X-Amz-")
_QUIET: Final = {
    "botocore": "WARNING",
    "boto3": "WARNING",
    "urllib3": "WARNING",
    "httpx": "WARNING",
    "httpcore": "WARNING",
    "alembic.runtime.plugins": "WARNING",
}
"""Libraries that write a line for every call."""


def without_secrets(text: str) -> str:
    """Blank what looks like a credential inside ``text``."""
    if any(mark in text for mark in _MAY_BE_SECRET):
        return _LOOKS_SECRET.sub(SECRET, text)
    return text


def _blanked(value: object) -> object:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {
            key: SECRET if str(key).lower() in NEVER_LOGGED else _blanked(each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_blanked(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_secrets(str(value))


def _blank_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key in NEVER_LOGGED:
            event[key] = SECRET
        elif not isinstance(value, int | float):
            event[key] = _blanked(value)
    return event


class _NameService:
    """Puts the service's name on every line."""

    def __init__(self, service: str) -> None:
        self.service = service

    def __call__(
        self, _: object, __: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["service"] = self.service
        return event


def adopt_libraries() -> None:
    """Take the handlers from loggers that libraries made, some of them when they are imported."""
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def configure_logging(service: str, stream: TextIO | None = None) -> None:
    """Write every log line of this process to ``stream`` (stdout) as one JSON object.

    Lines of our own go straight to the stream; those of libraries come through ``logging`` and
    pass the same processors.
    """
    stream = stream or sys.stdout
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _NameService(service),
    ]
    ending: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        _blank_secrets,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    adopt_libraries()
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=True)
