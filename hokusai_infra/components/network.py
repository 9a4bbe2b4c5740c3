"""Network: where everything runs, and who may reach whom."""

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import ec2, servicediscovery, vpc

INTERNET: Final = "internet"
"""Everybody outside, as source or target of an edge."""
ANYWHERE: Final = "0.0.0.0/0"

# docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html; a 16th of a /24 is AWS's smallest.
VPC_PREFIX: Final = range(16, 25)
TIERS: Final = ("public", "private", "isolated")
ZONES_A_TIER: Final = 4
"""Blocks set aside for each tier, so that a zone that is added later moves no subnet."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """``source`` may open TCP connections to ``target`` on ``port``."""

    source: str
    target: str
    port: int

    def __post_init__(self) -> None:
        if self.source == self.target:
            raise ValueError(f"edge from {self.source!r} to itself: name two parties")
        if self.port not in range(1, 65536):
            raise ValueError(f"edge {self.source} to {self.target}: there is no port {self.port}")


@dataclass(frozen=True, kw_only=True)
class NatGateways:
    """Private subnets reach the internet through managed gateways."""

    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one in the first."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a caller decides about a network."""

    region: str
    zones: list[str]
    """Letters of the availability zones; the first is never moved."""
    cidr: str
    """Private IPv4 range, /16 to /24."""
    egress: NatGateways
    namespace: str
    """Private DNS domain under which services find each other."""
    edges: list[Edge]
    """All connections that are allowed; whoever is named here has a security group."""

    def __post_init__(self) -> None:
        block = ipaddress.IPv4Network(self.cidr)
        if block.prefixlen not in VPC_PREFIX or not block.is_private:
            raise ValueError(f"cidr is {self.cidr}: take a private range between /16 and /24")
        if len(set(self.zones)) != len(self.zones) or len(self.zones) not in (2, 3, 4):
            raise ValueError(f"zones are {self.zones}: name two to four different ones")
        if twice := [edge for edge, times in Counter(self.edges).items() if times > 1]:
            raise ValueError(f"stated twice: {twice}")

    def subnet_cidr(self, tier: str, zone: str) -> str:
        """Return the block of a tier in a zone: a sixteenth of the whole."""
        block = ipaddress.IPv4Network(self.cidr)
        index = TIERS.index(tier) * ZONES_A_TIER + self.zones.index(zone)
        return str(list(block.subnets(prefixlen_diff=4))[index])

    @property
    def parties(self) -> list[str]:
        """Everybody who is named by an edge, except the internet."""
        return sorted(
            {end for each in self.edges for end in (each.source, each.target)} - {INTERNET}
        )


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a service runs, what it may reach, and where its name is published."""

    region: str
    vpc_id: pulumi.Input[str]
    subnet_ids: list[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]
    namespace_id: pulumi.Input[str]
    namespace: str


class Network(pulumi.ComponentResource):
    """A VPC in which nothing reaches anything but along a stated edge.

    Only load balancers live in public subnets; tasks reach the internet, and are not reached from
    it; databases reach nothing. Traffic to S3 leaves through a gateway that costs nothing.
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    isolated_subnet_ids: list[pulumi.Output[str]]
    namespace_id: pulumi.Output[str]
    security_group_ids: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:Network", name, None, opts)
        self._name, self._args = name, args
        self._child = child = pulumi.ResourceOptions(parent=self)

        network = ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name},
            opts=child,
        )
        self.vpc_id = network.id
        subnets = {tier: [self._subnet(tier, zone) for zone in args.zones] for tier in TIERS}
        self.public_subnet_ids, self.private_subnet_ids, self.isolated_subnet_ids = (
            [subnet.id for subnet in subnets[tier]] for tier in TIERS
        )
        self._connect(subnets)

        namespace = servicediscovery.PrivateDnsNamespace(
            f"{name}-names", name=args.namespace, vpc=network.id, opts=child
        )
        self.namespace_id = namespace.id
        self.security_group_ids = {party: self._security_group(party) for party in args.parties}
        for edge in args.edges:
            self._open(edge)

        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "isolated_subnet_ids": self.isolated_subnet_ids,
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
                f"no edge names {party!r}, so nothing could reach it; there are: {there}"
            )
        return Placement(
            region=self._args.region,
            vpc_id=self.vpc_id,
            subnet_ids=[*self.private_subnet_ids],
            security_group_id=self.security_group_ids[party],
            namespace_id=self.namespace_id,
            namespace=self._args.namespace,
        )

    def _subnet(self, tier: str, zone: str) -> ec2.Subnet:
        name = f"{self._name}-{tier}-{zone}"
        return ec2.Subnet(
            name,
            vpc_id=self.vpc_id,
            cidr_block=self._args.subnet_cidr(tier, zone),
            availability_zone=f"{self._args.region}{zone}",
            map_public_ip_on_launch=False,
            tags={"Name": name},
            opts=self._child,
        )

    def _connect(self, subnets: dict[str, list[ec2.Subnet]]) -> None:
        """Route the public tier to the internet, the private one through NAT and to S3."""
        name, args, child = self._name, self._args, self._child
        internet = ec2.InternetGateway(
            f"{name}-internet", vpc_id=self.vpc_id, tags={"Name": name}, opts=child
        )
        public = self._route_table("public", subnets["public"])
        self._default_route("public", public, gateway_id=internet.id)
        self._route_table("isolated", subnets["isolated"])

        gateways = [
            self._nat_gateway(zone, subnet, after=internet)
            for zone, subnet in zip(args.zones, subnets["public"], strict=True)
            if args.egress.per_zone or zone == args.zones[0]
        ]
        private = []
        for i, (zone, subnet) in enumerate(zip(args.zones, subnets["private"], strict=True)):
            table = self._route_table(f"private-{zone}", [subnet])
            gateway = gateways[i % len(gateways)]
            self._default_route(f"private-{zone}", table, nat_gateway_id=gateway.id)
            private.append(table)
        ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self.vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{args.region}.s3",
            route_table_ids=[table.id for table in private],
            tags={"Name": f"{name}-s3"},
            opts=child,
        )

    def _nat_gateway(
        self, zone: str, subnet: ec2.Subnet, *, after: ec2.InternetGateway
    ) -> ec2.NatGateway:
        name = f"{self._name}-nat-{zone}"
        address = ec2.Eip(name, domain="vpc", tags={"Name": name}, opts=self._child)
        return ec2.NatGateway(
            name,
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after]),
        )

    def _route_table(self, role: str, subnets: list[ec2.Subnet]) -> ec2.RouteTable:
        name = f"{self._name}-{role}"
        table = ec2.RouteTable(name, vpc_id=self.vpc_id, tags={"Name": name}, opts=self._child)
        for zone, subnet in zip(self._args.zones, subnets, strict=False):
            ec2.RouteTableAssociation(
                name if len(subnets) == 1 else f"{name}-{zone}",
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=self._child,
            )
        return table

    def _default_route(
        self,
        role: str,
        table: ec2.RouteTable,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> None:
        ec2.Route(
            f"{self._name}-{role}",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child,
        )

    def _security_group(self, party: str) -> pulumi.Output[str]:
        name = f"{self._name}-{party}"
        group = ec2.SecurityGroup(
            name,
            vpc_id=self.vpc_id,
            description=f"{party}: what its edges say, and nothing else",
            tags={"Name": name},
            opts=self._child,
        )
        return group.id

    def _open(self, edge: Edge) -> None:
        """Open both ends of an edge; the internet has none of ours."""
        name = f"{self._name}-{edge.source}-to-{edge.target}-{edge.port}"
        source, target = (self.security_group_ids.get(end) for end in (edge.source, edge.target))
        if target is not None:
            vpc.SecurityGroupIngressRule(
                name,
                security_group_id=target,
                referenced_security_group_id=source,
                cidr_ipv4=ANYWHERE if source is None else None,
                ip_protocol="tcp",
                from_port=edge.port,
                to_port=edge.port,
                description=f"from {edge.source}",
                opts=self._child,
            )
        if source is not None:
            vpc.SecurityGroupEgressRule(
                name,
                security_group_id=source,
                referenced_security_group_id=target,
                cidr_ipv4=ANYWHERE if target is None else None,
                ip_protocol="tcp",
                from_port=edge.port,
                to_port=edge.port,
                description=f"to {edge.target}",
                opts=self._child,
            )
