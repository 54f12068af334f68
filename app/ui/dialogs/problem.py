"""The window that tells what failed and nobody else has shown: one problem at a time, the same one only once.

It never takes the focus from what a person is doing in another window by opening again and again: what comes while it
is open waits in line. Opened by app/ui/actions.py.
"""

from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.engine.state import Problem
from app.ui.look.icons import pixmap
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import text_label
from app.ui.mends import mends_of
from app.ui.verbs import Verbs
from app.ui.words.translations import _, ngettext, translated

WIDTH: Final = 460
MAX_WAITING: Final = 16
"""Problems in line; later ones are in the log."""


class ProblemWindow(QDialog):
    """Title, what happened, what to do, and the buttons that do it."""

    def __init__(self, parent: QWidget | None, actions: Verbs) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._actions = actions
        self._waiting: list[Problem] = []
        self._sign = QLabel()
        self.title, self.message, self.remedy = (
            text_label(heading=True, selectable=True),
            text_label(selectable=True),
            text_label(muted=True, selectable=True),
        )
        self._more = text_label(muted=True)
        self._more.setWordWrap(False)
        self._mends = QHBoxLayout()
        self._mends.setSpacing(SPACE)
        self.close_button = QPushButton(_("Close"))
        self.close_button.clicked.connect(self.next)
        self._lay_out()

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(SPACE)
        for label in (self.title, self.message, self.remedy):
            words.addWidget(label)
        top = QHBoxLayout()
        top.setSpacing(2 * SPACE)
        top.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self._more)
        row.addStretch(1)
        row.addLayout(self._mends)
        row.addWidget(self.close_button)
        self._body = layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * SPACE, 3 * SPACE, 3 * SPACE, 2 * SPACE + 4)
        layout.setSpacing(3 * SPACE)
        layout.addLayout(top)
        layout.addStretch(1)
        layout.addLayout(row)

    def tell(self, problem: Problem) -> None:
        """Show it now, or after those that are shown."""
        if problem in self._waiting or len(self._waiting) >= MAX_WAITING:
            return
        self._waiting.append(problem)
        if len(self._waiting) == 1:
            self._show_first()
        else:
            self._count()

    def next(self) -> None:
        """The one that is shown was read."""
        del self._waiting[:1]
        if self._waiting:
            self._show_first()
        else:
            self.accept()

    def reject(self) -> None:
        """Escape, and the window's own button."""
        self.next()

    def _show_first(self) -> None:
        problem = self._waiting[0]
        shown = translated(problem)
        self.setWindowTitle(_("Buri: something did not work"))
        self._sign.setPixmap(pixmap("attention", 32, colours().attention))
        for label, text in ((self.title, shown.title), (self.message, shown.message), (self.remedy, shown.remedy)):
            label.setText(text)
            label.setVisible(bool(text))
        self._show_mends(problem)
        self._count()
        self.ensurePolished()
        width = max(WIDTH, self._body.totalMinimumSize().width())
        self.resize(width, self._body.totalHeightForWidth(width))
        self.show()
        self.close_button.setFocus()

    def _show_mends(self, problem: Problem) -> None:
        while (item := self._mends.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for mend in mends_of(self._actions, problem):
            button = mend.button()
            button.clicked.connect(self.next)
            self._mends.addWidget(button)

    def _count(self) -> None:
        more = len(self._waiting) - 1
        self._more.setText(ngettext("{count} more problem", "{count} more problems", more) if more else "")
