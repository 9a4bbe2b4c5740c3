import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pulumi
import pytest
from pulumi_aws import get_caller_identity, s3, secretsmanager

from hokusai_infra.recorder import (
    UNKNOWN,
    Graph,
    Resource,
    answers_for,
    default_answers,
    record,
    record_program,
)
from hokusai_infra.recorder.config import ConfigFileError
from tests.infra.recordings import ROOT, alone, recorded

PROJECT = """
name: example
runtime: python
config:
  size: {type: integer, default: 3}
  aws:region: {value: eu-west-1}
"""
STACK = """
config:
  example:words: [a, b]
  example:plain: eu-west-1
  example:digits: "012"
  example:on: true
  example:password: {secure: AAAB}
  example:nested: {user: me, password: {secure: AAAC}}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "Pulumi.dev.yaml").write_text(STACK)
    (tmp_path / "__main__.py").write_text("")
    return tmp_path


class Outer(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("test:index:Outer", name)
        Inner(name, pulumi.ResourceOptions(parent=self))


class Inner(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("test:index:Inner", name, None, opts)
        bucket = s3.Bucket(name, opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({"arn": bucket.arn})


def test_urns_are_those_of_the_engine() -> None:
    graph = alone(lambda: Outer("one"))
    assert [each.urn for each in graph.resources] == [
        "urn:pulumi:test::hokusai::test:index:Outer$test:index:Inner$aws:s3/bucket:Bucket::one",
        "urn:pulumi:test::hokusai::test:index:Outer$test:index:Inner::one",
        "urn:pulumi:test::hokusai::test:index:Outer::one",
    ]
    bucket, inner, outer = graph.resources
    assert (bucket.parent, inner.parent, outer.parent) == (inner.urn, outer.urn, "")
    assert (bucket.component, inner.component) == (False, True)
    assert inner.state == {"arn": bucket.state["arn"]}


def test_two_resources_with_one_urn_are_refused_with_both_places() -> None:
    def twice() -> None:
        s3.Bucket("same")
        s3.Bucket("same")

    with pytest.raises(ValueError, match=r"two resources are .*Bucket::same: .*py:\d+ and .*py:\d"):
        alone(twice)


def test_options_that_change_what_a_deployment_does_are_recorded() -> None:
    def build() -> None:
        first = s3.Bucket("first", opts=pulumi.ResourceOptions(protect=True))
        s3.Bucket(
            "second",
            bucket=first.arn,
            opts=pulumi.ResourceOptions(
                aliases=[pulumi.Alias(name="former")],
                depends_on=[first],
                ignore_changes=["tags"],
            ),
        )

    graph = alone(build)
    first, second = (graph.one("aws:s3/bucket:Bucket", name) for name in ("first", "second"))
    assert (first.protect, second.protect) == (True, False)
    assert second.aliases == ("name=former",)
    assert first.aliases == (), "those of the provider's SDK are not the program's"
    assert second.dependencies == (first.urn,)
    assert second.property_dependencies == {"bucket": [first.urn]}
    assert second.ignore_changes == ("tags",)
    line = Path(second.source.rpartition(":")[0])
    assert line.name == Path(__file__).name


def test_a_secret_is_recorded_in_clear_and_stays_one_in_the_program() -> None:
    def build() -> None:
        inner = pulumi.Output.json_dumps({"deep": [pulumi.Output.secret("s3cret")]})
        version = secretsmanager.SecretVersion("v", secret_id="arn", secret_string=inner)  # noqa: S106 - an ARN
        pulumi.export("value", version.secret_string)
        pulumi.export("plain", version.secret_id)

    graph = record_program(build, answers=lambda _: ("id", {}))
    version = graph.one("aws:secretsmanager/secretVersion:SecretVersion")
    assert json.loads(version.inputs["secretString"]) == {"deep": ["s3cret"]}
    assert version.secret_inputs == ("secretString",)
    assert graph.outputs == {"value": '{"deep": ["s3cret"]}', "plain": "arn"}
    assert graph.secret_outputs == ("value",)


def test_what_is_not_known_before_a_deployment_stays_unknown_in_a_preview() -> None:
    def build() -> None:
        bucket = s3.Bucket("b")
        pulumi.export("domain", bucket.bucket_domain_name.apply(lambda name: name.upper()))

    assert record_program(build, answers=default_answers, preview=True).outputs == {
        "domain": UNKNOWN
    }
    with pytest.raises(AttributeError, match="NoneType"):
        record_program(build, answers=default_answers)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config:\n  example:zones: [a, b\n  example:x: 1\n", ":3: this is no YAML: while parsing"),
        ("config:\n\texample:x: 1\n", ":2: this is no YAML: a tab stands where only spaces may"),
        (
            "config:\n  example:x: 1\n  y: 2\n  example:x: 3\n",
            ":4: example:x is in line 2 already:",
        ),
        ("config: {}\nconfig: {}\n", ":2: config is in line 1 already: keep one of them"),
        ("config:\n  a: {b: 1, b: 2}\n", ":2: b is in line 2 already: keep one of them"),
    ],
)
def test_a_file_that_says_nothing_clear_is_refused_with_its_line(
    program: Path, text: str, says: str
) -> None:
    file = program / "Pulumi.dev.yaml"
    file.write_text(text)
    with pytest.raises(ConfigFileError) as caught:
        record(program, "dev", answers=default_answers)
    assert str(caught.value).startswith(f"{file}{says}")
    assert "\n" not in str(caught.value)


def test_a_failed_run_does_not_spoil_the_next() -> None:
    def refuse(resource: Resource) -> NoReturn:
        raise ZeroDivisionError(resource.name)

    def build() -> None:
        for name in "abcdef":
            s3.Bucket(name).arn.apply(str.upper).apply(str.lower)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            record_program(build, answers=refuse)
        assert len(alone(build).resources) == 6


def test_a_program_does_not_wait_for_another_that_runs_at_the_same_time() -> None:
    started, first_is_done = threading.Event(), threading.Event()

    def build() -> None:
        pulumi.export("arn", s3.Bucket("b").arn.apply(lambda arn: arn.upper()))

    def late(resource: Resource) -> tuple[str, dict[str, Any]]:
        started.set()
        assert first_is_done.wait(5), "the first program waits for this one"
        return default_answers(resource)

    with ThreadPoolExecutor(1) as thread:
        second = thread.submit(record_program, build, answers=late)
        assert started.wait(5)
        first = record_program(build, answers=default_answers)
        first_is_done.set()
        assert first.outputs == second.result(5).outputs == {"arn": "ARN:AWS:S3:::B"}


def test_config_is_read_as_the_command_line_does(program: Path) -> None:
    (program / "__main__.py").write_text(
        "import pulumi\n"
        "config = pulumi.Config()\n"
        "pulumi.export('all', [config.require_int('size'), config.require_object('words'),\n"
        "    config.require('plain'), config.require('digits'), config.require_bool('on'),\n"
        "    pulumi.Config('aws').require('region')])\n"
        "pulumi.export('secret', config.require_secret('password'))\n"
        "pulumi.export('nested', config.require_secret_object('nested')['user'])\n"
    )
    graph = record(program, "dev", answers=default_answers)
    assert graph.outputs["all"] == [3, ["a", "b"], "eu-west-1", "012", True, "eu-west-1"]
    assert graph.outputs["secret"] == "secret of example:password"  # noqa: S105 - a placeholder
    assert graph.outputs["nested"] == "me"
    assert graph.secret_outputs == ("nested", "secret")


def test_an_override_wins_over_both_files(program: Path) -> None:
    (program / "__main__.py").write_text(
        "import pulumi\npulumi.export('size', pulumi.Config().require_int('size'))\n"
    )
    overrides = {"example:size": "9"}
    graph = record(program, "dev", answers=default_answers, config_overrides=overrides)
    assert graph.outputs == {"size": 9}


def test_a_program_finds_its_own_modules_and_files(program: Path) -> None:
    (program / "only_here.py").write_text("NAME = 'found'\n")
    (program / "data.txt").write_text("read")
    (program / "__main__.py").write_text(
        "import pulumi\nfrom pathlib import Path\nfrom only_here import NAME\n"
        "pulumi.export('found', [NAME, Path('data.txt').read_text()])\n"
    )
    graph = record(program, "dev", answers=default_answers)
    assert graph.outputs == {"found": ["found", "read"]}


def test_what_is_missing_is_named(program: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Pulumi\.other\.yaml; there are: Pulumi\.dev"):
        record(program, "other", answers=default_answers)
    (program / "Pulumi.yaml").write_text(PROJECT + "  needed: {type: string}\n")
    with pytest.raises(ValueError, match=r"Pulumi\.dev\.yaml lacks example:needed"):
        record(program, "dev", answers=default_answers)


def test_what_asks_the_cloud_is_refused() -> None:
    with pytest.raises(ValueError, match="getCallerIdentity asks the cloud"):
        alone(get_caller_identity)
    with pytest.raises(ValueError, match="'there' is read from the cloud"):
        alone(lambda: s3.Bucket.get("there", "id"))


def test_a_type_that_nothing_answers_for_is_named() -> None:
    with pytest.raises(ValueError, match="nothing answers for aws:s3/inventory:Inventory"):
        default_answers(Resource(urn="u", type="aws:s3/inventory:Inventory", name="n", inputs={}))


def test_answers_belong_to_the_account_they_are_for() -> None:
    bucket = Resource(urn="u", type="aws:kms/key:Key", name="mine", inputs={})
    _, outputs = answers_for("444455556666", "eu-west-1")(bucket)
    assert outputs["arn"] == "arn:aws:kms:eu-west-1:444455556666:key/mine"


def test_a_wildcard_is_proven_by_the_record_of_its_domain() -> None:
    inputs = {"domainName": "*.a.example", "subjectAlternativeNames": ["a.example"]}
    _, outputs = default_answers(
        Resource(urn="u", type="aws:acm/certificate:Certificate", name="c", inputs=inputs)
    )
    proofs = outputs["domainValidationOptions"]
    assert [(each["domainName"], each["resourceRecordName"]) for each in proofs] == [
        ("*.a.example", "_proof.a.example."),
        ("a.example", "_proof.a.example."),
    ]


def test_a_graph_survives_being_written_down(graph: Graph) -> None:
    assert Graph.from_json(graph.to_json()) == graph


def test_a_recording_is_the_same_twice() -> None:
    again = record(ROOT, "prod", answers=default_answers)
    assert again.to_json() == recorded("prod").to_json()


def test_a_resource_is_found_by_type_and_name(graph: Graph) -> None:
    assert graph.one("aws:s3/bucket:Bucket", "pipeline-data").name == "pipeline-data"
    with pytest.raises(LookupError, match=r"3 of aws:s3/bucket:Bucket .*mlflow-artifacts"):
        graph.one("aws:s3/bucket:Bucket")


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_a_stack_can_be_previewed_before_anything_of_it_exists(stack: str) -> None:
    graph = record(ROOT, stack, answers=lambda _: ("", {}), preview=True)
    assert {each.urn for each in graph.resources} == {
        each.urn for each in recorded(stack).resources
    }
    assert graph.outputs["setup_task"]["task_definition"] == f"hokusai-{stack}-api"
    task = graph.one("aws:ecs/taskDefinition:TaskDefinition", "api")
    assert task.inputs["containerDefinitions"] == UNKNOWN
