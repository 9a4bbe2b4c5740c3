"""A program of somebody else's, with types and look-ups that nobody here has described."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from hokusai_infra.cli import app
from hokusai_infra.recorder import UNKNOWN, Graph, record_any
from hokusai_infra.recorder.lookups import LookUps, policy_document

ACCOUNT: Final = "210987654321"
PROJECT: Final = "name: foreign\nruntime: python\n"
STACK_FILE: Final = f"""config:
  aws:region: us-west-2
  aws:allowedAccountIds: ["{ACCOUNT}"]
"""
LOOKS_UP: Final = """import pulumi
import pulumi_aws as aws

me = aws.get_caller_identity()
here = aws.get_region()
zones = aws.get_availability_zones(state="available")
part = aws.get_partition()
reader = aws.iam.get_policy_document(
    statements=[{
        "actions": ["sts:AssumeRole"],
        "principals": [{"type": "Service", "identifiers": ["ec2.amazonaws.com"]}],
    }]
)
aws.iam.Role("reader", assume_role_policy=reader.json, description=(
    f"{me.account_id} {here.region} {','.join(zones.names)} {part.partition}"
))
"""
UNKNOWN_TYPES: Final = """import pulumi
import pulumi_aws as aws

table = aws.dynamodb.Table("table", hash_key="id", attributes=[{"name": "id", "type": "S"}])
shared = pulumi.StackReference("organization/shared/prod")
there = aws.ec2.Vpc.get("there", "vpc-0123456789abcdef0")
aws.sqs.Queue("queue", name=pulumi.Output.concat("q-", table.arn))
aws.s3.BucketPublicAccessBlock("open", bucket="b", block_public_policy=False)
aws.ec2.Subnet("subnet", vpc_id=there.id, cidr_block=there.cidr_block)
aws.ec2.Subnet("other", vpc_id=shared.get_output("vpc_id"), cidr_block="10.0.0.0/24")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "Pulumi.dev.yaml").write_text(STACK_FILE)
    return tmp_path


def recorded(folder: Path, program: str) -> Graph:
    (folder / "__main__.py").write_text(program)
    return record_any(folder, "dev", ACCOUNT, "us-west-2")


def run(folder: Path, program: str, *options: str) -> Result:
    (folder / "__main__.py").write_text(program)
    return CliRunner().invoke(app, ["preview", "dev", str(folder), *options])


def test_types_that_nobody_has_described_are_unpriced_and_judged_all_the_same(
    folder: Path,
) -> None:
    done = run(folder, UNKNOWN_TYPES)
    assert done.exit_code == 1, done.output
    assert "Table: UNPRICED, this type has no price and is not declared free" in done.stdout
    assert "total incomplete: 2 unpriced" in done.stdout
    assert "mandatory: " in done.stdout
    assert " at __main__.py:8\n" in done.stdout


def test_what_a_program_reads_stays_unknown_and_its_id_is_kept(folder: Path) -> None:
    graph = recorded(folder, UNKNOWN_TYPES)
    subnets = {each.name: each.inputs for each in graph.of("aws:ec2/subnet:Subnet")}
    assert subnets["subnet"]["vpcId"] == "vpc-0123456789abcdef0"
    assert subnets["subnet"]["cidrBlock"] == UNKNOWN
    assert subnets["other"]["vpcId"] == UNKNOWN
    assert graph.one("aws:sqs/queue:Queue").inputs["name"] == UNKNOWN


def test_what_follows_from_account_and_region_is_answered(folder: Path) -> None:
    role = recorded(folder, LOOKS_UP).one("aws:iam/role:Role")
    zones = "us-west-2a,us-west-2b,us-west-2c"
    assert role.inputs["description"] == f"{ACCOUNT} us-west-2 {zones} aws"
    assert json.loads(role.inputs["assumeRolePolicy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("aws.ec2.get_ami(owners=['amazon'])", "getAmi:getAmi asks AWS, which a preview cannot"),
        (
            "aws.iam.get_policy_document(source_policy_documents=['{}'])",
            "with sourcePolicyDocuments is not worked out in a preview: state all statements",
        ),
    ],
)
def test_what_only_aws_knows_is_one_sentence_with_the_line(
    folder: Path, program: str, says: str
) -> None:
    done = run(folder, f"import pulumi_aws as aws\n\n{program}\n")
    assert done.exit_code == 2
    assert "__main__.py:3: " in done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ({}, {"Effect": "Allow"}),
        ({"sid": "a", "effect": "Deny"}, {"Sid": "a", "Effect": "Deny"}),
        ({"actions": ["a", "b"]}, {"Effect": "Allow", "Action": ["a", "b"]}),
        ({"notResources": ["x"]}, {"Effect": "Allow", "NotResource": "x"}),
        (
            {"principals": [{"type": "*", "identifiers": ["*"]}]},
            {"Effect": "Allow", "Principal": "*"},
        ),
        (
            {
                "conditions": [
                    {"test": "Bool", "variable": "x", "values": ["true"]},
                    {"test": "Bool", "variable": "y", "values": ["1", "2"]},
                ]
            },
            {"Effect": "Allow", "Condition": {"Bool": {"x": "true", "y": ["1", "2"]}}},
        ),
    ],
)
def test_a_policy_document_is_written_as_iam_has_it(
    stated: dict[str, Any], written: dict[str, Any]
) -> None:
    document = json.loads(policy_document({"statements": [stated], "policyId": "p"}))
    assert document == {"Version": "2012-10-17", "Id": "p", "Statement": [written]}


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("us-east-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_a_partition_is_that_of_its_region(region: str, partition: str, suffix: str) -> None:
    answer = LookUps(ACCOUNT, region).invoke("aws:index/getPartition:getPartition", {})
    assert (answer["partition"], answer["dnsSuffix"]) == (partition, suffix)
