"""Other people's programs on this library, and what they become."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from hokusai_infra.policy import evaluate
from hokusai_infra.recorder import Graph, answers_for, record
from tests.infra.recordings import ROOT, containers, example, statements

EXAMPLES: Final = ROOT / "examples"
README: Final = ROOT / "README.md"
STACKS: Final = {
    ("mlflow-alone", "local"),
    ("mlflow-alone", "prod"),
    ("own-service", "local"),
    ("own-service", "prod"),
    ("secure-bucket", "dev"),
}
COMPONENTS: Final = {
    "mlflow-alone": {
        "Cluster tracking",
        "Database database",
        "EncryptionKey data",
        "ExistingNetwork network",
        "FargateService mlflow",
        "LoadBalancer inside",
        "MlflowServer mlflow",
        "SecureBucket artifacts",
        "SecureBucket logs",
    },
    "own-service": {
        "Cluster postcards",
        "EncryptionKey data",
        "FargateService postcards",
        "LoadBalancer public",
        "NatInstance network-nat-a",
        "Network network",
        "SecureBucket cards",
        "SecureBucket logs",
        "WebFirewall firewall",
    },
    "secure-bucket": {"EncryptionKey reports-key", "SecureBucket reports"},
}


def of(graph: Graph, kind: str) -> dict[str, dict[str, Any]]:
    """Return the inputs of all resources of a type, whose last word is enough here."""
    return {each.name: each.inputs for each in graph.resources if each.type.endswith(f":{kind}")}


def test_every_example_with_a_stack_file_is_recorded_here() -> None:
    files = {
        (file.parent.name, file.name.split(".")[1]) for file in EXAMPLES.glob("*/Pulumi.*.yaml")
    }
    assert files == STACKS


@pytest.mark.parametrize(("name", "stack"), sorted(STACKS))
def test_an_example_is_composed_of_components_and_breaks_no_rule(name: str, stack: str) -> None:
    graph = example(name, stack)
    found = {
        f"{each.type.rpartition(':')[2]} {each.name}" for each in graph.resources if each.component
    }
    assert found == COMPONENTS[name]
    assert evaluate(graph) == []


def test_the_bucket_is_one_bucket() -> None:
    graph = example("secure-bucket", "dev")
    assert of(graph, "Bucket") == {"reports": {"bucket": "example-reports-111122223333"}}
    assert of(graph, "BucketLogging")["reports-access-logs"]["targetBucket"] == (
        "example-logs-111122223333"
    )
    assert graph.outputs == {"bucket": "example-reports-111122223333"}
    assert [each.protect for each in graph.resources if each.name == "reports"] == [True, True]


@pytest.fixture
def six_lines(tmp_path: Path) -> Path:
    """A program of what the README shows, with its stack file."""
    text = README.read_text()
    (code,) = re.findall(r"```python\n(from hokusai_infra.*?)```", text, re.DOTALL)
    (file,) = re.findall(r"```yaml\n(config:.*?)```", text, re.DOTALL)
    (tmp_path / "__main__.py").write_text(code)
    (tmp_path / "Pulumi.yaml").write_text("name: reports\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(file)
    return tmp_path


def test_the_six_lines_of_the_readme_are_a_program_that_keeps_every_rule(six_lines: Path) -> None:
    assert len([line for line in (six_lines / "__main__.py").read_text().splitlines() if line]) <= 6
    graph = record(six_lines, "dev", answers=answers_for("111122223333", "us-east-1"))
    assert of(graph, "Bucket") == {"reports": {"bucket": "reports-111122223333"}}
    assert {each.name for each in graph.resources if each.component} == {"reports", "reports-key"}
    assert evaluate(graph) == []


def test_a_stack_file_that_says_too_little_is_told_of_each_cause_once(six_lines: Path) -> None:
    (six_lines / "Pulumi.dev.yaml").write_text("config:\n  aws:region: us-east-1\n")
    graph = record(six_lines, "dev", answers=answers_for("111122223333", "us-east-1"))
    assert [each.message.rpartition(" aws:")[2] for each in evaluate(graph)] == [
        "defaultTags lacks project, environment or part; whether this is prod is told by it.",
        "allowedAccountIds has 0 accounts; state one, for policies are held against it.",
    ]


def test_a_finding_names_the_line_of_the_program_before_that_of_the_library(
    six_lines: Path,
) -> None:
    main = six_lines / "__main__.py"
    main.write_text(main.read_text().replace(", access_logs=logs", ""))
    graph = record(six_lines, "dev", answers=answers_for("111122223333", "us-east-1"))
    (found,) = evaluate(graph)
    assert (found.rule, found.caller) == ("bucket-access-is-logged", "__main__.py:7")
    assert re.fullmatch(r"__main__\.py:7, by \S*components/secure_bucket\.py:\d+", found.where)


@pytest.mark.parametrize("stack", ["local", "prod"])
def test_the_service_may_use_its_bucket_and_nothing_else(stack: str) -> None:
    graph = example("own-service", stack)
    task = graph.one("aws:ecs/taskDefinition:TaskDefinition", "postcards")
    account = {"local": "123456789012", "prod": "444455556666"}[stack]
    bucket = f"postcards-{stack}-{account}"
    given = {each["name"]: each["value"] for each in containers(task)["postcards"]["environment"]}
    assert given == {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "PORT": "8080",
        "POSTCARDS_BUCKET": bucket,
        "POSTCARDS_HOST": "127.0.0.1" if stack == "local" else "0.0.0.0",  # noqa: S104 - as given
        "POSTCARDS_URL": f"https://www.postcards.{'localhost' if stack == 'local' else 'example'}",
    }
    granted = statements(graph.one("aws:iam/rolePolicy:RolePolicy", "postcards-task"))
    key = graph.one("aws:kms/key:Key", "data").state["arn"]
    assert {resource for each in granted.values() for resource in each["Resource"]} == {
        f"arn:aws:s3:::{bucket}",
        f"arn:aws:s3:::{bucket}/*",
        key,
    }


def test_a_zone_elsewhere_is_told_which_records_to_make() -> None:
    records = example("own-service", "prod").outputs["dns_records"]
    assert [(each["type"], each["name"]) for each in records] == [
        ("CNAME", "_proof.postcards.example."),
        ("CNAME", "www.postcards.example"),
    ]


def test_mlflow_alone_makes_nothing_of_the_vpc_and_lets_only_its_clients_in() -> None:
    graph = example("mlflow-alone", "prod")
    for kind in ("Vpc", "Subnet", "RouteTable", "NatGateway", "InternetGateway", "VpcEndpoint"):
        assert of(graph, kind) == {}
    balancer = graph.one("aws:lb/loadBalancer:LoadBalancer", "inside").inputs
    assert balancer["internal"] is True
    assert balancer["subnets"] == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    reached = {
        (rule["referencedSecurityGroupId"], rule["securityGroupId"], rule["fromPort"])
        for rule in of(graph, "SecurityGroupIngressRule").values()
    }
    assert reached == {
        ("sg-0123456789abcdef0", "network-load-balancer-id", 443),
        ("network-load-balancer-id", "network-mlflow-id", 5000),
        ("network-mlflow-id", "network-database-id", 5432),
    }
    assert of(graph, "SubnetGroup")["database-subnets"]["subnetIds"] == [
        "subnet-0123456789abcdef2",
        "subnet-0123456789abcdef3",
    ]


def test_stock_mlflow_logs_in_by_iam_and_only_prepare_has_a_password() -> None:
    graph = example("mlflow-alone", "prod")
    found = containers(graph.one("aws:ecs/taskDefinition:TaskDefinition", "mlflow"))
    assert {name: len(each["secrets"]) for name, each in found.items()} == {
        "mlflow": 0,
        "migrate": 2,
    }
    assert found["mlflow"]["dependsOn"] == [{"containerName": "migrate", "condition": "SUCCESS"}]
    granted = statements(graph.one("aws:iam/rolePolicy:RolePolicy", "mlflow-task"))
    login = granted["LogInToDatabase"]
    assert login["Action"] == ["rds-db:connect"]
    assert [each.rpartition("/")[2] for each in login["Resource"]] == ["mlflow"]
