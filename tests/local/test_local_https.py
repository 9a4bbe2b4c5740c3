"""HTTPS as the load balancer of the local stack plays it, for the tiny foreign program."""

import http.client
import json
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.stack import start, stop

PROGRAM = Path(__file__).with_name("program")
CA = "state/ca/ca.crt"

pytestmark = pytest.mark.xdist_group("secure")


@dataclass(frozen=True)
class Secure:
    """A running stack of the tiny program, as its connection file tells how to reach it."""

    local: Path
    front: str
    echo: str
    ca_file: str

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def get(self, url: str, **headers: str) -> httpx.Response:
        return httpx.get(url, headers=headers, verify=self.tls, timeout=10)

    def port(self, name: str) -> int:
        ports: dict[str, int] = json.loads((self.local / "state/ports.json").read_text())
        return ports[name]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure") / "program"
    shutil.copytree(PROGRAM, folder, ignore=shutil.ignore_patterns("__pycache__", ".hokusai"))
    up = start(folder, 2)
    local = folder / ".hokusai/local"
    found = json.loads((local / "connection.json").read_text())
    yield Secure(local, found["https_front_url"], found["https_echo_url"], found["ca_file"])
    stop(up.pid)
    assert up.wait(10) == 0


def test_the_connection_file_says_how_to_come(secure: Secure) -> None:
    assert secure.echo == f"https://127.0.0.1:{secure.port('https/echo.tiny.localhost')}"
    assert secure.front == f"https://localhost:{secure.port('https/front.tiny.localhost')}"
    assert secure.ca_file == str(secure.local / CA)


def test_a_task_hears_that_the_client_came_over_https(secure: Secure) -> None:
    answer = secure.get(
        f"{secure.front}/a%2Fb?c=1&c=2", **{"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "ws"}
    )
    headers = {name.lower(): value for name, value in answer.json()["headers"]}
    assert answer.json()["path"] == "/a%2Fb?c=1&c=2"
    assert headers["x-forwarded-for"] == "9.9.9.9, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-port"] == secure.front.rpartition(":")[2]
    assert headers["host"] == secure.front.removeprefix("https://")
    assert not {"x-forwarded-host", "via"} & {*headers, *answer.headers}


def test_requests_reach_both_tasks(secure: Secure) -> None:
    assert len({secure.get(secure.echo).json()["port"] for _ in range(6)}) == 2


@pytest.mark.parametrize("service", ["front", "echo"])
def test_the_recorded_host_names_lead_to_their_services_at_every_port(
    secure: Secure, service: str
) -> None:
    own = {secure.get(getattr(secure, service)).json()["port"] for _ in range(4)}
    host = f"{service}.tiny.localhost"
    for name in ("https/front.tiny.localhost", "https/echo.tiny.localhost"):
        assert json.loads(ask(secure, secure.port(name), host)[1])["port"] in own


def ask(secure: Secure, port: int, host: str) -> tuple[int, bytes]:
    """Ask as a client does whose DNS leads a name to this machine."""
    connection = http.client.HTTPSConnection(host, port, context=secure.tls, timeout=10)
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sock = secure.tls.wrap_socket(plain, server_hostname=host)
    connection.request("GET", "/", headers={"Host": host})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_an_unknown_host_gets_the_listeners_default(secure: Secure) -> None:
    answer = secure.get(secure.front, Host="somebody.example")
    assert (answer.status_code, answer.text) == (404, "nobody")
    assert "server" not in answer.headers  # as the listener's attribute says


def test_a_name_that_the_certificate_lacks_is_refused_by_the_client(secure: Secure) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        ask(secure, secure.port("https/front.tiny.localhost"), "somebody.example")


def test_who_does_not_trust_the_stacks_authority_does_not_come_in(secure: Secure) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(secure.front)


def test_clear_text_at_an_https_port_is_no_request(secure: Secure) -> None:
    assert httpx.get(secure.front.replace("https:", "http:")).status_code == 400


@pytest.mark.parametrize(
    ("offered", "taken"),
    [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")],
)
def test_http_2_is_offered_as_an_alb_does(secure: Secure, offered: list[str], taken: str) -> None:
    context = secure.tls
    context.set_alpn_protocols(offered)
    where = urlsplit(secure.front)
    with (
        socket.create_connection(("localhost", where.port or 0), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == taken


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("localhost", "front"),
        ("127.0.0.1", "echo"),
        ("front.tiny.localhost", "front"),
        ("echo.tiny.localhost", "echo"),
    ],
)
def test_the_http_listener_redirects_to_the_hosts_https_port(
    secure: Secure, host: str, service: str
) -> None:
    clear = f"http://127.0.0.1:{secure.port('listener/http')}/a%2Fb?c=1&c=2"
    answer = httpx.get(clear, headers={"Host": host})
    port = secure.port(f"https/{service}.tiny.localhost")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"https://{host}:{port}/a%2Fb?c=1&c=2"
    assert answer.headers["server"] == "awselb/2.0"


def test_an_answer_streams(secure: Secure) -> None:
    begun = time.monotonic()
    with httpx.stream("GET", f"{secure.front}/slowly", verify=secure.tls) as answer:
        came = [time.monotonic() - begun for _ in answer.iter_raw()]
    assert came[-1] - came[0] > 0.4
