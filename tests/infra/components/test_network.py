import ipaddress
import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hokusai_infra.components.network import (
    INTERNET,
    TIERS,
    Edge,
    FlowLogs,
    NatGateways,
    Network,
    NetworkArgs,
)
from hokusai_infra.components.secure_bucket import LIST, READ, WRITE
from hokusai_infra.recorder import Graph
from tests.infra.recordings import alone, inputs

ARGS = NetworkArgs(
    region="us-east-1",
    account_id="111122223333",
    zones=["a", "b"],
    cidr="10.0.0.0/16",
    egress=NatGateways(per_zone=True),
    namespace="test.internal",
    edges=[
        Edge(source=INTERNET, target="front", port=443),
        Edge(source="front", target="service", port=8000),
        Edge(source="service", target=INTERNET, port=443),
    ],
)


def network(args: NetworkArgs = ARGS) -> Graph:
    return alone(lambda: Network("net", args))


def test_each_tier_has_a_subnet_in_each_zone_and_no_task_gets_a_public_address() -> None:
    subnets = network().of("aws:ec2/subnet:Subnet")
    assert {each.name: each.inputs["cidrBlock"] for each in subnets} == {
        "net-isolated-a": "10.0.128.0/20",
        "net-isolated-b": "10.0.144.0/20",
        "net-private-a": "10.0.64.0/20",
        "net-private-b": "10.0.80.0/20",
        "net-public-a": "10.0.0.0/20",
        "net-public-b": "10.0.16.0/20",
    }
    assert {each.inputs["availabilityZone"] for each in subnets} == {"us-east-1a", "us-east-1b"}
    assert not any(each.inputs["mapPublicIpOnLaunch"] for each in subnets)


@pytest.mark.parametrize(("per_zone", "of_zone_b"), [(True, "b"), (False, "a")])
def test_private_subnets_leave_through_nat_and_isolated_ones_not_at_all(
    per_zone: bool,  # noqa: FBT001 - a row of the table
    of_zone_b: str,
) -> None:
    graph = network(replace(ARGS, egress=NatGateways(per_zone=per_zone)))
    routes = {each.name: each.inputs for each in graph.of("aws:ec2/route:Route")}
    everywhere = {"destinationCidrBlock": "0.0.0.0/0"}
    assert routes == {
        "net-public": {
            **everywhere,
            "routeTableId": "net-public-id",
            "gatewayId": "net-internet-id",
        },
        "net-private-a": {
            **everywhere,
            "routeTableId": "net-private-a-id",
            "natGatewayId": "net-nat-a-id",
        },
        "net-private-b": {
            **everywhere,
            "routeTableId": "net-private-b-id",
            "natGatewayId": f"net-nat-{of_zone_b}-id",
        },
    }
    associations = {
        each.inputs["subnetId"]: each.inputs["routeTableId"]
        for each in graph.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
    }
    assert associations == {
        "net-isolated-a-id": "net-isolated-id",
        "net-isolated-b-id": "net-isolated-id",
        "net-private-a-id": "net-private-a-id",
        "net-private-b-id": "net-private-b-id",
        "net-public-a-id": "net-public-id",
        "net-public-b-id": "net-public-id",
    }


def test_traffic_to_s3_does_not_pay_for_nat_and_reaches_own_buckets_and_image_layers() -> None:
    endpoint = inputs(network())["VpcEndpoint net-s3"]
    policy = json.loads(endpoint.pop("policy"))
    assert endpoint == {
        "vpcId": "net-id",
        "vpcEndpointType": "Gateway",
        "serviceName": "com.amazonaws.us-east-1.s3",
        "routeTableIds": ["net-private-a-id", "net-private-b-id"],
        "tags": {"Name": "net-s3"},
    }
    own, layers = policy["Statement"]
    assert own.pop("Action") == [
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
    ]
    assert own == {
        "Sid": "UseOwnBuckets",
        "Effect": "Allow",
        "Principal": "*",
        "Resource": "*",
        "Condition": {
            "StringEquals": {
                "aws:PrincipalAccount": "111122223333",
                "aws:ResourceAccount": "111122223333",
            }
        },
    }
    assert layers == {
        "Sid": "PullImageLayers",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*",
    }


def test_whatever_a_bucket_lets_a_role_do_the_endpoint_lets_through() -> None:
    used = LIST | READ | WRITE
    endpoint = inputs(network())["VpcEndpoint net-s3"]
    assert used <= set(json.loads(endpoint["policy"])["Statement"][0]["Action"])


def test_the_rest_of_the_network_is_there_and_nothing_else() -> None:
    found = inputs(network(replace(ARGS, flow_logs=FlowLogs(bucket_name="logs"))))
    elsewhere = ("Subnet", "Route", "VpcEndpoint", "SecurityGroupIn", "SecurityGroupEg")
    gateway = {
        "allocationId": "net-nat-a-id",
        "subnetId": "net-public-a-id",
        "tags": {"Name": "net-nat-a"},
    }
    group = {
        "vpcId": "net-id",
        "description": "front: what its edges say, and nothing else",
        "tags": {"Name": "net-front"},
    }
    assert {each: of for each, of in found.items() if not each.startswith(elsewhere)} == {
        "Vpc net": {
            "cidrBlock": "10.0.0.0/16",
            "enableDnsHostnames": True,
            "enableDnsSupport": True,
            "tags": {"Name": "net"},
        },
        "DefaultSecurityGroup net-default": {
            "vpcId": "net-id",
            "tags": {"Name": "net-default: allows nothing"},
        },
        "FlowLog net-flow-logs": {
            "vpcId": "net-id",
            "trafficType": "REJECT",
            "logDestinationType": "s3",
            "logDestination": "arn:aws:s3:::logs",
            "maxAggregationInterval": 600,
            "destinationOptions": {"fileFormat": "parquet", "perHourPartition": True},
            "tags": {"Name": "net-flow-logs"},
        },
        "InternetGateway net-internet": {"vpcId": "net-id", "tags": {"Name": "net"}},
        "Eip net-nat-a": {"domain": "vpc", "tags": {"Name": "net-nat-a"}},
        "Eip net-nat-b": {"domain": "vpc", "tags": {"Name": "net-nat-b"}},
        "NatGateway net-nat-a": gateway,
        "NatGateway net-nat-b": {
            "allocationId": "net-nat-b-id",
            "subnetId": "net-public-b-id",
            "tags": {"Name": "net-nat-b"},
        },
        "PrivateDnsNamespace net-names": {"name": "test.internal", "vpc": "net-id"},
        "SecurityGroup net-front": group,
        "SecurityGroup net-service": {
            "vpcId": "net-id",
            "description": "service: what its edges say, and nothing else",
            "tags": {"Name": "net-service"},
        },
    }


def test_without_a_bucket_no_connection_is_written_down() -> None:
    assert network().of("aws:ec2/flowLog:FlowLog") == []


def test_an_edge_opens_both_ends_and_nothing_else() -> None:
    graph = network()
    tcp = {"ipProtocol": "tcp"}
    assert {
        each.name: each.inputs
        for each in graph.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    } == {
        "net-internet-to-front-443": {
            **tcp,
            "securityGroupId": "net-front-id",
            "cidrIpv4": "0.0.0.0/0",
            "fromPort": 443,
            "toPort": 443,
            "description": "from internet",
        },
        "net-front-to-service-8000": {
            **tcp,
            "securityGroupId": "net-service-id",
            "referencedSecurityGroupId": "net-front-id",
            "fromPort": 8000,
            "toPort": 8000,
            "description": "from front",
        },
    }
    assert {
        each.name: each.inputs
        for each in graph.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    } == {
        "net-front-to-service-8000": {
            **tcp,
            "securityGroupId": "net-front-id",
            "referencedSecurityGroupId": "net-service-id",
            "fromPort": 8000,
            "toPort": 8000,
            "description": "to service",
        },
        "net-service-to-internet-443": {
            **tcp,
            "securityGroupId": "net-service-id",
            "cidrIpv4": "0.0.0.0/0",
            "fromPort": 443,
            "toPort": 443,
            "description": "to internet",
        },
    }


def test_a_party_is_placed_in_private_subnets_with_its_own_group() -> None:
    def main() -> None:
        there = Network("net", ARGS)
        place = there.place("service")
        pulumi.export("group", place.security_group_id)
        pulumi.export("subnets", place.subnet_ids)
        pulumi.export("url", there.url_of("service", 8000))
        with pytest.raises(ValueError, match=r"no edge names 'other'.*front, service"):
            there.place("other")

    assert alone(main).outputs == {
        "group": "net-service-id",
        "subnets": ["net-private-a-id", "net-private-b-id"],
        "url": "http://service.test.internal:8000",
    }


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"cidr": "10.0.0.0/15"}, "between /16 and /24"),
        ({"cidr": "10.0.0.0/25"}, "between /16 and /24"),
        ({"cidr": "8.8.0.0/16"}, "private range"),
        ({"cidr": "10.0.0.1/16"}, "host bits"),
        ({"zones": ["a"]}, "two to four"),
        ({"zones": ["a", "a"]}, "different"),
        ({"edges": [ARGS.edges[0], ARGS.edges[0]]}, "stated twice"),
        ({"account_id": "1234"}, "account_id is '1234'"),
    ],
)
def test_a_network_that_could_not_be_does_not_construct(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(ARGS, **wrong)


@pytest.mark.parametrize(
    ("end", "port"), [("front", 443), ("service", 0), ("service", 65536), ("nat", 443)]
)
def test_an_edge_that_leads_nowhere_does_not_construct(end: str, port: int) -> None:
    with pytest.raises(ValueError, match="edge"):
        Edge(source="front", target=end, port=port)


@st.composite
def networks(draw: st.DrawFn) -> NetworkArgs:
    prefix = draw(st.integers(16, 24))
    address = draw(st.integers(0, 2 ** (prefix - 8) - 1)) << (32 - prefix)
    block = ipaddress.IPv4Network((int(ipaddress.IPv4Address("10.0.0.0")) + address, prefix))
    zones = draw(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=4, unique=True))
    return replace(ARGS, cidr=str(block), zones=zones)


@given(networks())
def test_subnets_lie_in_the_network_do_not_overlap_and_are_not_too_small(args: NetworkArgs) -> None:
    subnets = [
        ipaddress.IPv4Network(args.subnet_cidr(tier, zone)) for tier in TIERS for zone in args.zones
    ]
    whole = ipaddress.IPv4Network(args.cidr)
    assert all(each.subnet_of(whole) and each.prefixlen <= 28 for each in subnets)
    assert not any(a.overlaps(b) for i, a in enumerate(subnets) for b in subnets[:i])


@given(networks().filter(lambda args: len(args.zones) > 2))
def test_a_zone_that_is_added_moves_no_subnet(args: NetworkArgs) -> None:
    before = replace(args, zones=args.zones[:-1])
    for tier in TIERS:
        for zone in before.zones:
            assert before.subnet_cidr(tier, zone) == args.subnet_cidr(tier, zone)
