"""The field that filters the roster while one types. Used by main_window.py."""

from typing import Final

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from app.protocol.invite import MAX_LINK
from app.ui.look.icons import icon
from app.ui.look.theme import colours
from app.ui.words.translations import _

_DOWN: Final = (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class SearchField(QLineEdit):
    """Esc clears it, then leaves it; down and Enter go to what was found."""

    left = Signal()
    """The keyboard shall go to the roster."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMaxLength(MAX_LINK)  # a whole invite link may be pasted here
        self.setPlaceholderText(_("Search"))
        self.setAccessibleName(_("Search people and networks"))
        self.setToolTip(_("Search people and networks (Ctrl+F)"))
        self.setClearButtonEnabled(True)
        self._sign = QAction(self)
        self.addAction(self._sign, QLineEdit.ActionPosition.LeadingPosition)
        self.draw_sign()

    def draw_sign(self) -> None:
        """In the colours in use."""
        self._sign.setIcon(icon("search", colours().muted))

    def take_keyboard(self) -> None:
        """Ready to type, over what was typed before."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt tells: a key."""
        if event.key() == Qt.Key.Key_Escape:
            if not self.text():
                self.left.emit()
            self.clear()
        elif event.key() in _DOWN:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Qt tells: other colours."""
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_sign"):
            self.draw_sign()
        super().changeEvent(event)
