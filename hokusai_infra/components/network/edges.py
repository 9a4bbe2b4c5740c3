"""Security groups of the parties that edges name, and the rules that open an edge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import ec2, vpc

from hokusai_infra.components.network.args import Edge

ANYWHERE: Final = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class EdgeRules:
    """Makes the groups and rules of one network; a group allows nothing but what is let in, out."""

    network: str
    """Logical name of the network; every name here starts with it."""
    vpc_id: pulumi.Input[str]
    child: pulumi.ResourceOptions

    def group(self, party: str) -> pulumi.Output[str]:
        """Make the security group of a party; return its id."""
        name = f"{self.network}-{party}"
        return ec2.SecurityGroup(
            name,
            vpc_id=self.vpc_id,
            description=f"{party}: what its edges say, and nothing else",
            tags={"Name": name},
            opts=self.child,
        ).id

    def open(
        self,
        edge: Edge,
        own: Mapping[str, pulumi.Input[str]],
        known: Mapping[str, pulumi.Input[str]] | None = None,
    ) -> None:
        """Open an edge at those of its ends that have a group of this network's own.

        A party that is ``known`` has somebody else's; one that is neither is the internet.
        """
        groups = {**(known or {}), **own}
        source, target = groups.get(edge.source), groups.get(edge.target)
        name = f"{self.network}-{edge.source}-to-{edge.target}-{edge.port}"
        if edge.target in own:
            self.let_in(name, own[edge.target], source, edge)
        if edge.source in own:
            self.let_out(name, own[edge.source], target, edge)

    def let_in(
        self,
        name: str,
        group: pulumi.Input[str],
        source: pulumi.Input[str] | None,
        edge: Edge,
    ) -> None:
        """Let a group take an edge's connections: from a group, or without one from anywhere."""
        vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group,
            referenced_security_group_id=source,
            cidr_ipv4=ANYWHERE if source is None else None,
            ip_protocol="tcp",
            from_port=edge.port,
            to_port=edge.port,
            description=f"from {edge.source}",
            opts=self.child,
        )

    def let_out(
        self,
        name: str,
        group: pulumi.Input[str],
        target: pulumi.Input[str] | None,
        edge: Edge,
    ) -> None:
        """Let a group open an edge's connections: to a group, or without one to anywhere."""
        vpc.SecurityGroupEgressRule(
            name,
            security_group_id=group,
            referenced_security_group_id=target,
            cidr_ipv4=ANYWHERE if target is None else None,
            ip_protocol="tcp",
            from_port=edge.port,
            to_port=edge.port,
            description=f"to {edge.target}",
            opts=self.child,
        )
