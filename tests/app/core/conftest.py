"""The parts that tests of the core share; each worker of a run has its own."""

import logging
import os
from collections.abc import Iterator
from io import StringIO

import boto3
import httpx
import pytest
import structlog

from app import admin
from app.api.main import create_app, make_services, wrap
from app.api.services import Services
from app.logs import configure_logging
from app.stores import postgres
from tests.app.core.keys import Clock, Keys
from tests.app.core.parts import Backend, free_port, serving

AWS = {
    "AWS_ACCESS_KEY_ID": "core",
    "AWS_SECRET_ACCESS_KEY": "core",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> Keys:
    return Keys(clock)


@pytest.fixture(autouse=True)
def _no_context_left() -> Iterator[None]:
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """PostgreSQL behind TLS and a control plane, both empty."""
    started = Backend.start(tmp_path_factory.mktemp("backend"))
    before = dict(os.environ)
    os.environ.update(AWS, AWS_ENDPOINT_URL=started.control_plane.url)
    postgres._rds.cache_clear()  # noqa: SLF001 -- it was made for another control plane
    try:
        yield started
    finally:
        os.environ.clear()
        os.environ.update(before)
        started.stop()


@pytest.fixture
def hokusai(backend: Backend) -> Backend:
    """The backend with a fresh database ``hokusai`` and no secrets."""
    backend.make_hokusai()
    backend.control_plane.reset()
    boto3.client("secretsmanager").create_secret(Name="hokusai/local/signing-keys")
    return backend


@pytest.fixture
def logs() -> Iterator[StringIO]:
    stream = StringIO()
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    configure_logging("api", stream)
    yield stream
    root.handlers[:] = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def admin_key(hokusai: Backend) -> str:
    chosen = admin.parser().parse_args(["first-key"])
    return admin.first_key(hokusai.api_settings(), chosen)["admin_key"]


@pytest.fixture
def services(hokusai: Backend, admin_key: str, logs: StringIO) -> Services:
    """What the API works with; ``api`` serves it, and closes it."""
    assert logs
    assert admin_key
    port = free_port()
    return make_services(hokusai.api_settings(api_url=f"http://127.0.0.1:{port}", PORT=port))


@pytest.fixture
def api(services: Services, admin_key: str) -> Iterator[httpx.Client]:
    settings = services.settings
    app = wrap(create_app(services), settings)
    headers = {"Authorization": f"Bearer {admin_key}"}
    with (
        serving(app, settings.port),
        httpx.Client(base_url=settings.api_url, headers=headers, timeout=20) as client,
    ):
        yield client
