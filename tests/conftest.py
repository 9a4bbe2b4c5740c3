"""What all tests share: one local stack a run, whoever asks for it first."""

import os
import subprocess
from pathlib import Path

import filelock
import pytest

from tests.calls import excuses, findings, policies, trail
from tests.stack import ROOT, Stack, copy_program, start, stop

FOLDER = ROOT / ".hokusai" / "tests" / "stack"
STARTED: list[subprocess.Popen[str]] = []
FOUND = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the whole suite say whether the roles' policies fit what their services did in it."""
    parser.addoption(
        "--check-calls",
        action="store_true",
        help="fail when a call was not allowed, or a permission was never used",
    )


def _pid_file(run: str) -> Path:
    return FOLDER.with_name(f"stack-{run}.pid")


def pytest_configure(config: pytest.Config) -> None:
    """Give the whole run one name, which its workers inherit."""
    if not hasattr(config, "workerinput"):
        os.environ["HOKUSAI_TEST_RUN"] = str(os.getpid())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write each test's group into its id, where the scheduler looks for it.

    pytest-xdist 3.8 sets an attribute that pytest 9.2 no longer reads, so that without this
    ``xdist_group`` silently groups nothing.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and not item.nodeid.endswith(f"@{mark.args[0]}"):
            item._id = type(item._id).parse(f"{item.nodeid}@{mark.args[0]}")  # noqa: SLF001 -- what pytest-xdist would have to set


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare the trail of the whole run with the policies; what does not fit fails it."""
    if hasattr(session.config, "workerinput") or not session.config.getoption("check_calls"):
        return
    if not _pid_file(os.environ["HOKUSAI_TEST_RUN"]).exists():
        found = ["no test of this run has started the stack"]
    else:
        found = findings(trail(FOLDER), policies(FOLDER), excuses())
    session.config.stash[FOUND] = found
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what does not fit."""
    if found := config.stash.get(FOUND, []):
        terminalreporter.section("calls that do not fit the policies", red=True)
        for each in found:
            terminalreporter.line(each)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the stack once the last worker is done."""
    pid_file = _pid_file(os.environ.get("HOKUSAI_TEST_RUN", ""))
    if not hasattr(config, "workerinput") and pid_file.exists():
        stop(int(pid_file.read_text()))
        pid_file.unlink()
    for each in STARTED:
        each.poll()


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The local stack with two tasks of each service; the first to ask starts it."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    pid_file = _pid_file(os.environ["HOKUSAI_TEST_RUN"])
    with filelock.FileLock(FOLDER.with_name("stack.lock")):
        if not pid_file.exists():
            STARTED.append(start(copy_program(FOLDER), HOKUSAI_RECORD_CALLS="1"))
            pid_file.write_text(str(STARTED[0].pid))
    return Stack.read(FOLDER)
