"""What holds for networks: who reaches whom, and what the internet reaches."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from pulumi_policy import PolicyResource, ResourceValidationArgs

from hokusai_infra.policy.documents import statements
from hokusai_infra.policy.rule import Rule, Stack, resource_rule, shown, stack_rule

ASSOCIATION: Final = "aws:ec2/routeTableAssociation:RouteTableAssociation"
BALANCER: Final = "aws:lb/loadBalancer:LoadBalancer"
DEFAULT_GROUP: Final = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
EGRESS: Final = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ENDPOINT: Final = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG: Final = "aws:ec2/flowLog:FlowLog"
GATEWAY: Final = "aws:ec2/internetGateway:InternetGateway"
GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
INGRESS: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OLD_RULE: Final = "aws:ec2/securityGroupRule:SecurityGroupRule"
ROUTE: Final = "aws:ec2/route:Route"
SERVICE: Final = "aws:ecs/service:Service"
SUBNET: Final = "aws:ec2/subnet:Subnet"
SUBNET_GROUP: Final = "aws:rds/subnetGroup:SubnetGroup"
TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
VPC: Final = "aws:ec2/vpc:Vpc"
GUIDE: Final = "https://docs.aws.amazon.com/vpc/latest/userguide"

ANYWHERE: Final = ("0.0.0.0/0", "::/0")
PUBLIC_PORTS: Final = frozenset({80, 443})
"""80 is there to redirect to 443."""
WAYS_OUT: Final = frozenset({443})
PRIVATE: Final = tuple(
    ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
"""RFC 1918."""


@resource_rule(
    "security-group-without-inline-rules",
    of=(GROUP, OLD_RULE),
    promise="Each rule of a security group is a resource of its own, so that review sees it.",
    page=f"{GUIDE}/security-group-rules.html",
)
def no_inline_rules(group: ResourceValidationArgs) -> Iterator[str]:
    """Check that a group has no rules inside, and that nobody uses the older resource."""
    if group.resource_type == OLD_RULE:
        yield "Use SecurityGroupIngressRule or SecurityGroupEgressRule."
    for kind in ("ingress", "egress"):
        if group.props.get(kind):
            yield f"{kind} is stated inside the group."


@resource_rule(
    "no-cidr-inside-the-network",
    of=(INGRESS, EGRESS),
    promise="Inside the network a rule names a security group, never a range of addresses.",
    page=f"{GUIDE}/security-group-rules.html",
)
def no_cidr_inside(rule: ResourceValidationArgs) -> Iterator[str]:
    """Check that a range is that of everybody, which other rules are about."""
    for key in ("cidrIpv4", "cidrIpv6"):
        if rule.props.get(key) not in (None, *ANYWHERE):
            yield f"{key} is {rule.props[key]}: reference the security group of who is there."


@resource_rule(
    "rule-names-one-port",
    of=(INGRESS, EGRESS),
    promise="A rule of a security group is about one port and TCP, or one port and UDP.",
    page=f"{GUIDE}/security-group-rules.html",
)
def names_one_port(rule: ResourceValidationArgs) -> Iterator[str]:
    """Check protocol and range."""
    if rule.props.get("ipProtocol") not in ("tcp", "udp"):
        yield f"ipProtocol is {rule.props.get('ipProtocol')}."
    ports = (rule.props.get("fromPort"), rule.props.get("toPort"))
    if ports[0] is None or ports[0] != ports[1]:
        yield f"It opens {shown(ports[0])} to {shown(ports[1])}."


@stack_rule(
    "internet-reaches-load-balancers-alone",
    of=INGRESS,
    promise="From the internet one reaches load balancers, at 443 and 80.",
    page=f"{GUIDE}/vpc-security-best-practices.html",
)
def internet_reaches_load_balancers(rule: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check whose group a rule for everybody is in."""
    if not _for_everybody(rule):
        return
    if rule.props.get("fromPort") not in PUBLIC_PORTS:
        yield f"Port {shown(rule.props.get('fromPort'))} is open to everybody."
    for group in rule.property_dependencies.get("securityGroupId", []):
        if not stack.pointing_at(group, BALANCER, "securityGroups"):
            yield f"{group.name} is no load balancer's, and everybody may reach it."


@resource_rule(
    "way-out-is-https",
    of=EGRESS,
    promise="What goes out to the internet goes to port 443.",
    page=f"{GUIDE}/vpc-security-best-practices.html",
)
def way_out_is_https(rule: ResourceValidationArgs) -> Iterator[str]:
    """Check the port of a rule towards everybody."""
    if _for_everybody(rule) and rule.props.get("fromPort") not in WAYS_OUT:
        yield f"It lets out to everybody at port {shown(rule.props.get('fromPort'))}."


@stack_rule(
    "default-security-group-is-empty",
    of=VPC,
    promise="The security group that AWS gives to whoever names none allows nothing.",
    page="https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-2",
)
def default_group_is_empty(vpc: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check that it is managed, and has no rule."""
    groups = stack.pointing_at(vpc, DEFAULT_GROUP, "vpcId")
    if not groups:
        yield "Make a DefaultSecurityGroup without rules: AWS's own lets all members talk."
    if any(each.props.get(kind) for each in groups for kind in ("ingress", "egress")):
        yield "It has rules."


@stack_rule(
    "network-writes-flow-logs",
    of=VPC,
    promise="A network writes down at least the connections that it refuses.",
    page=f"{GUIDE}/flow-logs.html",
)
def writes_flow_logs(vpc: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check that refused connections are among those written."""
    types = {each.props.get("trafficType") for each in stack.pointing_at(vpc, FLOW_LOG, "vpcId")}
    if not types & {"ALL", "REJECT"}:
        yield "There is no FlowLog of ALL or REJECT."


@resource_rule(
    "network-range-is-private",
    of=VPC,
    promise="A network's addresses are private, and clash with nothing on the internet.",
    page="https://www.rfc-editor.org/rfc/rfc1918",
)
def range_is_private(vpc: ResourceValidationArgs) -> Iterator[str]:
    """Check the range against RFC 1918."""
    cidr = ipaddress.IPv4Network(vpc.props["cidrBlock"])
    if not any(cidr.subnet_of(each) for each in PRIVATE):
        yield f"{cidr} is none of RFC 1918."


@resource_rule(
    "no-public-address-by-default",
    of=SUBNET,
    promise="Nothing gets a public address because of the subnet it is in.",
    page="https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-15",
)
def no_public_address(subnet: ResourceValidationArgs) -> Iterator[str]:
    """Check what a new interface gets."""
    if subnet.props.get("mapPublicIpOnLaunch"):
        yield "mapPublicIpOnLaunch is true."


@stack_rule(
    "database-has-no-way-out",
    of=SUBNET_GROUP,
    promise="A database is in subnets without a route to anywhere outside the network.",
    page="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html",
)
def database_has_no_way_out(group: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check the routes of its subnets."""
    for subnet in group.property_dependencies.get("subnetIds", []):
        for route in _routes_of(subnet, stack):
            yield f"{subnet.name} has the route {route.name}."


@stack_rule(
    "service-is-not-reachable-from-outside",
    of=SERVICE,
    promise="A task has no public address and no route in from the internet.",
    page="https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html",
)
def service_is_private(service: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check address and routes."""
    if service.props.get("networkConfiguration", {}).get("assignPublicIp"):
        yield "assignPublicIp is true."
    for each in service.property_dependencies.get("networkConfiguration", []):
        if each.resource_type == SUBNET and any(
            _points_to(route, GATEWAY, "gatewayId") for route in _routes_of(each, stack)
        ):
            yield f"{each.name} is a public subnet."


@resource_rule(
    "endpoint-has-a-policy",
    of=ENDPOINT,
    promise="What may be asked through an endpoint is stated, and is not everything.",
    page="https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html",
)
def endpoint_has_a_policy(endpoint: ResourceValidationArgs) -> Iterator[str]:
    """Check that there is one, and that it is not that of AWS."""
    found = statements(endpoint.props.get("policy"))
    if not found:
        yield "It has no policy, so AWS lets everything through, to every account's buckets."
    for each in found:
        if each.allows and ("*" in each.actions or ("*" in each.resources and not each.conditions)):
            yield f"{each.sid or 'A statement'} allows everything."


@resource_rule(
    "instance-metadata-needs-a-token",
    of=TEMPLATE,
    promise="An instance hands out its credentials to who asks with a token only (IMDSv2).",
    page="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html",
)
def metadata_needs_a_token(template: ResourceValidationArgs) -> Iterator[str]:
    """Check that older requests are refused."""
    if template.props.get("metadataOptions", {}).get("httpTokens") != "required":
        yield "metadataOptions.httpTokens is not required."


@resource_rule(
    "instance-disks-are-encrypted",
    of=TEMPLATE,
    promise="An instance's disks are encrypted.",
    page="https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html",
)
def disks_are_encrypted(template: ResourceValidationArgs) -> Iterator[str]:
    """Check each disk that it states; one that it does not state is the image's, in clear."""
    disks = template.props.get("blockDeviceMappings") or []
    if not disks:
        yield "It states no disk, and that of the image is not encrypted."
    for each in disks:
        if str(each.get("ebs", {}).get("encrypted")).lower() != "true":
            yield f"{each.get('deviceName')} is not encrypted."


@resource_rule(
    "no-login-on-instances",
    of=TEMPLATE,
    promise="Nobody logs in on an instance: what it runs is in its image and its user data.",
    page="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-security.html",
)
def no_login(template: ResourceValidationArgs) -> Iterator[str]:
    """Check that it has no key pair."""
    if template.props.get("keyName"):
        yield f"It has the key pair {template.props['keyName']}."


def _for_everybody(rule: PolicyResource | ResourceValidationArgs) -> bool:
    return any(rule.props.get(key) in ANYWHERE for key in ("cidrIpv4", "cidrIpv6"))


def _routes_of(subnet: PolicyResource, stack: Stack) -> list[PolicyResource]:
    tables = [
        table
        for each in stack.pointing_at(subnet, ASSOCIATION, "subnetId")
        for table in each.property_dependencies.get("routeTableId", [])
    ]
    return [route for table in tables for route in stack.pointing_at(table, ROUTE, "routeTableId")]


def _points_to(it: PolicyResource, type_: str, key: str) -> bool:
    return any(each.resource_type == type_ for each in it.property_dependencies.get(key, []))


RULES: Final[tuple[Rule, ...]] = (
    no_inline_rules,
    no_cidr_inside,
    names_one_port,
    internet_reaches_load_balancers,
    way_out_is_https,
    default_group_is_empty,
    writes_flow_logs,
    range_is_private,
    no_public_address,
    database_has_no_way_out,
    service_is_private,
    endpoint_has_a_policy,
    metadata_needs_a_token,
    disks_are_encrypted,
    no_login,
)
