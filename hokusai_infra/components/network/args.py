"""What a caller decides about a network: its ranges, its way out, and who may reach whom."""

import ipaddress
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

import pulumi

INTERNET: Final = "internet"
"""Everybody outside, as source or target of an edge."""
NAT: Final = "nat"
"""Party that forwards for others; it gets its rules from their edges, so no edge names it."""

# docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html; a 16th of a /24 is AWS's smallest.
VPC_PREFIX: Final = range(16, 25)
TIERS: Final = ("public", "private", "isolated")
ZONES_A_TIER: Final = 4
"""Blocks set aside for each tier, so that a zone that is added later moves no subnet."""

# docs.aws.amazon.com/ec2/latest/instancetypes: the "g" behind the generation is Graviton, ARM.
ARM_TYPE: Final = re.compile(r"[a-z]+\d+g[a-z]*\.[a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """``source`` may open TCP connections to ``target`` on ``port``."""

    source: str
    target: str
    port: int

    def __post_init__(self) -> None:
        if self.source == self.target:
            raise ValueError(f"edge from {self.source!r} to itself: name two parties")
        if NAT in (self.source, self.target):
            raise ValueError(
                f"edge {self.source} to {self.target}: {NAT!r} follows from the edges to "
                f"{INTERNET!r}; state those"
            )
        if self.port not in range(1, 65536):
            raise ValueError(f"edge {self.source} to {self.target}: there is no port {self.port}")


@dataclass(frozen=True, kw_only=True)
class NatGateways:
    """Private subnets reach the internet through managed gateways."""

    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one in the first."""


@dataclass(frozen=True, kw_only=True)
class NatInstances:
    """Private subnets reach the internet through instances that forward; a tenth of the price.

    An instance is away for some minutes a week, while a patched one takes its place.
    """

    per_zone: bool
    """One in each zone, so that a zone that fails takes no other along; else one in the first."""
    instance_type: str = "t4g.nano"
    """An ARM type, for the image is Amazon Linux 2023 for ARM."""

    def __post_init__(self) -> None:
        if not ARM_TYPE.fullmatch(self.instance_type):
            raise ValueError(
                f"instance_type is {self.instance_type!r}: take an ARM type, such as t4g.nano"
            )


@dataclass(frozen=True, kw_only=True)
class FlowLogs:
    """Connections are written down in a bucket, in parts of ten minutes, as Parquet files."""

    bucket_name: pulumi.Input[str]
    """Bucket whose policy lets ``delivery.logs.amazonaws.com`` write below ``AWSLogs/``."""
    traffic: Literal["ALL", "REJECT"] = "REJECT"
    """All connections, or those alone that a security group refused."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a caller decides about a network."""

    region: str
    account_id: str
    """Account whose buckets are reached through the S3 endpoint, and by whom."""
    zones: list[str]
    """Letters of the availability zones; the first is never moved."""
    cidr: str
    """Private IPv4 range, /16 to /24."""
    egress: NatGateways | NatInstances
    namespace: str
    """Private DNS domain under which services find each other."""
    edges: list[Edge]
    """All connections that are allowed; whoever is named here has a security group."""
    flow_logs: FlowLogs | None = None
    """Where connections are written down; without, nowhere."""
    alarm_actions: list[pulumi.Input[str]] = field(default_factory=list[pulumi.Input[str]])
    """ARNs that are told when a NAT instance is away for long, and when it is back."""

    def __post_init__(self) -> None:
        block = ipaddress.IPv4Network(self.cidr)
        if block.prefixlen not in VPC_PREFIX or not block.is_private:
            raise ValueError(f"cidr is {self.cidr}: take a private range between /16 and /24")
        if len(set(self.zones)) != len(self.zones) or len(self.zones) not in (2, 3, 4):
            raise ValueError(f"zones are {self.zones}: name two to four different ones")
        if twice := [edge for edge, times in Counter(self.edges).items() if times > 1]:
            raise ValueError(f"stated twice: {twice}")
        if not re.fullmatch(r"\d{12}", self.account_id):
            raise ValueError(f"account_id is {self.account_id!r}: take the 12 digits, in quotes")

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

    @property
    def ways_out(self) -> list[Edge]:
        """Edges that lead to the internet."""
        return [edge for edge in self.edges if edge.target == INTERNET]

    @property
    def nat_zones(self) -> list[str]:
        """Zones that have a way out of their own."""
        return self.zones if self.egress.per_zone else self.zones[:1]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a service runs, what it may reach, and where its name is published."""

    region: str
    vpc_id: pulumi.Input[str]
    subnet_ids: list[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]
    namespace_id: pulumi.Input[str]
    namespace: str
    ready: tuple[pulumi.Resource, ...] = ()
    """What must be there before a task can start: routes, the way out, the rules of its group. A
    service's inputs name none of them, and a task that comes before them reaches no registry."""
