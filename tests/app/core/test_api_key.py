import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import api_key
from app.auth.api_key import DIGITS, HIGHEST_SECRET, PREFIXES, ApiKey, base62, checksum, parse
from app.auth.errors import MalformedKeyError, WrongEnvironmentError
from app.errors import ApiError
from app.settings import Environment

environments = st.sampled_from(sorted(PREFIXES))
keys = st.builds(ApiKey.generate, environments)


@given(keys)
def test_a_key_is_parsed_as_it_was_made(key: ApiKey) -> None:
    assert parse(key.reveal(), key.environment) == key


@given(keys)
def test_a_key_has_the_documented_layout(key: ApiKey) -> None:
    text = key.reveal()
    prefix, body = text[:-65], text[-65:]
    assert prefix == PREFIXES[key.environment]
    assert set(body) <= set(string.ascii_letters + string.digits)
    assert (body[:16], body[16:59]) == (key.key_id, key.secret)
    assert key.digest == hashlib.sha256(body[16:59].encode()).digest()


@given(keys, st.data())
def test_every_mistyped_character_is_noticed(key: ApiKey, data: st.DataObject) -> None:
    text = key.reveal()
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([each for each in DIGITS if each != text[position]]))
    with pytest.raises(MalformedKeyError):
        parse(text[:position] + other + text[position + 1 :], key.environment)


@given(keys, st.data())
def test_two_swapped_characters_are_noticed(key: ApiKey, data: st.DataObject) -> None:
    text = key.reveal()
    at = data.draw(st.integers(0, len(text) - 2))
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if swapped != text:
        with pytest.raises(MalformedKeyError):
            parse(swapped, key.environment)


@given(keys, environments)
def test_a_key_works_in_its_own_environment_alone(key: ApiKey, other: Environment) -> None:
    if other != key.environment:
        with pytest.raises(WrongEnvironmentError, match=key.environment):
            parse(key.reveal(), other)


@given(st.text() | st.text(alphabet=DIGITS, min_size=60, max_size=80).map("hk_dev_".__add__))
def test_any_text_is_refused_as_malformed_and_nothing_else(text: str) -> None:
    with pytest.raises(MalformedKeyError) as refused:
        parse(text, "local")
    assert refused.value.status == 401
    if text:
        assert text not in refused.value.detail or len(text) < 12


def test_digits_that_are_not_ascii_are_refused() -> None:
    key = ApiKey.generate("local")
    text = key.reveal()
    with pytest.raises(MalformedKeyError):
        parse(text.replace(text[10], "\u0661", 1), "local")  # Arabic one, a digit to \d


def test_a_secret_beyond_256_bits_is_refused_even_with_a_right_checksum() -> None:
    body = f"hk_dev_{'0' * 16}{'z' * 43}"
    assert HIGHEST_SECRET < "z" * 43
    with pytest.raises(MalformedKeyError):
        parse(body + checksum(body), "local")


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_padded_numbers_sort_as_their_values(one: int, other: int) -> None:
    assert (base62(one, 43) < base62(other, 43)) == (one < other)


def test_a_number_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="more than 2 digits"):
        base62(62**2, 2)


def test_neither_repr_nor_an_error_shows_the_secret() -> None:
    key = ApiKey.generate("local")
    assert key.secret not in repr(key)
    for wrong, environment in ((key.reveal()[:-1], "local"), (key.reveal(), "prod")):
        with pytest.raises(ApiError) as refused:
            parse(wrong, environment)  # type: ignore[arg-type] # a plain string is one of them
        assert key.secret not in str(refused.value.body())


def test_two_keys_share_nothing() -> None:
    made = [ApiKey.generate("local") for _ in range(200)]
    assert len({each.key_id for each in made}) == len({each.secret for each in made}) == 200


def test_a_key_id_has_sixteen_digits_of_base_62() -> None:
    assert api_key.is_key_id("0aZ4567890123456")
    for wrong in ("0" * 15, "0" * 17, "0" * 15 + "-", "0" * 16 + "\n", ""):
        assert not api_key.is_key_id(wrong)
