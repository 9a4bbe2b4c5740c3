"""Mistakes with how requests come in and go out."""

from typing import Final

from hokusai_infra.policy.rules import load_balancers, network
from tests.infra.policy.changes import GONE, Change
from tests.infra.policy.mistake import EVERYBODY, Mistake, turned

LOAD_BALANCERS: Final = (
    Mistake(
        rule="http-only-redirects",
        change=turned(load_balancers.LISTENER, "public-http", defaultActions__0__type="forward"),
    ),
    Mistake(
        rule="tls-policy-is-current",
        change=turned(
            load_balancers.LISTENER, "public-https", sslPolicy="ELBSecurityPolicy-2016-08"
        ),
    ),
    Mistake(
        rule="requests-are-served-over-tls",
        change=Change(
            of=load_balancers.LISTENER_RULE,
            links={"listenerArn": (load_balancers.LISTENER, "public-http")},
        ),
    ),
    Mistake(
        rule="load-balancer-reads-requests-strictly",
        change=turned(load_balancers.BALANCER, desyncMitigationMode="monitor"),
    ),
    Mistake(
        rule="load-balancer-logs-requests",
        change=turned(load_balancers.BALANCER, accessLogs=GONE),
    ),
    Mistake(
        rule="load-balancer-stays-in-prod",
        stack="prod",
        change=turned(load_balancers.BALANCER, enableDeletionProtection=False),
    ),
    Mistake(
        rule="firewall-in-front-of-prod",
        stack="prod",
        change=Change(of=load_balancers.GUARDED),
        seen_at=(load_balancers.BALANCER, "public"),
    ),
    Mistake(
        rule="firewall-limits-the-rate",
        stack="prod",
        change=turned(load_balancers.FIREWALL, rules=[]),
    ),
    Mistake(
        rule="firewall-logs-no-credentials",
        stack="prod",
        change=turned(load_balancers.FIREWALL_LOGS, redactedFields=[]),
    ),
)

NETWORK: Final = (
    Mistake(
        rule="security-group-without-inline-rules",
        change=turned(network.GROUP, ingress=[{"fromPort": 22, "cidrBlocks": [EVERYBODY]}]),
    ),
    Mistake(
        rule="no-cidr-inside-the-network",
        change=turned(network.INGRESS, "network-api-to-database-5432", cidrIpv4="10.20.0.0/16"),
    ),
    Mistake(
        rule="rule-names-one-port",
        change=turned(network.INGRESS, "network-api-to-database-5432", toPort=65535),
    ),
    Mistake(
        rule="internet-reaches-load-balancers-alone",
        change=turned(network.INGRESS, "network-api-to-database-5432", cidrIpv4=EVERYBODY),
    ),
    Mistake(
        rule="internet-reaches-load-balancers-alone",
        change=turned(network.INGRESS, "network-internet-to-load-balancer-443", fromPort=22),
    ),
    Mistake(
        rule="way-out-is-https",
        change=turned(
            network.EGRESS, "network-api-to-internet-443", fromPort=25, cidrIpv4=EVERYBODY
        ),
    ),
    Mistake(
        rule="default-security-group-is-empty",
        change=turned(network.DEFAULT_GROUP, ingress=[{"self": True}]),
        seen_at=(network.VPC, "network"),
    ),
    Mistake(
        rule="default-security-group-is-empty",
        change=Change(of=network.DEFAULT_GROUP),
        seen_at=(network.VPC, "network"),
    ),
    Mistake(
        rule="network-writes-flow-logs",
        change=turned(network.FLOW_LOG, trafficType="ACCEPT"),
        seen_at=(network.VPC, "network"),
    ),
    Mistake(rule="network-range-is-private", change=turned(network.VPC, cidrBlock="52.0.0.0/16")),
    Mistake(
        rule="no-public-address-by-default",
        change=turned(network.SUBNET, mapPublicIpOnLaunch=True),
    ),
    Mistake(
        rule="database-has-no-way-out",
        change=Change(
            of=network.SUBNET_GROUP, links={"subnetIds": (network.SUBNET, "network-private-a")}
        ),
    ),
    Mistake(
        rule="service-is-not-reachable-from-outside",
        change=turned(network.SERVICE, networkConfiguration__assignPublicIp=True),
    ),
    Mistake(
        rule="service-is-not-reachable-from-outside",
        change=Change(
            of=network.SERVICE,
            links={"networkConfiguration": (network.SUBNET, "network-public-a")},
        ),
    ),
    Mistake(rule="endpoint-has-a-policy", change=turned(network.ENDPOINT, policy=GONE)),
    Mistake(
        rule="instance-metadata-needs-a-token",
        change=turned(network.TEMPLATE, metadataOptions__httpTokens="optional"),
    ),
    Mistake(
        rule="instance-disks-are-encrypted",
        change=turned(network.TEMPLATE, blockDeviceMappings__0__ebs__encrypted="false"),
    ),
    Mistake(rule="no-login-on-instances", change=turned(network.TEMPLATE, keyName="laptop")),
)
