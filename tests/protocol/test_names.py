"""Names of networks and people: one form for each, and none that could deceive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.names import checked_name, shown_name
from app.protocol.wire import RemoteProtocolError


def test_names_are_put_in_normal_form() -> None:
    assert checked_name("  Anna \t Maria ") == "Anna Maria"
    assert checked_name("Zoe\u0301") == "Zo\u00e9"


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "an\u202ena", "a\x00b", "\u200b", "a\ue000"])
def test_names_that_could_deceive_are_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError):
        checked_name(name)


@given(st.text(max_size=80))
def test_a_checked_name_is_stable(name: str) -> None:
    try:
        normal = checked_name(name)
    except RemoteProtocolError:
        return
    assert checked_name(normal) == normal


@given(st.text(max_size=80))
def test_a_shown_name_is_one_line_without_tricks(name: str) -> None:
    """A lying server hands on names that nobody checked."""
    shown = shown_name(name)
    assert shown == shown_name(shown)
    assert len(shown.splitlines()) <= 1
    assert not {"\x1b", "\u202e", "\u200b"} & set(shown)


def test_a_good_name_is_shown_as_it_is() -> None:
    assert shown_name("Бен & Zoë 🎮") == "Бен & Zoë 🎮"
    assert shown_name("ben\x1b[2J\u202e") == "ben\ufffd[2J\ufffd"
