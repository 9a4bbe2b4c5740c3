"""A permission that is taken away is missed on the laptop already, and the message names it."""

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.calls import trail
from tests.stack import ROOT, Stack, copy_program, start, stop

pytestmark = [
    pytest.mark.xdist_group("permissions"),
    pytest.mark.timeout(240),
    pytest.mark.slow,  # a stack for each permission
]
FOLDER = ROOT / ".hokusai" / "tests" / "permissions"
WITHOUT = """
from hokusai_infra.iam_policy import Allow

def without(statement, rendered=Allow.rendered):
    found = rendered(statement)
    removed = {{"{action}": "{action}IsMissing"}}
    return found | {{"Action": [removed.get(each, each) for each in found["Action"]]}}

Allow.rendered = without
"""


def program_without(action: str) -> Path:
    """Lay a program whose roles may do everything but this; an empty list IAM would refuse."""
    folder = copy_program(FOLDER)
    main = folder / "__main__.py"
    main.write_text(WITHOUT.format(action=action) + main.read_text())
    return folder


def refused(folder: Path) -> set[str]:
    return {each.action for each in trail(folder) if each.outcome == "refused"}


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("secretsmanager:GetSecretValue", "secretsmanager:GetSecretValue on resource: arn"),
        ("rds-db:connect", "may not rds-db:connect as arn"),
        ("logs:PutLogEvents", "may not logs:PutLogEvents on arn"),
    ],
)
def test_the_stack_does_not_start_without(action: str, said: str) -> None:
    folder = program_without(action)
    with pytest.raises(AssertionError, match="did not start") as failed:
        start(folder, tasks=1, HOKUSAI_RECORD_CALLS="1")
    logs = "".join(each.read_text() for each in folder.glob(".hokusai/local/logs/*.log"))
    assert said in str(failed.value) + logs
    assert action in refused(folder)


def test_an_upload_fails_without() -> None:
    folder = program_without("s3:PutObject")
    up: subprocess.Popen[str] = start(folder, tasks=1, HOKUSAI_RECORD_CALLS="1")
    try:
        stack = Stack.read(folder)
        key = {"Authorization": f"Bearer {stack.admin_key}"}
        with httpx.Client(base_url=stack.mlflow_url, headers=key, timeout=60) as client:
            made = client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
            place = made.json()["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
            file = f"/api/2.0/mlflow-artifacts/artifacts/{place}/wave.txt"
            assert client.put(file, content=b"the great wave").status_code == 503
            assert client.get(file).status_code == 404
    finally:
        stop(up.pid)
        up.wait()
    assert refused(folder) == {"s3:PutObject"}
