"""A new stack file: every way to make one loads, and no wrong answer leaves one behind."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from hokusai_infra.cli import app
from hokusai_infra.init.command import Project, init
from hokusai_infra.init.questions import QUESTIONS, Known
from hokusai_infra.init.template import rendered
from hokusai_infra.stack import StackConfig
from tests.infra.recordings import ROOT
from tests.stack import HOKUSAI, copy_program

NEEDED = {"account": "111122223333", "domain": "ml.example.com"}
OTHER = {"domain": "other.example.com"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield copy_program(tmp_path / "program")
    shutil.rmtree(tmp_path / "program")


def test_a_broken_file_beside_it_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "Pulumi.other.yaml").write_text("config:\n\ta: 1\n")
    assert make(folder, "new") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {folder / 'Pulumi.other.yaml'}:2: this is no YAML: a tab")
    assert said.count("\n") == 1


def test_every_line_of_an_error_begins_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(folder, "new", {"storage_gb": "5", "cidr": "8.8.0.0/16"}) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(each.startswith("error: Pulumi.new.yaml: ") for each in lines)


def make(folder: Path, stack: str, stated: Known | None = None, *, force: bool = False) -> int:
    return init(folder, stack, NEEDED | (stated or {}), force=force, ask=None)


def loaded(file: Path) -> StackConfig:
    config = yaml.safe_load(file.read_text())["config"]
    return StackConfig.checked(config["hokusai:stack"], config["aws:region"], file.name)


@pytest.mark.parametrize(
    ("stack", "stated", "kind"),
    [
        ("staging", {}, ("staging", "")),
        ("prod", {"zone": "Z0123456789ABC"}, ("prod", "")),
        ("prod-eu", {"region": "eu-west-1"}, ("prod", "eu")),
        ("try", {"label": "try", "night": "yes"}, ("staging", "try")),
    ],
)
def test_what_is_written_loads_and_runs(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    stack: str,
    stated: Known,
    kind: tuple[str, str],
) -> None:
    assert make(folder, stack, stated) == 0
    file = folder / f"Pulumi.{stack}.yaml"
    config = loaded(file)
    assert (config.environment, config.label) == kind
    assert (config.night is not None) == (stated.get("night") == "yes")
    assert config.hosted_zone_id == stated.get("zone")
    said = capsys.readouterr().out
    assert f"{file} is written; the program makes " in said
    untold = config.environment == "staging" and "night" not in stated
    assert ("It runs day and night; --night yes stops it" in said) == untold
    assert "/.." not in file.read_text()
    assert "hokusai_infra/" not in file.read_text(), "whoever has the package has no such folder"
    assert "Put the digest of your image into it before you deploy." in said
    assert "dollars a month" in said


def test_every_environment_s_file_says_the_same_as_the_one_that_is_here() -> None:
    """The repository's own files are examples of the same choices."""
    for stack in ("staging", "prod"):
        known = dict.fromkeys((each.name for each in QUESTIONS), "")
        here = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
        stated = here["hokusai:stack"]
        known |= {
            "environment": stack,
            "account": stated["account_id"],
            "region": "us-east-1",
            "domain": stated["domain"],
            "zone": stated["dns"]["hosted_zone_id"],
            "image": stated["image"],
            "cidr": stated["network"]["cidr"],
            "database_class": stated["database"]["instance_class"],
            "storage_gb": str(stated["database"]["storage_gb"]),
            "night": "yes" if "night" in stated else "no",
        }
        made = yaml.safe_load(rendered(stack, known))["config"]
        assert made.pop("aws:region") == "us-east-1"
        assert made == here


def test_a_file_that_is_there_is_overwritten_by_force_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "Pulumi.staging.yaml"
    file.write_text("config: {}\n")
    assert make(folder, "staging", OTHER) == 1
    assert "--force overwrites it" in capsys.readouterr().err
    assert file.read_text() == "config: {}\n"
    assert make(folder, "staging", OTHER, force=True) == 0
    assert loaded(file).domain == "other.example.com"


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"environment": "local"}, "environment is 'local': take staging or prod"),
        ({"account": "1111"}, "account is '1111': take its 12 digits"),
        ({"domain": "localhost"}, "domain is 'localhost': take one like ml.example.com"),
        ({"zone": "/hostedzone/Z1"}, "zone is '/hostedzone/Z1': take the id of a hosted zone"),
        ({"image": "hokusai:latest"}, "image is 'hokusai:latest': take one like <repository>@"),
        ({"label": "B-1"}, "label is 'B-1': take up to 12 of a-z and 0-9"),
        ({"cidr": "8.8.0.0/16"}, "Pulumi.new.yaml: network.cidr is 8.8.0.0/16: take a private"),
        ({"database_class": "db.t4g.micro"}, "Pulumi.new.yaml: database.instance_class is db.t4g"),
        ({"storage_gb": "5"}, "Pulumi.new.yaml: database.storage_gb is 5: take 20 or more"),
        ({"environment": "prod", "night": "yes"}, "night does not go with prod"),
    ],
)
def test_a_wrong_answer_leaves_the_folder_as_it_was(
    folder: Path, capsys: pytest.CaptureFixture[str], stated: Known, says: str
) -> None:
    assert make(folder, "new", stated) == 1
    assert capsys.readouterr().err.startswith(f"error: {says}")
    assert not (folder / "Pulumi.new.yaml").exists()


def test_a_program_that_does_not_run_leaves_the_file_as_it_was(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "Pulumi.new.yaml").write_text("config: {}\n")
    (folder / "__main__.py").write_text("raise ValueError('no such day')\n")
    assert make(folder, "new", force=True) == 1
    assert "the program does not run with these answers: no such day" in capsys.readouterr().err
    assert (folder / "Pulumi.new.yaml").read_text() == "config: {}\n"


def test_two_stacks_of_an_account_share_neither_hosts_nor_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(folder, "staging") == 0
    assert make(folder, "staging-b", {"label": "b"}) == 1
    said = capsys.readouterr().err
    assert "domain ml.example.com is that of Pulumi.staging.yaml: take another" in said
    assert make(folder, "staging-b", {"domain": "b.example.com", "label": ""}) == 1
    assert "tell them apart with --label" in capsys.readouterr().err
    assert make(folder, "staging-b", {"domain": "b.example.com"}) == 0
    first, second = (loaded(folder / f"Pulumi.{each}.yaml") for each in ("staging", "staging-b"))
    assert first.name() != second.name()
    assert first.network.cidr != second.network.cidr


def test_what_is_not_stated_is_asked_until_it_fits(folder: Path) -> None:
    answers = iter(["", "", "123", "111122223333", "", "ml.example.com", *[""] * 6])
    asked: list[str] = []

    def ask(text: str, default: str | None) -> str:
        asked.append(text)
        return next(answers) or default or ""

    assert init(folder, "staging", {}, force=False, ask=ask) == 0
    assert asked.count("AWS account") == 2
    assert len(asked) == len(QUESTIONS) + 1
    assert next(answers, None) is None


def test_nobody_is_asked_what_was_stated_and_yes_asks_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(folder, "staging", {"domain": "ml.example.com"}, force=False, ask=None) == 1
    assert "--account is missing, which nobody can guess" in capsys.readouterr().err


def test_a_folder_of_another_program_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(tmp_path, "staging") == 1
    assert "has no Pulumi.yaml" in capsys.readouterr().err
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    assert make(tmp_path, "staging") == 1
    assert "takes no hokusai:stack" in capsys.readouterr().err
    assert list(tmp_path.glob("Pulumi.*.yaml")) == []


def test_a_range_that_is_free_is_found_beside_every_other(folder: Path) -> None:
    others = {f"Pulumi.{n}.yaml": {"network": {"cidr": f"10.{n}.0.0/16"}} for n in range(20, 250)}
    kept = Project(folder, "new", {k: v for k, v in others.items() if "120" not in k})
    assert kept.free_range() == "10.120.0.0/16"


def test_an_empty_line_is_answered_with_the_reason(folder: Path) -> None:
    done = CliRunner().invoke(
        app, ["init", "new", str(folder)], input="\n\n\n111122223333\n\nml.example.com\n" + "\n" * 7
    )
    assert done.exit_code == 0, done.output
    assert done.output.count("account is empty: take its 12 digits") == 1


def test_the_command_line_says_how_it_is_used() -> None:
    done = subprocess.run(
        [HOKUSAI, "infra", "init", "--help"], check=True, capture_output=True, text=True
    )
    for question in QUESTIONS:
        assert f"--{question.name.replace('_', '-')}" in done.stdout
    assert "hokusai infra init prod --account" in done.stdout


def test_a_region_without_rates_is_not_said_to_cost_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(folder, "staging-in", {"region": "ap-south-1"}) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "What it costs is not known: there are no rates for ap-south-1.\n" in said
    assert "dollars a month" not in said
