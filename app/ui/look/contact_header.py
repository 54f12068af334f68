"""The top of a window about one peer or network: its status as a shape, its name, one line of words, and buttons.

Used by chat/window.py and ping/window.py.
"""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app.ui.look.icons import icon
from app.ui.look.theme import SPACE
from app.ui.look.widgets import ElidedLabel

SIGN: Final = 20


class ContactHeader(QFrame):
    """Whom a window is about."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon, self._colour = "offline", ""
        self._sign = QLabel()
        self._sign.setFixedSize(SIGN, SIGN)
        self._buttons: list[tuple[QToolButton, str]] = []
        self._name, self._line = ElidedLabel(), ElidedLabel()
        font = QFont(self._name.font())
        font.setPointSizeF(font.pointSizeF() * 1.15)
        font.setWeight(QFont.Weight.DemiBold)
        self._name.setFont(font)
        self._line.setProperty("muted", True)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self._name)
        words.addWidget(self._line)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(2 * SPACE, SPACE + 2, SPACE + 4, SPACE + 2)
        self._layout.setSpacing(SPACE // 2)
        self._layout.addWidget(self._sign)
        self._layout.addSpacing(SPACE)
        self._layout.addLayout(words, 1)

    def add_button(self, name: str, words: str, action: Callable[[], object]) -> QToolButton:
        """A button with only an icon; its words are its tip and what a screen reader says."""
        button = QToolButton()
        button.setAutoRaise(True)
        button.setIcon(icon(name))
        button.setIconSize(QSize(SIGN, SIGN))
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.clicked.connect(action)
        self._buttons.append((button, name))
        self._layout.addWidget(button)
        return button

    @property
    def line(self) -> str:
        """What it says below the name."""
        return self._line.text()

    def tell(self, name: str, line: str, sign: str, colour: str) -> None:
        """Show this."""
        self._name.say(name)
        self._line.say(line)
        if (sign, colour) != (self._icon, self._colour):
            self._icon, self._colour = sign, colour
            self._draw_sign()

    def changeEvent(self, event: QEvent) -> None:
        """Buttons follow the colours."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange:
            for button, name in getattr(self, "_buttons", ()):
                button.setIcon(icon(name))

    def _draw_sign(self) -> None:
        self._sign.setPixmap(icon(self._icon, self._colour).pixmap(QSize(SIGN, SIGN), self.devicePixelRatioF()))
