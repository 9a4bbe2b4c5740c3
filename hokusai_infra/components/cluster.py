"""Cluster: the name under which services run; on Fargate it is nothing else, and costs nothing."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import ecs

from hokusai_infra.suppressions import Suppression


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What a caller decides about a cluster."""

    cluster_name: str
    """Physical name; carries the environment."""
    container_insights: bool = False
    """Metrics of each task, at some dollars a task and month; CPU and memory of each service
    come without them."""


class Cluster(pulumi.ComponentResource):
    """A place for Fargate services, in whose containers nobody can open a shell."""

    cluster_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:Cluster", name, None, opts)
        cluster = ecs.Cluster(
            name,
            name=args.cluster_name,
            settings=[
                {
                    "name": "containerInsights",
                    "value": "enabled" if args.container_insights else "disabled",
                }
            ],
            # The cluster stood at the top of the program before it was a component.
            opts=pulumi.ResourceOptions(
                parent=self, aliases=[pulumi.Alias(name=name, parent=pulumi.ROOT_STACK_RESOURCE)]
            ),
        )
        self.cluster_name = cluster.name
        self.register_outputs({"cluster_name": self.cluster_name})


SUPPRESSIONS: Final = (
    Suppression(
        check="CKV_AWS_65",
        of="aws:ecs/cluster:Cluster",
        because="Container Insights cost 13 to 30 dollars a month for two services; ECS gives CPU "
        "and memory of each service without them, and the load balancer requests and errors.",
    ),
)
