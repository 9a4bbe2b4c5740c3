"""Turn a settings class into the environment of a container."""

from dataclasses import dataclass
from typing import Final, get_args

import pulumi
from pydantic import AliasChoices, SecretStr
from pydantic_settings import BaseSettings

Pair = dict[str, pulumi.Input[str]]

WRITTEN_BY_SERVICE: Final = frozenset({"AWS_DEFAULT_REGION", "AWS_REGION", "PORT"})
"""Variables that ``FargateService`` writes into every container, because it decides them."""


@dataclass(frozen=True)
class FromSecret:
    """A value that ECS reads from Secrets Manager when the task starts."""

    arn: pulumi.Input[str]
    key: str = ""
    """Key of a secret that is a JSON object; empty takes the secret whole."""

    @property
    def value_from(self) -> pulumi.Input[str]:
        """Spell the reference as ECS does."""
        return pulumi.Output.concat(self.arn, ":", self.key, "::") if self.key else self.arn


@dataclass(frozen=True)
class ContainerEnv:
    """``environment`` and ``secrets`` of one ECS container definition."""

    environment: list[Pair]
    secrets: list[Pair]
    secret_arns: list[pulumi.Input[str]]
    """Secrets that the execution role must be able to read for it."""


def variable(settings: type[BaseSettings], field: str) -> str:
    """Name the variable that ``settings`` reads ``field`` from."""
    match settings.model_fields[field].validation_alias:
        case str() as alias:
            return alias.upper()
        case AliasChoices(choices=[str() as alias, *_]):
            return alias.upper()
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def container_env(
    settings: type[BaseSettings], **values: pulumi.Input[str] | FromSecret
) -> ContainerEnv:
    """Name each value by its field; refuse a set that the process could not start with."""
    fields = {
        name: field
        for name, field in settings.model_fields.items()
        if variable(settings, name) not in WRITTEN_BY_SERVICE
    }
    if unknown := sorted(values.keys() - fields.keys()):
        raise ValueError(
            f"{settings.__name__} takes no {', '.join(unknown)}; it takes {', '.join(fields)}"
        )
    if missing := sorted(n for n, f in fields.items() if f.is_required() and n not in values):
        raise ValueError(f"{settings.__name__} needs {', '.join(missing)}")

    env = ContainerEnv([], [], [])
    for field, value in sorted(values.items()):
        name, kind = variable(settings, field), fields[field].annotation
        if isinstance(value, FromSecret):
            env.secrets.append({"name": name, "valueFrom": value.value_from})
            if value.arn not in env.secret_arns:
                env.secret_arns.append(value.arn)
        elif SecretStr in (kind, *get_args(kind)):
            raise ValueError(f"{name} is a secret: pass FromSecret(arn), not its value")
        else:
            env.environment.append({"name": name, "value": value})
    return env
