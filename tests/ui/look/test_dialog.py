"""What all dialogs do: Enter asks, Escape goes, a refusal loses nothing."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from app.engine.state import Problem
from app.ui.look.dialog import Dialog

REFUSAL = Problem("x", "It is refused.", "Nobody knows why.", "Try something else.")


class Question(Dialog):
    """A dialog with one field that refuses whatever is typed."""

    def __init__(self, parent: QWidget | None = None, *, destructive: bool = False) -> None:
        super().__init__(parent, "Question", "Why?", "&Answer", destructive=destructive)
        self.answer = QLineEdit()
        self.form.addRow("&Text", self.answer)
        self.asked = 0

    def submit(self) -> None:
        self.asked += 1
        self.show_problem(REFUSAL)

    def field_of(self, problem: Problem) -> QWidget | None:
        return self.answer


def test_enter_asks_and_a_refusal_keeps_what_was_typed(qtbot: QtBot) -> None:
    dialog = Question()
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(dialog.answer.hasFocus)
    height = dialog.height()
    QTest.keyClicks(dialog.answer, "because")
    QTest.keyClick(dialog.answer, Qt.Key.Key_Return)
    assert (dialog.asked, dialog.answer.text(), dialog.answer.selectedText()) == (1, "because", "because")
    assert dialog.accept_button.isEnabled()
    assert dialog.height() > height
    QTest.keyClick(dialog.answer, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_enter_does_nothing_while_something_is_under_way(qtbot: QtBot) -> None:
    dialog = Question()
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.set_busy(True)
    QTest.keyClick(dialog.answer, Qt.Key.Key_Return)
    assert dialog.asked == 0
    assert dialog.cancel_button.isEnabled()


def test_enter_cancels_what_can_not_be_undone(qtbot: QtBot) -> None:
    dialog = Question(destructive=True)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(dialog)
    dialog.show()
    QTest.keyClick(dialog.answer, Qt.Key.Key_Return)
    assert dialog.asked == 0
    assert not dialog.isVisible()


def test_it_grows_with_what_stands_in_a_box_within(qtbot: QtBot) -> None:
    dialog, box, picture = Question(), QWidget(), QWidget()
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(dialog)
    QHBoxLayout(box).addWidget(picture)
    dialog.add(box)
    dialog.show()
    qtbot.waitExposed(dialog)
    picture.setFixedSize(200, 400)
    dialog.fit()
    assert box.height() >= 400
