"""The top of a window about one peer or network: its status as a shape, its name, one line of words, and buttons.

Used by chat/window.py and ping/window.py.
"""

import html
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app.ui.look.icons import icon
from app.ui.look.theme import SPACE, colours

SIGN: Final = 20


class ElidedLabel(QLabel):
    """One line of plain text that ends in … where there is no room; its tip is the whole text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def say(self, text: str) -> None:
        """Show this."""
        self.setText(text)
        self.setAccessibleName(text)
        self.setToolTip(_as_tip(text) if self._shown() != text else "")

    def minimumSizeHint(self) -> QSize:
        """It gives way to whatever needs room."""
        return QSize(3 * SPACE, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """As much as there is room for."""
        painter = QPainter(self)
        painter.setPen(colours().muted if self.property("muted") else colours().text)
        painter.drawText(self.contentsRect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self._shown())
        painter.end()

    def _shown(self) -> str:
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width())


def _as_tip(text: str) -> str:
    """Qt guesses whether a tip is HTML: this one is, and says the text as it is."""
    return f"<span>{html.escape(text)}</span>"


class Rule(QWidget):
    """A thin line between two parts of a window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(1)

    def paintEvent(self, event: QPaintEvent) -> None:
        """In the colour of borders."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(colours().border))
        painter.end()


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
