"""What stands in the main window's middle while there is no roster: a sign, a title, a sentence, and what to do.

Used by main_window.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.ui.look.icons import sharp_pixmap
from app.ui.look.theme import SPACE, colours
from app.ui.look.widgets import text_label

SIGN: Final = 56
WIDTH: Final = 300


@dataclass(frozen=True, slots=True)
class Page:
    """What a panel says."""

    sign: str
    title: str
    text: str
    buttons: tuple[tuple[str, Callable[[], object]], ...] = ()
    """The first is the main one."""
    hint: str = ""
    """Under the buttons."""


class Panel(QWidget):
    """One page at a time, in the middle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._page: Page | None = None
        self._sign = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self._sign.setFixedHeight(SIGN)
        self.title = text_label(heading=True)
        self.text, self.hint = text_label(muted=True), text_label(muted=True)
        self.buttons: list[QPushButton] = []
        self._column = QVBoxLayout()
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SPACE)
        self._column.addWidget(self._sign)
        self._column.addSpacing(SPACE)
        for label in (self.title, self.text):
            self._column.addWidget(label)
        self._column.addSpacing(SPACE)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(SPACE)
        self._column.addLayout(self._rows)
        self._column.addWidget(self.hint)
        for label in (self.title, self.text, self.hint):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        middle = QWidget()
        middle.setMaximumWidth(WIDTH)
        middle.setLayout(self._column)
        across = QHBoxLayout()
        across.addStretch(1)
        across.addWidget(middle, WIDTH)
        across.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        outer.addStretch(2)
        outer.addLayout(across)
        outer.addStretch(3)

    def tell(self, page: Page) -> None:
        """Show this page; a page that is shown already keeps its buttons, and with them the keyboard."""
        before, self._page = self._page, page
        if before is not None and (before.title, before.text) == (page.title, page.text):
            return
        self.title.setText(page.title)
        self.text.setText(page.text)
        self.hint.setText(page.hint)
        self.hint.setVisible(bool(page.hint))
        self._draw_sign()
        for old in self.buttons:
            self._rows.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.buttons = [_button(text, act) for text, act in page.buttons]
        for button in self.buttons:
            self._rows.addWidget(button)
        if self.buttons:
            self.buttons[0].setDefault(True)
            self.setFocusProxy(self.buttons[0])

    def _draw_sign(self) -> None:
        if self._page is not None:
            self._sign.setPixmap(sharp_pixmap(self._page.sign, SIGN, colours().accent, self.devicePixelRatioF()))

    def changeEvent(self, event: QEvent) -> None:
        """Qt tells: other colours."""
        if event.type() is QEvent.Type.PaletteChange:
            self._draw_sign()
        super().changeEvent(event)


def _button(text: str, act: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setAutoDefault(True)
    button.clicked.connect(lambda _checked=False: act())
    return button
