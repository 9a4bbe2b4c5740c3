"""ApiService: the HTTP API, and the task that makes its first key."""

from dataclasses import dataclass
from typing import Final

import pulumi

from hokusai_infra.components.fargate_service import (
    ROLLING,
    FargateService,
    FargateServiceArgs,
)
from hokusai_infra.stack import SetupCheck, SetupTask

POOLS: Final = 1
"""Connection pools of one process."""
FOLLOWERS: Final = 1
"""Connections beside the pool: the one on which a process hears of changed keys."""


@dataclass(frozen=True, kw_only=True)
class ApiServiceArgs(FargateServiceArgs):
    """A service whose image serves the API."""

    connections_a_pool: int
    """Connections that the pool of a process may hold at most."""
    setup_command: list[str]
    """Makes the first credential, once, in place of the service's command."""
    setup_again_command: list[str]
    """Makes one more, where the first was lost or revoked."""
    setup_check: SetupCheck


class ApiService(pulumi.ComponentResource):
    """The API, and a way to its first key that nobody has to be trusted with before."""

    url: pulumi.Output[str]
    setup_task: SetupTask
    peak_connections: int
    """Database connections that all tasks may hold while a deployment replaces them."""

    def __init__(
        self, name: str, args: ApiServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:ApiService", name, None, opts)
        service = FargateService(name, args, pulumi.ResourceOptions(parent=self))

        a_task = POOLS * args.connections_a_pool + FOLLOWERS
        self.peak_connections = args.scaling.max_tasks * ROLLING * a_task
        self.url = service.url
        self.setup_task = {
            "task_definition": service.task_family,
            "container": name,
            "command": args.setup_command,
            "again": args.setup_again_command,
            "check": args.setup_check,
        }
        self.register_outputs({"url": self.url})
