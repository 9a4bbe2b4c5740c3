"""LoadBalancer: the one place where the internet comes in."""

from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_aws import acm, lb, route53

IDLE_SECONDS: Final = 300
"""Longest pause within a connection; a server must not close one before that."""
TLS_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """What a caller decides about a load balancer."""

    subnet_ids: list[pulumi.Input[str]]
    security_group_id: pulumi.Input[str]
    domain: str
    """Services answer at ``<service>.<domain>``."""
    hosted_zone_id: pulumi.Input[str] | None
    """Route 53 zone of ``domain``; without one the listener speaks HTTP, for a laptop."""
    protected: bool = True
    """Refuse deletion."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A host name whose requests a service takes."""

    listener_arn: pulumi.Input[str]
    host: str
    priority: int


class LoadBalancer(pulumi.ComponentResource):
    """Requests for a known host go to its service, over TLS alone where there is a certificate.

    The certificate renews itself. Plain HTTP is answered with a redirect, an unknown host with 404.
    """

    dns_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:LoadBalancer", name, None, opts)
        self._name, self._args = name, args
        self._child = child = pulumi.ResourceOptions(parent=self)
        self._routes: list[Route] = []

        self._balancer = lb.LoadBalancer(
            name,
            load_balancer_type="application",
            internal=False,
            subnets=args.subnet_ids,
            security_groups=[args.security_group_id],
            idle_timeout=IDLE_SECONDS,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_deletion_protection=args.protected,
            opts=child,
        )
        self.dns_name = self._balancer.dns_name

        unknown_host: list[lb.ListenerDefaultActionArgsDict] = [
            {
                "type": "fixed-response",
                "fixed_response": {
                    "content_type": "text/plain",
                    "message_body": "No service answers at this host.",
                    "status_code": "404",
                },
            }
        ]
        to_https: list[lb.ListenerDefaultActionArgsDict] = [
            {
                "type": "redirect",
                "redirect": {"protocol": "HTTPS", "port": "443", "status_code": "HTTP_301"},
            }
        ]
        http = lb.Listener(
            f"{name}-http",
            load_balancer_arn=self._balancer.arn,
            protocol="HTTP",
            port=80,
            default_actions=to_https if args.hosted_zone_id is not None else unknown_host,
            opts=child,
        )
        self._listener = http
        if args.hosted_zone_id is not None:
            self._listener = lb.Listener(
                f"{name}-https",
                load_balancer_arn=self._balancer.arn,
                protocol="HTTPS",
                port=443,
                ssl_policy=TLS_POLICY,
                certificate_arn=self._certificate(args.hosted_zone_id),
                default_actions=unknown_host,
                opts=child,
            )
        self.register_outputs({"dns_name": self.dns_name})

    def route(self, service: str, *, priority: int) -> Route:
        """Publish ``<service>.<domain>``, and let a service take its requests.

        Rules are tried by priority, which is stated: one that followed from the order of the
        program would change with it.
        """
        host = f"{service}.{self._args.domain}"
        for other in self._routes:
            if other.host == host or other.priority == priority:
                raise ValueError(
                    f"{host} at priority {priority}: {other.host} at {other.priority} is there"
                )
        if self._args.hosted_zone_id is not None:
            route53.Record(
                f"{self._name}-{service}",
                zone_id=self._args.hosted_zone_id,
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
        route = Route(listener_arn=self._listener.arn, host=host, priority=priority)
        self._routes.append(route)
        return route

    def _certificate(self, hosted_zone_id: pulumi.Input[str]) -> pulumi.Output[str]:
        """Have a certificate for all hosts of the domain, proven and renewed by a DNS record."""
        name = f"{self._name}-certificate"
        certificate = acm.Certificate(
            name,
            domain_name=f"*.{self._args.domain}",
            validation_method="DNS",
            opts=self._child,
        )
        proof = certificate.domain_validation_options[0]
        record = route53.Record(
            name,
            zone_id=hosted_zone_id,
            name=proof.resource_record_name,
            type=proof.resource_record_type,
            records=[proof.resource_record_value],
            ttl=300,
            opts=self._child,
        )
        validated = acm.CertificateValidation(
            name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self._child,
        )
        return validated.certificate_arn
