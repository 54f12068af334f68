"""What several windows are made of: the dialog with an explanation and one main button, the box that tells a problem.

Dialogs are opened with `open()` or `show()`, never with `exec()`: nothing waits in Qt's loop. They delete themselves
when they are closed. Used by all dialogs.
"""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.state import Problem
from app.ui.icons import pixmap
from app.ui.theme import SPACE, colours
from app.ui.translations import translated


class ProblemBox(QFrame):
    """What went wrong: title, what happened, what to do. Hidden while nothing is wrong."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("problem")
        self._sign, self._text = QLabel(), QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QHBoxLayout(self)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._text, 1)
        self.hide()

    def tell(self, problem: Problem) -> None:
        """Show it."""
        problem = translated(problem)
        self._sign.setPixmap(pixmap("attention", 18, colours().attention))
        self._text.setText("\n".join(part for part in (problem.title, problem.message, problem.remedy) if part))
        self.setAccessibleName(problem.title)
        self.show()


class Dialog(QDialog):
    """A title, one sentence of explanation, fields, a place for problems, and one main button.

    Subclasses add fields to `form` and override `submit`, which is called for the main button; it ends in `accept`,
    or in `show_problem`, which leaves everything that was typed.
    """

    def __init__(self, parent: QWidget | None, title: str, explanation: str, accept_text: str) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self._problem = ProblemBox()
        self.form = QFormLayout()
        self.form.setVerticalSpacing(SPACE + 2)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = QPushButton(accept_text)
        self.accept_button.setDefault(True)
        self.buttons.addButton(self.accept_button, QDialogButtonBox.ButtonRole.ActionRole)
        self.accept_button.clicked.connect(self._submit)
        self.buttons.rejected.connect(self.reject)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(2 * SPACE + 4, 2 * SPACE, 2 * SPACE + 4, 2 * SPACE)
        self.body.setSpacing(SPACE + 4)
        if explanation:
            self.body.addWidget(_explanation(explanation))
        self.body.addLayout(self.form)
        self.body.addWidget(self._problem)
        self.body.addStretch(1)
        self.body.addWidget(self.buttons)
        self.setMinimumWidth(420)

    def submit(self) -> None:
        """Carry out what the main button promises."""
        self.accept()

    def set_busy(self, busy: bool) -> None:
        """While something is under way the main button waits; cancelling stays possible."""
        self.accept_button.setEnabled(not busy)

    def show_problem(self, problem: Problem) -> None:
        """Tell what went wrong; the person may mend the fields and try again."""
        self.set_busy(False)
        self._problem.tell(problem)

    def _submit(self) -> None:
        self._problem.hide()
        self.set_busy(True)
        self.submit()


def _explanation(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setProperty("muted", True)
    return label
