"""The top of a window about one peer or network."""

import html

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.ui.look.contact_header import ContactHeader
from app.ui.look.theme import colours
from app.ui.look.widgets import ElidedLabel


@pytest.fixture
def header(qtbot: QtBot) -> ContactHeader:
    made = ContactHeader()
    qtbot.addWidget(made)
    made.resize(300, 56)
    made.show()
    return made


def test_a_name_that_does_not_fit_ends_in_dots_and_has_a_tip(header: ContactHeader) -> None:
    name = "<b>a very long name</b> " * 10
    header.tell(name, "Direct", "direct", colours().direct)
    label, line = header.findChildren(ElidedLabel)
    assert label.toolTip() == f"<span>{html.escape(name)}</span>"
    assert label.accessibleName() == name
    assert line.toolTip() == ""
    assert header.minimumSizeHint().width() < 300


def test_buttons_say_what_they_do(header: ContactHeader) -> None:
    pressed: list[str] = []
    button = header.add_button("ping", "Ping", lambda: pressed.append("ping"))
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert pressed == ["ping"]
    assert button.accessibleName() == button.toolTip() == "Ping"


def test_the_sign_changes_with_the_status(header: ContactHeader) -> None:
    header.tell("Ben", "Direct", "direct", colours().direct)
    before = header.grab().toImage()
    header.tell("Ben", "Direct", "offline", colours().offline)
    assert header.grab().toImage() != before
