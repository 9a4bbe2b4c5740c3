import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.api_key import ApiKey
from app.auth.grants import (
    LONGEST_LIFE_SECONDS,
    ExceedsMakerError,
    StrongerKeyError,
    check_end,
    check_grant,
    check_resources,
    check_revoke,
    end_within,
)
from app.auth.key_record import KeyRecord
from app.errors import InvalidContentError
from app.permissions import WHOLE_PROJECT, Credential, Permission, Principal, decide
from tests.app.core.keys import record_of

permission_sets = st.frozensets(st.sampled_from(sorted(Permission)), max_size=4)
names = st.text(alphabet="ab-", max_size=3)
patterns = st.builds("model:{}{}".format, names, st.sampled_from(["", "*"])).filter(
    lambda each: each != "model:"
)
resource_sets = st.lists(patterns, max_size=3).map(tuple)
principals = st.builds(
    Principal,
    subject=st.just("key:maker"),
    project=st.just("main"),
    credential=st.just(Credential.API_KEY),
    permissions=permission_sets,
    resources=resource_sets,
)


@given(principals, permission_sets, resource_sets, names)
def test_what_is_granted_never_allows_what_its_maker_may_not_do(
    maker: Principal,
    permissions: frozenset[Permission],
    resources: tuple[str, ...],
    name: str,
) -> None:
    try:
        check_grant(maker, permissions, resources)
    except ExceedsMakerError:
        return
    made = dataclasses.replace(maker, permissions=permissions, resources=resources)
    for wanted in Permission:
        if decide(made, wanted, f"model:{name}") is None:
            assert decide(maker, wanted, f"model:{name}") is None


@given(principals)
def test_everybody_may_grant_what_they_hold(maker: Principal) -> None:
    check_grant(maker, maker.permissions, maker.resources)


@given(patterns)
def test_the_patterns_that_are_compared_are_accepted(pattern: str) -> None:
    check_resources([pattern])


@pytest.mark.parametrize(
    "wrong",
    ["model:", "churn", "model:a*b", "model:a?", "model:[ab]", "bucket:x", "model:**", "*", ""],
)
def test_patterns_that_could_not_be_compared_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidContentError):
        check_resources(["model:good", wrong])


def test_a_refusal_names_the_permission_that_is_missing() -> None:
    maker = Principal(
        subject="key:maker",
        project="main",
        credential=Credential.API_KEY,
        permissions=frozenset({Permission.KEYS_WRITE}),
    )
    with pytest.raises(ExceedsMakerError) as refused:
        check_grant(maker, frozenset({Permission.MODELS_WRITE}), ())
    assert refused.value.body()["required_permission"] == "models:write"


def test_a_key_ends_no_later_than_its_maker() -> None:
    key = ApiKey.generate("local")
    lasting, ending = record_of(key), record_of(key, expires_at=100)
    assert end_within(lasting, None) is None
    assert end_within(lasting, 200) == 200
    assert end_within(ending, None) == 100
    assert end_within(ending, 50) == 50
    with pytest.raises(ExceedsMakerError):
        end_within(ending, 101)


@given(principals, permission_sets, resource_sets)
def test_one_may_revoke_what_one_could_have_made(
    caller: Principal, permissions: frozenset[Permission], resources: tuple[str, ...]
) -> None:
    record = record_of(ApiKey.generate("local"), permissions=permissions, resources=resources)
    try:
        check_grant(caller, permissions, resources)
    except ExceedsMakerError:
        with pytest.raises(StrongerKeyError) as refused:
            check_revoke(caller, record)
        assert refused.value.body()["required_permission"]
    else:
        check_revoke(caller, record)
    check_revoke(dataclasses.replace(caller, subject=record.subject), record)


def test_a_key_that_cannot_be_read_is_an_admins_to_revoke() -> None:
    record = KeyRecord.unreadable("0" * 16, "main")
    caller = Principal(
        subject="key:caller",
        project="main",
        credential=Credential.API_KEY,
        permissions=frozenset(Permission) - {Permission.ADMIN},
    )
    with pytest.raises(StrongerKeyError) as refused:
        check_revoke(caller, record)
    assert refused.value.body()["required_permission"] == "admin"
    check_revoke(dataclasses.replace(caller, permissions=frozenset({Permission.ADMIN})), record)


@pytest.mark.parametrize("wanted", sorted(WHOLE_PROJECT))
def test_who_is_narrowed_may_nothing_that_concerns_the_whole_project(wanted: Permission) -> None:
    whole = Principal(
        subject="key:caller",
        project="main",
        credential=Credential.API_KEY,
        permissions=frozenset({wanted, Permission.ADMIN}),
    )
    narrowed = dataclasses.replace(whole, resources=("model:a*",))
    assert decide(whole, wanted) is None
    denied = decide(narrowed, wanted)
    assert denied is not None
    assert denied.permission == wanted
    assert decide(narrowed, Permission.MODELS_READ, "model:ab") is None


@pytest.mark.parametrize(("end", "good"), [(None, True), (101, True), (100, False), (0, False)])
def test_an_end_lies_ahead_and_within_ten_years(end: int | None, *, good: bool) -> None:
    for moment, fits in (
        (end, good),
        (100 + LONGEST_LIFE_SECONDS, True),
        (101 + LONGEST_LIFE_SECONDS, False),
    ):
        if fits:
            check_end(moment, 100)
        else:
            with pytest.raises(InvalidContentError):
                check_end(moment, 100)
