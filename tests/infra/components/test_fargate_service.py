import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from pulumi_aws import secretsmanager

from hokusai_infra.components.api_service import ApiService, ApiServiceArgs
from hokusai_infra.components.fargate_service import (
    IGNORED,
    FargateService,
    FargateServiceArgs,
    Platform,
)
from hokusai_infra.components.mlflow_server import MlflowServer, MlflowServerArgs
from hokusai_infra.components.network import INTERNET, Edge, NatInstances, Network, NetworkArgs
from hokusai_infra.components.task_definition import MEMORY_MB, TaskSize
from tests.infra.components.shop import ARGS, ECR, IMAGE, SECRET
from tests.infra.recordings import alone, containers, inputs, statements

GIVEN = [
    {"name": "AWS_DEFAULT_REGION", "value": "us-east-1"},
    {"name": "AWS_REGION", "value": "us-east-1"},
    {"name": "PORT", "value": "8000"},
]
TARGETS = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/shop/0123456789abcdef"


def test_a_service_is_everything_that_it_takes_to_be_reached_scaled_and_rolled_back() -> None:
    graph = alone(lambda: FargateService("shop", ARGS))
    found = inputs(graph)
    of_service = {
        "serviceNamespace": "ecs",
        "scalableDimension": "ecs:service:DesiredCount",
        "resourceId": "service/test/test-shop",
    }
    assert found["TargetGroup shop"] == {
        "vpcId": "vpc-1",
        "targetType": "ip",
        "protocol": "HTTP",
        "port": 8000,
        "deregistrationDelay": 60,
        "healthCheck": {
            "path": "/health",
            "matcher": "200",
            "interval": 10,
            "timeout": 5,
            "healthyThreshold": 2,
            "unhealthyThreshold": 3,
        },
    }
    assert found["ListenerRule shop"] == {
        "listenerArn": "arn:listener",
        "priority": 10,
        "conditions": [{"hostHeader": {"values": ["shop.example.com"]}}],
        "actions": [{"type": "forward", "targetGroupArn": TARGETS}],
    }
    assert found["Target shop"] == {**of_service, "minCapacity": 1, "maxCapacity": 3}
    assert found["Policy shop"] == {
        **of_service,
        "policyType": "TargetTrackingScaling",
        "targetTrackingScalingPolicyConfiguration": {
            "predefinedMetricSpecification": {
                "predefinedMetricType": "ECSServiceAverageCPUUtilization"
            },
            "targetValue": 60,
            "scaleOutCooldown": 60,
            "scaleInCooldown": 300,
        },
    }
    assert found["Policy shop-requests"] == {
        **of_service,
        "policyType": "TargetTrackingScaling",
        "targetTrackingScalingPolicyConfiguration": {
            "predefinedMetricSpecification": {
                "predefinedMetricType": "ALBRequestCountPerTarget",
                "resourceLabel": "app/lb/0123456789abcdef/targetgroup/shop/0123456789abcdef",
            },
            "targetValue": 3000,
            "scaleOutCooldown": 60,
            "scaleInCooldown": 300,
        },
    }
    assert found["LogGroup shop"] == {
        "name": "/ecs/test-shop",
        "retentionInDays": 14,
        "kmsKeyId": "arn:logs-key",
    }
    assert graph.one("aws:servicediscovery/service:Service").inputs == {
        "name": "shop",
        "dnsConfig": {
            "namespaceId": "ns-1",
            "dnsRecords": [{"type": "A", "ttl": 10}],
            "routingPolicy": "MULTIVALUE",
        },
        "healthCheckCustomConfig": {"failureThreshold": 1},
        "forceDestroy": True,
    }


def test_the_ecs_service_is_registered_and_waits_until_it_is_steady() -> None:
    graph = alone(lambda: FargateService("shop", ARGS))
    service = graph.one("aws:ecs/service:Service")
    assert service.inputs == {
        "name": "test-shop",
        "cluster": "test",
        "taskDefinition": "arn:aws:ecs:us-east-1:111122223333:task-definition/test-shop:1",
        "launchType": "FARGATE",
        "desiredCount": 1,
        "availabilityZoneRebalancing": "ENABLED",
        "deploymentMinimumHealthyPercent": 100,
        "deploymentMaximumPercent": 200,
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "alarms": {
            "enable": True,
            "rollback": True,
            "alarmNames": ["shop-errors", "shop-unhealthy"],
        },
        "enableExecuteCommand": False,
        "waitForSteadyState": True,
        "healthCheckGracePeriodSeconds": 240,
        "networkConfiguration": {
            "subnets": ["sn-1"],
            "securityGroups": ["sg-1"],
            "assignPublicIp": False,
        },
        "loadBalancers": [
            {"targetGroupArn": TARGETS, "containerName": "shop", "containerPort": 8000}
        ],
        "serviceRegistries": {
            "registryArn": "arn:aws:servicediscovery:us-east-1:111122223333:service/srv-shop"
        },
        "enableEcsManagedTags": True,
        "propagateTags": "SERVICE",
    }
    assert service.ignore_changes == tuple(IGNORED) == ("desiredCount",)
    assert service.timeouts == {"create": "40m", "update": "40m"}
    first = {each.name for each in map(graph.by_urn, service.dependencies)}
    assert {"shop", "shop-task", "shop-execution"} <= first, "no task starts without its rights"


def test_no_task_starts_before_its_way_out_and_its_rules_are_there() -> None:
    args = NetworkArgs(
        region="us-east-1",
        account_id="111122223333",
        zones=["a", "b"],
        cidr="10.0.0.0/16",
        egress=NatInstances(per_zone=True),
        namespace="test.internal",
        edges=[Edge(source="shop", target=INTERNET, port=443)],
    )

    def main() -> None:
        FargateService("shop", replace(ARGS, placement=Network("net", args).place("shop")))

    graph = alone(main)
    first = {*graph.one("aws:ecs/service:Service").dependencies}
    of_network = {
        each.urn for each in graph.resources if each.name.startswith("net") and not each.component
    }
    types = {urn.split("::")[2].rpartition("$")[2] for urn in of_network}
    assert {
        "aws:autoscaling/group:Group",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    } <= types
    assert of_network <= first


def test_whoever_is_given_the_address_waits_for_the_service() -> None:
    def main() -> None:
        service = FargateService("shop", ARGS)
        secretsmanager.Secret("client", description=service.url)

    graph = alone(main)
    client = graph.one("aws:secretsmanager/secret:Secret")
    assert client.inputs["description"] == "http://shop.test.internal:8000"
    assert graph.one("aws:ecs/service:Service").urn in client.dependencies


def test_the_task_definition_is_small_read_only_and_arm() -> None:
    graph = alone(lambda: FargateService("shop", ARGS))
    task = graph.one("aws:ecs/taskDefinition:TaskDefinition")
    stated = {key: value for key, value in task.inputs.items() if key != "containerDefinitions"}
    assert stated == {
        "family": "test-shop",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "cpu": "256",
        "memory": "512",
        "taskRoleArn": "arn:aws:iam::111122223333:role/shop/test/shop-task",
        "executionRoleArn": "arn:aws:iam::111122223333:role/shop/test/shop-execution",
        "volumes": [{"name": "tmp"}],
        "skipDestroy": True,
    }
    common = {
        "image": ECR,
        "entryPoint": ["run"],
        "workingDirectory": "/srv",
        "user": "10001:10001",
        "readonlyRootFilesystem": True,
        "linuxParameters": {"initProcessEnabled": True},
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp"}],  # noqa: S108 - a mount
    }
    found = containers(task)
    command = found["shop"]["healthCheck"].pop("command")
    assert found == {
        "shop": {
            **common,
            "name": "shop",
            "command": ["serve"],
            "environment": [*GIVEN, {"name": "A", "value": "1"}],
            "secrets": [],
            "essential": True,
            "portMappings": [{"containerPort": 8000, "protocol": "tcp"}],
            "healthCheck": {"interval": 15, "timeout": 5, "retries": 3, "startPeriod": 120},
            "stopTimeout": 120,
            "dependsOn": [{"containerName": "migrate", "condition": "SUCCESS"}],
            "logConfiguration": _logs("shop"),
        },
        "migrate": {
            **common,
            "name": "migrate",
            "command": ["migrate"],
            "environment": GIVEN,
            "secrets": [SECRET],
            "essential": False,
            "startTimeout": 120,
            "logConfiguration": _logs("migrate"),
        },
    }
    assert command[:4] == ["CMD", "python", "-S", "-c"]
    compile(command[4], "health check", "exec")


def _logs(prefix: str) -> dict[str, Any]:
    return {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/ecs/test-shop",
            "awslogs-region": "us-east-1",
            "awslogs-stream-prefix": prefix,
        },
    }


def test_the_execution_role_starts_these_containers_and_the_task_role_has_the_grants() -> None:
    graph = alone(lambda: FargateService("shop", ARGS))
    policies = {each.name: statements(each) for each in graph.of("aws:iam/rolePolicy:RolePolicy")}
    assert {
        name: {sid: (each["Action"], each["Resource"]) for sid, each in statement.items()}
        for name, statement in policies.items()
    } == {
        "shop-task": {"Read": (["s3:GetObject"], ["arn:x"])},
        "shop-execution": {
            "WriteLogs": (
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                ["arn:aws:logs:us-east-1:111122223333:log-group:/ecs/test-shop:*"],
            ),
            "ReadSecretsOfContainers": (["secretsmanager:GetSecretValue"], ["arn:secret"]),
            "Decrypt": (["kms:Decrypt"], ["arn:secret-key"]),
            "SignInToRegistry": (["ecr:GetAuthorizationToken"], "*"),
            "PullImage": (
                [
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                ],
                ["arn:aws:ecr:us-east-1:111122223333:repository/shop"],
            ),
        },
    }
    roles = graph.of("aws:iam/role:Role")
    assert len(roles) == 2
    for role in roles:
        trusted = json.loads(role.inputs["assumeRolePolicy"])["Statement"][0]["Principal"]
        assert trusted == {"Service": "ecs-tasks.amazonaws.com"}
        assert {key: role.inputs[key] for key in ("path", "permissionsBoundary")} == {
            "path": "/shop/test/",
            "permissionsBoundary": "arn:aws:iam::111122223333:policy/bound",
        }


def test_what_is_not_needed_is_not_there() -> None:
    public = replace(IMAGE, uri="docker.io/library/shop@sha256:00")
    platform = Platform(cluster_name="test", image=public, health_path="/health", log_days=14)
    bare = replace(ARGS, platform=platform, grants=())
    graph = alone(lambda: FargateService("shop", bare))
    execution = graph.one("aws:iam/rolePolicy:RolePolicy")
    assert (execution.name, set(statements(execution))) == ("shop-execution", {"WriteLogs"})
    found = containers(graph.one("aws:ecs/taskDefinition:TaskDefinition"))
    assert found.keys() == {"shop"}
    assert "dependsOn" not in found["shop"]
    assert "kmsKeyId" not in graph.one("aws:cloudwatch/logGroup:LogGroup").inputs
    for role in graph.of("aws:iam/role:Role"):
        assert role.inputs["path"] == "/"
        assert "permissionsBoundary" not in role.inputs


def test_a_service_that_ecs_would_refuse_does_not_construct() -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        replace(ARGS, service_name="a service")


def test_a_task_gets_the_disk_that_is_paid_and_no_other() -> None:
    roomy = replace(ARGS, size=TaskSize(cpu=256, memory_mb=512, scratch_gb=21))
    task = alone(lambda: FargateService("shop", roomy)).one("aws:ecs/taskDefinition:TaskDefinition")
    assert task.inputs["ephemeralStorage"] == {"sizeInGib": 21}
    for wrong in (19, 201):
        with pytest.raises(ValueError, match="Fargate gives 20 to 200"):
            TaskSize(cpu=256, memory_mb=512, scratch_gb=wrong)


@pytest.mark.parametrize("user", ["0:0", "10001", "root", "10001:0"])
def test_a_container_never_runs_as_root(user: str) -> None:
    with pytest.raises(ValueError, match="neither of them 0"):
        replace(IMAGE, user=user)


@pytest.mark.parametrize(
    ("cpu", "memory_mb"), [(256, 4096), (512, 512), (1024, 2000), (300, 512), (16384, 16384)]
)
def test_a_size_that_fargate_lacks_does_not_construct(cpu: int, memory_mb: int) -> None:
    with pytest.raises(ValueError, match="Fargate takes"):
        TaskSize(cpu=cpu, memory_mb=memory_mb)


def test_every_size_that_fargate_has_constructs() -> None:
    assert [TaskSize(cpu=cpu, memory_mb=max(memory)).memory_mb for cpu, memory in MEMORY_MB.items()]


STATED = {name: getattr(ARGS, name) for name in FargateServiceArgs.__dataclass_fields__}


def test_mlflow_refuses_to_be_too_small_and_says_how_many_connections_it_wants() -> None:
    with pytest.raises(ValueError, match="MLflow needs 1024 or more"):
        MlflowServerArgs(**STATED, connections_a_pool=8)
    size = {"size": TaskSize(cpu=512, memory_mb=2048)}
    args = MlflowServerArgs(**STATED | size, connections_a_pool=8)
    peaks: list[int] = []
    graph = alone(lambda: peaks.append(MlflowServer("mlflow", args).peak_connections))
    assert peaks == [3 * 2 * (5 * 8 + 1)]
    server = graph.one("hokusai:index:MlflowServer")
    assert server.state == {"url": "http://mlflow.test.internal:8000"}


def test_the_api_says_how_its_first_key_is_made() -> None:
    args = ApiServiceArgs(
        **STATED,
        connections_a_pool=8,
        setup_command=["first-key"],
        setup_again_command=["first-key", "--again"],
        setup_check={"url": "https://shop.test/whoami", "bearer": "key"},
    )

    def main() -> None:
        service = ApiService("api", args)
        pulumi.export("setup", service.setup_task)
        assert service.peak_connections == 3 * 2 * (1 * 8 + 1)

    assert alone(main).outputs["setup"] == {
        "task_definition": "test-shop",
        "container": "api",
        "command": ["first-key"],
        "again": ["first-key", "--again"],
        "check": {"url": "https://shop.test/whoami", "bearer": "key"},
    }
