"""What all pages of the preferences have. What is set holds at once.

What lies in window.json is written by Preferences; what the engine must know goes to the session, which starts the
engine anew, and the page says so.
"""

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QCheckBox, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.engine.state import Problem
from app.ui.look.theme import SPACE
from app.ui.look.widgets import ProblemBox, centre_labels, form_in, text_label
from app.ui.verbs import Verbs


class PreferencePage(QWidget):
    """A heading, rows of choices, and a place for what went wrong."""

    def __init__(self, verbs: Verbs, title: str) -> None:
        super().__init__()
        self.verbs = verbs
        self.problem = ProblemBox()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(SPACE, 0, 2 * SPACE, SPACE)
        self._layout.setSpacing(SPACE + 4)
        self._layout.addWidget(text_label(title, heading=True))
        self._layout.addWidget(self.problem)

    def showEvent(self, event: QShowEvent) -> None:
        """Only now the fields have their height."""
        super().showEvent(event)
        centre_labels(self)

    def add(self, *parts: QWidget) -> None:
        """Widgets one under the other."""
        for part in parts:
            self._layout.addWidget(part)

    def add_form(self) -> QFormLayout:
        """Rows with a label each."""
        box = QWidget()
        self._layout.addWidget(box)
        return form_in(box)

    def add_section(self, title: str) -> None:
        """A smaller heading."""
        label = text_label(title)
        font = label.font()
        font.setBold(True)
        label.setFont(font)
        self._layout.addSpacing(SPACE)
        self._layout.addWidget(label)

    def add_row(self, *buttons: QPushButton) -> None:
        """Buttons beside each other, at the left."""
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        for button in buttons:
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        self._layout.addLayout(row)

    def end(self) -> None:
        """Nothing comes below."""
        self._layout.addStretch(1)

    def choose(self, **changes: object) -> None:
        """Remember a choice; tell it if that is impossible."""
        self.problem.hide()
        problem = self.verbs.preferences.change(**changes)
        if problem is not None:
            self.problem.tell(problem)

    def tell(self, problem: Problem) -> None:
        """Show what went wrong."""
        self.problem.tell(problem)


def switch(text: str, on: bool) -> QCheckBox:
    """A choice between yes and no."""
    box = QCheckBox(text)
    box.setChecked(on)
    return box
