import base64
import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.auth.api_key import ApiKey
from app.logs import SECRET, configure_logging, without_secrets
from tests.app.core.keys import Clock, Keys


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    stream = io.StringIO()
    configure_logging("test", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_one_object_whoever_writes_it(stream: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(request_id="r1", principal="key:x")
    structlog.get_logger().info("something_happened", count=2)
    logging.getLogger("uvicorn.error").warning("from a %s\nover two lines", "library")
    library = logging.getLogger("noisy")
    library.addHandler(logging.StreamHandler(io.StringIO()))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning, stacklevel=1)
    structlog.get_logger().debug("not_written")
    logging.getLogger("x").debug("not written")
    written = lines(stream)
    assert [each["event"] for each in written[:2]] == [
        "something_happened",
        "from a library\nover two lines",
    ]
    assert "careful" in str(written[2]["event"])
    assert len(written) == 3
    for each in written:
        assert each["service"] == "test"
        assert each["request_id"] == "r1"
        assert each["principal"] == "key:x"
        assert each["level"] in {"info", "warning"}
        assert str(each["timestamp"]).endswith("Z")


def test_an_exception_stays_in_its_line(stream: io.StringIO) -> None:
    key = ApiKey.generate("prod").reveal()
    try:
        int(f"bad {key}")
    except ValueError:
        structlog.get_logger().exception("it_failed")
        logging.getLogger("lib").exception("it failed with %s", key)
    written = lines(stream)
    assert [each["level"] for each in written] == ["error", "error"]
    assert all("ValueError: invalid literal" in str(each["exception"]) for each in written)
    assert key not in stream.getvalue()


def test_secrets_are_blanked_by_the_name_of_their_field_at_any_depth(stream: io.StringIO) -> None:
    structlog.get_logger().info(
        "x",
        password="p1",  # noqa: S106 -- the point
        nested={"Authorization": "p2", "deep": [{"api_key": "p3"}], "name": "seen"},
        token="p4",  # noqa: S106 -- the point
        digest=b"p5",
    )
    text = stream.getvalue()
    assert not any(f"p{n}" in text for n in range(1, 6))
    assert "seen" in text


def test_secrets_are_blanked_by_their_look_wherever_they_stand(stream: io.StringIO) -> None:
    keys = Keys(Clock())
    session = keys.tokens.mint_session("key:1", "main").token
    key = ApiKey.generate("local").reveal()
    basic = base64.b64encode(f"x:{key}".encode()).decode()
    log = structlog.get_logger()
    log.info(key)
    log.info("x", path=f"/a/{key}", query={"a": [session]}, error=ValueError(key))
    log.info("x", header=f"Basic {basic}", other="Bearer abcdefghijklmnop")
    log.info("x", url="https://db?X-Amz-Security-Token=abc%2Fdef&X-Amz-Signature=0123abcd&x=1")
    logging.getLogger("lib").warning("sent %r", {"k": key})
    text = stream.getvalue()
    secrets = (key, session, basic, "abcdefghijklmnop", "0123abcd", "abc%2Fdef")
    assert [each for each in secrets if each in text] == []
    assert text.count(SECRET) >= 8


@given(st.text(), st.text(), st.sampled_from(["local", "staging", "prod"]), st.data())
def test_no_part_of_a_key_long_enough_to_matter_survives(
    before: str, after: str, environment: str, data: st.DataObject
) -> None:
    key = ApiKey.generate(environment).reveal()  # type: ignore[arg-type] # one of the three
    cut = data.draw(st.integers(20, len(key)))
    assert key[16:cut] not in without_secrets(f"{before} {key[:cut]} {after}")


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="_")))
def test_ordinary_text_is_left_alone(text: str) -> None:
    if not any(mark in text for mark in ("eyJ", "earer ", "asic ", "X-Amz")):
        assert without_secrets(text) == text
