"""What ``examples/quickstart.py`` says of a certificate that it does not know."""

import http.server
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from hokusai_infra.local.parts.certificates import Certificates
from tests.infra.recordings import ROOT


class Refuses(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(folder=tmp_path_factory.mktemp("quickstart") / "ca")
    made.prepare()
    return made


@pytest.fixture(scope="module")
def uri(certificates: Certificates) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.leaf_file, certificates.leaf_key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def said(uri: str, **further: str) -> str:
    clean = {k: v for k, v in os.environ.items() if "CA_BUNDLE" not in k and "MLFLOW" not in k}
    done = subprocess.run(
        [sys.executable, ROOT / "examples/quickstart.py"],
        check=False,
        capture_output=True,
        text=True,
        env=clean | {"MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_TOKEN": "none"} | further,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_unknown_authority_is_said_with_the_variable_to_set(uri: str) -> None:
    told = said(uri)
    assert told.startswith(f"{uri} shows a certificate of an authority that is not known here.")
    assert "export MLFLOW_TRACKING_SERVER_CERT_PATH=<file>" in told


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE"])
def test_the_authority_s_file_is_heeded(
    uri: str, certificates: Certificates, variable: str
) -> None:
    told = said(uri, **{variable: str(certificates.ca_file)})
    assert told.startswith("The key is valid no more.")


def test_a_file_that_is_not_there_is_named(uri: str) -> None:
    told = said(uri, MLFLOW_TRACKING_SERVER_CERT_PATH="/nowhere/ca.crt")
    assert told.startswith("MLFLOW_TRACKING_SERVER_CERT_PATH or REQUESTS_CA_BUNDLE: ")
    assert "/nowhere/ca.crt" in told
