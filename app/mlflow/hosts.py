"""Which ``Host`` headers mean this service."""

import fnmatch
import re
from collections.abc import Iterable
from typing import Final

_NAME_AND_PORT: Final = re.compile(r"([a-zA-Z0-9.-]+)(?::[0-9]{1,5})?")


def is_own(host: str, patterns: Iterable[str]) -> bool:
    """Tell whether a header names this service: one of its names, alone or with a port.

    MLflow's patterns for a name with a port (``name:*``) would take anything behind the colon, so
    the name is compared without it.
    """
    found = _NAME_AND_PORT.fullmatch(host)
    return found is not None and any(
        fnmatch.fnmatchcase(found[1].lower(), each) for each in patterns
    )
