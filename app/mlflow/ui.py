"""What MLflow's UI asks before it shows itself, answered so that it offers what is here."""

from collections.abc import Mapping
from typing import Any, Final

SERVER_INFO: Final = "/mlflow/server-info"
CURRENT_USER: Final = "/ajax-api/2.0/mlflow/users/current"
"""A route of MLflow's own authorization, which is not installed here; the UI asks it anyway."""
NOBODY: Final[Mapping[str, Any]] = {}
"""With a name, the UI would look for grants of MLflow's own and disable what it finds none for."""

SWITCHED_OFF: Final[Mapping[str, Any]] = {
    "/ajax-api/3.0/mlflow/assistant/config": {
        "providers": {},
        "projects": {},
        "remote_access_allowed": False,
    },
    "/ajax-api/3.0/mlflow/assistant/providers": {
        "providers": [],
        "resolved": None,
        "gateway_vendor_options": {},
    },
}
"""The assistant runs commands on the server; so MLflow describes one that has no provider."""


def server_info(found: Mapping[str, Any], *, for_ui: bool) -> dict[str, Any]:
    """Say what this server can do.

    The UI lets one switch between workspaces if there are any, so it is told that there are none; a
    client that names its project as one refuses to run if there are none. Files go through this
    server: a client that wants presigned URLs instead says so in its own environment.
    """
    shown = {**found, "multipart_uploads_enabled": False, "multipart_downloads_enabled": False}
    return {**shown, "workspaces_enabled": False} if for_ui else shown
