"""FargateService: tasks behind a load balancer, found by name, replaced without a gap."""

import re
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi_aws import cloudwatch, ecs, lb, servicediscovery

from hokusai_infra.components.load_balancer import Route
from hokusai_infra.components.network import Placement
from hokusai_infra.components.service_alarms import alarms_on
from hokusai_infra.components.service_role import RoleBounds, service_role
from hokusai_infra.components.service_scaling import Scaling, scale
from hokusai_infra.components.task_definition import (
    LONGEST_STOP_SECONDS,
    SCRATCH_VOLUME,
    START_SECONDS,
    Containers,
    Image,
    Process,
    TaskSize,
)
from hokusai_infra.iam_policy import Allow
from hokusai_infra.suppressions import Suppression

DEREGISTRATION_SECONDS: Final = 60
"""Time for requests that run when a task leaves the load balancer; the process stops after it."""
STOP_SECONDS: Final = 120
"""Time for the process to end by itself; it must take less."""
ROLLING: Final = 2
"""Tasks per wanted task while a deployment replaces them."""
STEADY: Final = "40m"
"""Longest wait for a deployment. The provider's 20 minutes can end while all is well: tasks start
one zone after the other, old ones drain and stop, and ECS then watches the alarms; or it starts
over, when the circuit breaker takes the deployment back."""

IGNORED: Final = {
    "desiredCount": "Scaling decides how many tasks run; a deployment must not take it back.",
}
"""Properties of the service that Pulumi leaves as they are once it is there, with the reason."""

# docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What all services of a stack share."""

    cluster_name: pulumi.Input[str]
    image: Image
    migrate: Process | None = None
    """Runs before the service in every task, and must succeed within two minutes."""
    health_path: str
    """Path that a service answers with 200 once it is up, whatever else is down."""
    log_days: int
    log_key_arn: pulumi.Input[str] | None = None
    """KMS key of the logs, whose policy lets CloudWatch Logs of this region use it for
    ``/ecs/*``; without one AWS encrypts them with a key of its own."""
    start_grants: tuple[Allow, ...] = ()
    """What it takes to start a container beyond its own secrets and image: their keys."""
    roles: RoleBounds = field(default_factory=RoleBounds)
    alarm_actions: tuple[pulumi.Input[str], ...] = ()
    """ARNs that are told when a service answers badly, and when it is well again."""


@dataclass(frozen=True, kw_only=True)
class FargateServiceArgs:
    """What a caller decides about a service.

    The component's own name is that of its container and of its entry in the network's DNS.
    """

    platform: Platform
    service_name: str
    """Physical name of service and task family; carries the environment."""
    process: Process
    port: int
    size: TaskSize
    scaling: Scaling
    grants: tuple[Allow, ...] = ()
    """What the process may do in AWS."""
    placement: Placement
    route: Route

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.service_name):
            raise ValueError(f"service_name {self.service_name!r}: letters, digits, hyphens")


class FargateService(pulumi.ComponentResource):
    """Tasks that are healthy before they take requests, and finish theirs before they go.

    A deployment that does not become healthy, or whose tasks answer badly, is rolled back. The
    process may do what its grants say; only the execution role, which starts it, reads the
    secrets that its containers name. Nobody can open a shell in a container.
    """

    url: pulumi.Output[str]
    """Origin inside the network; whoever uses it starts after tasks of this service are steady."""
    task_family: pulumi.Output[str]

    def __init__(
        self, name: str, args: FargateServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hokusai:index:FargateService", name, None, opts)
        self._name, self._args = name, args
        self._child = child = pulumi.ResourceOptions(parent=self)
        if not DEREGISTRATION_SECONDS < STOP_SECONDS <= LONGEST_STOP_SECONDS:
            raise ValueError("a task would be killed while it still has requests")

        logs = cloudwatch.LogGroup(
            name,
            name=f"/ecs/{args.service_name}",
            retention_in_days=args.platform.log_days,
            kms_key_id=args.platform.log_key_arn,
            opts=child,
        )
        bounds = args.platform.roles
        task_role, task_grants = service_role(f"{name}-task", args.grants, bounds, child)
        execution_role, execution_grants = service_role(
            f"{name}-execution", self._to_start(logs), bounds, child
        )
        containers = Containers(
            name=name,
            image=args.platform.image,
            service=args.process,
            migrate=args.platform.migrate,
            port=args.port,
            health_path=args.platform.health_path,
            region=args.placement.region,
            log_group=logs.name,
            stop_seconds=STOP_SECONDS,
        )
        task = ecs.TaskDefinition(
            name,
            family=args.service_name,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            runtime_platform={"cpu_architecture": "ARM64", "operating_system_family": "LINUX"},
            cpu=str(args.size.cpu),
            memory=str(args.size.memory_mb),
            task_role_arn=task_role.arn,
            execution_role_arn=execution_role.arn,
            container_definitions=containers.rendered(),
            volumes=[{"name": SCRATCH_VOLUME}],
            ephemeral_storage=args.size.ephemeral_storage,
            # What a deployment rolls back to must still be there.
            skip_destroy=True,
            opts=child,
        )
        targets, rule = self._targets()
        alarms = alarms_on(
            name,
            args.route.load_balancer_arn_suffix,
            targets.arn_suffix,
            args.platform.alarm_actions,
            child,
        )
        discovery = servicediscovery.Service(
            name,
            name=name,
            dns_config={
                "namespace_id": args.placement.namespace_id,
                "dns_records": [{"type": "A", "ttl": 10}],
                "routing_policy": "MULTIVALUE",
            },
            # Lets ECS report an unhealthy container, so that its address is no longer answered.
            health_check_custom_config={"failure_threshold": 1},
            force_destroy=True,
            opts=child,
        )
        service = ecs.Service(
            name,
            name=args.service_name,
            cluster=args.platform.cluster_name,
            task_definition=task.arn,
            launch_type="FARGATE",
            desired_count=args.scaling.min_tasks,
            enable_execute_command=False,
            availability_zone_rebalancing="ENABLED",
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=100 * ROLLING,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            # docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
            alarms={"enable": True, "rollback": True, "alarm_names": alarms},
            # The wait is what makes an update fail whose deployment was rolled back.
            wait_for_steady_state=True,
            health_check_grace_period_seconds=2 * START_SECONDS,
            network_configuration={
                "subnets": args.placement.subnet_ids,
                "security_groups": [args.placement.security_group_id],
                "assign_public_ip": False,
            },
            load_balancers=[
                {
                    "target_group_arn": targets.arn,
                    "container_name": name,
                    "container_port": args.port,
                }
            ],
            service_registries={"registry_arn": discovery.arn},
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[rule, *task_grants, *execution_grants, *args.placement.ready],
                ignore_changes=[*IGNORED],
                custom_timeouts=pulumi.CustomTimeouts(create=STEADY, update=STEADY),
            ),
        )
        scale(
            name,
            args.scaling,
            pulumi.Output.concat("service/", args.platform.cluster_name, "/", service.name),
            pulumi.Output.concat(args.route.load_balancer_arn_suffix, "/", targets.arn_suffix),
            child,
        )

        # The name of the service is known beforehand; what the address takes from it is the wait.
        self.url = pulumi.Output.all(discovery.name, service.name).apply(
            lambda names: f"http://{names[0]}.{args.placement.namespace}:{args.port}"
        )
        self.task_family = task.family
        self.register_outputs({"url": self.url, "task_family": self.task_family})

    def _to_start(self, logs: cloudwatch.LogGroup) -> tuple[Allow, ...]:
        """Allow what starting these very containers takes."""
        args = self._args
        write_logs = Allow(
            sid="WriteLogs",
            actions=frozenset({"logs:CreateLogStream", "logs:PutLogEvents"}),
            resources=(pulumi.Output.concat(logs.arn, ":*"),),
        )
        envs = [each.env for each in (args.process, args.platform.migrate) if each is not None]
        arns = [arn for env in envs for arn in env.secret_arns]
        further = (*args.platform.start_grants, *args.platform.image.pullable())
        if not arns:
            return (write_logs, *further)
        read_secrets = Allow(
            sid="ReadSecretsOfContainers",
            actions=frozenset({"secretsmanager:GetSecretValue"}),
            resources=tuple(arns),
        )
        return (write_logs, read_secrets, *further)

    def _targets(self) -> tuple[lb.TargetGroup, lb.ListenerRule]:
        args, name, child = self._args, self._name, self._child
        targets = lb.TargetGroup(
            name,
            vpc_id=args.placement.vpc_id,
            target_type="ip",
            protocol="HTTP",
            port=args.port,
            deregistration_delay=DEREGISTRATION_SECONDS,
            health_check={
                "path": args.platform.health_path,
                "matcher": "200",
                "interval": 10,
                "timeout": 5,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
            },
            opts=child,
        )
        rule = lb.ListenerRule(
            name,
            listener_arn=args.route.listener_arn,
            priority=args.route.priority,
            conditions=[{"host_header": {"values": [args.route.host]}}],
            actions=[{"type": "forward", "target_group_arn": targets.arn}],
            opts=child,
        )
        return targets, rule


SUPPRESSIONS: Final = (
    Suppression(
        check="CKV_AWS_338",
        of="aws:cloudwatch/logGroup:LogGroup",
        within="hokusai:index:FargateService",
        because="A stack decides in log_days how long what its services say is worth its price; "
        "who did what is in the database and in the account's trail.",
    ),
    Suppression(
        check="CKV_AWS_378",
        of="aws:lb/targetGroup:TargetGroup",
        within="hokusai:index:FargateService",
        because="TLS ends at the load balancer. Behind it requests stay in private subnets, where "
        "security groups let only the load balancer reach a service.",
    ),
)
