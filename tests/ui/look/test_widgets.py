"""What windows are made of."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from app.engine.state import Problem
from app.protocol.wire import MAX_PASSWORD
from app.ui.look.theme import Theme
from app.ui.look.widgets import (
    ZERO_WIDTH_SPACE,
    CopyField,
    Note,
    PasswordField,
    ProblemBox,
    Sign,
    problem_named,
    wrapping_name,
)
from app.ui.preferences import ColourScheme
from app.ui.words.plain_text import LONGEST_NAME

HOSTILE = Problem("x", "<b>title</b>", "<script>alert(1)</script>", "<a href='x'>click</a>")


def test_a_problem_is_told_as_it_is_never_as_html(qtbot: QtBot) -> None:
    box = ProblemBox()
    qtbot.addWidget(box)
    assert box.isHidden()
    box.tell(HOSTILE)
    labels = [each for each in box.findChildren(QLabel) if each.text()]
    assert [each.text() for each in labels] == [HOSTILE.title, HOSTILE.message, HOSTILE.remedy]
    assert all(each.textFormat() is Qt.TextFormat.PlainText for each in labels)
    assert box.accessibleName() == HOSTILE.title


def test_the_engines_words_are_at_hand_for_what_a_window_notices() -> None:
    problem = problem_named("invite-not-valid", reason="It is cut off")
    assert problem.message == "It is cut off."
    assert dict(problem.details) == {"reason": "It is cut off"}


def test_a_password_field_has_a_limit_and_begins_empty(qtbot: QtBot) -> None:
    field = PasswordField()
    qtbot.addWidget(field)
    assert field.text() == ""
    field.setText("x" * (MAX_PASSWORD + 5))
    assert len(field.text()) == MAX_PASSWORD


def test_copying_says_that_it_copied(qtbot: QtBot) -> None:
    field = CopyField("buri://home.example", "Link")
    qtbot.addWidget(field)
    assert field.line.isReadOnly()
    QTest.mouseClick(field.button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "buri://home.example"
    assert field.button.text() == "Copied"
    field.set_text("")
    assert not field.button.isEnabled()


def test_names_in_titles_are_safe_and_short() -> None:
    assert wrapping_name("Ben") == "Ben"
    assert "\u202e" not in wrapping_name("\u202eneB\nBen")
    long = wrapping_name("W" * 64)
    assert len(long.replace(ZERO_WIDTH_SPACE, "")) == LONGEST_NAME
    assert max(len(part) for part in long.split(ZERO_WIDTH_SPACE)) < 18  # it can be wrapped


def test_signs_follow_the_colours(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> None:
    theme = Theme(qapp)
    try:
        theme.choose(ColourScheme.LIGHT)
        note = Note("Mind this.", "attention")
        qtbot.addWidget(note)
        note.show()
        sign = note.findChildren(Sign)[0]
        light = sign.pixmap().toImage()
        theme.choose(ColourScheme.DARK)
        qtbot.waitUntil(lambda: sign.pixmap().toImage() != light)
    finally:
        theme.choose(ColourScheme.SYSTEM)
        theme.deleteLater()
        qapp.setStyleSheet("")
