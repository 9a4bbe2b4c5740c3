"""Each price rule, by the lines that it writes for one resource."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hokusai_infra.preview.cost import PRICES
from hokusai_infra.preview.free import FREE
from hokusai_infra.preview.usage import Usage
from hokusai_infra.recorder import UNKNOWN, Resource
from tests.infra.preview.graphs import priced, resource, said

SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
GROUP = "aws:autoscaling/group:Group"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
DATABASE = "aws:rds/instance:Instance"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ZONE = "aws:route53/zone:Zone"
RECORD = "aws:route53/record:Record"
POLICY = "aws:iam/rolePolicy:RolePolicy"

Said = list[tuple[str, str, str]]

LINES: dict[str, tuple[dict[str, Any], Said]] = {
    "aws:accessanalyzer/analyzer:Analyzer": ({"type": "ACCOUNT"}, []),
    "aws:appautoscaling/policy:Policy": (
        {"policyType": "TargetTrackingScaling"},
        [("alarms of target tracking", "fixed", "0.20")],
    ),
    "aws:cfg/recorder:Recorder": ({}, [("recorded changes", "usage", "3.00")]),
    "aws:cfg/rule:Rule": ({}, [("evaluations", "usage", "1.00")]),
    "aws:cloudtrail/trail:Trail": (
        {"eventSelectors": [{"dataResources": [{"type": "AWS::S3::Object"}]}]},
        [("object events", "usage", "0.10")],
    ),
    "aws:cloudwatch/dashboard:Dashboard": ({}, [("dashboard", "fixed", "3.00")]),
    "aws:cloudwatch/logGroup:LogGroup": (
        {"name": "/ecs/api", "retentionInDays": 60},
        [
            ("log lines taken in", "usage", "0.63"),
            ("log lines kept for 60 days", "usage", "0.08"),
        ],
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ({"period": 60}, [("alarm", "fixed", "0.10")]),
    "aws:ec2/eip:Eip": ({}, [("public IPv4", "fixed", "3.65")]),
    "aws:ec2/flowLog:FlowLog": (
        {"logDestinationType": "s3", "destinationOptions": {"fileFormat": "parquet"}},
        [
            ("delivery of flow logs", "usage", "0.25"),
            ("their conversion to Parquet", "usage", "0.04"),
        ],
    ),
    "aws:ec2/natGateway:NatGateway": (
        {},
        [("NAT gateway", "fixed", "32.85"), ("through it", "usage", "0.45")],
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": (
        {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]},
        [("endpoint in 2 zones", "fixed", "14.60"), ("through it", "usage", "0.01")],
    ),
    "aws:ecr/repository:Repository": ({}, [("images", "usage", "0.50")]),
    "aws:ecs/cluster:Cluster": (
        {"settings": [{"name": "containerInsights", "value": "disabled"}]},
        [],
    ),
    "aws:guardduty/detector:Detector": (
        {},
        [
            ("calls that are analysed", "usage", "4.00"),
            ("flow and DNS logs that are analysed", "usage", "1.00"),
        ],
    ),
    "aws:guardduty/detectorFeature:DetectorFeature": (
        {"name": "S3_DATA_EVENTS", "status": "ENABLED"},
        [("object events that are analysed", "usage", "0.08")],
    ),
    "aws:kms/key:Key": (
        {"enableKeyRotation": True},
        [
            ("key", "fixed", "1.00"),
            ("calls", "usage", "0.06"),
            ("rotated material", "usage", "0.00"),
        ],
    ),
    "aws:lb/loadBalancer:LoadBalancer": (
        {"subnets": ["a", "b", "c"]},
        [
            ("load balancer", "fixed", "16.43"),
            ("3 public IPv4, one a zone", "fixed", "10.95"),
            ("capacity units", "usage", "0.58"),
            ("transfer out", "usage", "0.90"),
        ],
    ),
    DATABASE: (
        {
            "engine": "postgres",
            "instanceClass": "db.t4g.small",
            "allocatedStorage": 50,
            "multiAz": True,
            "manageMasterUserPassword": True,
        },
        [
            ("db.t4g.small, Multi-AZ", "fixed", "47.45"),
            ("50 GB gp3, Multi-AZ", "fixed", "11.50"),
            ("backups beyond that size", "usage", "0.00"),
            ("secret of the master password", "fixed", "0.40"),
        ],
    ),
    RECORD: (
        {"zoneId": "Z1"},
        [("hosted zone of the domain, made elsewhere", "fixed", "0.50")],
    ),
    ZONE: ({}, [("hosted zone", "fixed", "0.50")]),
    "aws:s3/bucket:Bucket": (
        {},
        [
            ("objects", "usage", "0.58"),
            ("writes", "usage", "0.10"),
            ("reads", "usage", "0.04"),
        ],
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        {"rules": [{"transitions": [{"storageClass": "INTELLIGENT_TIERING"}]}, {"id": "x"}]},
        [
            ("objects that are tiered", "usage", "0.10"),
            ("objects whose use is watched", "usage", "0.03"),
        ],
    ),
    "aws:secretsmanager/secret:Secret": (
        {},
        [("secret", "fixed", "0.40"), ("reads", "usage", "0.05")],
    ),
    "aws:securityhub/account:Account": ({}, [("checks", "usage", "5.00")]),
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": (
        {},
        [("hosted zone of the private names", "fixed", "0.50"), ("look-ups", "usage", "0.40")],
    ),
    "aws:sns/topicSubscription:TopicSubscription": (
        {"protocol": "email"},
        [("e-mails", "usage", "0.00")],
    ),
    "aws:wafv2/ruleGroup:RuleGroup": (
        {"rules": [{}, {}]},
        [("2 rules of a group of one's own", "fixed", "2.00")],
    ),
    "aws:wafv2/webAcl:WebAcl": (
        {"rules": [{}, {}, {}]},
        [
            ("web application firewall", "fixed", "5.00"),
            ("3 rules and groups", "fixed", "3.00"),
            ("requests", "usage", "0.60"),
        ],
    ),
    POLICY: (
        {
            "policy": json.dumps(
                {
                    "Statement": [
                        {"Effect": "Deny", "NotAction": "s3:*"},
                        {"Effect": "Allow", "Action": ["secretsmanager:CreateSecret"]},
                    ]
                }
            )
        },
        [
            ("secrets that the application makes", "usage", "1.20"),
            ("reads of those", "usage", "0.15"),
        ],
    ),
}
"""By type: inputs, and the lines that they make in us-east-1."""

ELSEWHERE = {SERVICE, GROUP}
"""Types whose price depends on other resources; they have tests of their own below."""


def service(task: dict[str, Any], **inputs: Any) -> list[Resource]:  # noqa: ANN401 - JSON
    definition = resource(TASK, "task", inputs=task)
    it = resource(SERVICE, inputs=inputs)
    return [definition, replace(it, property_dependencies={"taskDefinition": [definition.urn]})]


ARM = {"cpu": "512", "memory": "2048", "runtimePlatform": {"cpuArchitecture": "ARM64"}}


def test_every_price_rule_has_an_example() -> None:
    assert set(PRICES) == {*LINES, *ELSEWHERE}
    assert not PRICES.keys() & FREE.keys()


@pytest.mark.parametrize("type_", LINES)
def test_a_resource_costs(type_: str) -> None:
    inputs, lines = LINES[type_]
    assert said(priced(resource(type_, inputs=inputs))) == lines


def test_tasks_cost_by_their_chip_size_and_number() -> None:
    estimate = priced(*service(ARM, desiredCount=2))
    assert said(estimate)[:2] == [
        ("2 tasks of 0.5 vCPU, arm", "fixed", "23.64"),
        ("2 tasks of 2 GB, arm", "fixed", "10.40"),
    ]
    x86 = priced(*service({"cpu": "512", "memory": "2048"}, desiredCount=2))
    assert x86.total() > estimate.total()
    spot = {"capacityProviderStrategies": [{"capacityProvider": "FARGATE_SPOT"}]}
    assert priced(*service(ARM, desiredCount=2, **spot)).total() == estimate.total() / 2


def test_tasks_cost_for_a_larger_disk_and_a_public_address() -> None:
    estimate = priced(
        *service(
            ARM | {"ephemeralStorage": {"sizeInGib": 30}},
            desiredCount=1,
            networkConfiguration={"assignPublicIp": True},
        )
    )
    assert ("1 task of 10 GB of disk beyond 20", "fixed", "0.81") in said(estimate)
    assert ("public IPv4 of tasks", "fixed", "3.65") in said(estimate)


def test_more_tasks_are_an_assumption_that_can_be_changed() -> None:
    resources = service(ARM, desiredCount=1)
    usage = Usage.read({}, ["it.extra_tasks=1"], {"it"})
    assert priced(*resources, usage=usage).total() == 2 * priced(*resources).total()


def test_tasks_that_schedules_stop_cost_less() -> None:
    definition, it = service(ARM, desiredCount=1)
    target = resource(
        "aws:appautoscaling/target:Target",
        "target",
        property_dependencies={"resourceId": [it.urn]},
    )
    actions = [
        resource(
            "aws:appautoscaling/scheduledAction:ScheduledAction",
            name,
            inputs={"schedule": cron, "scalableTargetAction": {"maxCapacity": most}},
            property_dependencies={"resourceId": [target.urn]},
        )
        for name, cron, most in (
            ("stop", "cron(0 20 * * ? *)", 0),
            ("start", "cron(0 8 * * ? *)", 2),
        )
    ]
    estimate = priced(definition, it, target, *actions)
    assert said(estimate)[0] == ("1 task of 0.5 vCPU, arm", "fixed", "5.91")
    assert estimate.lines[0].note == "50% of the hours"


def test_a_database_that_schedules_stop_costs_its_disk_alone() -> None:
    inputs = LINES[DATABASE][0] | {"identifier": "hokusai-test"}
    stop = resource(
        "aws:scheduler/schedule:Schedule",
        inputs={
            "scheduleExpression": "cron(0 20 ? * FRI *)",
            "target": {
                "arn": "arn:aws:scheduler:::aws-sdk:rds:stopDBInstance",
                "input": json.dumps({"DbInstanceIdentifier": "hokusai-test"}),
            },
        },
    )
    lines = said(priced(resource(DATABASE, inputs=inputs), stop))
    assert lines[:2] == [
        ("db.t4g.small, Multi-AZ", "fixed", "0.00"),
        ("50 GB gp3, Multi-AZ", "fixed", "11.50"),
    ]
    other = replace(stop, inputs=stop.inputs | {"target": {"arn": "arn:aws:sqs:x"}})
    assert said(priced(resource(DATABASE, inputs=inputs), other)) == LINES[DATABASE][1]


def test_a_nat_instance_costs_its_hours_and_its_disk() -> None:
    template = resource(
        TEMPLATE,
        "template",
        inputs={
            "instanceType": "t4g.nano",
            "blockDeviceMappings": [{"ebs": {"volumeType": "gp3", "volumeSize": 8}}],
        },
    )
    group = resource(
        GROUP,
        inputs={"minSize": 1, "maxSize": 1},
        property_dependencies={"launchTemplate": [template.urn]},
    )
    assert said(priced(template, group)) == [
        ("1 of t4g.nano", "fixed", "3.07"),
        ("1 of 8 GB gp3", "fixed", "0.64"),
    ]


def test_the_firewall_and_the_audit_of_an_account_have_their_own_totals() -> None:
    estimate = priced(
        resource("aws:wafv2/webAcl:WebAcl", inputs={"rules": []}),
        resource(
            "aws:cloudwatch/logGroup:LogGroup",
            inputs={"name": "aws-waf-logs-it", "retentionInDays": 30},
        ),
        resource("aws:securityhub/account:Account"),
        resource("aws:ec2/eip:Eip"),
    )
    assert [str(estimate.total(part)) for part in ("stack", "firewall", "account")] == [
        "3.65",
        "5.87",
        "5.00",
    ]


def test_the_zone_of_several_records_is_counted_once_and_its_own_zone_not_at_all() -> None:
    records = [resource(RECORD, name, inputs={"zoneId": "Z1"}) for name in ("a", "b")]
    assert len(priced(*records).lines) == 1
    zone = resource(ZONE, "zone")
    record = resource(RECORD, inputs={"zoneId": "Z1"}, property_dependencies={"zoneId": [zone.urn]})
    assert said(priced(zone, record)) == [("hosted zone", "fixed", "0.50")]


def test_only_the_first_two_rotations_of_a_key_cost() -> None:
    key = resource("aws:kms/key:Key", inputs={"enableKeyRotation": True})
    totals = [
        str(priced(key, usage=Usage.read({}, [f"kms_rotations={times}"], ())).total())
        for times in range(4)
    ]
    assert totals == ["1.06", "2.06", "3.06", "3.06"]


@pytest.mark.parametrize(
    ("type_", "changed", "says"),
    [
        (DATABASE, {"engine": "mysql"}, "engine mysql"),
        (DATABASE, {"storageType": "io2"}, "storage of type io2"),
        (DATABASE, {"instanceClass": UNKNOWN}, "instanceClass is not known before a deployment"),
        (DATABASE, {"allocatedStorage": None}, "allocatedStorage is not stated"),
        (DATABASE, {"instanceClass": "db.x9.huge"}, "no rate of db.x9.huge in us-east-1: "),
        (DATABASE, {"databaseInsightsMode": "advanced"}, "Database Insights in advanced mode"),
        ("aws:ecs/cluster:Cluster", {"settings": [{"name": "containerInsights", "value": "enhanced"}]}, "Container Insights"),  # noqa: E501 - one row
        ("aws:lb/loadBalancer:LoadBalancer", {"loadBalancerType": "network"}, "of type network"),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 0}, "kept for ever"),
        ("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", {"rules": [{"transitions": [{"storageClass": "GLACIER"}]}]}, "transitions to GLACIER"),  # noqa: E501 - one row
        ("aws:guardduty/detectorFeature:DetectorFeature", {"name": "RUNTIME_MONITORING"}, "GuardDuty's RUNTIME_MONITORING"),  # noqa: E501 - one row
        ("aws:accessanalyzer/analyzer:Analyzer", {"type": "ACCOUNT_UNUSED_ACCESS"}, "an analyzer of type"),  # noqa: E501 - one row
    ],
)  # fmt: skip
def test_what_has_no_price_is_shown_and_not_guessed(
    type_: str, changed: dict[str, Any], says: str
) -> None:
    inputs = {k: v for k, v in (LINES[type_][0] | changed).items() if v is not None}
    estimate = priced(resource(type_, inputs=inputs))
    assert [says in each.note for each in estimate.unpriced] == [True]


def test_a_service_whose_tasks_are_unknown_has_no_price() -> None:
    alone = resource(SERVICE, inputs={"desiredCount": 1})
    assert [each.note for each in priced(alone).unpriced] == [
        "its task definition is not of this program"
    ]


def test_a_schedule_that_cannot_be_read_is_not_taken_for_a_saving() -> None:
    inputs = LINES[DATABASE][0] | {"identifier": "it"}
    stop = resource(
        "aws:scheduler/schedule:Schedule",
        inputs={
            "scheduleExpression": "rate(1 day)",
            "target": {"arn": "arn:aws:scheduler:::aws-sdk:rds:stopDBInstance", "input": "it"},
        },
    )
    estimate = priced(resource(DATABASE, inputs=inputs), stop)
    assert [each.note for each in estimate.unpriced] == [
        "'rate(1 day)' is not cron(…) with six fields"
    ]
