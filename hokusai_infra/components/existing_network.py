"""ExistingNetwork: a place for services in a VPC that somebody else has made."""

from collections import Counter
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import servicediscovery

from hokusai_infra.components.network import INTERNET, Edge, Placement
from hokusai_infra.components.network.edges import EdgeRules


@dataclass(frozen=True, kw_only=True)
class ExistingNetworkArgs:
    """Which VPC it is, and who may reach whom in it."""

    region: str
    vpc_id: pulumi.Input[str]
    private_subnet_ids: list[pulumi.Input[str]]
    """Subnets of the services, two or more zones; their routes lead out, to registry and logs."""
    namespace: str
    """Private DNS domain under which the services find each other; none of that name may exist."""
    edges: list[Edge]
    """All connections that are allowed; whoever is named here gets a security group."""
    known: dict[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """Parties that have a security group already, by the name that edges call them.

    They may only be sources, and nothing is changed at their groups: whoever owns one lets it out.
    """

    def __post_init__(self) -> None:
        if twice := [edge for edge, times in Counter(self.edges).items() if times > 1]:
            raise ValueError(f"edges are stated twice: {twice}; leave one of each")
        if reached := sorted({each.target for each in self.edges} & self.known.keys()):
            raise ValueError(
                f"edges lead to {', '.join(reached)}, whose security group is somebody else's: "
                "let its owner open it"
            )
        if idle := sorted(self.known.keys() - {each.source for each in self.edges}):
            raise ValueError(f"known names {', '.join(idle)}, but no edge does: leave it out")

    @property
    def parties(self) -> list[str]:
        """Everybody who gets a security group."""
        ends = {end for each in self.edges for end in (each.source, each.target)}
        return sorted(ends - {INTERNET} - self.known.keys())


class ExistingNetwork(pulumi.ComponentResource):
    """Security groups along stated edges, and a private DNS domain, in a VPC as it is.

    Subnets, routes and endpoints stay as their owner has made them.
    """

    vpc_id: pulumi.Output[str]
    namespace_id: pulumi.Output[str]
    security_group_ids: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: ExistingNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:ExistingNetwork", name, None, opts)
        self._args = args
        child = pulumi.ResourceOptions(parent=self)

        self.vpc_id = pulumi.Output.from_input(args.vpc_id)
        names = servicediscovery.PrivateDnsNamespace(
            f"{name}-names", name=args.namespace, vpc=args.vpc_id, opts=child
        )
        self.namespace_id = names.id
        rules = EdgeRules(network=name, vpc_id=args.vpc_id, child=child)
        self.security_group_ids = {party: rules.group(party) for party in args.parties}
        for edge in args.edges:
            rules.open(edge, self.security_group_ids, args.known)
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "namespace_id": self.namespace_id,
                "security_group_ids": self.security_group_ids,
            }
        )

    def url_of(self, service: str, port: int) -> str:
        """Name the origin of a service inside the network, whether or not it is there yet."""
        return f"http://{service}.{self._args.namespace}:{port}"

    def place(self, party: str) -> Placement:
        """Return the private place of a party that an edge names."""
        if party not in self.security_group_ids:
            there = ", ".join(self.security_group_ids)
            raise ValueError(
                f"no edge gives {party!r} a security group; there are: {there}; name it in an edge"
            )
        return Placement(
            region=self._args.region,
            vpc_id=self.vpc_id,
            subnet_ids=self._args.private_subnet_ids,
            security_group_id=self.security_group_ids[party],
            namespace_id=self.namespace_id,
            namespace=self._args.namespace,
            # All that this component has made.
            ready=(self,),
        )
