"""What stands in the window's middle while there is no roster."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.ui.roster.panel import Page, Panel


def test_a_page_has_a_main_button_that_enter_presses(qtbot: QtBot) -> None:
    done: list[str] = []
    panel = Panel()
    qtbot.addWidget(panel)
    buttons = (("First", lambda: done.append("first")), ("Second", lambda: done.append("second")))
    panel.tell(Page("people", "Title", "Text", buttons, "Hint"))
    panel.show()
    panel.activateWindow()
    panel.setFocus()
    qtbot.waitUntil(panel.buttons[0].hasFocus)
    QTest.keyClick(panel.buttons[0], Qt.Key.Key_Return)
    QTest.keyClick(panel.buttons[0], Qt.Key.Key_Tab)
    QTest.keyClick(panel.buttons[1], Qt.Key.Key_Space)
    assert done == ["first", "second"]


def test_the_same_page_again_keeps_the_keyboard(qtbot: QtBot) -> None:
    panel = Panel()
    qtbot.addWidget(panel)
    page = Page("people", "Title", "Text", (("First", lambda: None),))
    panel.tell(page)
    before = panel.buttons
    panel.tell(page)
    assert panel.buttons is before
    panel.tell(Page("power", "Another", "Text"))
    assert not panel.buttons
