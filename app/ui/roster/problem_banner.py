"""What is wrong, above the roster: title, what happened, what to do, and the buttons that mend it; one at a time.

Used by main_window.py; which button belongs to which problem is said in mends.py.
"""

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QAction, QFont, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.engine.state import PeerView, Problem
from app.ui.look.icons import icon, sharp_pixmap
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import text_label
from app.ui.mends import Mend, mends_of
from app.ui.verbs import Verbs
from app.ui.words.translations import _, translated

SIGN: Final = 18
LONG_WORD: Final = 28
"""Characters; languages have few words that are longer."""


class ProblemBanner(QFrame):
    """Hidden while nothing is wrong."""

    def __init__(self, actions: Verbs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("problem")
        self._actions = actions
        self._problems: tuple[Problem, ...] = ()
        self._peers: tuple[PeerView, ...] = ()
        self._place = 0
        self.text = ""
        """All that is said now."""
        self._sign, self.title = QLabel(), text_label()
        self.count = text_label(muted=True)
        self.back, self.forward = QToolButton(), QToolButton()
        self.words = text_label()
        self._row = QHBoxLayout()
        self.buttons: list[QPushButton] = []
        """Those that mend what is shown."""
        self._lay_out()
        self.back.clicked.connect(lambda: self._turn(-1))
        self.forward.clicked.connect(lambda: self._turn(1))
        self._draw_signs()
        self.hide()

    def _lay_out(self) -> None:
        bold = QFont(self.title.font())
        bold.setWeight(QFont.Weight.DemiBold)
        self.title.setFont(bold)
        self.count.setWordWrap(False)
        for label in (self.title, self.words):
            label.setMinimumWidth(1)  # else the longest word would say how wide the window is at least
        copy = QAction(_("&Copy"), self)
        copy.triggered.connect(lambda: self._actions.copy(self.text))
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        for button, name in ((self.back, _("Previous problem")), (self.forward, _("Next problem"))):
            button.setAutoRaise(True)
            button.setIconSize(QSize(14, 14))
            button.setAccessibleName(name)
            button.setToolTip(name)
        self._row.setSpacing(SPACE)
        turning = QHBoxLayout()
        turning.setSpacing(0)
        for widget in (self.back, self.count, self.forward):
            turning.addWidget(widget)
        words = QVBoxLayout()
        words.setSpacing(SPACE // 2)
        words.addWidget(self.title)
        words.addWidget(self.words)
        last = QHBoxLayout()
        last.addLayout(self._row)
        last.addStretch(1)
        last.addLayout(turning)
        last.setAlignment(turning, Qt.AlignmentFlag.AlignBottom)
        words.addSpacing(SPACE // 2)
        words.addLayout(last)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SPACE + 4, SPACE + 2, SPACE + 4, SPACE + 2)
        layout.setSpacing(SPACE + 2)
        layout.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(words, 1)

    def tell(self, problems: Sequence[Problem], peers: tuple[PeerView, ...] = ()) -> None:
        """Show these: at first one that is new, else the one that is looked at; `peers` are who they may be about."""
        self._peers = peers
        unique = tuple(dict.fromkeys(problems))
        if unique == self._problems:
            return
        present = self._problems[self._place] if self._problems else None
        news = [each for each in unique if each not in self._problems]
        changed = {each.code for each in self._problems if each not in unique}
        fresh = next((each for each in news if each.code not in changed), None)  # not one that only says it otherwise
        shown = present if fresh is None else fresh
        self._problems = unique
        self._place = unique.index(shown) if shown in unique else 0
        self._show()
        if news:
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def _turn(self, by: int) -> None:
        self._place = (self._place + by) % len(self._problems)
        self._show()

    def _show(self) -> None:
        self.setVisible(bool(self._problems))
        if not self._problems:
            return
        problem = self._problems[self._place]
        shown = translated(problem)
        self.title.setText(shown.title)
        words = " ".join(part for part in (shown.message, shown.remedy) if part)
        self.text = f"{shown.title}\n{words}"
        self.words.setText(_breakable(words))
        self.setAccessibleName(shown.title)
        self.setAccessibleDescription(words)
        many = len(self._problems) > 1
        self.count.setText(_("{number} of {count}").format(number=self._place + 1, count=len(self._problems)))
        for widget in (self.back, self.count, self.forward):
            widget.setVisible(many)
        self._show_buttons(self._mends(problem))

    def _mends(self, problem: Problem) -> tuple[Mend, ...]:
        peer = next((each for each in self._peers if each.problem == problem), None)
        if peer is None:
            return mends_of(self._actions, problem)
        if problem.code == "peer-key-changed":
            return (Mend(_("Look at the new key…"), lambda: self._actions.accept_key(peer)),)
        return (Mend(_("Details…"), lambda: self._actions.show_peer(peer)),)

    def _show_buttons(self, mends: tuple[Mend, ...]) -> None:
        for old in self.buttons:
            self._row.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.buttons = [mend.button() for mend in mends]
        for button in self.buttons:
            self._row.addWidget(button)
        self._fit()

    def _fit(self) -> None:
        """Buttons stand side by side where there is room for all, else one below the other."""
        wide = sum(button.sizeHint().width() + SPACE for button in self.buttons)
        if len(self._problems) > 1:
            wide += sum(widget.sizeHint().width() for widget in (self.back, self.count, self.forward))
        room = self.width() - SIGN - 4 * SPACE
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        direction = across if wide <= room else down
        if direction is not self._row.direction():
            self._row.setDirection(direction)
            self.updateGeometry()  # Qt does not ask again for the height by itself, in the middle of a resize

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt tells: more or less room."""
        super().resizeEvent(event)
        self._fit()

    def _draw_signs(self) -> None:
        self._sign.setPixmap(sharp_pixmap("attention", SIGN, colours().attention, self.devicePixelRatioF()))
        self.back.setIcon(icon("chevron-left"))
        self.forward.setIcon(icon("chevron-right"))

    def changeEvent(self, event: QEvent) -> None:
        """Qt tells: other colours."""
        if event.type() is QEvent.Type.PaletteChange:
            self._draw_signs()
        super().changeEvent(event)


def _breakable(text: str) -> str:
    """Long words, such as fingerprints and paths, may go on in the next line; the break itself can't be seen."""
    return " ".join("\u200b".join(word) if len(word) > LONG_WORD else word for word in text.split(" "))
