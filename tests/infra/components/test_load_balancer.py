from dataclasses import replace

import pulumi
import pytest

from hokusai_infra.components.load_balancer import LoadBalancer, LoadBalancerArgs
from tests.infra.recordings import alone, inputs

ARGS = LoadBalancerArgs(
    subnet_ids=["sn-1", "sn-2"],
    security_group_id="sg-1",
    domain="example.com",
    hosted_zone_id="ZONE",
)
BALANCER = (
    "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/lb/0123456789abcdef"
)
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/lb-certificate"
UNKNOWN_HOST = [
    {
        "type": "fixed-response",
        "fixedResponse": {
            "contentType": "text/plain",
            "messageBody": "No service answers at this host.",
            "statusCode": "404",
        },
    }
]


def test_with_a_zone_everything_is_https_and_the_certificate_renews_itself() -> None:
    found = inputs(alone(lambda: LoadBalancer("lb", ARGS)))
    assert found == {
        "LoadBalancer lb": {
            "loadBalancerType": "application",
            "internal": False,
            "subnets": ["sn-1", "sn-2"],
            "securityGroups": ["sg-1"],
            "idleTimeout": 300,
            "dropInvalidHeaderFields": True,
            "desyncMitigationMode": "defensive",
            "enableDeletionProtection": True,
        },
        "Listener lb-http": {
            "loadBalancerArn": BALANCER,
            "protocol": "HTTP",
            "port": 80,
            "defaultActions": [
                {
                    "type": "redirect",
                    "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"},
                }
            ],
        },
        "Listener lb-https": {
            "loadBalancerArn": BALANCER,
            "protocol": "HTTPS",
            "port": 443,
            "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "certificateArn": CERTIFICATE,
            "defaultActions": UNKNOWN_HOST,
        },
        "Certificate lb-certificate": {"domainName": "*.example.com", "validationMethod": "DNS"},
        "Record lb-certificate": {
            "zoneId": "ZONE",
            "name": "_proof.*.example.com.",
            "type": "CNAME",
            "records": ["_lb-certificate.acm-validations.aws."],
            "ttl": 300,
        },
        "CertificateValidation lb-certificate": {
            "certificateArn": CERTIFICATE,
            "validationRecordFqdns": ["_proof.*.example.com."],
        },
    }


def test_without_a_zone_there_is_one_http_listener() -> None:
    found = inputs(alone(lambda: LoadBalancer("lb", replace(ARGS, hosted_zone_id=None))))
    assert found.keys() == {"LoadBalancer lb", "Listener lb-http"}
    assert found["Listener lb-http"]["defaultActions"] == UNKNOWN_HOST


def test_a_route_is_published_and_goes_to_the_https_listener() -> None:
    def main() -> None:
        route = LoadBalancer("lb", ARGS).route("api", priority=10)
        pulumi.export("route", [route.listener_arn, route.host, route.priority])

    graph = alone(main)
    https = graph.one("aws:lb/listener:Listener", "lb-https").state["arn"]
    assert graph.outputs["route"] == [https, "api.example.com", 10]
    assert graph.one("aws:route53/record:Record", "lb-api").inputs == {
        "zoneId": "ZONE",
        "name": "api.example.com",
        "type": "A",
        "aliases": [
            {
                "name": "lb-1234.elb.amazonaws.com",
                "zoneId": "Z35SXDOTRQ7X7K",
                "evaluateTargetHealth": True,
            }
        ],
    }


@pytest.mark.parametrize(("service", "priority"), [("api", 20), ("other", 10)])
def test_two_routes_that_could_both_take_a_request_are_refused(service: str, priority: int) -> None:
    def main() -> None:
        balancer = LoadBalancer("lb", ARGS)
        balancer.route("api", priority=10)
        with pytest.raises(ValueError, match=r"api\.example\.com at 10 is there"):
            balancer.route(service, priority=priority)

    alone(main)
