import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hokusai_infra.recorder import default_answers, record
from hokusai_infra.stack import StackConfig, StackFileError
from tests.infra.recordings import ROOT, STACKS, recorded

NIGHT = {"stop": "cron(0 19 ? * MON-FRI *)", "start": "cron(0 6 ? * MON-FRI *)"}
MEMORY = "mlflow.memory_mb is 512: MLflow needs 1024 or more"


def stated(stack: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    values: dict[str, Any] = content["config"]["hokusai:stack"]
    return values


def changed(values: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    if rest:
        return {**values, head: changed(values[head], rest, value)}
    return {**values, head: value}


def wrong(stack: str, path: str, value: object) -> list[str]:
    """Return what is said of a stack file with one wrong value."""
    with pytest.raises(StackFileError) as caught:
        checked(stack, changed(stated(stack), path, value))
    return str(caught.value).split("\n")


def checked(stack: str, values: dict[str, Any], region: str = "us-east-1") -> StackConfig:
    return StackConfig.checked(values, region, f"Pulumi.{stack}.yaml")


@pytest.mark.parametrize("stack", STACKS)
def test_the_file_s_name_is_its_environment(stack: str) -> None:
    assert checked(stack, stated(stack)).environment == stack


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("protect_data", False, "protect_data is false: prod takes true"),
        ("database.multi_az", False, "database.multi_az is false: prod takes true"),
        ("network.egress.per_zone", False, "network.egress.per_zone is false: prod takes true"),
        ("api.min_tasks", 1, "api.min_tasks is 1: prod takes 2 or more"),
        ("mlflow.min_tasks", 1, "mlflow.min_tasks is 1: prod takes 2 or more"),
        ("waf", None, "waf is missing: prod takes a firewall"),
        ("night", NIGHT, "night is there: prod never stops, leave it out"),
    ],
)
def test_a_prod_that_a_mistake_or_a_zone_takes_down_does_not_load(
    path: str, value: object, says: str
) -> None:
    (line,) = wrong("prod", path, value)
    assert line.startswith(f"Pulumi.prod.yaml: {says}")
    checked("prod", changed(changed(stated("prod"), path, value), "environment", "staging"))


TOO_LONG = "cron(0 19 * * MON-FRI *)"
WRONG = [
    # a key that nobody knows
    ("databse", {}, "databse is no key: did you mean database?"),
    ("quota", 1, "quota is no key: there are environment, label, account_id,"),
    ("database.backup_day", 7, "database.backup_day is no key: did you mean backup_days?"),
    ("database.x", 1, "database.x is no key: database takes instance_class, storage_gb,"),
    ("network.egress.per_zones", 1, "network.egress.per_zones is no key: did you mean per_zone?"),
    ("night.timezones", "UTC", "night.timezones is no key: did you mean timezone?"),
    ("region", "us-east-1", "region belongs into aws:region, not hokusai:stack"),
    # a value of another kind
    ("environment", "production", "environment is 'production': take 'local', 'staging' or 'prod'"),
    ("protect_data", "no", "protect_data is 'no': write true or false, without quotes"),
    ("api.cpu", "256", "api.cpu is '256': write a whole number, without quotes"),
    ("api.cpu", 256.5, "api.cpu is 256.5: write a whole number"),
    ("api.cpu", None, "api.cpu is empty: write a whole number"),
    ("database", 1, "database is 1: write keys with values below it"),
    ("database", None, "database is empty: write keys with values below it"),
    ("network.zones", "a", "network.zones is 'a': write a list, as [a, b]"),
    ("account_id", 0o12345670123, "account_id is a number to YAML: put it in quotes, with all"),
    ("account_id", "1111222233", "account_id is '1111222233': take the account's 12 digits, in"),
    ("label", "B", "label is 'B': take up to 12 of a-z and 0-9, a letter first"),
    ("permissions_boundary", "a:b", "permissions_boundary is 'a:b': take the name of a policy of"),
    ("database.instance_class", "t4g.small", "database.instance_class is 't4g.small': take one li"),
    ("mlflow.host", "a.b", "mlflow.host is 'a.b': take one label, with at most 63 of"),
    ("mlflow.host", "a" * 64, f"mlflow.host is '{'a' * 64}': take one label, with at most 63"),
    ("dns", {"kind": "none"}, "dns.kind is 'none': take 'route53', 'elsewhere'"),
    ("dns", {}, "dns.kind is missing: Who has the domain."),
    (
        "dns.hosted_zone_id",
        "/hostedzone/Z1",
        "dns.hosted_zone_id is '/hostedzone/Z1': take the zone's id alone, as Z0123456789ABC",
    ),
    # what would leak, or be lost
    ("image", "repository:latest", "image is 'repository:latest': pin it as"),
    ("image", "repository@latest", "image is 'repository@latest': pin it as"),
    ("image", "repository@sha256:abc", "image is 'repository@sha256:abc': pin it as"),
    ("image", f"r@sha256:{'0' * 65}", f"image is 'r@sha256:{'0' * 65}': pin it as"),
    ("database.backup_days", 3, "database.backup_days is 3: take 7 or more"),
    ("database.backup_days", 36, "database.backup_days is 36: take 35 or less"),
    # what AWS would refuse
    (
        "image",
        f"111122223333.dkr.ecr.eu-west-1.amazonaws.com/hokusai@sha256:{'0' * 64}",
        "image is in eu-west-1 and the stack in us-east-1: name its copy in us-east-1",
    ),
    ("network.zones", ["a"], "network.zones is ['a']: name at least 2"),
    ("network.zones", ["a", "a"], "network.zones are ['a', 'a']: name two to four different"),
    ("network.cidr", "10.0.0.0/28", "network.cidr is 10.0.0.0/28: take a private range between"),
    ("network.cidr", "8.8.0.0/16", "network.cidr is 8.8.0.0/16: take a private range between"),
    ("network.cidr", "10.0.0.0", "network.cidr is 10.0.0.0: take a private range between"),
    ("network.cidr", "ten", "network.cidr is 'ten', which is no range of addresses: take one like"),
    ("network.cidr", "10.0.0.1/16", "network.cidr is '10.0.0.1/16', which is no range"),
    (
        "network.egress",
        {"kind": "nat_instance", "per_zone": True, "instance_type": "t3.nano"},
        "network.egress.instance_type is 't3.nano': take an ARM type",
    ),
    ("network.flow_logs", "NONE", "network.flow_logs is 'NONE': take 'ALL' or 'REJECT'"),
    (
        "database.instance_class",
        "db.t4g.micro",
        "database.instance_class is db.t4g.micro: IAM authentication needs more memory, take",
    ),
    ("database.instance_class", "db.t5.small", "database.instance_class is db.t5.small: take one"),
    (
        "database.max_connections",
        330,
        "database.max_connections is 330: db.t4g.small with its 2 GiB takes 246 or less; lower",
    ),
    (
        "database.final_snapshot_suffix",
        "a_b",
        "database.final_snapshot_suffix is 'a_b': take letters",
    ),
    ("database.storage_gb", 10, "database.storage_gb is 10: take 20 or more"),
    ("api.memory_mb", 4096, "api: 256 CPU units with 4096 MiB: Fargate takes 512, 1024, 2048"),
    ("api.cpu", 300, "api: 300 CPU units with 512 MiB: Fargate takes nothing with them"),
    ("api.scratch_gb", 10, "api.scratch_gb is 10: Fargate gives 20 to 200"),
    ("api.max_tasks", 0, "api.min_tasks "),
    ("api.min_tasks", 9, "api.min_tasks 9, max_tasks "),
    ("mlflow", {"cpu": 256, "memory_mb": 512, "min_tasks": 2, "max_tasks": 2}, MEMORY),
    ("log_days", 10, "log_days is 10: CloudWatch takes 1, 3, 5, 7, 14, 30,"),
    ("access_log_days", 1, "access_log_days is 1: take 30 or more"),
    ("waf", {"requests_a_source": 1}, "waf.requests_a_source is 1: take 100 or more"),
    ("mlflow.host", "api", "mlflow.host is that of the API, api."),
    ("domain", "*.hokusai.example", "domain is '*.hokusai.example': take one like ml.example"),
    ("domain", "Hokusai.Example", "domain is 'Hokusai.Example': take one like ml.example.com, in"),
    ("domain", f"{'a' * 70}.example", f"domain is '{'a' * 70}.example': take one like ml.examp"),
    ("domain", "a." * 130 + "a", f"domain is '{'a.' * 130}a': take at most 246 characters, not"),
]


@pytest.mark.parametrize("stack", ["staging", "prod"])
@pytest.mark.parametrize(("path", "value", "says"), WRONG, ids=lambda each: str(each)[:30])
def test_a_wrong_value_is_one_sentence_that_says_what_to_change(
    stack: str, path: str, value: object, says: str
) -> None:
    if path.startswith("night.") and stack == "prod":
        path, says = "waf.requests", "waf.requests is no key: did you mean requests_a_source?"
    (line,) = wrong(stack, path, value)
    assert line.startswith(f"Pulumi.{stack}.yaml: {says.format(stack)}")
    assert "pydantic" not in line
    assert "Input" not in line


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stop": "cron(0 19 * * MON)"}, "night.stop is 'cron(0 19 * * MON)': spell it as cron("),
        ({"stop": TOO_LONG}, f"night.stop is '{TOO_LONG}': state the day of month or the"),
        ({"start": NIGHT["stop"]}, "night.stop and start are both "),
        ({"start": "cron(50 23 ? * * *)"}, "night: cron(50 23 ? * * *): state a time that is"),
        ({"timezone": "Mars/Base"}, "night.timezone is 'Mars/Base': take an IANA name"),
        (
            {"stop": "cron(99 77 ? * MON-FRI *)"},
            "night.stop is 'cron(99 77 ? * MON-FRI *)': its minute is 99, take 0 to 59",
        ),
        (
            {"start": "cron(0 24 ? * MON-FRI *)"},
            "night.start is 'cron(0 24 ? * MON-FRI *)': its hour is 24, take 0 to 23",
        ),
        (
            {"start": "cron(0 6 ? * 2-8 *)"},
            "night.start is 'cron(0 6 ? * 2-8 *)': its day of week is 8, take 1 to 7",
        ),
    ],
)
def test_a_night_that_no_scheduler_takes_is_one_sentence(
    changes: dict[str, str], says: str
) -> None:
    (line,) = wrong("staging", "night", NIGHT | changes)
    assert line.startswith(f"Pulumi.staging.yaml: {says}")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("domain", "domain is missing: The services answer at"),
        ("database.ca_file", "database.ca_file is missing: PEM file of the authorities"),
        ("dns.hosted_zone_id", "dns.hosted_zone_id is missing: Zone of domain"),
        ("network.egress.per_zone", "network.egress.per_zone is missing: One in each zone"),
    ],
)
def test_what_is_missing_is_named_with_what_it_means(path: str, says: str) -> None:
    values = json.loads(json.dumps(stated("prod")))
    *above, last = path.split(".")
    section = values
    for each in above:
        section = section[each]
    del section[last]
    with pytest.raises(StackFileError) as caught:
        checked("prod", values)
    assert str(caught.value).startswith(f"Pulumi.prod.yaml: {says}")


def test_a_key_written_wrong_is_not_told_as_missing_too() -> None:
    values = {
        ("log_day" if key == "log_days" else key): each for key, each in stated("prod").items()
    }
    del values["image"]
    with pytest.raises(StackFileError) as caught:
        checked("prod", values)
    assert [line.partition(":")[2][:40] for line in str(caught.value).split("\n")] == [
        " log_day is no key: did you mean log_days?"[:40],
        " image is missing: The image of both services"[:40],
    ]


def test_every_key_with_a_form_says_what_to_write() -> None:
    def fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
        for name, field in model.model_fields.items():
            yield f"{model.__name__}.{name}", field
            for each in (field.annotation, *get_args(field.annotation)):
                if isinstance(each, type) and issubclass(each, BaseModel):
                    yield from fields(each)

    formed = {
        name: field
        for name, field in fields(StackConfig)
        if any(getattr(each, "pattern", None) for each in field.metadata)
    }
    assert len(formed) > 5
    assert [name for name, each in formed.items() if not each.json_schema_extra] == []


def test_several_mistakes_are_a_line_each() -> None:
    values = changed(changed(stated("prod"), "database.backup_days", 3), "api.cpu", "256")
    with pytest.raises(StackFileError) as caught:
        checked("prod", values)
    lines = str(caught.value).split("\n")
    assert len(lines) == 2
    assert all(each.startswith("Pulumi.prod.yaml: ") for each in lines)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            {"aws:allowedAccountIds": '["999900001111"]'},
            "Pulumi.staging.yaml: aws:allowedAccountIds is ['999900001111']: write",
        ),
        (
            {"hokusai:stack": {"database.max_connections": 50}},
            "Pulumi.staging.yaml: database.max_connections: 36 of api and 144 of mlflow are up",
        ),
        ({"hokusai:stack": {"database.backup_days": 3}}, "Pulumi.staging.yaml: database.backup"),
        ({"hokusai:stack": "[]"}, "Pulumi.staging.yaml: hokusai:stack is []: write keys below it"),
        (
            {"hokusai:stack": "null"},
            "Pulumi.staging.yaml: hokusai:stack is empty: write keys below",
        ),
        (
            {"aws:defaultTags": '{"tags": {"project": "hokusai", "environment": "prod"}}'},
            "Pulumi.staging.yaml: aws:defaultTags.tags.environment is 'prod': write staging, the",
        ),
    ],
)
def test_the_program_says_it_too(overrides: dict[str, Any], says: str) -> None:
    given = dict(overrides)
    if isinstance(overrides.get("hokusai:stack"), dict):
        values = stated("staging")
        for path, value in overrides["hokusai:stack"].items():
            values = changed(values, path, value)
        given["hokusai:stack"] = json.dumps(values)
    with pytest.raises(StackFileError) as caught:
        record(ROOT, "staging", answers=default_answers, config_overrides=given)
    assert str(caught.value).startswith(says)


def test_no_two_stack_files_of_an_account_share_a_domain_or_a_name() -> None:
    seen = [checked(each, stated(each)) for each in STACKS]
    assert len({each.host("api") for each in seen}) == len(seen)
    assert len({(each.account_id, each.name()) for each in seen}) == len(seen)


def test_names_carry_the_environment_and_global_ones_the_account() -> None:
    config = checked("staging", stated("staging"))
    assert config.name() == "hokusai-staging"
    assert config.name("api") == "hokusai-staging-api"
    assert config.global_name("pipeline-data") == "hokusai-pipeline-data-staging-111122223333"
    assert config.secret_name("projects/") == "hokusai/staging/projects/"
    assert config.url("api") == "https://api.staging.hokusai.example"
    assert config.roles.path == "/hokusai/staging/"
    second = checked("staging", changed(stated("staging"), "label", "b"))
    assert second.roles.path == "/hokusai/staging/b/"
    assert config.roles.boundary_arn == "arn:aws:iam::111122223333:policy/hokusai-boundary"
    assert config.image_digest == "sha256:" + "0" * 64
    assert checked("local", stated("local")).image_digest == "unknown"


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
