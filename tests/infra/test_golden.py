"""What a stack consists of, written down, so that a rename or removal is seen in review."""

from pathlib import Path

import pytest

from hokusai_infra.recorder import Graph

GOLDEN = Path(__file__).parents[1] / "golden"
REWRITE = "if it is meant: pytest tests/infra/test_golden.py --write-golden"


def written(graph: Graph) -> str:
    """Return one line a resource; a former name stands behind it."""
    lines = []
    for each in graph.resources:
        path, name = each.urn.split("::")[2:]
        lines.append(" ".join(filter(None, (path, name, *sorted(each.aliases)))))
    return "\n".join(lines) + "\n"


def test_a_stack_consists_of_what_is_written_down(
    graph: Graph, request: pytest.FixtureRequest
) -> None:
    file = GOLDEN / f"{graph.stack}.txt"
    if request.config.getoption("--write-golden", default=False):
        file.write_text(written(graph))
    assert written(graph) == file.read_text(), REWRITE
