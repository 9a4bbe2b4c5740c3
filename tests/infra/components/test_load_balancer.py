from dataclasses import replace

import pulumi
import pytest

from hokusai_infra.components.load_balancer import (
    Elsewhere,
    LoadBalancer,
    LoadBalancerArgs,
    Route53,
    dns,
)
from tests.infra.recordings import alone, inputs

ARGS = LoadBalancerArgs(
    subnet_ids=["sn-1", "sn-2"],
    security_group_id="sg-1",
    domain="example.com",
    dns=Route53(hosted_zone_id="ZONE"),
    access_logs="logs",
)
BALANCER = (
    "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/lb/0123456789abcdef"
)
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/lb-certificate"


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
            "xffHeaderProcessingMode": "append",
            "enableDeletionProtection": True,
            "accessLogs": {"bucket": "logs", "enabled": True},
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
            "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
            "certificateArn": CERTIFICATE,
            "routingHttpResponseServerEnabled": False,
            "defaultActions": [
                {
                    "type": "fixed-response",
                    "fixedResponse": {
                        "contentType": "text/plain",
                        "messageBody": "No service answers at this host.",
                        "statusCode": "404",
                    },
                }
            ],
        },
        "Certificate lb-certificate": {"domainName": "*.example.com", "validationMethod": "DNS"},
        "Record lb-certificate": {
            "zoneId": "ZONE",
            "name": "_proof.example.com.",
            "type": "CNAME",
            "records": ["_lb-certificate.acm-validations.aws."],
            "ttl": 300,
        },
        "CertificateValidation lb-certificate": {
            "certificateArn": CERTIFICATE,
            "validationRecordFqdns": ["_proof.example.com."],
        },
    }


def test_it_may_go_unlogged_and_be_deleted_where_the_stack_says_so() -> None:
    laptop = replace(ARGS, access_logs=None, protected=False)
    found = inputs(alone(lambda: LoadBalancer("lb", laptop)))
    assert "accessLogs" not in found["LoadBalancer lb"]
    assert found["LoadBalancer lb"]["enableDeletionProtection"] is False


def test_with_the_domain_elsewhere_all_is_https_and_each_record_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def main() -> None:
        balancer = LoadBalancer("lb", replace(ARGS, dns=Elsewhere()))
        pulumi.export("before", balancer.dns_records)
        balancer.route("api", priority=10)
        balancer.route("mlflow", priority=20)
        pulumi.export("dns_records", balancer.dns_records)

    with caplog.at_level("INFO", "pulumi"):
        graph = alone(main)
    found = inputs(graph)
    assert found.keys() == {
        "LoadBalancer lb",
        "Listener lb-http",
        "Listener lb-https",
        "Certificate lb-certificate",
        "CertificateValidation lb-certificate",
    }
    assert found["CertificateValidation lb-certificate"] == {"certificateArn": CERTIFICATE}
    assert found["Listener lb-http"]["defaultActions"][0]["type"] == "redirect"
    proof = {
        "name": "_proof.example.com.",
        "type": "CNAME",
        "value": "_lb-certificate.acm-validations.aws.",
    }
    assert graph.outputs == {
        "before": [proof],
        "dns_records": [
            proof,
            *(
                {
                    "name": f"{service}.example.com",
                    "type": "CNAME",
                    "value": "lb-1234.elb.amazonaws.com",
                }
                for service in ("api", "mlflow")
            ),
        ],
    }
    told = [each.message for each in caplog.records]
    assert sorted(told) == [
        "Make this DNS record: _proof.example.com. CNAME _lb-certificate.acm-validations.aws.",
        "Make this DNS record: api.example.com CNAME lb-1234.elb.amazonaws.com",
        "Make this DNS record: mlflow.example.com CNAME lb-1234.elb.amazonaws.com",
    ]


def test_where_route_53_has_the_domain_nothing_is_left_to_do_by_hand() -> None:
    def main() -> None:
        balancer = LoadBalancer("lb", ARGS)
        balancer.route("api", priority=10)
        assert balancer.dns_records == []

    alone(main)


def test_a_stack_file_names_who_has_the_domain() -> None:
    assert dns("route53", "ZONE") == Route53(hosted_zone_id="ZONE")
    assert dns("elsewhere") == Elsewhere()
    with pytest.raises(ValueError, match="needs its hosted_zone_id"):
        dns("route53")


def test_a_route_is_published_and_goes_to_the_https_listener() -> None:
    def main() -> None:
        route = LoadBalancer("lb", ARGS).route("api", priority=10)
        pulumi.export("route", [route.listener_arn, route.host, route.priority])
        pulumi.export("suffix", route.load_balancer_arn_suffix)

    graph = alone(main)
    https = graph.one("aws:lb/listener:Listener", "lb-https").state["arn"]
    assert graph.outputs["route"] == [https, "api.example.com", 10]
    assert graph.outputs["suffix"] == "app/lb/0123456789abcdef"
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


@pytest.mark.parametrize("service", ["*", "a.b", "", "API", "-a", "x" * 64])
def test_a_host_that_the_certificate_does_not_cover_is_refused(service: str) -> None:
    def main() -> None:
        with pytest.raises(ValueError, match="take one label of a host name"):
            LoadBalancer("lb", ARGS).route(service, priority=10)

    alone(main)


@pytest.mark.parametrize("domain", ["Example.com", "*.example.com", "example.com.", "", "a..b"])
def test_a_domain_that_could_not_be_does_not_construct(domain: str) -> None:
    with pytest.raises(ValueError, match="take lower-case labels"):
        replace(ARGS, domain=domain)
