import json
from decimal import Decimal

import pytest

from hokusai_infra.preview.usage import ASSUMPTIONS, CONFIG_KEY, Usage, UsageError

NAMES = {"mlflow-artifacts", "logs"}


def read(config: object = None, *options: str) -> Usage:
    return Usage.read({} if config is None else {CONFIG_KEY: json.dumps(config)}, options, NAMES)


def test_what_nobody_changes_is_the_default() -> None:
    usage = read()
    assert {each.key: usage.of(each.key, "logs") for each in ASSUMPTIONS} == {
        each.key: each.default for each in ASSUMPTIONS
    }


def test_the_assumptions_are_sorted_and_say_what_they_are_of() -> None:
    keys = [each.key for each in ASSUMPTIONS]
    assert keys == sorted({*keys})
    assert all(each.per and each.default >= 0 for each in ASSUMPTIONS)


def test_an_option_wins_over_the_stack_and_one_resource_over_all() -> None:
    stated = {"stored_gb": 50, "logs.stored_gb": 5}
    assert read(stated).of("stored_gb", "mlflow-artifacts") == 50
    assert read(stated).of("stored_gb", "logs") == 5
    changed = read(stated, "stored_gb=70", "logs.stored_gb = 0.5")
    assert changed.of("stored_gb", "mlflow-artifacts") == 70
    assert changed.of("stored_gb", "logs") == Decimal("0.5")


@pytest.mark.parametrize(
    ("config", "option", "says"),
    [
        (None, "stored_gb", "write KEY=VALUE"),
        (None, "stored=1", "did you mean stored_gb"),
        (None, "zzzz=1", "there are alb_lcu"),
        (None, "log.stored_gb=1", "about no resource: did you mean logs"),
        (None, "stored_gb=much", "give a number"),
        (None, "stored_gb=-1", "not below 0"),
        (None, "stored_gb=NaN", "not below 0"),
        (["stored_gb"], "", "make it a mapping"),
        ({"stored_gb": None}, "", "give a number"),
    ],
)
def test_a_wrong_assumption_is_refused_with_what_to_write(
    config: object, option: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        read(config, *filter(None, [option]))


def test_a_change_for_a_resource_that_it_does_not_apply_to_is_refused() -> None:
    usage = read(None, "logs.alb_lcu=3")
    usage.of("stored_gb", "logs")
    usage.of("alb_lcu", "balancer")
    says = "nothing that logs costs: stored_gb can be changed of it; alb_lcu is of balancer"
    with pytest.raises(UsageError, match=says):
        usage.check_applied()
    usage.check_applied(unpriced=["logs"])
    usage.of("alb_lcu", "logs")
    usage.check_applied()


def test_each_assumption_has_a_unit() -> None:
    units = {each.key: each.unit for each in ASSUMPTIONS}
    assert units["stored_gb"] == "GB"
    assert units["kms_calls_thousands"] == "thousand calls"
    assert all(each.unit and each.unit != each.per for each in ASSUMPTIONS)
