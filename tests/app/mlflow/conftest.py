"""Callers of the MLflow endpoint, in two projects that must not know of each other."""

import warnings
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from app.migrations import cluster
from tests.app.mlflow.caller import READER, WRITER, Caller, Callers
from tests.app.mlflow.things import Things, made_by
from tests.stack import Stack

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.server.fastapi_app  # noqa: F401 -- for what it warns about while it is imported


@pytest.fixture(scope="session")
def callers(stack: Stack) -> Callers:
    return Callers(stack)


@pytest.fixture(scope="session")
def left(callers: Callers) -> Iterator[Caller]:
    """A writer in the project ``left``."""
    caller = callers.of("left", *WRITER)
    yield caller
    caller.http.close()


@pytest.fixture(scope="session")
def right(callers: Callers) -> Iterator[Caller]:
    """A writer in the project ``right``, who tries to reach ``left``."""
    caller = callers.of("right", *WRITER)
    yield caller
    caller.http.close()


@pytest.fixture(scope="session")
def reader(callers: Callers) -> Iterator[Caller]:
    """A reader in the project ``left``."""
    caller = callers.of("left", *READER)
    yield caller
    caller.http.close()


@pytest.fixture
def nobody(stack: Stack) -> Iterator[httpx.Client]:
    """A client without any credential."""
    with httpx.Client(base_url=stack.mlflow_url, timeout=30, trust_env=False) as http:
        yield http


@pytest.fixture(scope="module")
def lefts(left: Caller) -> Things:
    return made_by(left)


@pytest.fixture(scope="module")
def rights(right: Caller) -> Things:
    return made_by(right)


@pytest.fixture
def database(stack: Stack) -> Iterator[psycopg.Connection]:
    """MLflow's tables, to plant what its API refuses to write."""
    with psycopg.connect(stack.database_url, dbname="mlflow", autocommit=True) as connection:
        connection.execute(f"set role {cluster.OWNERS['mlflow']}")
        yield connection
