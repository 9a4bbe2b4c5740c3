"""``secrets`` of a container, read with the execution role as ECS does."""

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from hokusai_infra.local.parts.credentials import Credentials
from hokusai_infra.local.state import StackError
from hokusai_infra.local.task_definitions import Container, TaskDefinition


@dataclass(frozen=True)
class SecretReference:
    """``valueFrom``: the secret, and which part of which version of it."""

    arn: str
    key: str = ""
    stage: str = ""
    version: str = ""

    @classmethod
    def read(cls, text: str) -> "SecretReference":
        """Take ``arn:aws:secretsmanager:<region>:<account>:secret:<name>[:<key>:<stage>:<id>]``."""
        parts = text.split(":")
        if parts[:3] != ["arn", "aws", "secretsmanager"]:
            raise StackError(
                f"{text!r} is no ARN of a secret in Secrets Manager.",
                fix="The local stack reads no other valueFrom.",
            )
        key, stage, version = (*parts[7:10], "", "", "")[:3]
        return cls(":".join(parts[:7]), key, stage, version)


def role_name(arn: str) -> str:
    """Give the name of a role, which stands behind its path."""
    return arn.rpartition("/")[2]


@dataclass
class SecretValues:
    """Reads secrets from the control plane."""

    endpoint: str
    region: str
    credentials: Credentials
    _clients: dict[str, Any] = field(default_factory=dict[str, Any])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def read(self, definition: TaskDefinition, container: Container) -> dict[str, str]:
        """Read all secrets of a container anew: a task that is restarted sees a rotation."""
        if not container.secrets:
            return {}
        if not definition.execution_role:
            raise StackError(
                f"Container {container.name!r} of {definition.family!r} has secrets, and the task "
                "definition has no executionRoleArn to read them with.",
                fix="Give it one.",
            )
        return await asyncio.to_thread(self._read, definition, container)

    def _read(self, definition: TaskDefinition, container: Container) -> dict[str, str]:
        client = self._client(role_name(definition.execution_role))
        documents: dict[SecretReference, str] = {}
        values = {}
        for variable, text in container.secrets.items():
            wanted = SecretReference.read(text)
            whole = SecretReference(wanted.arn, "", wanted.stage, wanted.version)
            if whole not in documents:
                documents[whole] = self._fetch(client, whole, definition)
            values[variable] = _part(documents[whole], wanted, variable)
        return values

    def _fetch(self, client: Any, wanted: SecretReference, definition: TaskDefinition) -> str:  # noqa: ANN401 - boto3 makes it
        from botocore.exceptions import ClientError  # noqa: PLC0415 - slow to import

        which = {"VersionStage": wanted.stage, "VersionId": wanted.version}
        try:
            answer = client.get_secret_value(
                SecretId=wanted.arn, **{name: value for name, value in which.items() if value}
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            fix = (
                "Grant the role the action that the message names."
                if "AccessDenied" in code
                else "Give the secret a first version, or correct the reference."
            )
            role = role_name(definition.execution_role)
            raise StackError(
                f"The execution role {role} of {definition.family!r} cannot read {wanted.arn}: "
                f"{code}: {error.response['Error'].get('Message', '')}",
                fix=fix,
            ) from None
        return str(answer["SecretString"])

    def _client(self, role: str) -> Any:  # noqa: ANN401 - boto3 makes it
        with self._lock:
            if role not in self._clients:
                import boto3  # noqa: PLC0415 - slow to import, and not every stack has secrets

                key = self.credentials.key_of(role)
                self._clients[role] = boto3.session.Session().client(
                    "secretsmanager",
                    endpoint_url=self.endpoint,
                    region_name=self.region,
                    aws_access_key_id=key.access_key_id,
                    aws_secret_access_key=key.secret_access_key,
                )
            return self._clients[role]


def _part(document: str, wanted: SecretReference, variable: str) -> str:
    if not wanted.key:
        return document
    try:
        value = json.loads(document)[wanted.key]
    except (ValueError, KeyError, TypeError):
        raise StackError(
            f"{variable}: the secret {wanted.arn} has no key {wanted.key!r}.",
            fix="Correct the key in valueFrom, or the secret's value.",
        ) from None
    return value if isinstance(value, str) else json.dumps(value)
