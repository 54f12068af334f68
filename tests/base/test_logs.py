"""One format, and no secret in it."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.base.logs import HIDDEN, MAX_KEPT, MAX_KEPT_LINE, MAX_LINE, hide_secrets, recent_lines, set_up_logging


@pytest.fixture(autouse=True)
def the_test_runners_logging_comes_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@dataclass
class Session:
    peer: int
    key_material: bytes


def test_a_line_has_time_level_logger_and_text() -> None:
    stream = io.StringIO()
    set_up_logging("info", stream=stream)
    logging.getLogger("app.engine.engine").info("up with %d networks", 3)
    logging.getLogger("app.engine.engine").debug("not shown")
    time, text = stream.getvalue().rstrip("\n").split(" INFO ")
    assert text == "app.engine.engine: up with 3 networks"
    assert len(time) == len("2026-01-31 12:00:00.123")


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "join(name='games', password='hunter2')",
        'body {"token": "hunter2"}',
        "Authorization: Basic hunter2",
        repr(Session(1, b"hunter2'\"")),
        "network_secret: hunter2, name: games",
        "https://example.test/?invite_token=hunter2&name=games",
    ],
)
def test_a_secret_is_hidden_by_its_fields_name(text: str) -> None:
    hidden = hide_secrets(text)
    assert "hunter2" not in hidden
    assert HIDDEN in hidden


@pytest.mark.parametrize("text", ["public_key=abc", "address=10.1.2.3", "the keys of peer 5 changed", "keyring: none"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert hide_secrets(text) == text


def test_a_traceback_shows_no_secret_either() -> None:
    stream = io.StringIO()
    set_up_logging(stream=stream)
    try:
        raise ValueError("cannot parse password='hunter2'")
    except ValueError:
        logging.getLogger("app.test").exception("refused")
    assert "Traceback" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_json_lines_carry_extra_fields_without_secrets() -> None:
    stream = io.StringIO()
    set_up_logging(json_lines=True, stream=stream)
    logging.getLogger("app.server").warning(
        "login", extra={"account": 7, "password": "hunter2", "body": "token=hunter2"}
    )
    line = json.loads(stream.getvalue())
    assert line["level"] == "warning"
    assert line["logger"] == "app.server"
    assert line["message"] == "login"
    assert line["account"] == 7
    assert line["password"] == HIDDEN
    assert "hunter2" not in stream.getvalue()


def test_json_lines_carry_the_traceback_in_one_line() -> None:
    stream = io.StringIO()
    set_up_logging(json_lines=True, stream=stream)
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("app.server").exception("failed")
    assert "ValueError: no such thing" in json.loads(stream.getvalue())["traceback"]


def test_a_second_set_up_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up_logging(stream=first)
    set_up_logging(stream=second)
    logging.getLogger("app.test").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError):
        set_up_logging("loud")


@given(st.text())
def test_any_text_is_taken_and_limited(text: str) -> None:
    assert len(hide_secrets(text * 100)) <= MAX_LINE * 3


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2 and cut off",
        "read v1:" + "hunter2_-" * 60 + " from the keyring",
    ],
)
def test_a_private_key_is_hidden_wherever_it_stands(text: str) -> None:
    hidden = hide_secrets(f"before {text} after")
    assert "hunter2" not in hidden
    assert hidden.startswith(f"before {HIDDEN}") or hidden.startswith(f"before read {HIDDEN}")


def test_the_newest_lines_are_kept_even_where_the_terminal_shows_errors_only() -> None:
    stream = io.StringIO()
    set_up_logging("error", stream=stream)
    assert recent_lines() == []
    logger = logging.getLogger("app.engine.engine")
    logger.debug("too small")
    logger.info("password=%s", "hunter2")
    for number in range(MAX_KEPT - 1):
        logger.warning("line %d %s", number, "x" * MAX_KEPT_LINE)
    lines = recent_lines()
    assert len(lines) == MAX_KEPT
    assert f"password={HIDDEN}" in lines[0]
    assert all(len(each) <= MAX_KEPT_LINE for each in lines)
    logger.info("the newest")
    assert recent_lines()[-1].endswith("the newest")
    assert "line 0" in recent_lines()[0]
    assert stream.getvalue() == ""


def test_nothing_is_kept_before_logging_is_set_up() -> None:
    logging.getLogger().handlers[:] = []
    assert recent_lines() == []
