"""Every test that asks for ``graph`` runs once for each stack."""

import pytest

from hokusai_infra.recorder import Graph
from tests.infra.recordings import STACKS, recorded


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-golden", action="store_true", help="rewrite tests/golden from what is recorded"
    )
    parser.addoption(
        "--write-reference", action="store_true", help="rewrite the generated parts of docs/"
    )


@pytest.fixture(params=STACKS)
def graph(request: pytest.FixtureRequest) -> Graph:
    """Return the graph of one stack after the other."""
    return recorded(request.param)
