"""Who may know whom: infrastructure and application meet in one file."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.recordings import ROOT


def imported(file: Path) -> set[str]:
    """Return the top-level packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("hokusai_infra", {"app"}),
        ("app", {"hokusai_infra", "hokusai_client", "pulumi", "pulumi_aws"}),
        ("hokusai_client", {"app", "hokusai_infra", "pulumi"}),
    ],
)
def test_a_package_knows_only_what_it_may(package: str, never: set[str]) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    assert {str(each): both for each in files if (both := imported(each) & never)} == {}


def test_infrastructure_and_application_meet_in_the_program_alone() -> None:
    assert {"app", "hokusai_infra"} <= imported(ROOT / "__main__.py")


HEAVY = ("boto3", "botocore", "fastapi", "flask", "mlflow", "moto", "psycopg", "sqlalchemy")


def test_a_preview_imports_nothing_that_only_services_need() -> None:
    code = (
        "import sys; from pathlib import Path; from hokusai_infra.preview.command import prepare\n"
        "prepare(Path('.'), 'staging'); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = {*done.stdout.split()}
    assert "pulumi_policy" in loaded
    assert sorted(loaded & {*HEAVY}) == []


ALONE = """
import sys
sys.modules |= dict.fromkeys(
    ["app", "boto3", "fastapi", "flask", "hokusai_client", "mlflow", "moto", "psycopg"]
)
import importlib, json, pathlib, pkgutil
import hokusai_infra.components, hokusai_infra.stack
from hokusai_infra.recorder import default_answers, record

for each in pkgutil.iter_modules(hokusai_infra.components.__path__):
    importlib.import_module(f"hokusai_infra.components.{each.name}")
firewall = [each for each in sys.modules if each.startswith("pulumi_aws.wafv2.")]
for file in sorted(pathlib.Path("examples").glob("*/Pulumi.*.yaml")):
    record(file.parent, file.name.split(".")[1], answers=default_answers)
print(json.dumps([firewall, *sys.modules]))
"""


def test_the_library_and_its_examples_need_no_more_than_the_library_s_own_dependencies() -> None:
    """The extras are for the local stack; another project's program must not need them."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    firewall, *loaded = json.loads(done.stdout.splitlines()[-1])
    assert {"postcards", "tracking"} <= {*loaded}
    assert firewall == [], "a stack without a firewall pays a quarter of a second for it"
