"""What recorded names become on loopback."""

from collections.abc import Mapping

import pytest

from hokusai_infra.local.names import (
    Names,
    PrivateName,
    PublicListener,
    PublicName,
    Redirect,
    Target,
    local_names,
    private_names,
    public_listeners,
    public_names,
)
from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.state import StackError

NAMES = local_names(
    [
        (PublicName("api.hokusai.localhost", ()), 20_001),
        (PublicName("mlflow.hokusai.localhost", ()), 20_002),
        (PublicName("x.mlflow.hokusai.localhost", ()), 20_003),
    ],
    [(PrivateName("mlflow.hokusai-local.internal", 5000, "mlflow"), 20_004)],
)


@pytest.mark.parametrize(
    ("recorded", "local"),
    [
        ("https://api.hokusai.localhost", "http://127.0.0.1:20001"),
        ("https://mlflow.hokusai.localhost", "http://localhost:20002"),
        ("http://x.mlflow.hokusai.localhost/a?b=c", "http://localhost:20003/a?b=c"),
        ("https://api.hokusai.localhost:443/v1", "http://127.0.0.1:20001/v1"),
        ("HTTPS://API.hokusai.localhost", "http://127.0.0.1:20001"),
        (
            "https://api.hokusai.localhost, https://mlflow.hokusai.localhost/",
            "http://127.0.0.1:20001, http://localhost:20002/",
        ),
        ("http://mlflow.hokusai-local.internal:5000/x", "http://127.0.0.1:20004/x"),
    ],
)
def test_a_routed_url_becomes_a_local_one(recorded: str, local: str) -> None:
    assert NAMES.resolve(recorded) == local


@pytest.mark.parametrize(
    "text",
    [
        "api.hokusai.localhost",
        "https://api.hokusai.localhost.evil.example",
        "https://other-api.hokusai.localhost",
        "https://api.hokusai.localhost:8443",
        "http://mlflow.hokusai-local.internal:5001/x",
        "http://mlflow.hokusai-local.internal/x",
        "arn:aws:s3:::bucket",
    ],
)
def test_every_other_text_stays(text: str) -> None:
    assert NAMES.resolve(text) == text


def test_without_names_nothing_changes() -> None:
    assert Names({}).resolve("https://api.example.org") == "https://api.example.org"


def test_names_are_found_inside_json() -> None:
    value = {"urls": ["https://api.hokusai.localhost"], "count": 1}
    assert NAMES.resolved(value) == {"urls": ["http://127.0.0.1:20001"], "count": 1}


def graph(*resources: Recorded) -> RecordedGraph:
    return RecordedGraph("p", "local", {}, {}, resources)


def listener(*actions: Mapping[str, object]) -> Recorded:
    inputs = {"loadBalancerArn": "arn:lb", "defaultActions": list(actions)}
    return Recorded("aws:lb/listener:Listener", "l", inputs, {"arn": "arn:l"})


def rule(name: str, priority: int, *conditions: Mapping[str, object], **action: object) -> Recorded:
    inputs = {
        "listenerArn": "arn:l",
        "priority": priority,
        "conditions": list(conditions),
        "actions": [action or {"type": "forward", "targetGroupArn": f"arn:{name}"}],
    }
    return Recorded("aws:lb/listenerRule:ListenerRule", name, inputs, {})


BALANCER = Recorded(
    "aws:lb/loadBalancer:LoadBalancer",
    "lb",
    {"idleTimeout": 300},
    {"arn": "arn:lb", "dnsName": "lb.elb.amazonaws.com"},
)
HOST = {"hostHeader": {"values": ["a.example"]}}


def test_hosts_are_sorted_and_carry_the_balancers_time_out() -> None:
    other = {"hostHeader": {"values": ["0.example"]}}
    found = public_names(graph(BALANCER, listener(), rule("a", 1, HOST), rule("b", 2, other)))
    assert [(each.host, each.idle_seconds) for each in found] == [
        ("0.example", 300),
        ("a.example", 300),
    ]


def test_rules_of_a_host_keep_their_priority_and_the_default_comes_last() -> None:
    fixed = {"type": "fixed-response", "fixedResponse": {"statusCode": "404", "contentType": "x/y"}}
    paths = {"pathPattern": {"values": ["/api/*"]}}
    found = public_names(
        graph(BALANCER, listener(fixed), rule("all", 9, HOST), rule("some", 3, HOST, paths))
    )
    assert [each.targets for each in found] == [
        (
            Target(3, ("/api/*",), "arn:some"),
            Target(9, (), "arn:all"),
            Target(50_001, (), status=404, content_type="x/y"),
        )
    ]


def test_a_listener_that_forwards_all_answers_for_the_balancers_own_name() -> None:
    forward = {"type": "forward", "targetGroupArn": "arn:g"}
    found = public_names(graph(BALANCER, listener(forward)))
    assert [each.host for each in found] == ["lb.elb.amazonaws.com"]


def test_a_redirect_to_https_is_no_route() -> None:
    redirect = {"type": "redirect", "redirect": {"protocol": "HTTPS", "statusCode": "HTTP_301"}}
    assert public_names(graph(BALANCER, listener(redirect))) == []


def test_a_listener_is_read_with_its_hosts_default_and_certificate() -> None:
    fixed = {"type": "fixed-response", "fixedResponse": {"statusCode": "404"}}
    secure = {
        "loadBalancerArn": "arn:lb",
        "protocol": "HTTPS",
        "port": 443,
        "certificateArn": "arn:c",
        "defaultActions": [fixed],
    }
    certificate = Recorded(
        "aws:acm/certificate:Certificate",
        "c",
        {"domainName": "*.example", "subjectAlternativeNames": ["example"]},
        {"arn": "arn:c"},
    )
    clear = {
        "loadBalancerArn": "arn:lb",
        "port": 80,
        "protocol": "HTTP",
        "defaultActions": [
            {
                "type": "redirect",
                "redirect": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"},
            }
        ],
    }
    nobody = Target(50_001, (), status=404)
    to_https = Target(50_001, (), status=301, redirect=Redirect(protocol="HTTPS", port="443"))
    listeners = (
        Recorded("aws:lb/listener:Listener", "s", secure, {"arn": "arn:l"}),
        Recorded("aws:lb/listener:Listener", "c", clear, {"arn": "arn:80"}),
    )
    assert public_listeners(graph(BALANCER, *listeners, rule("a", 1, HOST), certificate)) == [
        PublicListener("c", 80, 300, {}, to_https, tls=False),
        PublicListener(
            "s",
            443,
            300,
            {"a.example": (Target(1, (), "arn:a"), nobody)},
            nobody,
            tls=True,
            certificate_names=("*.example", "example"),
        ),
    ]


def test_a_redirect_that_takes_a_request_apart_is_refused() -> None:
    away = {"type": "redirect", "redirect": {"path": "/new/#{path}", "statusCode": "HTTP_302"}}
    with pytest.raises(StackError, match=r"/new/#\{path\}.*does not put together"):
        public_listeners(graph(BALANCER, listener(away)))


def test_a_condition_that_is_not_known_is_refused_by_name() -> None:
    header = {"httpHeader": {"httpHeaderName": "x", "values": ["y"]}}
    with pytest.raises(StackError, match="httpHeader"):
        public_names(graph(BALANCER, listener(), rule("a", 1, HOST, header)))


def test_an_action_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(StackError, match="authenticate-oidc"):
        public_names(graph(BALANCER, listener(), rule("a", 1, HOST, type="authenticate-oidc")))


def test_a_cloud_map_name_takes_the_port_of_the_only_container_that_maps_one() -> None:
    definitions = '[{"name": "migrate"}, {"name": "a", "portMappings": [{"containerPort": 8000}]}]'
    found = private_names(
        graph(
            Recorded(
                "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace",
                "n",
                {"name": "inside"},
                {"id": "ns-1"},
            ),
            Recorded(
                "aws:servicediscovery/service:Service",
                "d",
                {"name": "a", "dnsConfig": {"namespaceId": "ns-1"}},
                {"arn": "arn:d"},
            ),
            Recorded(
                "aws:ecs/taskDefinition:TaskDefinition",
                "t",
                {"containerDefinitions": definitions},
                {"arn": "arn:t"},
            ),
            Recorded(
                "aws:ecs/service:Service",
                "s",
                {"taskDefinition": "arn:t", "serviceRegistries": {"registryArn": "arn:d"}},
                {},
            ),
        )
    )
    assert found == [PrivateName("a.inside", 8000, "s")]
