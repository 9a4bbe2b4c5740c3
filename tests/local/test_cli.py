"""The command line itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from hokusai_infra.local.wording import VIA, command, near
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
    for name in ("up", "down", "reset", "status", "logs", "run", "setup", "calls"):
        assert f" {name} " in done.stdout


def test_a_folder_without_a_program_is_an_error_with_a_hint(tmp_path: Path) -> None:
    for name in ("up", "down", "status", "logs", "reset", "calls"):
        words = ["", str(tmp_path)] if name == "logs" else [str(tmp_path)]
        done = subprocess.run(
            [HOKUSAI, "infra", name, *words], check=False, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert "no Pulumi.yaml" in done.stdout
        usage = "logs SERVICE" if name == "logs" else name
        assert (
            f"hint: Name the program's folder: {near(Path(HOKUSAI))} infra {usage} FOLDER"
            in done.stdout
        )


def test_a_stack_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    done = subprocess.run(
        [HOKUSAI, "infra", "up", tmp_path], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "There is no stack file" in done.stdout
    assert "there are Pulumi.prod.yaml" in done.stdout
    assert "stopped" not in done.stdout
    assert not (tmp_path / ".hokusai").exists()


def test_a_hint_is_a_command_that_works_where_the_reader_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / ".venv/bin/hokusai"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "infra", "up"])
    monkeypatch.delenv(VIA, raising=False)
    assert command("down", tmp_path) == ".venv/bin/hokusai infra down"
    assert command("down", tmp_path / "a b") == ".venv/bin/hokusai infra down 'a b'"
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert command("down") == "hokusai infra down"
    monkeypatch.setenv(VIA, "make")
    assert command("setup", tmp_path) == "make key"
    assert command("logs", tmp_path) == "hokusai infra logs"
    assert command("down", Path("/elsewhere")) == "hokusai infra down /elsewhere"


def test_help_says_how_a_one_off_command_is_built() -> None:
    done = subprocess.run(
        [HOKUSAI, "infra", "run", "--help"], check=True, capture_output=True, text=True
    )
    assert "follows its entry point" in done.stdout
    assert "hokusai infra run api -- app.admin first-key --help" in done.stdout
