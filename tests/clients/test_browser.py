"""MLflow's UI behind the sign-in page, in a real browser."""

import os
import re
from collections.abc import Iterator
from unittest.mock import patch

import mlflow
import pytest
from playwright.sync_api import Page, expect

from tests.stack import ROOT, Stack

pytestmark = pytest.mark.clients
PICTURES = ROOT / ".hokusai" / "tests" / "pictures"


@pytest.fixture(scope="session")
def run(stack: Stack) -> Iterator[mlflow.entities.Run]:
    with patch.dict(os.environ, MLFLOW_TRACKING_TOKEN=stack.admin_key):
        mlflow.set_tracking_uri(stack.mlflow_url)
        mlflow.set_experiment("seen-in-the-browser")
        with mlflow.start_run(run_name="painted") as started:
            mlflow.log_metric("accuracy", 0.97)
            mlflow.log_text("thirty-six views", "views.txt")
        yield started


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_run_is_seen_behind_the_sign_in(
    stack: Stack, page: Page, run: mlflow.entities.Run
) -> None:
    failed: list[str] = []
    page.on("response", lambda r: failed.append(f"{r.status} {r.url}") if r.status >= 400 else None)

    page.goto(stack.mlflow_url)
    expect(page.get_by_label("API key")).to_be_visible()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "sign-in.png")
    sign_in(page, stack.admin_key)
    page.goto(f"{stack.mlflow_url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")

    expect(page.get_by_text("painted").first).to_be_visible(timeout=20_000)
    expect(page.get_by_text("accuracy").first).to_be_visible(timeout=20_000)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=PICTURES / "run.png")
    assert failed == []


def test_an_artifact_is_shown(stack: Stack, page: Page, run: mlflow.entities.Run) -> None:
    page.goto(stack.mlflow_url)
    sign_in(page, stack.admin_key)
    page.goto(
        f"{stack.mlflow_url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts"
    )
    page.get_by_text("views.txt").first.click()
    expect(page.get_by_text("thirty-six views")).to_be_visible(timeout=20_000)


def test_the_cookie_is_a_session_that_scripts_cannot_read(stack: Stack, page: Page) -> None:
    page.goto(stack.mlflow_url)
    sign_in(page, stack.admin_key)
    page.wait_for_url(re.compile(r"/(#.*)?$"))

    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] in {"Lax", "Strict"}
    assert stack.admin_key not in cookie["value"]
    assert page.evaluate("document.cookie") == ""


def test_a_wrong_key_is_said_and_lets_one_try_again(stack: Stack, page: Page) -> None:
    page.goto(stack.mlflow_url)
    sign_in(page, stack.admin_key[:-4] + "0000")
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, stack.admin_key)
    expect(page.get_by_label("API key")).not_to_be_visible()
