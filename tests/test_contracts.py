"""What is promised about the tree itself."""

import re
import subprocess

import pytest

from tests.stack import ROOT

FILES = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the developer's git
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
).stdout.split()
CODE = [name for name in FILES if name.endswith(".py") and (ROOT / name).exists()]


@pytest.mark.parametrize("name", CODE)
def test_a_file_can_be_read_in_one_sitting(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= 410


def test_every_documented_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [name for name in FILES if name.endswith(".md") or name == ".ci/run"]
    named = {
        target
        for name in texts
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", (ROOT / name).read_text(), re.MULTILINE)
    }
    assert named
    assert named <= targets


def test_no_file_holds_a_key() -> None:
    key = re.compile(r"\bhk_(?:live|test|dev)_[0-9A-Za-z]{40,}")
    holders = [
        name
        for name in FILES
        if (ROOT / name).is_file() and key.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert holders == []
