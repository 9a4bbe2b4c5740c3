"""What the network, the load balancer, names and the firewall cost."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from hokusai_infra.preview.line import Bill, Line, PriceRule, UnpricedError, stated
from hokusai_infra.preview.rates import HOURS_A_MONTH


def _balancer(bill: Bill) -> Iterable[Line]:
    balancer = bill.resource
    if balancer.inputs.get("loadBalancerType", "application") != "application":
        raise UnpricedError(f"a load balancer of type {balancer.inputs['loadBalancerType']}")
    yield bill.hourly("load balancer", "alb/hour")
    if not balancer.inputs.get("internal"):
        zones = len(stated(balancer, "subnets"))
        yield bill.hourly(
            f"{zones} public IPv4, one a zone", "vpc/public-ipv4", zones, derived=True
        )
    yield bill.used("capacity units", "alb/lcu", "alb_lcu", HOURS_A_MONTH)
    yield bill.used("transfer out", "data-transfer/out", "transfer_out_gb")


def _address(bill: Bill) -> Iterable[Line]:
    yield bill.hourly("public IPv4", "vpc/public-ipv4")


def _nat_gateway(bill: Bill) -> Iterable[Line]:
    yield bill.hourly("NAT gateway", "nat-gateway/hour")
    yield bill.used("through it", "nat-gateway/processed", "nat_gb")


def _endpoint(bill: Bill) -> Iterable[Line]:
    endpoint = bill.resource
    if endpoint.inputs.get("vpcEndpointType", "Gateway") == "Gateway":
        return
    zones = len(stated(endpoint, "subnetIds"))
    yield bill.hourly(f"endpoint in {zones} zones", "vpc-endpoint/interface-az-hour", zones)
    yield bill.used("through it", "vpc-endpoint/interface-processed", "endpoint_gb")


def _flow_log(bill: Bill) -> Iterable[Line]:
    log = bill.resource
    to_s3 = log.inputs.get("logDestinationType") == "s3"
    rate = "cloudwatch/logs-vended-s3" if to_s3 else "cloudwatch/logs-vended"
    yield bill.used("delivery of flow logs", rate, "flow_logs_gb")
    options = log.inputs.get("destinationOptions") or {}
    if options.get("fileFormat") == "parquet":
        yield bill.used("their conversion to Parquet", "cloudwatch/logs-to-parquet", "flow_logs_gb")


def _namespace(bill: Bill) -> Iterable[Line]:
    yield bill.fixed("hosted zone of the private names", "route53/zone", 1, derived=True)
    yield bill.used("look-ups", "route53/queries", "dns_queries_millions")


def _zone(bill: Bill) -> Iterable[Line]:
    yield bill.fixed("hosted zone", "route53/zone", 1)


def _record(bill: Bill) -> Iterable[Line]:
    """Price the zone of the first record in it, if the zone was made elsewhere."""
    record = bill.resource
    zone = record.inputs.get("zoneId")
    of_zone = [e for e in bill.graph.of(record.type) if e.inputs.get("zoneId") == zone]
    if of_zone[0] is record and not bill.behind(record, "zoneId", "aws:route53/zone:Zone"):
        yield bill.fixed(
            "hosted zone of the domain, made elsewhere", "route53/zone", 1, derived=True
        )


def _firewall(bill: Bill) -> Iterable[Line]:
    firewall = bill.resource
    rules = len(stated(firewall, "rules"))
    yield bill.fixed("web application firewall", "waf/web-acl", 1)
    yield bill.fixed(f"{rules} rules and groups", "waf/rule", rules)
    yield bill.used("requests", "waf/requests", "waf_requests_millions")


def _rule_group(bill: Bill) -> Iterable[Line]:
    group = bill.resource
    rules = len(group.inputs.get("rules") or [])
    yield bill.fixed(f"{rules} rules of a group of one's own", "waf/rule", Decimal(rules))


PRICES: Final[dict[str, PriceRule]] = {
    "aws:ec2/eip:Eip": _address,
    "aws:ec2/flowLog:FlowLog": _flow_log,
    "aws:ec2/natGateway:NatGateway": _nat_gateway,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:route53/record:Record": _record,
    "aws:route53/zone:Zone": _zone,
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": _namespace,
    "aws:wafv2/ruleGroup:RuleGroup": _rule_group,
    "aws:wafv2/webAcl:WebAcl": _firewall,
}
