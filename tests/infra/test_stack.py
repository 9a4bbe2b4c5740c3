from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from hokusai_infra.stack import StackConfig
from tests.infra.recordings import ROOT, STACKS, recorded


def stated(stack: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    values: dict[str, Any] = content["config"]["hokusai:stack"]
    return {**values, "region": "us-east-1"}


def changed(values: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    if rest:
        return {**values, head: changed(values[head], rest, value)}
    return {**values, head: value}


@pytest.mark.parametrize("stack", STACKS)
def test_the_file_s_name_is_its_environment(stack: str) -> None:
    assert StackConfig.model_validate(stated(stack)).environment == stack


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("protect_data", False),
        ("database.multi_az", False),
        ("network.egress.per_zone", False),
        ("api.min_tasks", 1),
        ("mlflow.min_tasks", 1),
        ("waf", None),
    ],
)
def test_a_prod_that_a_mistake_or_a_zone_takes_down_does_not_load(path: str, value: object) -> None:
    with pytest.raises(ValidationError, match=f"prod needs {path}"):
        StackConfig.model_validate(changed(stated("prod"), path, value))
    StackConfig.model_validate(
        changed(changed(stated("prod"), path, value), "environment", "staging")
    )


@pytest.mark.parametrize("stack", ["staging", "prod"])
@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("dns", {"kind": "none"}, "keys in clear"),
        ("image", "repository:latest", "pin it as"),
        ("image", "repository@latest", "pin it as"),
        ("account_id", 12345, "account_id"),
        ("database.backup_days", 6, "backup_days"),
        ("network.zones", ["a"], "zones"),
        ("network.egress.kind", "none", "kind"),
        ("api.min_tasks", 0, "min_tasks"),
        ("unknown", 1, "unknown"),
        ("database.unknown", 1, "unknown"),
    ],
)
def test_what_would_fail_or_leak_later_does_not_load(
    stack: str, path: str, value: object, says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        StackConfig.model_validate(changed(stated(stack), path, value))


def test_names_carry_the_environment_and_global_ones_the_account() -> None:
    config = StackConfig.model_validate(stated("staging"))
    assert config.name() == "hokusai-staging"
    assert config.name("api") == "hokusai-staging-api"
    assert config.global_name("pipeline-data") == "hokusai-pipeline-data-staging-111122223333"
    assert config.secret_name("projects/") == "hokusai/staging/projects/"
    assert config.url("api") == "https://api.staging.hokusai.example"
    assert config.image_digest == "sha256:" + "0" * 64
    assert StackConfig.model_validate(stated("local")).image_digest == "unknown"


LIMITS = {
    "aws:s3/bucket:Bucket": ("bucket", 63),
    "aws:rds/instance:Instance": ("identifier", 63),
    "aws:lb/loadBalancer:LoadBalancer": ("name", 32),
    "aws:lb/targetGroup:TargetGroup": ("name", 32),
    "aws:iam/role:Role": ("name", 64),
    "aws:ecs/service:Service": ("name", 255),
    "aws:secretsmanager/secret:Secret": ("name", 512),
}
RANDOM = len("-1234567")
"""What Pulumi puts behind a logical name that it makes a physical one of."""


@pytest.mark.parametrize("stack", STACKS)
def test_names_fit_aws_limits(stack: str) -> None:
    for type_, (key, limit) in LIMITS.items():
        for each in recorded(stack).of(type_):
            assert len(each.inputs.get(key, "x" * (len(each.name) + RANDOM))) <= limit, each.urn
