"""Fold revocations into the documents, behind the requests that made them."""

import threading
from typing import Final

import structlog

from app.auth.key_store import KeyStore
from app.errors import ApiError
from app.stores.postgres import UNAVAILABLE

EVERY_SECONDS: Final = 30.0
BATCH_SECONDS: Final = 1.0
"""How long to wait for more revocations, so that several cost one version."""

log = structlog.get_logger()


class Folder:
    """One thread of the API; it may fail and try again, nothing waits for it."""

    def __init__(self, keys: KeyStore) -> None:
        self.keys = keys
        self._soon = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="revocation-folder", daemon=True)

    def start(self) -> None:
        """Fold from now on."""
        self._thread.start()

    def soon(self) -> None:
        """Say that there is something to fold."""
        self._soon.set()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        self._soon.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.keys.fold()
            except (ApiError, *UNAVAILABLE) as failure:
                log.warning("revocations_not_folded", cause=str(failure))
            except Exception:
                log.exception("revocations_not_folded")
            self._soon.wait(EVERY_SECONDS)
            self._soon.clear()
            self._stop.wait(BATCH_SECONDS)
