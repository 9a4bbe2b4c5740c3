"""What a Fargate task runs: containers in order, as data."""

import re
from dataclasses import dataclass
from typing import Any, Final

import pulumi
from pulumi_aws import ecs

from hokusai_infra.container_env import ContainerEnv
from hokusai_infra.iam_policy import Allow, Unscoped

START_SECONDS: Final = 120
"""Longest that Fargate lets a container wait for one that it depends on."""
LONGEST_STOP_SECONDS: Final = 120
"""Longest that Fargate waits between asking a container to stop and killing it."""

SCRATCH_VOLUME: Final = "tmp"
SCRATCH_PATH: Final = "/tmp"  # noqa: S108 - where the volume is mounted
"""The one writable place of a container.

The image must have it as a ``VOLUME`` with mode 1777, or owned by the user: a volume takes owner
and mode from the image, and where that declares none, it is root's alone and the process fails
(docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html).
"""
FREE_SCRATCH_GB: Final = 20
"""GiB that every task has; more is paid, and there is no less."""
MOST_SCRATCH_GB: Final = 200

# docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
MEMORY_MB: Final = {
    256: [512, 1024, 2048],
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
ECR: Final = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/([^@:]+)")

ASK_HEALTH: Final = (
    "import http.client as h, os, sys; "
    "c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); "
    "c.request('GET', '{path}'); "
    "sys.exit(c.getresponse().status != 200)"
)
"""Needs no more than the interpreter, so that asking costs little of a quarter CPU."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A container image, and what is true of every command of it."""

    uri: str
    entry_point: list[str]
    working_directory: str
    user: str
    """``uid:gid``, by number and not root, since a task definition may not rely on the image."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", self.user):
            raise ValueError(f"user {self.user!r}: state it as uid:gid, neither of them 0")

    def pullable(self) -> tuple[Allow, ...]:
        """Let a role pull the image, where it is in a registry that asks."""
        found = ECR.match(self.uri)
        if found is None:
            return ()
        account_id, region, repository = found.groups()
        return (
            Allow(
                sid="SignInToRegistry",
                actions=frozenset({"ecr:GetAuthorizationToken"}),
                resources=Unscoped(because="a token is the registry's, which has no ARN"),
            ),
            Allow(
                sid="PullImage",
                actions=frozenset(
                    {
                        "ecr:BatchCheckLayerAvailability",
                        "ecr:BatchGetImage",
                        "ecr:GetDownloadUrlForLayer",
                    }
                ),
                resources=(f"arn:aws:ecr:{region}:{account_id}:repository/{repository}",),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Process:
    """One command of an image, with its environment."""

    command: list[str]
    env: ContainerEnv


@dataclass(frozen=True, kw_only=True)
class TaskSize:
    """CPU units, memory and disk of a task; Fargate takes certain pairs of the first two."""

    cpu: int
    memory_mb: int
    scratch_gb: int = FREE_SCRATCH_GB
    """GiB of disk for the image and for what the containers write, encrypted by AWS."""

    def __post_init__(self) -> None:
        if not FREE_SCRATCH_GB <= self.scratch_gb <= MOST_SCRATCH_GB:
            raise ValueError(
                f"scratch_gb is {self.scratch_gb}: Fargate gives {FREE_SCRATCH_GB} "
                f"to {MOST_SCRATCH_GB}"
            )
        if self.memory_mb not in MEMORY_MB.get(self.cpu, ()):
            there = ", ".join(map(str, MEMORY_MB.get(self.cpu, ()))) or "nothing"
            raise ValueError(
                f"{self.cpu} CPU units with {self.memory_mb} MiB: Fargate takes {there} with them"
            )

    @property
    def ephemeral_storage(self) -> ecs.TaskDefinitionEphemeralStorageArgsDict | None:
        """Spell the disk as ECS does, which refuses to be told its default.

        docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html
        """
        return {"size_in_gib": self.scratch_gb} if self.scratch_gb > FREE_SCRATCH_GB else None


@dataclass(frozen=True, kw_only=True)
class Containers:
    """The containers of a task: ``migrate`` runs first and must succeed, then the service."""

    name: str
    image: Image
    service: Process
    migrate: Process | None
    port: int
    health_path: str
    region: str
    log_group: pulumi.Input[str]
    stop_seconds: int

    def rendered(self) -> pulumi.Output[str]:
        """Spell them as ECS does; the same containers are the same text."""
        definitions = [self._service()]
        if self.migrate is not None:
            definitions.append(self._migrate(self.migrate))
        return pulumi.Output.json_dumps(definitions, sort_keys=True)

    def _service(self) -> dict[str, Any]:
        command = ["CMD", "python", "-S", "-c", ASK_HEALTH.format(path=self.health_path)]
        definition = self._container(self.name, self.service) | {
            "essential": True,
            "portMappings": [{"containerPort": self.port, "protocol": "tcp"}],
            "healthCheck": {
                "command": command,
                "interval": 15,
                "timeout": 5,
                "retries": 3,
                "startPeriod": 120,
            },
            "stopTimeout": self.stop_seconds,
        }
        if self.migrate is not None:
            definition["dependsOn"] = [{"containerName": "migrate", "condition": "SUCCESS"}]
        return definition

    def _migrate(self, process: Process) -> dict[str, Any]:
        return self._container("migrate", process) | {
            "essential": False,
            "startTimeout": START_SECONDS,
        }

    def _container(self, name: str, process: Process) -> dict[str, Any]:
        given: dict[str, pulumi.Input[str]] = {
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "PORT": str(self.port),
        }
        pairs = [{"name": key, "value": value} for key, value in given.items()]
        return {
            "name": name,
            "image": self.image.uri,
            "entryPoint": self.image.entry_point,
            "command": process.command,
            "workingDirectory": self.image.working_directory,
            "user": self.image.user,
            "environment": [*pairs, *process.env.environment],
            "secrets": process.env.secrets,
            "readonlyRootFilesystem": True,
            "linuxParameters": {"initProcessEnabled": True},
            "mountPoints": [{"sourceVolume": SCRATCH_VOLUME, "containerPath": SCRATCH_PATH}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": self.log_group,
                    "awslogs-region": self.region,
                    "awslogs-stream-prefix": name,
                },
            },
        }
