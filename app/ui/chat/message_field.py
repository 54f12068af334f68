"""The field in which a message is written: grows with its lines, sends with Enter, and knows what fits in a message.

Used by window.py.
"""

import math
from typing import Final

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QTextOption
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

from app.protocol.conversation import shown_text
from app.protocol.wire import MAX_CHAT
from app.ui.words.language import decimal
from app.ui.words.translations import _

MAX_LINES: Final = 6
NEAR_LIMIT: Final = MAX_CHAT - 2_048
"""Bytes from which the field says how much is left."""
MAX_PASTE: Final = 2 * MAX_CHAT
"""Characters that are taken from the clipboard: enough to see that it is too much, too little to freeze."""


class MessageField(QPlainTextEdit):
    """Plain text, of at most 16 KiB to be sent."""

    submitted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(_("Message"))
        size_changed = self.document().documentLayout().documentSizeChanged
        size_changed.connect(self._fit)
        size_changed.connect(self._choose_scroll_bar, Qt.ConnectionType.QueuedConnection)
        self._fit()

    @property
    def text(self) -> str:
        """What would be sent."""
        return shown_text(self.toPlainText()).strip()

    @property
    def size_in_bytes(self) -> int:
        """What counts against the limit."""
        return len(self.text.encode())

    @property
    def can_be_sent(self) -> bool:
        """Whether there is something, and not too much."""
        return 0 < self.size_in_bytes <= MAX_CHAT

    @property
    def room(self) -> str:
        """How full it is, in words, when that begins to matter."""
        size = self.size_in_bytes
        if size <= NEAR_LIMIT:
            return ""
        words = _("Too long: {used} of {limit} KiB") if size > MAX_CHAT else _("{used} of {limit} KiB")
        used = math.ceil(size / 1_024 * 10) / 10
        return words.format(used=decimal(used, 1), limit=MAX_CHAT // 1_024)

    def put_back(self, text: str) -> None:
        """Text that could not be sent comes back, before what was typed since."""
        typed = self.toPlainText()
        self.setPlainText(f"{text}\n{typed}" if typed else text)
        self.moveCursor(self.textCursor().MoveOperation.End)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter sends; with Shift it begins a line."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers() & _NEW_LINE:
            self.submitted.emit()
            return
        super().keyPressEvent(event)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Plain text alone, and not more than can matter."""
        if source.hasText():
            self.textCursor().insertText(source.text()[:MAX_PASTE])

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Only text."""
        return source.hasText()

    def sizeHint(self) -> QSize:
        """As wide as there is room, as high as its lines."""
        return QSize(super().sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        """It is never lower than its lines."""
        return QSize(80, self._height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lines break elsewhere; where all have room, the first is in sight."""
        super().resizeEvent(event)
        self._fit()
        if not self._has_many_lines:
            self.verticalScrollBar().setValue(0)

    def height_of(self, lines: int) -> int:
        """How high it is with so many lines."""
        around = self.height() - self.contentsRect().height() + 2 * round(self.document().documentMargin())
        return math.ceil(lines * self.fontMetrics().lineSpacing()) + around

    def _height(self) -> int:
        return self.height_of(min(MAX_LINES, max(1, round(self.document().size().height()))))

    def _fit(self) -> None:
        if self.height() != self._height():
            self.setFixedHeight(self._height())

    def _choose_scroll_bar(self) -> None:
        """Only where it is needed; while the text is being laid out Qt would not break its lines anew."""
        policy = Qt.ScrollBarPolicy.ScrollBarAlwaysOn if self._has_many_lines else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setVerticalScrollBarPolicy(policy)

    @property
    def _has_many_lines(self) -> bool:
        return self.document().size().height() > MAX_LINES


_NEW_LINE: Final = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
