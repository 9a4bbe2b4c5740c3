"""Other people's programs on this library, and what they become."""

import re
from typing import Any, Final

import pytest

from hokusai_infra.policy import evaluate
from hokusai_infra.recorder import Graph, default_answers, record_program
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


def test_the_six_lines_of_the_readme_are_a_program() -> None:
    (code,) = re.findall(r"```python\n(from hokusai_infra.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 6

    def main() -> None:
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - what readers are told to run

    graph = record_program(main, answers=default_answers)
    assert of(graph, "Bucket") == {"reports": {"bucket": "reports-111122223333"}}
    assert {each.name for each in graph.resources if each.component} == {"reports", "reports-key"}


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
