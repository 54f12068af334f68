"""Colours and sizes of all windows, light and dark, by the system or by choice.

One Fusion style with our own palette and style sheet (style_sheet.py), so that every system shows the same window.
Other modules take colours from `colours()` while they paint and never name one themselves. application.py makes the
one `Theme`; it follows the system from then on, and whoever caches colours connects to `Theme.changed`.

What a window may say of its widgets, with `setProperty`: `muted`, `heading`, `subheading` on labels, `card` on frames,
`flat` and `destructive` on buttons.
"""

from typing import Final

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from app.ui.look.colours import DARK, LIGHT, Colours
from app.ui.look.style_sheet import style_sheet
from app.ui.preferences import ColourScheme

__all__ = ["RADIUS", "SPACE", "Colours", "Theme", "colours", "is_dark"]

SPACE: Final = 8
"""Pixels between things that belong together; windows have twice as much around."""
RADIUS: Final = 8
CHOSEN: Final = "chosenColours"
"""The application's property that holds the choice."""


class Theme(QObject):
    """The scheme in use. `changed` is emitted after the application has it."""

    changed = Signal()

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        self._shown: Colours | None = None
        application.setStyle("Fusion")
        application.styleHints().colorSchemeChanged.connect(self._apply)
        self._apply()

    def choose(self, scheme: ColourScheme) -> None:
        """Light, dark, or what the system says."""
        wanted = {ColourScheme.LIGHT: Qt.ColorScheme.Light, ColourScheme.DARK: Qt.ColorScheme.Dark}
        self._application.setProperty(CHOSEN, scheme.value)
        self._application.styleHints().setColorScheme(wanted.get(scheme, Qt.ColorScheme.Unknown))
        self._apply()

    def _apply(self) -> None:
        if colours() is self._shown:
            return
        self._shown = colours()
        self._application.setPalette(_palette(colours()))
        self._application.setStyleSheet(style_sheet(colours(), self._application.font()))
        self.changed.emit()


def is_dark() -> bool:
    """Whether dark colours are shown now: by choice, which not every platform lets Qt have, or by the system."""
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        return False
    chosen = application.property(CHOSEN)
    if chosen in (ColourScheme.LIGHT, ColourScheme.DARK):
        return bool(chosen == ColourScheme.DARK)
    return application.styleHints().colorScheme() is Qt.ColorScheme.Dark


def colours() -> Colours:
    """The colours to paint with now."""
    return DARK if is_dark() else LIGHT


def _palette(scheme: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    chosen = {
        role.Window: scheme.window,
        role.WindowText: scheme.text,
        role.Base: scheme.surface,
        role.AlternateBase: scheme.raised,
        role.Text: scheme.text,
        role.PlaceholderText: scheme.muted,
        role.Button: scheme.raised,
        role.ButtonText: scheme.text,
        role.BrightText: scheme.on_accent,
        role.Highlight: scheme.accent,
        role.HighlightedText: scheme.on_accent,
        role.ToolTipBase: scheme.raised,
        role.ToolTipText: scheme.text,
        role.Link: scheme.accent,
        role.LinkVisited: scheme.accent,
        role.Accent: scheme.accent,
        role.Light: scheme.surface,
        role.Midlight: scheme.raised,
        role.Mid: scheme.border,
        role.Dark: scheme.edge,
        role.Shadow: scheme.border,
    }
    for each, colour in chosen.items():
        palette.setColor(each, QColor(colour))
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, QColor(scheme.offline))
    return palette
