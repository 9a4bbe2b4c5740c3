"""The page about the rules says what the code says."""

import pytest

from hokusai_infra.policy.accepted import holders
from hokusai_infra.policy.reference import missing_groups, page
from hokusai_infra.recorder import Graph
from tests.infra.recordings import ROOT

PAGE = ROOT / "docs" / "reference" / "policies.md"


def test_the_page_is_that_of_the_code(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-reference", default=False):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run: pytest tests/infra/policy --write-reference"


def test_every_rule_is_on_the_page() -> None:
    assert missing_groups() == set()


def test_every_ignored_change_has_its_reason_on_the_page(graph: Graph) -> None:
    stated = {key for module in holders() for key in getattr(module, "IGNORED", {})}
    ignored = {key for each in graph.resources for key in each.ignore_changes}
    assert ignored
    assert ignored <= stated
