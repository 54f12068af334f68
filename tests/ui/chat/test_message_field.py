"""The field in which a message is written."""

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.protocol.wire import MAX_CHAT
from app.ui.chat.message_field import MAX_LINES, MAX_PASTE, MessageField


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def field(window: QWidget, qtbot: QtBot) -> MessageField:
    made = MessageField()
    QVBoxLayout(window).addWidget(made)
    window.resize(300, 300)
    with qtbot.waitActive(window):
        window.show()
    made.setFocus()
    return made


def test_enter_sends_and_with_shift_begins_a_line(field: MessageField, qtbot: QtBot) -> None:
    QTest.keyClicks(field, "one")
    QTest.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(field, "two")
    with qtbot.waitSignal(field.submitted):
        QTest.keyClick(field, Qt.Key.Key_Return)
    assert field.text == "one\ntwo"


def test_it_grows_with_its_lines_up_to_a_limit(field: MessageField) -> None:
    heights = []
    for lines in range(1, MAX_LINES + 4):
        field.setPlainText("\n".join("x" * lines))
        heights.append(field.height())
    assert heights[:MAX_LINES] == sorted(set(heights[:MAX_LINES]))
    assert set(heights[MAX_LINES:]) == {heights[MAX_LINES - 1]}
    field.clear()
    assert field.height() == heights[0]


def test_a_long_line_is_as_high_as_it_is_shown(field: MessageField, qtbot: QtBot) -> None:
    low = field.height()
    field.setPlainText("many words " * 12)
    qtbot.waitUntil(lambda: field.height() > low)


def test_all_lines_are_in_sight_where_they_have_room(field: MessageField, qtbot: QtBot) -> None:
    for number in range(1, MAX_LINES + 1):
        QTest.keyClicks(field, f"line {number}")
        assert field.firstVisibleBlock().blockNumber() == 0
        QTest.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert field.verticalScrollBar().value() > 0


def test_nothing_and_blanks_are_not_sent(field: MessageField) -> None:
    for text, fits in (("", False), ("  \n \0", False), (" x ", True)):
        field.setPlainText(text)
        assert field.can_be_sent is fits
    assert field.text == "x"


def test_how_full_it_is_is_said_only_near_the_limit(field: MessageField) -> None:
    field.setPlainText("x" * 1_000)
    assert field.room == ""
    field.setPlainText("x" * (MAX_CHAT - 100))
    assert field.room == "16.0 of 16 KiB"
    field.setPlainText("ä" * (MAX_CHAT // 2 + 1))
    assert field.room == "Too long: 16.1 of 16 KiB"
    assert not field.can_be_sent


def test_pasting_brings_plain_text_and_not_without_end(field: MessageField) -> None:
    data = QMimeData()
    data.setHtml("<b>bold</b>")
    data.setText("x" * 3 * MAX_PASTE)
    field.insertFromMimeData(data)
    assert field.toPlainText() == "x" * MAX_PASTE
    picture = QMimeData()
    picture.setData("image/png", b"x")
    assert not field.canInsertFromMimeData(picture)


def test_text_that_comes_back_stands_before_what_was_typed_since(field: MessageField) -> None:
    field.put_back("first")
    assert field.toPlainText() == "first"
    field.put_back("zeroth")
    assert field.toPlainText() == "zeroth\nfirst"


def test_tab_leaves_the_field(field: MessageField) -> None:
    assert field.tabChangesFocus()
