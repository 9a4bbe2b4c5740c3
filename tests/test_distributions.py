"""Each distribution is of use alone, as another project installs it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stack import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
UV = shutil.which("uv") or str(ROOT / ".hokusai/tools/bin/uv")
USES = {
    "hokusai-client": ("hokusai_client", "from hokusai_client.cli import main", {"app", "mlflow"}),
    "hokusai-infra": (
        "hokusai_infra",
        "import hokusai_infra.recorder; import hokusai_infra.components.secure_bucket",
        {"app", "fastapi", "mlflow", "moto"},
    ),
}


def run(*argv: object, cwd: Path) -> str:
    kept = {"PATH", "HOME", "SSL_CERT_FILE", "UV_CACHE_DIR"}
    env = {name: value for name, value in os.environ.items() if name in kept}
    words = [str(each) for each in argv]
    done = subprocess.run(words, cwd=cwd, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", USES)
def test_a_distribution_is_of_use_alone(name: str, tmp_path: Path) -> None:
    package, use, foreign = USES[name]
    run(UV, "build", "--wheel", "--package", name, "--out-dir", tmp_path, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(UV, "venv", "alone", cwd=tmp_path)
    python = tmp_path / "alone/bin/python"
    run(UV, "pip", "install", "--python", python, wheel, cwd=tmp_path)

    printed = run(python, "-c", f"{use}\nimport {package}\nprint({package}.__file__)", cwd=tmp_path)
    assert printed.strip().startswith(str(tmp_path))
    for module in foreign:
        code = f"import importlib.util; print(importlib.util.find_spec({module!r}))"
        assert run(python, "-c", code, cwd=tmp_path).strip() == "None"


RECORD = """
import json
from pathlib import Path
from hokusai_infra.recorder import default_answers, record
graph = record(Path("secure-bucket"), "dev", answers=default_answers)
print(json.dumps([graph.outputs, sorted(each.type for each in graph.resources if each.component)]))
"""


def test_another_program_needs_the_wheel_alone(tmp_path: Path) -> None:
    run(UV, "build", "--wheel", "--package", "hokusai-infra", "--out-dir", tmp_path, cwd=ROOT)
    run(UV, "venv", "alone", cwd=tmp_path)
    run(UV, "pip", "install", "--python", "alone", *tmp_path.glob("*.whl"), cwd=tmp_path)
    shutil.copytree(ROOT / "examples/secure-bucket", tmp_path / "secure-bucket")
    outputs, components = json.loads(run(tmp_path / "alone/bin/python", "-c", RECORD, cwd=tmp_path))
    assert outputs == {"bucket": "example-reports-111122223333"}
    assert components == ["hokusai:index:EncryptionKey", "hokusai:index:SecureBucket"]


def test_the_command_helps_itself_in_the_client_alone(tmp_path: Path) -> None:
    run(UV, "build", "--wheel", "--package", "hokusai-client", "--out-dir", tmp_path, cwd=ROOT)
    run(UV, "venv", "alone", cwd=tmp_path)
    run(UV, "pip", "install", "--python", "alone", *tmp_path.glob("*.whl"), cwd=tmp_path)
    assert "hokusai" in run(tmp_path / "alone/bin/hokusai", "--help", cwd=tmp_path)
