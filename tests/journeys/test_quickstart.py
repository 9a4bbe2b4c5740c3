"""``make demo`` against the local stack."""

import os
import subprocess
import sys
from pathlib import Path

from tests.stack import ROOT, Stack


def quickstart(
    stack: Stack, home: Path, key: str, **further: str
) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "MLFLOW_TRACKING_URI": stack.mlflow_url,
        "MLFLOW_TRACKING_TOKEN": key,
        **further,
    }
    return subprocess.run(
        [sys.executable, ROOT / "examples/quickstart.py"],
        check=False,
        capture_output=True,
        text=True,
        env=env,
    )


def test_it_says_a_few_lines_and_leaves_nothing_behind(stack: Stack, tmp_path: Path) -> None:
    done = quickstart(stack, tmp_path, stack.admin_key)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "The model that came back predicts the same: True" in lines
    assert len(lines) == 5
    assert "warning" not in done.stderr.lower()
    assert [*tmp_path.iterdir()] == []


def test_it_comes_over_https_with_the_file_of_the_authority(stack: Stack, tmp_path: Path) -> None:
    secure = {
        "MLFLOW_TRACKING_URI": stack.https_mlflow_url,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": stack.ca_file,
    }
    done = quickstart(stack, tmp_path, stack.admin_key, **secure)
    assert done.returncode == 0, done.stderr
    assert "The model that came back predicts the same: True" in done.stdout


def test_a_key_that_is_refused_is_said_without_a_traceback(stack: Stack, tmp_path: Path) -> None:
    done = quickstart(stack, tmp_path, "no-key")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The key is valid no more.")
