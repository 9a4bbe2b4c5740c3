"""MlflowServer: tracking and registry on their own host, artifacts through the server."""

from dataclasses import dataclass
from typing import Final

import pulumi

from hokusai_infra.components.fargate_service import (
    ROLLING,
    FargateService,
    FargateServiceArgs,
)

POOLS: Final = 5
"""Connection pools of one process: MLflow's tracking, registry, jobs and workspace stores, and
that of whoever checks its callers."""
FOLLOWERS: Final = 1
"""Connections beside the pools: the one on which a process hears of changed keys."""
LEAST_MEMORY_MB: Final = 1024
"""MLflow's imports alone take a quarter of it."""


@dataclass(frozen=True, kw_only=True)
class MlflowServerArgs(FargateServiceArgs):
    """A service whose image serves MLflow."""

    connections_a_pool: int
    """Connections that one pool of a process may hold at most."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size.memory_mb < LEAST_MEMORY_MB:
            raise ValueError(
                f"memory_mb is {self.size.memory_mb}: MLflow needs {LEAST_MEMORY_MB} or more"
            )


class MlflowServer(pulumi.ComponentResource):
    """MLflow behind the platform's own credentials, at the root of its own host.

    Its address is an output: what calls it takes that, and cannot be deployed without it.
    """

    url: pulumi.Output[str]
    peak_connections: int
    """Database connections that all tasks may hold while a deployment replaces them."""

    def __init__(
        self, name: str, args: MlflowServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:MlflowServer", name, None, opts)
        service = FargateService(name, args, pulumi.ResourceOptions(parent=self))

        a_task = POOLS * args.connections_a_pool + FOLLOWERS
        self.peak_connections = args.scaling.max_tasks * ROLLING * a_task
        self.url = service.url
        self.register_outputs({"url": self.url})
