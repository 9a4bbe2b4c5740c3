"""Container definitions as processes."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from hokusai_infra.local.ecs_agent import EcsAgent
from hokusai_infra.local.names import Names
from hokusai_infra.local.parts.calls import CallLog, read_calls
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.recorded import Recorded, RecordedGraph
from hokusai_infra.local.secret_values import SecretReference, SecretValues
from hokusai_infra.local.state import StackError
from hokusai_infra.local.task_definitions import HealthCheck, TaskDefinition, ecs_services
from hokusai_infra.local.tasks import Surroundings, arguments

ROLE = "arn:aws:iam::222233334444:role/api-task"


def definition(*containers: dict[str, object], **more: object) -> TaskDefinition:
    inputs = {"family": "f", "containerDefinitions": json.dumps(containers), **more}
    return TaskDefinition.read(Recorded("aws:ecs/taskDefinition:TaskDefinition", "f", inputs, {}))


def after(name: str, condition: str = "SUCCESS") -> list[dict[str, str]]:
    return [{"containerName": name, "condition": condition}]


def test_containers_come_after_those_they_depend_on() -> None:
    found = definition(
        {"name": "web", "dependsOn": after("migrate") + after("proxy", "HEALTHY")},
        {"name": "proxy", "dependsOn": after("migrate", "COMPLETE")},
        {"name": "migrate", "essential": False},
    )
    assert [each.name for each in found.containers] == ["migrate", "proxy", "web"]


def test_what_others_await_the_end_of_is_told_from_what_runs_beside_them() -> None:
    found = definition(
        {"name": "web", "dependsOn": after("migrate") + after("proxy", "HEALTHY")},
        {"name": "proxy", "dependsOn": after("migrate", "COMPLETE")},
        {"name": "migrate", "essential": False},
        {"name": "both"},
        {"name": "one", "dependsOn": after("both")},
        {"name": "two", "dependsOn": after("both", "HEALTHY")},
    )
    assert found.first_to_end() == {"migrate"}


def test_a_container_that_waits_for_nobody_known_is_refused() -> None:
    with pytest.raises(StackError, match="dependsOn names ghost"):
        definition({"name": "web", "dependsOn": after("ghost")})


def test_containers_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(StackError, match="wait for each other"):
        definition({"name": "a", "dependsOn": after("b")}, {"name": "b", "dependsOn": after("a")})


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        (["CMD", "python", "-S"], ("python", "-S")),
        (["CMD-SHELL", "curl -f x || exit 1"], ("/bin/sh", "-c", "curl -f x || exit 1")),
    ],
)
def test_a_health_command_is_run_as_ecs_does(command: list[str], argv: tuple[str, ...]) -> None:
    check = HealthCheck.read({"command": command, "interval": 7})
    assert check == HealthCheck(argv, interval=7, timeout=5, retries=3, start_period=0)


def test_none_is_no_health_check() -> None:
    assert HealthCheck.read({"command": ["NONE"]}) is None


def surroundings(tmp_path: Path) -> Surroundings:
    credentials = Credentials.prepare(tmp_path / "state")
    control = "http://127.0.0.1:20001"
    return Surroundings(
        program=tmp_path,
        tmp=tmp_path / "tmp",
        names=Names({"api.example": "http://127.0.0.1:20009"}),
        credentials=credentials,
        control_plane=control,
        object_store="http://127.0.0.1:20002",
        region="eu-central-1",
        secrets=SecretValues(control, "eu-central-1", credentials),
        agent=EcsAgent(credentials, CallLog(None)),
    )


def environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    pairs = [{"name": name, "value": value} for name, value in variables.items()]
    found = definition({"name": "web", "environment": pairs}, taskRoleArn=ROLE)
    around = surroundings(tmp_path)
    return asyncio.run(around.environment(found, found.containers[0], "web/2", {8000: 20_003}))


def test_the_environment_is_built_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "PYTHONDONTWRITEBYTECODE", "MY_TOKEN"):
        monkeypatch.setenv(name, "callers")
    found = environment(tmp_path, PORT="8000", URL="https://api.example/x", AWS_REGION="r-1")

    token = found.pop("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    home = str(tmp_path / "tmp" / "web-2")
    assert len(token) > 32
    assert found == {
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:20001",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:20002",
        "AWS_REGION": "r-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": (
            "http://127.0.0.1:20001/_credentials/api-task/web-2"
        ),
        "PORT": "20003",
        "URL": "http://127.0.0.1:20009/x",
    }
    assert Path(home).is_dir()


def test_the_entry_point_stays_when_the_command_is_overridden() -> None:
    found = definition({"name": "web", "entryPoint": ["python", "-m"], "command": ["app"]})
    container, path = found.containers[0], {"PATH": str(Path(sys.executable).parent)}
    python = str(Path(sys.executable).parent / "python")
    assert arguments(found, container, path) == (python, "-m", "app")
    assert arguments(found, container, path, ["other", "x"]) == (python, "-m", "other", "x")


def test_a_program_that_is_not_installed_is_named() -> None:
    found = definition({"name": "web", "command": ["no-such-program"]})
    with pytest.raises(StackError, match="'no-such-program', which is not on this machine"):
        arguments(found, found.containers[0], {"PATH": "/usr/bin"})


def test_a_container_must_say_what_it_runs() -> None:
    found = definition({"name": "web"})
    with pytest.raises(StackError, match="neither entryPoint nor command"):
        arguments(found, found.containers[0], {"PATH": "/usr/bin"})


ARN = "arn:aws:secretsmanager:eu-central-1:222233334444:secret:a/b-AbCdEf"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (ARN, SecretReference(ARN)),
        (f"{ARN}:key::", SecretReference(ARN, "key")),
        (f"{ARN}::AWSPREVIOUS:", SecretReference(ARN, "", "AWSPREVIOUS")),
        (f"{ARN}:key:AWSCURRENT:v1", SecretReference(ARN, "key", "AWSCURRENT", "v1")),
    ],
)
def test_a_reference_names_secret_key_and_version(text: str, reference: SecretReference) -> None:
    assert SecretReference.read(text) == reference


def test_a_reference_to_something_else_is_refused() -> None:
    with pytest.raises(StackError, match="no ARN of a secret"):
        SecretReference.read("arn:aws:ssm:eu-central-1:222233334444:parameter/a")


def service(name: str, container: str) -> tuple[Recorded, Recorded]:
    containers = [{"name": container, "portMappings": [{"containerPort": 80}]}]
    inputs = {"family": name, "containerDefinitions": json.dumps(containers)}
    group = {"targetGroupArn": "arn:g", "containerName": container, "containerPort": 80}
    return (
        Recorded("aws:ecs/taskDefinition:TaskDefinition", name, inputs, {"arn": f"arn:{name}"}),
        Recorded(
            "aws:ecs/service:Service",
            name,
            {"taskDefinition": f"arn:{name}", "loadBalancers": [group]},
            {},
        ),
    )


def test_a_service_is_called_by_its_container_unless_two_share_it() -> None:
    resources = (*service("one", "api"), *service("two", "app"), *service("three", "app"))
    found = ecs_services(RecordedGraph("p", "local", {}, {}, resources))
    assert [each.name for each in found] == ["api", "three", "two"]


LOGS = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/ecs/web",
        "awslogs-region": "eu-central-1",
        "awslogs-stream-prefix": "web",
    },
}
STREAM = "arn:aws:logs:eu-central-1:222233334444:log-group:/ecs/web:log-stream:web/web/web-1"


def test_a_log_is_opened_with_the_execution_role(tmp_path: Path) -> None:
    credentials = Credentials.prepare(tmp_path / "state")
    agent = EcsAgent(credentials, CallLog(tmp_path / "calls.jsonl"))
    found = definition({"name": "web", "logConfiguration": LOGS}, executionRoleArn=ROLE)
    container = found.containers[0]

    def publish(*actions: str) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": f"{STREAM[:-15]}*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        credentials.publish([credentials.identity(name="api-task", arn=ROLE, policies=[document])])

    publish("logs:CreateLogStream", "logs:PutLogEvents")
    agent.open_log(found, container, "web-1")
    publish("logs:CreateLogStream")
    with pytest.raises(StackError, match=r"api-task of 'f' may not logs:PutLogEvents on arn"):
        agent.open_log(found, container, "web-1")
    seen = [(each.action, each.outcome) for each in read_calls(tmp_path / "calls.jsonl")]
    create, put = "logs:CreateLogStream", "logs:PutLogEvents"
    assert seen == [(create, "allowed"), (put, "allowed"), (create, "allowed"), (put, "refused")]
    assert {each.resource for each in read_calls(tmp_path / "calls.jsonl")} == {STREAM}


def test_a_log_that_ecs_could_not_open_is_refused(tmp_path: Path) -> None:
    agent = EcsAgent(Credentials.prepare(tmp_path / "state"), CallLog(None))
    found = definition({"name": "web", "logConfiguration": LOGS})
    with pytest.raises(StackError, match="has no executionRoleArn"):
        agent.open_log(found, found.containers[0], "web-1")
    bare = {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/web"}}
    nowhere = definition({"name": "web", "logConfiguration": bare}, executionRoleArn=ROLE)
    with pytest.raises(StackError, match="awslogs without awslogs-region"):
        agent.open_log(nowhere, nowhere.containers[0], "web-1")
    unlogged = definition({"name": "web"})
    agent.open_log(unlogged, unlogged.containers[0], "web-1")
