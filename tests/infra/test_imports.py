"""Who may know whom: infrastructure and application meet in one file."""

import ast
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


def test_components_and_recorder_need_no_more_than_the_library_s_own_dependencies() -> None:
    """The extras are for the local stack; another project's program must not need them."""
    code = (
        "import sys; sys.modules |= dict.fromkeys(['boto3', 'moto', 'psycopg', 'flask', 'mlflow',"
        " 'fastapi', 'app'])\n"
        "import importlib, pkgutil, hokusai_infra.components as components\n"
        "import hokusai_infra.recorder, hokusai_infra.stack\n"
        "for each in pkgutil.iter_modules(components.__path__):\n"
        "    importlib.import_module(f'hokusai_infra.components.{each.name}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
