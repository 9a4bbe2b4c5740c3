"""The command line itself."""

import subprocess
import sys
from pathlib import Path

from tests.stack import HOKUSAI

HEAVY = ("boto3", "httpx", "moto", "psycopg", "pulumi", "yaml")


def test_help_and_version_import_nothing_heavy() -> None:
    script = (
        "import sys; from hokusai_client.cli import add_groups, app; add_groups(app); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_the_version_is_that_of_the_distribution() -> None:
    done = subprocess.run([HOKUSAI, "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == "hokusai 0.1.0\n"


def test_every_command_of_the_local_stack_is_listed() -> None:
    done = subprocess.run([HOKUSAI, "infra", "--help"], check=True, capture_output=True, text=True)
    for command in ("up", "down", "reset", "status", "logs", "run"):
        assert f" {command} " in done.stdout


def test_a_folder_without_a_program_is_an_error_with_a_hint(tmp_path: Path) -> None:
    for command in ("up", "down", "status", "logs", "reset"):
        words = ["", str(tmp_path)] if command == "logs" else [str(tmp_path)]
        done = subprocess.run(
            [HOKUSAI, "infra", command, *words], check=False, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "no Pulumi.yaml" in done.stdout
        assert "hint: " in done.stdout


def test_a_stack_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    done = subprocess.run(
        [HOKUSAI, "infra", "up", tmp_path], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "There is no stack file" in done.stdout
    assert "there are Pulumi.prod.yaml" in done.stdout
