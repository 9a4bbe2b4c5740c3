"""What the program is answered, by the real control plane."""

import asyncio
import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest

from hokusai_infra.local.answers import AnswerError, Database, LocalAnswers
from hokusai_infra.local.parts.control_plane import ControlPlane
from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.ports import Ports
from hokusai_infra.local.process import NotReadyError
from hokusai_infra.recorder import Resource

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

ACCOUNT, REGION = "222233334444", "eu-central-1"


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    state = tmp_path_factory.mktemp("state")
    key = Credentials.prepare(state).operator.key
    part = ControlPlane(
        port=Ports(state / "ports.json").get("control-plane"),
        state=state,
        account_id=ACCOUNT,
        region=REGION,
    )
    spec = part.process()
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen(
            spec.argv, env=dict(spec.env), cwd=spec.cwd, stdout=subprocess.DEVNULL
        ) as p,
    ):
        patch.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
        patch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
        _wait(part)
        yield part
        p.terminate()


def _wait(part: ControlPlane) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            asyncio.run(part.process().ready())
        except NotReadyError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def answers(control_plane: ControlPlane) -> LocalAnswers:
    return LocalAnswers(ACCOUNT, REGION, control_plane.url, Database(20_001, "first password"))


def again(answers: LocalAnswers) -> LocalAnswers:
    """Make the answers of the next start."""
    names = ("account_id", "region", "endpoint", "database")
    return LocalAnswers(*(getattr(answers, name) for name in names))


def resource(type_: str, name: str, /, **inputs: object) -> Resource:
    return Resource(
        urn=f"urn:pulumi:local::p::{type_}::{name}",
        type=type_,
        name=name,
        inputs=inputs,
        source="__main__.py:7",
    )


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)
ROLE = "aws:iam/role:Role"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a type
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


@pytest.mark.parametrize(
    "asked",
    [
        resource(SECRET, "named", name="a/b", description="x"),
        resource(SECRET, "unnamed"),
        resource("aws:kms/key:Key", "key", description="x"),
        resource("aws:kms/alias:Alias", "alias", name="alias/a", targetKeyId="set below"),
        resource(ROLE, "role", assumeRolePolicy=TRUST, path="/service/"),
        resource("aws:iam/policy:Policy", "policy", policy=POLICY),
        resource("aws:rds/instance:Instance", "db", username="me", manageMasterUserPassword=True),
        resource("aws:s3/bucket:Bucket", "Data"),
        resource("aws:ecs/cluster:Cluster", "cluster"),
    ],
    ids=lambda each: each.name,
)
def test_the_next_start_gets_the_same_answer(answers: LocalAnswers, asked: Resource) -> None:
    if asked.name == "alias":
        key, _ = answers(resource("aws:kms/key:Key", "aliased"))
        asked = dataclasses.replace(asked, inputs={**asked.inputs, "targetKeyId": key})
    first = answers(asked)
    assert again(answers)(asked) == first
    assert first[1].get("arn", f":{ACCOUNT}:").startswith(("arn:aws:s3:::", "arn:aws:", ":"))


def test_what_is_asked_at_once_is_made_once(answers: LocalAnswers) -> None:
    asked = [resource(SECRET, f"parallel-{n}", name=f"parallel/{n}") for n in range(8)]
    got: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda r=each: got.__setitem__(r.name, answers(r)[0]))
        for each in asked
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*got.values()}) == 8


def secrets_manager(control_plane: ControlPlane) -> "SecretsManagerClient":
    """Return a client with this test's own credentials; boto3 keeps its default session's."""
    return boto3.session.Session().client(
        "secretsmanager", endpoint_url=control_plane.url, region_name=REGION
    )


def value(control_plane: ControlPlane, secret: str) -> str:
    return secrets_manager(control_plane).get_secret_value(SecretId=secret)["SecretString"]


def test_a_value_is_put_once_and_not_back_over_a_later_one(
    answers: LocalAnswers, control_plane: ControlPlane
) -> None:
    arn, _ = answers(resource(SECRET, "written", name="written"))
    first = resource(VERSION, "written", secretId=arn, secretString="first")
    answers(first)
    assert value(control_plane, arn) == "first"

    client = boto3.session.Session().client(
        "secretsmanager", endpoint_url=control_plane.url, region_name=REGION
    )
    client.put_secret_value(SecretId=arn, SecretString="by the application")
    again(answers)(first)
    assert value(control_plane, arn) == "by the application"

    answers(dataclasses.replace(first, inputs={**first.inputs, "secretString": "second"}))
    assert value(control_plane, arn) == "second"


def test_a_role_has_its_inline_attached_and_managed_policies(answers: LocalAnswers) -> None:
    name, _ = answers(
        resource(
            ROLE, "all", assumeRolePolicy=TRUST, inlinePolicies=[{"name": "own", "policy": POLICY}]
        )
    )
    arn, _ = answers(resource("aws:iam/policy:Policy", "shared", policy=POLICY))
    managed = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    attachment = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    answers(resource("aws:iam/rolePolicy:RolePolicy", "more", role=name, policy=POLICY))
    answers(resource(attachment, "one", role=name, policyArn=arn))
    answers(resource(attachment, "two", role=name, policyArn=managed))
    found = answers.policies_by_role()[name]
    assert found[:3] == [POLICY] * 3
    assert "logs:PutLogEvents" in found[3]

    answers(resource(attachment, "three", role=name, policyArn="arn:aws:iam::aws:policy/Invented"))
    with pytest.raises(AnswerError, match="policy/Invented is no policy of the program"):
        answers.policies_by_role()


def test_the_database_is_the_local_one_with_a_managed_secret(
    answers: LocalAnswers, control_plane: ControlPlane
) -> None:
    stated = {"name": "max_connections", "value": "250"}
    group = resource("aws:rds/parameterGroup:ParameterGroup", "wide", parameters=[stated])
    asked = resource(
        "aws:rds/instance:Instance",
        "main",
        username="me",
        manageMasterUserPassword=True,
        parameterGroupName=answers(group)[1]["name"],
    )
    _, outputs = answers(asked)
    assert answers.databases[0]["max_connections"] == 250
    assert (outputs["address"], outputs["port"]) == ("localhost", 20_001)
    assert outputs["resourceId"].startswith("db-")
    secret = outputs["masterUserSecrets"][0]["secretArn"]
    assert json.loads(value(control_plane, secret)) == {
        "username": "me",
        "password": "first password",
    }
    with pytest.raises(AnswerError, match="'other' is a second database instance"):
        answers(resource("aws:rds/instance:Instance", "other"))


def test_a_managed_secret_is_encrypted_with_the_stated_key(
    answers: LocalAnswers, control_plane: ControlPlane
) -> None:
    _, key = answers(resource("aws:kms/key:Key", "of-the-master-secret"))
    _, outputs = answers(
        resource(
            "aws:rds/instance:Instance",
            "keyed",
            manageMasterUserPassword=True,
            masterUserSecretKmsKeyId=key["arn"],
        )
    )
    (managed,) = outputs["masterUserSecrets"]
    manager = secrets_manager(control_plane)
    assert managed["kmsKeyId"] == key["arn"]
    assert manager.describe_secret(SecretId=managed["secretArn"])["KmsKeyId"] == key["arn"]


def test_what_aws_would_refuse_names_the_resource_and_its_line(answers: LocalAnswers) -> None:
    name, _ = answers(resource(ROLE, "broken", assumeRolePolicy=TRUST))
    broken = '{"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}'
    with pytest.raises(AnswerError, match=r"RolePolicy 'wrong' \(__main__\.py:7\) is refused"):
        answers(resource("aws:iam/rolePolicy:RolePolicy", "wrong", role=name, policy=broken))


def test_a_type_that_nobody_knows_fails_by_name(answers: LocalAnswers) -> None:
    with pytest.raises(ValueError, match="aws:quantum/thing:Thing"):
        answers(resource("aws:quantum/thing:Thing", "x"))
