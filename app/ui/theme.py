"""Colours, sizes and the style of all windows, light and dark, by the system or by choice.

One Fusion style with our own palette, so that every system shows the same window. Other modules take colours from
`colours()` while they paint and never name one themselves. `apply_theme` is called once by application.py and follows
the system from then on; whoever caches colours connects to `Theme.changed`.
"""

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from app.ui.preferences import ColourScheme

SPACE: Final = 8
"""Pixels between things that belong together; windows have twice as much around."""
RADIUS: Final = 8


@dataclass(frozen=True, slots=True)
class Colours:
    """One scheme."""

    window: str
    surface: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    direct: str
    relayed: str
    connecting: str
    failed: str
    offline: str
    blocked: str
    attention: str


LIGHT: Final = Colours(
    window="#f5f6f8",
    surface="#ffffff",
    raised="#eceef2",
    border="#d9dce3",
    text="#1b1f27",
    muted="#606979",
    accent="#2563c9",
    on_accent="#ffffff",
    direct="#1d8a4a",
    relayed="#2b6fd6",
    connecting="#a86f00",
    failed="#c2410c",
    offline="#8d95a3",
    blocked="#b42318",
    attention="#b45309",
)
DARK: Final = Colours(
    window="#16191f",
    surface="#1d2129",
    raised="#282d37",
    border="#353b47",
    text="#e8ebf0",
    muted="#9aa3b2",
    accent="#6ea3ff",
    on_accent="#0d1520",
    direct="#4cc779",
    relayed="#6ea3ff",
    connecting="#e0ac3f",
    failed="#ff8a5c",
    offline="#6f7889",
    blocked="#ff7a6e",
    attention="#f2b04a",
)


class Theme(QObject):
    """The scheme in use. `changed` is emitted after the application has it."""

    changed = Signal()

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        application.setStyle("Fusion")
        application.styleHints().colorSchemeChanged.connect(self._apply)
        self._apply()

    def choose(self, scheme: ColourScheme) -> None:
        """Light, dark, or what the system says."""
        wanted = {ColourScheme.LIGHT: Qt.ColorScheme.Light, ColourScheme.DARK: Qt.ColorScheme.Dark}
        self._application.styleHints().setColorScheme(wanted.get(scheme, Qt.ColorScheme.Unknown))
        self._apply()

    def _apply(self) -> None:
        self._application.setPalette(_palette(colours()))
        self._application.setStyleSheet(_style_sheet(colours()))
        self.changed.emit()


def is_dark() -> bool:
    """Whether dark colours are shown now."""
    application = QApplication.instance()
    return isinstance(application, QApplication) and application.styleHints().colorScheme() is Qt.ColorScheme.Dark


def colours() -> Colours:
    """The colours to paint with now."""
    return DARK if is_dark() else LIGHT


def _palette(scheme: Colours) -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: scheme.window,
        QPalette.ColorRole.WindowText: scheme.text,
        QPalette.ColorRole.Base: scheme.surface,
        QPalette.ColorRole.AlternateBase: scheme.raised,
        QPalette.ColorRole.Text: scheme.text,
        QPalette.ColorRole.PlaceholderText: scheme.muted,
        QPalette.ColorRole.Button: scheme.raised,
        QPalette.ColorRole.ButtonText: scheme.text,
        QPalette.ColorRole.Highlight: scheme.accent,
        QPalette.ColorRole.HighlightedText: scheme.on_accent,
        QPalette.ColorRole.ToolTipBase: scheme.raised,
        QPalette.ColorRole.ToolTipText: scheme.text,
        QPalette.ColorRole.Link: scheme.accent,
        QPalette.ColorRole.Accent: scheme.accent,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(scheme.muted))
    return palette


def _style_sheet(scheme: Colours) -> str:
    return f"""
    QLineEdit, QPlainTextEdit, QTextEdit, QComboBox, QSpinBox {{
        background: {scheme.surface}; border: 1px solid {scheme.border}; border-radius: 6px; padding: 5px 8px;
    }}
    QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QComboBox:focus, QSpinBox:focus {{
        border: 1px solid {scheme.accent};
    }}
    QPushButton {{
        background: {scheme.surface}; border: 1px solid {scheme.border}; border-radius: 6px; padding: 6px 14px;
    }}
    QPushButton:hover {{ background: {scheme.raised}; }}
    QPushButton:focus {{ border: 1px solid {scheme.accent}; }}
    QPushButton:default {{ background: {scheme.accent}; color: {scheme.on_accent}; border: 1px solid {scheme.accent}; }}
    QPushButton:disabled {{ color: {scheme.muted}; background: {scheme.raised}; border: 1px solid {scheme.border}; }}
    """
