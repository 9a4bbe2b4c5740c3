"""The command, as it is typed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hokusai_infra.cli import app
from hokusai_infra.preview import command
from hokusai_infra.preview.report import PROMISE, VERSION
from hokusai_infra.preview.text import rendered
from tests.infra.recordings import ROOT

BUCKET = ROOT / "examples" / "secure-bucket"
STACK = "dev"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["preview", *arguments])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a program of somebody else's, in a repository with one commit."""
    folder = tmp_path / "repository" / "infra"
    shutil.copytree(BUCKET, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "first"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path / "repository", check=True)  # noqa: S607 - the developer's git
    return folder


def changed(folder: Path, old: str, new: str) -> None:
    file = folder / "__main__.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_first_line_says_that_programs_are_compared() -> None:
    done = run(STACK, str(BUCKET))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == PROMISE
    assert lines[2].startswith(f"Stack {STACK} of ")
    assert any(line.strip().startswith("SecureBucket ") for line in lines)
    assert any("* stored_gb = 25" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert "Policy: 0 failed, 0 not checked" in lines


def test_a_stack_file_may_say_what_is_used(repository: Path) -> None:
    file = repository / f"Pulumi.{STACK}.yaml"
    file.write_text(file.read_text() + "  hokusai:usage: { reports.stored_gb: 1000 }\n")
    assert "* reports.stored_gb = 1000" in run(STACK, str(repository)).stdout
    option = ("--usage", "reports.stored_gb=5")
    assert "* reports.stored_gb = 5" in run(STACK, str(repository), *option).stdout


def test_json_has_tree_findings_and_costs() -> None:
    data = json.loads(run(STACK, str(BUCKET), "--json", "--usage", "stored_gb=100").stdout)
    assert data["note"] == PROMISE
    assert data["findings"] == []
    (component,) = data["resources"]
    assert component["type"] == "hokusai:index:SecureBucket"
    assert {each["type"] for each in component["children"]} >= {"aws:s3/bucket:Bucket"}
    cost = data["cost"]
    (objects,) = (each for each in cost["lines"] if each["what"] == "objects")
    assert objects["monthly"] == 2.3
    assert objects["assumption"] == "stored_gb"
    assert data["assumptions"]["stored_gb"] == {
        "value": 100.0,
        "unit": "GB",
        "text": "GB in a bucket",
    }
    assert objects["rate"]["key"] == "s3/standard"
    total = cost["totals"]["stack"]["total"]
    assert total == pytest.approx(sum(each["monthly"] for each in cost["lines"]))
    assert "against" not in data


def test_a_broken_policy_is_told_with_its_file_and_line_and_fails(repository: Path) -> None:
    (repository / "__main__.py").write_text(
        "from pulumi_aws import s3\n\n"
        's3.BucketPublicAccessBlock("open", bucket="b", block_public_policy=False)\n'
    )
    done = run(STACK, str(repository))
    assert done.exit_code == 1
    assert "mandatory: " in done.stdout
    assert " at __main__.py:3\n" in done.stdout


def test_a_change_against_a_commit_is_told_with_what_it_costs(repository: Path) -> None:
    name = "renamed-bucket-of-somebody-else"
    file = repository / "__main__.py"
    file.write_text(
        file.read_text()
        + "\nfrom pulumi_aws import ec2, s3\n\n"
        + f'ec2.Eip("way-out")\ns3.Bucket("second", bucket="{name}")\n'
    )
    done = run(STACK, str(repository), "--against", "HEAD", "--json")
    against = json.loads(done.stdout)["against"]
    assert [(each["kind"], each["urn"].rpartition("::")[2]) for each in against["changes"]] == [
        ("add", "way-out"),
        ("add", "second"),
    ]
    assert against["difference"]["stack"] == pytest.approx(3.65 + 0.72)

    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qam", "x"]
    subprocess.run(commit, cwd=repository, check=True)
    changed(repository, name, f"{name}-again")
    report = command.prepare(repository, STACK, against="HEAD")
    text = list(rendered(report))
    assert "Against HEAD: 0 to add, 0 to change, 1 to replace, 0 to remove" in text
    told = " ".join(" ".join(text).split())
    assert "! s3.Bucket second (__main__.py:" in told
    assert ": replaced, for bucket cannot change in place" in told
    nothing = run(STACK, str(repository), "--against", "HEAD~1")
    assert "Against HEAD~1: 2 to add" in nothing.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", str(BUCKET)], f"there are: Pulumi.{STACK}.yaml"),
        ([STACK, "/nonexistent"], "/nonexistent has no Pulumi.yaml: give the folder of a Pulumi"),
        (["../dev", str(BUCKET)], "'../dev' is no stack's name: give the stack first and then"),
        ([STACK, str(BUCKET), "--usage", "stored=1"], "did you mean stored_gb?"),
        (
            [STACK, str(BUCKET), "--usage", "reports.alb_lcu=3"],
            "'reports.alb_lcu' is nothing that reports costs: reads_thousands, stored_gb, ",
        ),
        ([STACK, str(BUCKET), "--against", "no-such-commit"], "no-such-commit"),
    ],
)
def test_a_mistake_is_one_sentence_and_no_traceback(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""
    data = json.loads(run(*arguments, "--json").stdout)
    assert data.keys() == {"version", "error"}
    assert says in data["error"]


def test_a_commit_without_the_program_is_no_commit_to_compare_with(
    repository: Path,
) -> None:
    moved = repository.parent / "moved"
    repository.rename(moved)
    done = run(STACK, str(moved), "--against", "HEAD")
    assert done.exit_code == 2
    assert "HEAD has no moved/Pulumi.yaml" in done.stderr


def test_a_program_that_fails_is_named_with_its_reason(repository: Path) -> None:
    (repository / "__main__.py").write_text('raise ValueError("names two zones")\n')
    done = run(STACK, str(repository))
    assert done.exit_code == 2
    said = "does not run as stack 'dev': __main__.py:1: ValueError: names two zones\n"
    assert done.stderr.endswith(said)


def test_a_wrong_stack_file_is_told_in_its_own_sentence(tmp_path: Path) -> None:
    for file in ("Pulumi.yaml", "Pulumi.prod.yaml", "__main__.py"):
        shutil.copy(ROOT / file, tmp_path)
    stack = tmp_path / "Pulumi.prod.yaml"
    stack.write_text(stack.read_text().replace("    multi_az: true\n", "    multi_az: false\n"))
    done = run("prod", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: Pulumi.prod.yaml: ")
    assert "multi_az" in done.stderr


def test_a_syntax_error_is_told_with_its_line(repository: Path) -> None:
    (repository / "__main__.py").write_text("import pulumi\n\nbucket = (\n")
    done = run(STACK, str(repository))
    assert done.exit_code == 2
    said = "stack 'dev': __main__.py:3: SyntaxError: '(' was never closed\n"
    assert done.stderr.endswith(said)


def region(repository: Path, name: str) -> Result:
    for file in repository.glob("Pulumi*.yaml"):
        file.write_text(file.read_text().replace("us-east-1", name))
    return run(STACK, str(repository))


def test_a_region_without_prices_has_a_tree_and_findings_but_no_complete_total(
    repository: Path,
) -> None:
    done = region(repository, "ap-south-1")
    assert done.exit_code == 1
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "Bucket: UNPRICED, there are no rates for ap-south-1" in lines
    assert any(line.startswith("Nothing is priced: there are no rates for ap-s") for line in lines)
    assert any(line.startswith("total incomplete: ") for line in lines)
    assert "Policy: 0 failed, 0 not checked" in lines


def test_a_region_that_aws_has_not_is_refused(repository: Path) -> None:
    done = region(repository, "us-east1")
    assert done.exit_code == 2
    said = "aws:region is 'us-east1', which is no AWS region: did you mean us-east-1?"
    assert said in done.stderr


def test_a_summary_has_the_totals_without_the_tree() -> None:
    done = run(STACK, str(BUCKET), "--summary")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[2] == "Cost, dollars a month in us-east-1"
    assert "= the stack" in done.stdout
    assert "s3.Bucket" not in done.stdout


def test_the_replacement_of_something_protected_is_refused_and_fails(repository: Path) -> None:
    file = repository / "__main__.py"
    line = '\nimport pulumi\nfrom pulumi_aws import s3\n\ns3.Bucket("{}", bucket="{}", opts={})\n'
    options = "pulumi.ResourceOptions(protect=True)"
    file.write_text(file.read_text() + line.format("kept", "first-name", options))
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qam", "x"]
    subprocess.run(commit, cwd=repository, check=True)
    changed(repository, "first-name", "second-name")
    done = run(STACK, str(repository), "--against", "HEAD")
    assert done.exit_code == 1
    assert "  1 replacement refused: take the protection away first" in done.stdout
    data = json.loads(run(STACK, str(repository), "--against", "HEAD", "--json").stdout)
    assert data["failed"]
    assert data["against"]["refused"] == 1
    assert [each["refused"] for each in data["against"]["changes"]] == [True]


def test_a_stack_without_a_region_is_refused(repository: Path) -> None:
    file = repository / "Pulumi.yaml"
    file.write_text(file.read_text().partition("config:")[0])
    done = run(STACK, str(repository))
    assert done.exit_code == 2
    assert done.stderr == (
        "error: Pulumi.dev.yaml lacks aws:region: prices are those of a region\n"
    )


def test_help_has_examples_and_needs_neither_pulumi_nor_the_rules() -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(['pulumi', 'pulumi_aws', 'pulumi_policy'])\n"
        "from typer.testing import CliRunner; from hokusai_infra.cli import app\n"
        "print(CliRunner().invoke(app, ['preview', '--help']).output)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "hokusai infra preview prod --against main" in done.stdout


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = __import__

    def without(name: str, *rest: Any, **further: Any) -> Any:  # noqa: ANN401 - import's own
        if name == "hokusai_infra.policy":
            raise ModuleNotFoundError(name="pulumi_policy")
        return real(name, *rest, **further)

    monkeypatch.setattr("builtins.__import__", without)
    with pytest.raises(command.PreviewError, match=r"install hokusai-infra\[preview\]"):
        command.prepare(BUCKET, STACK)


KEYS: dict[str, set[str]] = {
    "": {
        "version", "failed", "note", "project", "stack", "region", "resources", "findings",
        "cost", "assumptions", "against",
    },
    "resources": {"urn", "type", "name", "source", "caller", "protected", "children"},
    "findings": {"rule", "level", "state", "urn", "source", "caller", "message"},
    "cost": {
        "hours", "oldest_rate", "uncertain", "unpriced", "complete", "totals", "components",
        "lines",
    },
    "cost.totals": {"stack", "firewall", "account"},
    "cost.totals.stack": {"fixed", "usage", "total"},
    "cost.components": {"name", "part", "fixed", "usage", "total"},
    "cost.lines": {
        "urn", "what", "kind", "part", "derived", "quantity", "monthly", "assumption", "note",
        "rate",
    },
    "cost.lines.rate": {"key", "usd", "unit", "region", "as_of", "certain", "source"},
    "assumptions.stored_gb": {"value", "unit", "text"},
    "against": {"rev", "changes", "refused", "totals_before", "difference"},
    "against.changes": {
        "kind", "urn", "source", "caller", "properties", "replaced_by", "follows", "refused",
        "formerly",
    },
    "against.difference": {"stack", "firewall", "account"},
}  # fmt: skip
"""Where in the JSON, through the first of a list, which keys are."""


def test_the_json_has_the_keys_that_the_reference_lists(repository: Path) -> None:
    file = repository / "__main__.py"
    line = '\nfrom pulumi_aws import s3\n\ns3.BucketPublicAccessBlock("open", bucket="b")\n'
    file.write_text(file.read_text() + line)
    data = json.loads(run(STACK, str(repository), "--json", "--against", "HEAD").stdout)
    assert data["version"] == VERSION == 1
    reference = (ROOT / "docs" / "reference" / "preview.md").read_text()
    for path, keys in KEYS.items():
        found = data
        for key in filter(None, path.split(".")):
            found = found[key]
            found = found[0] if isinstance(found, list) else found
        assert found.keys() == keys, path
        assert [key for key in keys if f"`{key}`" not in reference] == []
