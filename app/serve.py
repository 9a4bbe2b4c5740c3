"""Serve an ASGI application the way both services are served, once the start-up gate is passed."""

import gc
from typing import Final

import structlog
import uvicorn

from app.request_context import ASGIApp
from app.settings import GRACEFUL_SHUTDOWN_SECONDS, KEEP_ALIVE_SECONDS, ServiceSettings

GC_THRESHOLDS: Final = (50_000, 20, 50)
"""Objects before a collection: requests make cyclic garbage rarely, and a full pass is a pause."""

log = structlog.get_logger()


def serve(app: ASGIApp, settings: ServiceSettings, *, service: str) -> None:
    """Open the port and serve until a signal ends it.

    The objects that the imports made live as long as the process; freezing them keeps every later
    collection from walking through them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    log.info("service_starting", name=service, port=settings.port, image=settings.image_digest)
    uvicorn.run(
        app,
        host="127.0.0.1" if settings.environment == "local" else "0.0.0.0",  # noqa: S104 -- a task has its own address
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )
