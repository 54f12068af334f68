"""The field that filters the roster."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.ui.roster.search_field import SearchField


@pytest.fixture
def field(qtbot: QtBot) -> SearchField:
    made = SearchField()
    qtbot.addWidget(made)
    made.show()
    return made


def test_escape_clears_first_and_leaves_then(field: SearchField, qtbot: QtBot) -> None:
    QTest.keyClicks(field, "ben")
    with qtbot.assertNotEmitted(field.left):
        QTest.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == ""
    with qtbot.waitSignal(field.left):
        QTest.keyClick(field, Qt.Key.Key_Escape)


@pytest.mark.parametrize("key", [Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_down_and_enter_go_to_what_was_found(field: SearchField, qtbot: QtBot, key: Qt.Key) -> None:
    QTest.keyClicks(field, "ben")
    with qtbot.waitSignal(field.left):
        QTest.keyClick(field, key)
    assert field.text() == "ben"


def test_what_was_typed_before_is_typed_over(field: SearchField, qtbot: QtBot) -> None:
    field.setText("ben")
    field.take_keyboard()
    QTest.keyClicks(field, "mia")
    assert field.text() == "mia"
