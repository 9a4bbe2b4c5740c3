"""LoadBalancer: the one place where the internet comes in."""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypedDict

import pulumi
from pulumi_aws import acm, lb, route53

from hokusai_infra.suppressions import Suppression

IDLE_SECONDS: Final = 300
"""Longest pause within a connection; a server must not close one before that."""
TLS_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
"""TLS 1.3 and 1.2 with forward secrecy, and key exchange that a quantum computer cannot break.

What AWS recommends: docs.aws.amazon.com/elasticloadbalancing/latest/application/
describe-ssl-policies.html. A client that knows no post-quantum exchange gets a classical one.
"""

# RFC 1123, section 2.1: one label of a host name. A wildcard certificate covers exactly one.
LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DOMAIN: Final = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")

SUPPRESSIONS: Final = (
    Suppression(
        check="CKV2_AWS_71",
        of="aws:acm/certificate:Certificate",
        because="The wildcard covers one label below the stack's own domain, whose hosts all end "
        "at this load balancer; a new service then needs no new certificate, and public "
        "certificate logs do not list the services.",
    ),
    Suppression(
        check="CKV2_AWS_28",
        of="aws:lb/loadBalancer:LoadBalancer",
        because="A firewall costs 12 dollars a month and more; staging does without, and the model "
        "of the stack file refuses a prod that has none.",
    ),
    Suppression(
        check="CKV_AWS_150",
        of="aws:lb/loadBalancer:LoadBalancer",
        because="Deletion protection follows protect_data: staging is torn down at will, and the "
        "model of the stack file refuses a prod without it.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Route53:
    """A hosted zone of this account has the domain: records are made, and the certificate proven.

    There is no AAAA record, for the network has no IPv6, and no CAA record, which would also bind
    whatever else has a certificate below the domain.
    """

    hosted_zone_id: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Somebody else has the domain: the program tells which records to make by hand.

    A deployment waits up to 75 minutes until the record that proves the certificate is there.
    """


Dns = Route53 | Elsewhere


def dns(
    kind: Literal["route53", "elsewhere"], hosted_zone_id: pulumi.Input[str] | None = None
) -> Dns:
    """Turn what a stack file says of its domain into what a load balancer takes."""
    if kind == "elsewhere":
        return Elsewhere()
    if hosted_zone_id is None:
        raise ValueError("dns of kind route53 needs its hosted_zone_id")
    return Route53(hosted_zone_id=hosted_zone_id)


class DnsRecord(TypedDict):
    """A record that somebody has to make by hand."""

    name: pulumi.Input[str]
    type: pulumi.Input[str]
    value: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """What a caller decides about a load balancer."""

    subnet_ids: list[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]
    domain: str
    """Services answer at ``<service>.<domain>``."""
    dns: Dns
    """Who has the domain."""
    access_logs: pulumi.Input[str] | None = None
    """Name of a bucket that ``logdelivery.elasticloadbalancing.amazonaws.com`` may write to."""
    protected: bool = True
    """Refuse deletion."""
    internal: bool = False
    """Have private addresses alone: who is not in the network, or connected to it, stays out."""

    def __post_init__(self) -> None:
        if not DOMAIN.fullmatch(self.domain):
            raise ValueError(f"domain is {self.domain!r}: take lower-case labels with dots between")


@dataclass(frozen=True, kw_only=True)
class Route:
    """A host name whose requests a service takes."""

    listener_arn: pulumi.Input[str]
    load_balancer_arn_suffix: pulumi.Input[str]
    """``app/<name>/<id>``: how metrics and request-based scaling name the load balancer."""
    host: str
    priority: int


class LoadBalancer(pulumi.ComponentResource):
    """Requests for a known host go to its service, over TLS alone.

    The certificate renews itself. Plain HTTP is answered with a redirect, an unknown host with 404.
    """

    arn: pulumi.Output[str]
    arn_suffix: pulumi.Output[str]
    dns_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:LoadBalancer", name, None, opts)
        self._name, self._args = name, args
        self._child = child = pulumi.ResourceOptions(parent=self)
        self._routes: list[Route] = []
        self._by_hand: list[DnsRecord] = []

        self._balancer = lb.LoadBalancer(
            name,
            load_balancer_type="application",
            internal=args.internal,
            subnets=args.subnet_ids,
            security_groups=[args.security_group_id],
            idle_timeout=IDLE_SECONDS,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            xff_header_processing_mode="append",
            enable_deletion_protection=args.protected,
            access_logs=None
            if args.access_logs is None
            else {"bucket": args.access_logs, "enabled": True},
            opts=child,
        )
        self.arn, self.arn_suffix = self._balancer.arn, self._balancer.arn_suffix
        self.dns_name = self._balancer.dns_name
        self._listener = self._listen()
        self.register_outputs(
            {"arn": self.arn, "arn_suffix": self.arn_suffix, "dns_name": self.dns_name}
        )

    @property
    def dns_records(self) -> list[DnsRecord]:
        """Records to make by hand for all routes so far; none where Route 53 has the domain."""
        return list(self._by_hand)

    def route(self, service: str, *, priority: int) -> Route:
        """Publish ``<service>.<domain>``, and let a service take its requests.

        Rules are tried by priority, which is stated: one that followed from the order of the
        program would change with it.
        """
        if not LABEL.fullmatch(service):
            raise ValueError(
                f"service is {service!r}: take one label of a host name, lower case; the "
                "certificate covers no deeper name, and a wildcard would take other services' hosts"
            )
        host = f"{service}.{self._args.domain}"
        for other in self._routes:
            if other.host == host or other.priority == priority:
                raise ValueError(
                    f"{host} at priority {priority}: {other.host} at {other.priority} is there"
                )
        self._publish(service, host)
        route = Route(
            listener_arn=self._listener.arn,
            load_balancer_arn_suffix=self.arn_suffix,
            host=host,
            priority=priority,
        )
        self._routes.append(route)
        return route

    def _listen(self) -> lb.Listener:
        """Redirect HTTP, and return the listener of HTTPS, which has the rules."""
        name = self._name
        lb.Listener(
            f"{name}-http",
            load_balancer_arn=self._balancer.arn,
            protocol="HTTP",
            port=80,
            default_actions=[
                {
                    "type": "redirect",
                    "redirect": {"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"},
                }
            ],
            opts=self._child,
        )
        return lb.Listener(
            f"{name}-https",
            load_balancer_arn=self._balancer.arn,
            protocol="HTTPS",
            port=443,
            ssl_policy=TLS_POLICY,
            certificate_arn=self._certificate(self._args.dns),
            routing_http_response_server_enabled=False,
            default_actions=[
                {
                    "type": "fixed-response",
                    "fixed_response": {
                        "content_type": "text/plain",
                        "message_body": "No service answers at this host.",
                        "status_code": "404",
                    },
                }
            ],
            opts=self._child,
        )

    def _publish(self, service: str, host: str) -> None:
        dns = self._args.dns
        if isinstance(dns, Route53):
            route53.Record(
                f"{self._name}-{service}",
                zone_id=dns.hosted_zone_id,
                name=host,
                type="A",
                aliases=[
                    {
                        "name": self._balancer.dns_name,
                        "zone_id": self._balancer.zone_id,
                        "evaluate_target_health": True,
                    }
                ],
                opts=self._child,
            )
        else:
            self._tell({"name": host, "type": "CNAME", "value": self._balancer.dns_name})

    def _certificate(self, dns: Dns) -> pulumi.Output[str]:
        """Have a certificate for all hosts of the domain, proven and renewed by a DNS record."""
        name = f"{self._name}-certificate"
        certificate = acm.Certificate(
            name,
            domain_name=f"*.{self._args.domain}",
            validation_method="DNS",
            opts=self._child,
        )
        proof = certificate.domain_validation_options[0]
        fqdns: list[pulumi.Input[str]] | None = None
        if isinstance(dns, Route53):
            record = route53.Record(
                name,
                zone_id=dns.hosted_zone_id,
                name=proof.resource_record_name,
                type=proof.resource_record_type,
                records=[proof.resource_record_value],
                ttl=300,
                opts=self._child,
            )
            fqdns = [record.fqdn]
        else:
            self._tell(
                {
                    "name": proof.resource_record_name,
                    "type": proof.resource_record_type,
                    "value": proof.resource_record_value,
                }
            )
        validated = acm.CertificateValidation(
            name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=fqdns,
            opts=self._child,
        )
        return validated.certificate_arn

    def _tell(self, record: DnsRecord) -> None:
        """Say which record to make as soon as AWS has said it: a deployment may wait for it."""
        self._by_hand.append(record)
        line = pulumi.Output.concat(record["name"], " ", record["type"], " ", record["value"])
        line.apply(lambda text: pulumi.log.info(f"Make this DNS record: {text}", resource=self))
