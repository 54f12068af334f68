"""Names of strangers on surfaces that may render markup."""

from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st

from app.ui.words.plain_text import LONGEST_NAME, menu_text, short_name, shortened, unmarked


class Reader(HTMLParser):
    """Fails at whatever it takes for more than text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError(tag)

    handle_startendtag = handle_starttag

    def handle_entityref(self, name: str) -> None:
        raise AssertionError(name)

    handle_charref = handle_entityref


@given(st.text())
@example("<b>bold</b> &lt;i&gt; &#65; &#x41; <!-- -->")
def test_no_text_is_markup(text: str) -> None:
    reader = Reader()
    reader.feed(unmarked(text))
    reader.close()
    assert len(unmarked(text)) == len(text)


def test_ordinary_text_stays() -> None:
    assert unmarked("Tom & Jerry, 5 > 4?") == "Tom & Jerry, 5 \u203a 4?"


@given(st.text())
def test_names_in_menus_are_short_and_underline_nothing(name: str) -> None:
    assert len(short_name(name)) <= LONGEST_NAME
    assert menu_text(name).replace("&&", "").count("&") == 0
    assert menu_text(name).replace("&&", "&") == short_name(name)


def test_what_is_cut_off_is_seen() -> None:
    assert shortened("1234567890", 5) == "1234…"
    assert shortened("12345", 5) == "12345"
