"""ExistingNetwork: exactly the groups and rules that edges state, and nothing of the VPC's."""

from collections.abc import Callable
from typing import Any

import pytest

from hokusai_infra.components.existing_network import ExistingNetwork, ExistingNetworkArgs
from hokusai_infra.components.network import INTERNET, Edge, Placement
from tests.infra.recordings import alone, inputs

EDGES = [
    Edge(source="clients", target="web", port=443),
    Edge(source="web", target="database", port=5432),
    Edge(source="web", target=INTERNET, port=443),
    Edge(source=INTERNET, target="web", port=80),
]


def args(**changed: Any) -> ExistingNetworkArgs:  # noqa: ANN401 - fields of several types
    return ExistingNetworkArgs(
        **{
            "region": "us-east-1",
            "vpc_id": "vpc-1",
            "private_subnet_ids": ["subnet-a", "subnet-b"],
            "namespace": "x.internal",
            "known": {"clients": "sg-clients"},
            "edges": EDGES,
            **changed,
        }
    )


def group(party: str) -> dict[str, Any]:
    return {
        "vpcId": "vpc-1",
        "description": f"{party}: what its edges say, and nothing else",
        "tags": {"Name": f"net-{party}"},
    }


def rule(of: str, port: int, description: str, **other: str) -> dict[str, Any]:
    return {
        "securityGroupId": f"net-{of}-id",
        "ipProtocol": "tcp",
        "fromPort": port,
        "toPort": port,
        "description": description,
        **other,
    }


def test_it_makes_groups_and_rules_along_the_edges_and_a_domain() -> None:
    web, database = {"referencedSecurityGroupId": "net-web-id"}, "net-database-id"
    assert inputs(alone(lambda: ExistingNetwork("net", args()))) == {
        "PrivateDnsNamespace net-names": {"name": "x.internal", "vpc": "vpc-1"},
        "SecurityGroup net-database": group("database"),
        "SecurityGroup net-web": group("web"),
        "SecurityGroupIngressRule net-clients-to-web-443": rule(
            "web", 443, "from clients", referencedSecurityGroupId="sg-clients"
        ),
        "SecurityGroupIngressRule net-web-to-database-5432": rule(
            "database", 5432, "from web", **web
        ),
        "SecurityGroupEgressRule net-web-to-database-5432": rule(
            "web", 5432, "to database", referencedSecurityGroupId=database
        ),
        "SecurityGroupEgressRule net-web-to-internet-443": rule(
            "web", 443, "to internet", cidrIpv4="0.0.0.0/0"
        ),
        "SecurityGroupIngressRule net-internet-to-web-80": rule(
            "web", 80, "from internet", cidrIpv4="0.0.0.0/0"
        ),
    }


def in_program(act: Callable[[ExistingNetwork], object]) -> object:
    found: list[object] = []
    alone(lambda: found.append(act(ExistingNetwork("net", args()))))
    return found[0]


def test_a_party_is_placed_in_the_subnets_that_are_there() -> None:
    place = in_program(lambda network: network.place("web"))
    assert isinstance(place, Placement)
    assert (place.region, place.namespace) == ("us-east-1", "x.internal")
    assert place.subnet_ids == ["subnet-a", "subnet-b"]
    assert [type(each) for each in place.ready] == [ExistingNetwork]
    assert in_program(lambda network: network.url_of("web", 80)) == "http://web.x.internal:80"


@pytest.mark.parametrize("party", ["clients", "nobody"])
def test_nobody_else_is_placed(party: str) -> None:
    with pytest.raises(ValueError, match=f"no edge gives '{party}' a security group"):
        in_program(lambda network: network.place(party))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"edges": [*EDGES, EDGES[0]]}, "edges are stated twice"),
        ({"known": {"clients": "sg-1", "web": "sg-2"}}, "edges lead to web, .* let its owner"),
        ({"known": {"clients": "sg-1", "idle": "sg-2"}}, "known names idle, but no edge does"),
    ],
)
def test_a_wrong_argument_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        args(**changed)
