from typing import Any

import pulumi
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from hokusai_infra.container_env import FromSecret, container_env, variable
from hokusai_infra.recorder import default_answers, record_program


class Example(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="EXAMPLE_", frozen=True)

    port: int = Field(validation_alias="PORT")
    region: str = Field(validation_alias="AWS_REGION")
    host: str
    shared: str = Field(validation_alias=AliasChoices("SHARED_NAME", "OLD_NAME"))
    password: SecretStr
    token: SecretStr | None = None
    count: int = 3


RIGHT: dict[str, Any] = {"host": "h", "shared": "s", "password": FromSecret("arn:secret")}


def test_every_value_is_named_as_the_settings_read_it() -> None:
    env = container_env(Example, **RIGHT, count="5")
    assert env.environment == [
        {"name": "EXAMPLE_COUNT", "value": "5"},
        {"name": "EXAMPLE_HOST", "value": "h"},
        {"name": "SHARED_NAME", "value": "s"},
    ]
    assert env.secrets == [{"name": "EXAMPLE_PASSWORD", "valueFrom": "arn:secret"}]
    assert env.secret_arns == ["arn:secret"]


def test_a_key_of_a_json_secret_is_spelt_as_ecs_does() -> None:
    def main() -> None:
        env = container_env(
            Example,
            **RIGHT | {"password": FromSecret("arn:s", key="p"), "token": FromSecret("arn:s")},
        )
        pulumi.export("secrets", env.secrets)
        pulumi.export("arns", env.secret_arns)

    outputs = record_program(main, answers=default_answers).outputs
    assert outputs["secrets"] == [
        {"name": "EXAMPLE_PASSWORD", "valueFrom": "arn:s:p::"},
        {"name": "EXAMPLE_TOKEN", "valueFrom": "arn:s"},
    ]
    assert outputs["arns"] == ["arn:s"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hots": "h"}, "takes no hots; it takes host"),
        ({"port": "1"}, "takes no port"),
        ({"region": "r"}, "takes no region"),
        ({"host": None}, "Example needs host"),
        ({"password": "clear"}, r"EXAMPLE_PASSWORD is a secret: pass FromSecret\(arn\)"),
        ({"token": "clear"}, "EXAMPLE_TOKEN is a secret"),
    ],
)
def test_what_the_process_could_not_start_with_is_refused(
    change: dict[str, Any], says: str
) -> None:
    values = {name: value for name, value in (RIGHT | change).items() if value is not None}
    with pytest.raises(ValueError, match=says):
        container_env(Example, **values)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(host=TEXT, shared=TEXT, count=st.integers())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_what_is_read(
    monkeypatch: pytest.MonkeyPatch, host: str, shared: str, count: int
) -> None:
    env = container_env(Example, **RIGHT | {"host": host, "shared": shared}, count=str(count))
    with monkeypatch.context() as patch:
        for pair in [*env.environment, *({"name": s["name"], "value": "x"} for s in env.secrets)]:
            patch.setenv(str(pair["name"]), str(pair["value"]))
        patch.setenv("PORT", "80")
        patch.setenv("AWS_REGION", "us-east-1")
        read = Example()
    assert (read.host, read.shared, read.count) == (host, shared, count)
    assert read.password.get_secret_value() == "x"


def test_a_variable_has_one_name() -> None:
    assert [variable(Example, name) for name in ("port", "host", "shared")] == [
        "PORT",
        "EXAMPLE_HOST",
        "SHARED_NAME",
    ]
