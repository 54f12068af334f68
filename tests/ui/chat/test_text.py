"""Chat text made ready to be shown: links, lengths and what a hostile peer may try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.chat.text import (
    MAX_LINES,
    MAX_LINK,
    MAX_LINKS,
    MAX_MARKS,
    MAX_SHOWN,
    find_links,
    part_of_units,
    shortened,
    units,
    without_towers,
)


def targets(text: str) -> list[str]:
    return [link.target for link in find_links(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://example.com/a?b=c#d now", "https://example.com/a?b=c#d"),
        ("http://10.77.0.2:8080/", "http://10.77.0.2:8080/"),
        ("http://[2001:db8::1]/x", "http://[2001:db8::1]/x"),
        (
            "join buri://home.example/?fp=SHA256:abc-_&network=Family",
            "buri://home.example/?fp=SHA256:abc-_&network=Family",
        ),
        ("Look at https://example.com.", "https://example.com"),
        ("(https://example.com/a_(b))", "https://example.com/a_(b)"),
        ("<https://example.com>", "https://example.com"),
        ('"https://example.com"!', "https://example.com"),
        ("https://example.com/ü", "https://example.com/"),
    ],
)
def test_links_are_found(text: str, found: str) -> None:
    assert targets(text) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "www.example.com",
        "javascript://example.com/%0aalert(1)",
        "file:///etc/passwd",
        "xhttps://example.com",
        "smb://10.77.0.2/",
        "https://",
        "https:///path",
        "https://bank.example@evil.example/",
        "https://пример.example",
        "https://" + "a" * MAX_LINK,
    ],
)
def test_what_is_no_link_of_ours_stays_text(text: str) -> None:
    assert targets(text) == []


@given(st.text() | st.text(alphabet="htpsburi:/.@[]()?#% \n", max_size=400))
def test_a_link_is_exactly_what_is_shown(text: str) -> None:
    end = 0
    for link in find_links(text):
        assert text[link.start : link.end] == link.target
        assert link.start >= end
        assert link.target.isascii()
        assert link.target.startswith(("http://", "https://", "buri://"))
        assert len(link.target) <= MAX_LINK
        end = link.end


@given(st.text(min_size=1, max_size=20), st.integers(1, 2_000))
def test_links_in_long_repetitions_stay_few(part: str, times: int) -> None:
    assert len(find_links((part + " http://a ") * times)) <= MAX_LINKS


def test_brackets_without_end_cost_no_time() -> None:
    assert targets("https://a" + ")" * 16_000) == ["https://a"]


def test_a_usual_message_is_shown_whole() -> None:
    assert shortened("Hello\nBen") == ("Hello\nBen", False)


@pytest.mark.parametrize(
    "text", ["a" * 16_384, "word " * 3_000, "\n.\n" * 5_000, "😀" * 4_000, "e" + "\u0301" * 8_000, "a\u2028" * 999]
)
def test_long_messages_are_shortened(text: str) -> None:
    shown, more = shortened(text)
    assert more
    assert len(shown) <= MAX_SHOWN
    assert shown.count("\n") < MAX_LINES


@given(st.text(max_size=3 * MAX_SHOWN))
def test_what_is_shown_is_bounded_and_harmless(text: str) -> None:
    shown, _ = shortened(text)
    assert len(shown) <= MAX_SHOWN
    assert shown.count("\n") < MAX_LINES
    assert not set(shown) & set("\0\x1b\u202e\u2066")


def test_combining_marks_build_no_towers() -> None:
    assert without_towers("Z" + "\u0301" * 100 + "a\u0308") == "Z" + "\u0301" * MAX_MARKS + "a\u0308"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_positions_are_qts(text: str) -> None:
    assert units(text) == len(text.encode("utf-16-le")) // 2
    assert part_of_units(text, 0, units(text)) == text


def test_half_an_emoji_is_left_out() -> None:
    assert part_of_units("a😀b", 1, 3) == "😀"
    assert part_of_units("a😀b", 0, 2) == "a"
