"""A long message shown whole."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.ui.chat.dialogs import MAX_LINE, WholeMessage
from app.ui.look.widgets import CopyButton


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    return made


def test_a_message_of_usual_lines_is_shown_as_it_is(parent: QWidget) -> None:
    text = "\n".join(f"line {number}" for number in range(400))
    assert WholeMessage(parent, text).text.toPlainText() == text


@pytest.mark.parametrize("text", ["word " * 3_000, "a" * 16_384])
def test_no_line_is_so_long_that_it_would_hold_the_window_up(parent: QWidget, text: str) -> None:
    lines = WholeMessage(parent, text).text.toPlainText().split("\n")
    assert max(map(len, lines)) <= MAX_LINE
    assert "".join(lines) == text
    assert not any(line.startswith("ord") for line in lines)


def test_it_is_copied_as_it_was_written(parent: QWidget) -> None:
    dialog = WholeMessage(parent, "word " * 3_000)
    dialog.show()
    copy = dialog.findChild(CopyButton)
    assert copy is not None
    QTest.mouseClick(copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "word " * 3_000
