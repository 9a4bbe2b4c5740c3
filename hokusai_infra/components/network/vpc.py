"""Network: a VPC with its subnets, routes and security groups."""

import json
from typing import Final

import pulumi
from pulumi_aws import ec2, servicediscovery

from hokusai_infra.components.network.args import (
    INTERNET,
    NAT,
    TIERS,
    Edge,
    NatInstances,
    NetworkArgs,
    Placement,
)
from hokusai_infra.components.network.edges import ANYWHERE, EdgeRules
from hokusai_infra.components.network.nat_instance import NatInstance, NatInstanceArgs
from hokusai_infra.suppressions import Suppression

S3_ACTIONS: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
"""What may be done with a bucket from inside; who may do it is in the roles' policies."""

SUPPRESSIONS: Final = (
    Suppression(
        check="CKV_AWS_260",
        of="aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        within="hokusai:index:Network",
        named="{component}-internet-to-*-80",
        because="Port 80 is open so that whoever types an address without https is redirected; "
        "the listener does nothing else.",
    ),
)


class Network(pulumi.ComponentResource):
    """A VPC in which nothing reaches anything but along a stated edge.

    Only load balancers, and what forwards for tasks, live in public subnets; tasks reach the
    internet, and are not reached from it; databases reach nothing. Traffic to S3 leaves through a
    gateway that costs nothing, to buckets of this account alone. The default security group, which
    AWS gives to whatever names none, allows nothing.
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
        self._nat_group: pulumi.Output[str] | None = None

        network = ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name},
            opts=child,
        )
        self.vpc_id = network.id
        self._rules = EdgeRules(network=name, vpc_id=network.id, child=child)
        ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=network.id,
            tags={"Name": f"{name}-default: allows nothing"},
            opts=child,
        )
        subnets = {tier: [self._subnet(tier, zone) for zone in args.zones] for tier in TIERS}
        self.public_subnet_ids, self.private_subnet_ids, self.isolated_subnet_ids = (
            [subnet.id for subnet in subnets[tier]] for tier in TIERS
        )
        self._write_flow_logs()
        self._connect(subnets)

        namespace = servicediscovery.PrivateDnsNamespace(
            f"{name}-names", name=args.namespace, vpc=network.id, opts=child
        )
        self.namespace_id = namespace.id
        self.security_group_ids = {party: self._rules.group(party) for party in args.parties}
        for edge in args.edges:
            self._rules.open(edge, self.security_group_ids)
        self._open_nat()

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
            # All that this component has made.
            ready=(self,),
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

        ways_out = self._ways_out(subnets["public"], after=internet)
        private = []
        for i, (zone, subnet) in enumerate(zip(args.zones, subnets["private"], strict=True)):
            table = self._route_table(f"private-{zone}", [subnet])
            self._default_route(f"private-{zone}", table, **ways_out[i % len(ways_out)])
            private.append(table)
        ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self.vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{args.region}.s3",
            route_table_ids=[table.id for table in private],
            policy=s3_policy(args.account_id, args.region),
            tags={"Name": f"{name}-s3"},
            opts=child,
        )

    def _write_flow_logs(self) -> None:
        logs = self._args.flow_logs
        if logs is None:
            return
        ec2.FlowLog(
            f"{self._name}-flow-logs",
            vpc_id=self.vpc_id,
            traffic_type=logs.traffic,
            log_destination_type="s3",
            log_destination=pulumi.Output.concat("arn:aws:s3:::", logs.bucket_name),
            max_aggregation_interval=600,
            destination_options={"file_format": "parquet", "per_hour_partition": True},
            tags={"Name": f"{self._name}-flow-logs"},
            opts=self._child,
        )

    def _ways_out(
        self, public: list[ec2.Subnet], *, after: ec2.InternetGateway
    ) -> list[dict[str, pulumi.Output[str]]]:
        """Make what forwards for private subnets; return what a route says of each."""
        args = self._args
        placed = list(zip(args.nat_zones, public, strict=False))
        ready = pulumi.ResourceOptions(parent=self, depends_on=[after])
        if isinstance(args.egress, NatInstances):
            group = self._nat_group = self._rules.group(NAT)
            return [
                {"network_interface_id": each.interface_id}
                for each in (
                    NatInstance(
                        f"{self._name}-nat-{zone}",
                        NatInstanceArgs(
                            instance_type=args.egress.instance_type,
                            availability_zone=f"{args.region}{zone}",
                            subnet_id=subnet.id,
                            security_group_id=group,
                            cidr=args.cidr,
                            alarm_actions=args.alarm_actions,
                        ),
                        ready,
                    )
                    for zone, subnet in placed
                )
            ]
        return [
            {"nat_gateway_id": self._nat_gateway(f"{self._name}-nat-{zone}", subnet, ready).id}
            for zone, subnet in placed
        ]

    def _nat_gateway(
        self, name: str, subnet: ec2.Subnet, ready: pulumi.ResourceOptions
    ) -> ec2.NatGateway:
        address = ec2.Eip(name, domain="vpc", tags={"Name": name}, opts=self._child)
        return ec2.NatGateway(
            name,
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags={"Name": name},
            opts=ready,
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
        network_interface_id: pulumi.Input[str] | None = None,
    ) -> None:
        ec2.Route(
            f"{self._name}-{role}",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            network_interface_id=network_interface_id,
            opts=self._child,
        )

    def _open_nat(self) -> None:
        """Let a NAT instance take, and send on, what the edges to the internet say."""
        if self._nat_group is None:
            return
        for edge in self._args.ways_out:
            self._rules.let_in(
                f"{self._name}-{edge.source}-to-{NAT}-{edge.port}",
                self._nat_group,
                self.security_group_ids[edge.source],
                edge,
            )
        # Setting up an instance takes HTTPS, whatever the edges say.
        for port in sorted({443, *(edge.port for edge in self._args.ways_out)}):
            self._rules.let_out(
                f"{self._name}-{NAT}-to-{INTERNET}-{port}",
                self._nat_group,
                None,
                Edge(source="whoever may", target=INTERNET, port=port),
            )


def s3_policy(account_id: str, region: str) -> str:
    """Let the account use its own buckets, and whoever pulls an image get its layers.

    Layers lie in a bucket of AWS, behind addresses that ECR has signed:
    docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-minimum-s3-perms.
    """
    own = {"aws:PrincipalAccount": account_id, "aws:ResourceAccount": account_id}
    statements = [
        {
            "Sid": "UseOwnBuckets",
            "Effect": "Allow",
            "Principal": "*",
            "Action": list(S3_ACTIONS),
            "Resource": "*",
            "Condition": {"StringEquals": own},
        },
        {
            "Sid": "PullImageLayers",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::prod-{region}-starport-layer-bucket/*",
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
