"""What the object store leaves outside its folder; light, as the watchdog needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

PORTS: Final = (
    "s3",
    "s3.grpc",
    "master",
    "master.grpc",
    "volume",
    "volume.grpc",
    "filer",
    "filer.grpc",
    "admin",
    "admin.grpc",
)
"""The ten TCP ports the server opens on 127.0.0.1; the caller picks a free one for each."""

_SOCKETS: Final = Path("/tmp")  # noqa: S108 - where the server puts sockets, whatever TMPDIR says


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove what a stopped server left; its socket beside each gRPC port has a fixed path."""
    for name, port in ports.items():
        server, _, kind = name.partition(".")
        if name in PORTS and kind:
            (_SOCKETS / f"seaweedfs-{server}-grpc-{port}.sock").unlink(missing_ok=True)
