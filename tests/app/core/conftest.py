"""The parts that tests of the core share; each worker of a run has its own."""

import os
from collections.abc import Iterator

import boto3
import pytest
import structlog

from app.migrations import cluster, hokusai_schema
from app.migrations.__main__ import Master
from app.stores import postgres
from tests.app.core.keys import Clock, Keys
from tests.app.core.parts import Backend

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
    backend.clear()
    master = Master(backend.migrate_settings())
    owner = cluster.OWNERS["hokusai"]
    with master.connect("postgres") as connection:
        cluster.make_roles(connection)
        cluster.make_databases(connection)
    hokusai_schema.upgrade(master.engine("hokusai", owner))
    with master.connect("hokusai", owner) as connection:
        cluster.grant_hokusai(connection)
    backend.control_plane.reset()
    boto3.client("secretsmanager").create_secret(Name="hokusai/local/signing-keys")
    return backend
