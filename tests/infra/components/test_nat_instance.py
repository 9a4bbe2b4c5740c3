import base64
import re
import subprocess
from dataclasses import replace

import pytest

from hokusai_infra.components.network import (
    INTERNET,
    Edge,
    NatInstances,
    Network,
    NetworkArgs,
)
from hokusai_infra.components.network.nat_instance import boot_script
from hokusai_infra.recorder import Graph
from tests.infra.recordings import alone, inputs

ARGS = NetworkArgs(
    region="us-east-1",
    account_id="111122223333",
    zones=["a", "b"],
    cidr="10.0.0.0/16",
    egress=NatInstances(per_zone=True),
    namespace="test.internal",
    edges=[
        Edge(source=INTERNET, target="front", port=443),
        Edge(source="front", target="service", port=8000),
        Edge(source="service", target=INTERNET, port=443),
        Edge(source="service", target=INTERNET, port=8545),
        Edge(source="mail", target=INTERNET, port=587),
    ],
    alarm_actions=["arn:topic"],
)


def network(args: NetworkArgs = ARGS) -> Graph:
    return alone(lambda: Network("net", args))


def test_an_instance_has_an_interface_and_an_address_that_stay() -> None:
    graph = network()
    found = inputs(graph)
    name = {"Name": "net-nat-b"}
    script = base64.b64encode(boot_script("10.0.0.0/16").encode()).decode()
    assert {each: of for each, of in found.items() if each.partition(" ")[2] == "net-nat-b"} == {
        "NetworkInterface net-nat-b": {
            "subnetId": "net-public-b-id",
            "securityGroups": ["net-nat-id"],
            "sourceDestCheck": False,
            "description": "net-nat-b: stays when the instance is replaced",
            "tags": name,
        },
        "Eip net-nat-b": {"domain": "vpc", "networkInterface": "net-nat-b-id", "tags": name},
        "LaunchTemplate net-nat-b": {
            "imageId": "resolve:ssm:/aws/service/ami-amazon-linux-latest/"
            "al2023-ami-kernel-default-arm64",
            "instanceType": "t4g.nano",
            "instanceInitiatedShutdownBehavior": "terminate",
            "updateDefaultVersion": True,
            "userData": script,
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpTokens": "required",
                "httpPutResponseHopLimit": 1,
            },
            "networkInterfaces": [{"deviceIndex": 0, "networkInterfaceId": "net-nat-b-id"}],
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {
                        "encrypted": "true",
                        "volumeType": "gp3",
                        "volumeSize": 8,
                        "deleteOnTermination": "true",
                    },
                }
            ],
            "tagSpecifications": [
                {"resourceType": "instance", "tags": name},
                {"resourceType": "volume", "tags": name},
            ],
            "tags": name,
        },
        "Group net-nat-b": {
            "availabilityZones": ["us-east-1b"],
            "minSize": 1,
            "maxSize": 1,
            "desiredCapacity": 1,
            "launchTemplate": {"id": "net-nat-b-id", "version": "1"},
            "maxInstanceLifetime": 604_800,
            "healthCheckType": "EC2",
            "instanceMaintenancePolicy": {"minHealthyPercentage": 0, "maxHealthyPercentage": 100},
            "instanceRefresh": {
                "strategy": "Rolling",
                "preferences": {"minHealthyPercentage": 0, "maxHealthyPercentage": 100},
            },
            "metricsGranularity": "1Minute",
            "enabledMetrics": ["GroupInServiceInstances"],
            "tags": [{"key": "Name", "value": "net-nat-b", "propagateAtLaunch": False}],
        },
    }
    assert found["MetricAlarm net-nat-b-away"] == {
        "alarmDescription": "No NAT instance in us-east-1b for 8 of the last 30 minutes: meanwhile "
        "tasks reach nothing on the internet. See the activity history of its Auto Scaling group.",
        "namespace": "AWS/AutoScaling",
        "metricName": "GroupInServiceInstances",
        "dimensions": {"AutoScalingGroupName": "net-nat-b"},
        "statistic": "Minimum",
        "period": 60,
        "evaluationPeriods": 30,
        "datapointsToAlarm": 8,
        "comparisonOperator": "LessThanThreshold",
        "threshold": 1,
        "treatMissingData": "breaching",
        "alarmActions": ["arn:topic"],
        "okActions": ["arn:topic"],
    }
    assert graph.of("aws:ec2/natGateway:NatGateway") == []


def alarms(in_service: list[int]) -> bool:
    """Say whether CloudWatch would raise the alarm on some minute of these: M of the last N."""
    alarm = network().one("aws:cloudwatch/metricAlarm:MetricAlarm", "net-nat-b-away").inputs
    last, enough = alarm["evaluationPeriods"], alarm["datapointsToAlarm"]
    breaching = [each < alarm["threshold"] for each in in_service]
    return any(sum(breaching[at : at + last]) >= enough for at in range(len(breaching)))


def test_the_alarm_tells_of_instances_that_fail_one_after_another() -> None:
    assert alarms([1, 1, 1, 0, 0] * 12), "three minutes of boot, two until the next one"
    assert alarms([1] * 30 + [0] * 8), "none starts at all"


def test_the_alarm_is_quiet_while_an_instance_is_replaced_as_planned() -> None:
    assert not alarms([1] * 40 + [0] * 5 + [1] * 40)


def test_an_instance_starts_when_its_address_and_the_internet_are_there() -> None:
    graph = network()
    group = graph.one("aws:autoscaling/group:Group", "net-nat-a")
    assert graph.one("aws:ec2/eip:Eip", "net-nat-a").urn in group.dependencies
    component = graph.one("hokusai:index:NatInstance", "net-nat-a")
    assert group.parent == component.urn
    internet = graph.one("aws:ec2/internetGateway:InternetGateway").urn
    assert internet in component.dependencies


@pytest.mark.parametrize(("per_zone", "of_zone_b"), [(True, "b"), (False, "a")])
def test_private_subnets_leave_through_the_interface_of_an_instance(
    per_zone: bool,  # noqa: FBT001 - a row of the table
    of_zone_b: str,
) -> None:
    graph = network(replace(ARGS, egress=NatInstances(per_zone=per_zone)))
    routes = {
        each.name: each.inputs.get("networkInterfaceId")
        for each in graph.of("aws:ec2/route:Route")
        if "private" in each.name
    }
    assert routes == {
        "net-private-a": "net-nat-a-id",
        "net-private-b": f"net-nat-{of_zone_b}-id",
    }
    zones = {each.name for each in graph.of("aws:autoscaling/group:Group")}
    assert zones == {"net-nat-a", f"net-nat-{of_zone_b}"}


def test_an_instance_takes_from_whoever_may_go_out_and_from_nobody_else() -> None:
    graph = network()
    taken = {
        each.name: (each.inputs["referencedSecurityGroupId"], each.inputs["fromPort"])
        for each in graph.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        if each.inputs["securityGroupId"] == "net-nat-id"
    }
    assert taken == {
        "net-service-to-nat-443": ("net-service-id", 443),
        "net-service-to-nat-8545": ("net-service-id", 8545),
        "net-mail-to-nat-587": ("net-mail-id", 587),
    }
    sent = {
        each.name: (each.inputs["cidrIpv4"], each.inputs["toPort"])
        for each in graph.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
        if each.inputs["securityGroupId"] == "net-nat-id"
    }
    assert sent == {f"net-nat-to-internet-{port}": ("0.0.0.0/0", port) for port in (443, 587, 8545)}


def test_it_can_set_itself_up_where_no_edge_leads_out() -> None:
    inside = [edge for edge in ARGS.edges if edge.target != INTERNET]
    graph = network(replace(ARGS, edges=inside))
    rules = [
        each.inputs
        for kind in ("Ingress", "Egress")
        for each in graph.of(f"aws:vpc/securityGroup{kind}Rule:SecurityGroup{kind}Rule")
        if each.inputs["securityGroupId"] == "net-nat-id"
    ]
    assert [(each["cidrIpv4"], each["fromPort"]) for each in rules] == [("0.0.0.0/0", 443)]


@pytest.mark.parametrize("wrong", ["t3.nano", "t4g", "m7i.large", ""])
def test_a_type_that_the_image_does_not_run_on_does_not_construct(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"take an ARM type, such as t4g\.nano"):
        NatInstances(per_zone=False, instance_type=wrong)


@pytest.mark.parametrize("right", ["t4g.nano", "c7gn.medium", "m8g.large"])
def test_a_type_that_the_image_runs_on_constructs(right: str) -> None:
    assert NatInstances(per_zone=False, instance_type=right).instance_type == right


def test_the_boot_script_is_bash_and_forwards_the_network_s_range_alone() -> None:
    script = boot_script("10.7.0.0/16")
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)  # noqa: S607, PLW1510 -- asserted below
    assert (checked.returncode, checked.stderr) == (0, "")
    assert set(re.findall(r"\d+\.\d+\.\d+\.\d+/\d+", script)) == {"10.7.0.0/16"}
    assert "ip saddr 10.7.0.0/16 ip daddr != 10.7.0.0/16 masquerade" in script
    assert script.count("policy drop") == 2, "input and forward"


def test_an_instance_that_cannot_set_itself_up_ends_itself() -> None:
    commands = [each for each in boot_script("10.7.0.0/16").splitlines() if each[:1] not in "# "]
    assert commands[:2] == ["set -Eeuo pipefail", "trap 'shutdown -h now' ERR"]


def test_a_failing_command_runs_the_trap() -> None:
    script = boot_script("10.7.0.0/16").replace("shutdown -h now", "echo ended")
    stubs = "command() { false; }; fallocate() { false; }\n"
    start = script.index("if ! command")
    run = subprocess.run(
        ["bash"],  # noqa: S607 -- the one on PATH
        input=script[:start] + stubs + script[start:],
        text=True,
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, "ended\n")
