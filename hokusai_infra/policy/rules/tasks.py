"""What holds for tasks of ECS, and for the services that keep them running."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from pulumi_policy import PolicyResource, ResourceValidationArgs, ResourceValidationPolicy

from hokusai_infra.policy.documents import containers, environment, is_prod
from hokusai_infra.policy.rule import Rule, Stack, resource_rule, shown, stack_rule

DISCOVERY: Final = "aws:servicediscovery/service:Service"
LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
SCALING: Final = "aws:appautoscaling/target:Target"
SERVICE: Final = "aws:ecs/service:Service"
TARGET_GROUP: Final = "aws:lb/targetGroup:TargetGroup"
TASK: Final = "aws:ecs/taskDefinition:TaskDefinition"
GUIDE: Final = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide"

LONGEST_STOP_SECONDS: Final = 120
"""Longest that Fargate waits before it kills a container."""

PINNED: Final = re.compile(r"@sha256:[0-9a-f]{64}$")
SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?"
    r"|(?:API|ACCESS|PRIVATE|SIGNING)_KEY)S?$"
)
"""Names whose value is a secret; with ``_ARN``, ``_NAME`` or ``_FILE`` behind it says where."""
SECRET_VALUE: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\w+://[^/\s:@]+:[^/\s@]+@"
    r"|\beyJ[\w-]+\.eyJ[\w-]+\.|\bhk_(?:live|test|dev)_[0-9A-Za-z]{20,}|\bghp_\w{36}\b"
)
"""A private key, an access key of AWS, a URL with a password, a JWT, keys of this project and
of GitHub."""


Container = dict[str, Any]
ContainerCheck = Callable[[Container, ResourceValidationArgs], Iterator[str]]


def _each_container(
    name: str, promise: str, page: str
) -> Callable[[ContainerCheck], ResourceValidationPolicy]:
    """Make a check of one container a rule about all containers of a task."""

    def decorate(check: ContainerCheck) -> ResourceValidationPolicy:
        @resource_rule(name, of=TASK, promise=promise, page=f"{GUIDE}/{page}.html")
        def rule(task: ResourceValidationArgs) -> Iterator[str]:
            for each in containers(task.props["containerDefinitions"]):
                for problem in check(each, task):
                    yield f"Container {each['name']}: {problem}"

        return rule

    return decorate


@_each_container(
    "image-is-pinned",
    "What runs is named by its digest, so that nobody can put something else behind the name.",
    "specifying-container-images",
)
def image_is_pinned(container: Container, task: ResourceValidationArgs) -> Iterator[str]:
    """Check the image; that of ``local`` comes from no registry."""
    if not PINNED.search(container["image"]) and environment(task.provider) != "local":
        yield f"{container['image']} has no digest."


@_each_container(
    "no-secret-in-the-environment",
    "Secrets reach a container from Secrets Manager; its environment is for everybody to read.",
    "specifying-sensitive-data",
)
def no_secret_in_environment(container: Container, _: ResourceValidationArgs) -> Iterator[str]:
    """Check names and values."""
    for each in container.get("environment") or []:
        if SECRET_NAME.search(each["name"]):
            yield f"{each['name']} is named like a secret: put it into secrets."
        elif SECRET_VALUE.search(str(each["value"])):
            yield f"The value of {each['name']} looks like a secret: put it into secrets."


@_each_container(
    "container-is-not-root",
    "No process runs as root.",
    "security-tasks-containers",
)
def is_not_root(container: Container, _: ResourceValidationArgs) -> Iterator[str]:
    """Check that the user is stated by number: the image's may be anybody."""
    user = str(container.get("user", ""))
    if not re.fullmatch(r"[1-9]\d*(?::[1-9]\d*)?", user):
        yield f"user is {user!r}: state it by number, and not 0."


@_each_container(
    "container-writes-to-tmp-alone",
    "A container's files cannot be changed while it runs, except below /tmp.",
    "security-tasks-containers",
)
def writes_to_tmp_alone(container: Container, _: ResourceValidationArgs) -> Iterator[str]:
    """Check the root, and what is mounted to be written to."""
    if container.get("readonlyRootFilesystem") is not True:
        yield "readonlyRootFilesystem is not true."
    for each in container.get("mountPoints") or []:
        if not each.get("readOnly") and each["containerPath"] != "/tmp":  # noqa: S108 (a mount)
            yield f"It may write to {each['containerPath']}."


@_each_container(
    "container-has-no-further-powers",
    "No container has powers over the machine that it runs on.",
    "security-tasks-containers",
)
def no_further_powers(container: Container, _: ResourceValidationArgs) -> Iterator[str]:
    """Check what would give some."""
    if container.get("privileged"):
        yield "It is privileged."
    added = ((container.get("linuxParameters") or {}).get("capabilities") or {}).get("add")
    if added:
        yield f"It has the capabilities {', '.join(added)}."


@stack_rule(
    "container-logs-are-kept",
    of=TASK,
    promise="What a container says is kept, in a group that the program makes and that forgets.",
    page=f"{GUIDE}/using_awslogs.html",
)
def logs_are_kept(task: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check each container's group."""
    there = {
        each.props.get("name") for each in stack.of(LOG_GROUP) if each.props.get("retentionInDays")
    }
    for each in containers(task.props["containerDefinitions"]):
        group = ((each.get("logConfiguration") or {}).get("options") or {}).get("awslogs-group")
        if group not in there:
            yield f"Container {each['name']}: {group} is no LogGroup that forgets."


@resource_rule(
    "roles-of-task-are-two",
    of=TASK,
    promise="Who starts a task and what runs in it are two roles: only the first reads secrets.",
    page=f"{GUIDE}/security-ecs-iam-role-overview.html",
)
def roles_are_two(task: ResourceValidationArgs) -> Iterator[str]:
    """Check that both are there, and that they differ."""
    found = {task.props.get("taskRoleArn"), task.props.get("executionRoleArn")}
    if None in found or len(found) == 1:
        yield "taskRoleArn and executionRoleArn are not two roles."


@resource_rule(
    "no-shell-in-tasks",
    of=SERVICE,
    promise="Nobody opens a shell in a running task; a one-off task does what has to be done.",
    page=f"{GUIDE}/ecs-exec.html",
)
def no_shell(service: ResourceValidationArgs) -> Iterator[str]:
    """Check ECS Exec."""
    if service.props.get("enableExecuteCommand"):
        yield "enableExecuteCommand is true."


@resource_rule(
    "broken-deployment-is-rolled-back",
    of=SERVICE,
    promise="A deployment that does not become healthy is rolled back, and is seen to fail.",
    page=f"{GUIDE}/deployment-circuit-breaker.html",
)
def rolled_back(service: ResourceValidationArgs) -> Iterator[str]:
    """Check circuit breaker, alarms, and that somebody waits for the end."""
    for what in ("deploymentCircuitBreaker", "alarms"):
        found = service.props.get(what) or {}
        if not (found.get("enable") and found.get("rollback")):
            yield f"{what} is not on with rollback."
    if not (service.props.get("alarms") or {}).get("alarmNames"):
        yield "alarms names none."
    if service.props.get("waitForSteadyState") is not True:
        yield "waitForSteadyState is not true: a deployment would succeed before it has."
    if (service.props.get("deploymentMinimumHealthyPercent") or 0) < 100:  # noqa: PLR2004 (all)
        yield "deploymentMinimumHealthyPercent is below 100."


@stack_rule(
    "discovery-is-attached",
    of=DISCOVERY,
    promise="A name in the network's DNS has a service behind it.",
    page=f"{GUIDE}/service-discovery.html",
)
def discovery_is_attached(name: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check that a service registers there."""
    if not stack.pointing_at(name, SERVICE, "serviceRegistries"):
        yield "No ecs Service has it among its serviceRegistries."


@stack_rule(
    "health-is-asked-where-it-is-answered",
    of=SERVICE,
    promise="Load balancer and container ask for health at one path, at a port that is open.",
    page=f"{GUIDE}/load-balancer-healthcheck.html",
)
def health_agrees(service: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check path, container and port against the task definition."""
    del stack
    tasks = service.property_dependencies.get("taskDefinition", [])
    served = {
        each["name"]: each
        for task in tasks
        if task.resource_type == TASK
        for each in containers(task.props["containerDefinitions"])
    }
    paths = {
        each.props.get("healthCheck", {}).get("path")
        for each in service.property_dependencies.get("loadBalancers", [])
        if each.resource_type == TARGET_GROUP
    }
    for target in service.props.get("loadBalancers") or []:
        container = served.get(target["containerName"])
        if container is None:
            yield f"There is no container {target['containerName']}."
            continue
        open_ports = [each["containerPort"] for each in container.get("portMappings") or []]
        if target["containerPort"] not in open_ports:
            yield f"{target['containerName']} does not open {shown(target['containerPort'])}."
        command = " ".join((container.get("healthCheck") or {}).get("command") or [])
        for path in sorted(map(str, paths)):
            if not re.search(rf"(?<![\w/]){re.escape(path)}(?![\w/])", command):
                yield f"{target['containerName']} is not asked for {path}, the target group's."


@stack_rule(
    "two-tasks-in-prod",
    of=SERVICE,
    promise="A service of prod outlives a zone: it has two tasks or more, spread over zones.",
    page=f"{GUIDE}/service-rebalancing.html",
)
def two_in_prod(service: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check the fewest tasks that scaling leaves, and where they are."""
    if not is_prod(service.provider):
        return
    targets = stack.pointing_at(service, SCALING, "resourceId")
    fewest = [each.props["minCapacity"] for each in targets] or [service.props.get("desiredCount")]
    if (min(fewest) or 0) < 2:  # noqa: PLR2004 (as the promise says)
        yield f"Scaling may leave {shown(min(fewest))}."
    if service.props.get("availabilityZoneRebalancing") != "ENABLED":
        yield "availabilityZoneRebalancing is not ENABLED."


@stack_rule(
    "requests-end-before-their-task",
    of=SERVICE,
    promise="A task has left the load balancer, and ended its requests, before it is killed.",
    page=f"{GUIDE}/load-balancer-connection-draining.html",
)
def requests_end_first(service: PolicyResource, stack: Stack) -> Iterator[str]:
    """Check deregistration delay against stop time-out, and both against Fargate's 120 s."""
    del stack
    delays = [
        int(each.props.get("deregistrationDelay", 300))
        for each in service.property_dependencies.get("loadBalancers", [])
        if each.resource_type == TARGET_GROUP
    ]
    behind = {each["containerName"] for each in service.props.get("loadBalancers") or []}
    for task in service.property_dependencies.get("taskDefinition", []):
        for each in containers(task.props["containerDefinitions"]):
            stop = each.get("stopTimeout", 30)
            in_time = all(delay < stop <= LONGEST_STOP_SECONDS for delay in delays)
            if each["name"] in behind and not in_time:
                yield f"{each['name']} has {stop} s to stop, its target group {delays} to drain."


RULES: Final[tuple[Rule, ...]] = (
    image_is_pinned,
    no_secret_in_environment,
    is_not_root,
    writes_to_tmp_alone,
    no_further_powers,
    logs_are_kept,
    roles_are_two,
    no_shell,
    rolled_back,
    discovery_is_attached,
    health_agrees,
    two_in_prod,
    requests_end_first,
)
