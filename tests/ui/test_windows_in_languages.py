"""In every language: no two words of a window want the same letter, and no word is cut off."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QLabel,
    QMenu,
    QPushButton,
    QRadioButton,
    QWidget,
)

from app.ui.look.widgets import ElidedLabel
from app.ui.preferences import ColourScheme
from app.ui.words.translations import LANGUAGES
from tests.ui.pictures import PICTURES, Look, Picture, Studio, dressed
from tests.ui.world import run_in_qt, until

FILLED_BY_PEOPLE = ("chat", "ping", "roster-")
"""Beginnings of the names of pictures that show the same words as others, only with other people."""
WINDOWS = [picture for picture in PICTURES if not picture.name.startswith(FILLED_BY_PEOPLE)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("picture", WINDOWS, ids=lambda picture: picture.name)
def test_letters_are_used_once_and_words_have_room(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Picture, language: str
) -> None:
    monkeypatch.setenv("BURI_HOME", str(tmp_path / "home"))
    faults: list[str] = []

    async def look_at_it() -> None:
        async with Studio(tmp_path) as studio:
            window = await picture.pose(studio)
            window.show()
            await until(lambda: window.windowHandle() is not None and window.windowHandle().isExposed())
            faults.extend([*shared_letters(window), *cut_words(window)])
            window.close()
            if window.parent() is None:
                window.deleteLater()

    with dressed(qapp, Look(ColourScheme.LIGHT, language)):
        run_in_qt(qapp, look_at_it())
    assert not faults


def shared_letters(window: QWidget) -> Iterator[str]:
    """Different words of the window, or of one of its menus, that answer to the same letter."""
    words = [
        each.text()
        for each in parts(window)
        if isinstance(each, QAbstractButton) or (isinstance(each, QLabel) and each.buddy() is not None)
    ]
    yield from clashes(words)
    for menu in window.findChildren(QMenu):
        yield from clashes(action.text() for action in menu.actions() if action.isVisible())


def clashes(words: Iterable[str]) -> Iterator[str]:
    users: dict[str, set[str]] = defaultdict(set)
    for text in words:
        found = re.search(r"&(\w)", text.replace("&&", ""))
        if found is not None:
            users[found[1].lower()].add(text)
    yield from (f"{letter}: {sorted(texts)}" for letter, texts in users.items() if len(texts) > 1)


def cut_words(window: QWidget) -> Iterator[str]:
    """Words in a line of their own that are wider than their place."""
    for each in parts(window):
        if isinstance(each, QPushButton | QCheckBox | QRadioButton) or (
            isinstance(each, QLabel) and not each.wordWrap() and not isinstance(each, ElidedLabel)
        ):
            wanted = each.sizeHint().width()
            if each.text() and each.width() < wanted - 1:
                yield f"{each.text()}: {each.width()} of {wanted} pixels"


def parts(window: QWidget) -> Iterator[QWidget]:
    """What is seen of it."""
    return (each for each in window.findChildren(QWidget) if each.isVisible() and each.window() is window)
