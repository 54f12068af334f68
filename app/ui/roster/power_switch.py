"""The switch that logs this computer in and out. Shows by place, colour and a word for screen readers where it stands.

It shows what the engine says, never what was clicked: `wanted` tells what the person wants. Used by own_header.py.
"""

from enum import Enum, auto
from typing import Final

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeySequence, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from app.engine.state import EngineState, ServerStatus
from app.ui.look.icons import pixmap
from app.ui.look.theme import Colours, colours
from app.ui.words.translations import _

WIDTH: Final = 44
HEIGHT: Final = 24
GAP: Final = 3


class Power(Enum):
    """Where the switch stands."""

    OFF = auto()
    CONNECTING = auto()
    """On, but not connected to the server."""
    ON = auto()


class PowerSwitch(QAbstractButton):
    """On, off, or on its way."""

    wanted = Signal(bool)
    """The person wants it on, or off."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.power = Power.OFF
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(lambda: self.wanted.emit(self.power is Power.OFF))
        self._tell()

    def show_state(self, state: EngineState, usable: bool) -> None:
        """Stand as the engine does; `usable` if there is one."""
        if not state.power:
            power = Power.OFF
        else:
            power = Power.ON if state.server.status is ServerStatus.ONLINE else Power.CONNECTING
        self.setEnabled(usable)
        if power is not self.power:
            self.power = power
            self._tell()
            self.update()

    def _tell(self) -> None:
        words = {
            Power.OFF: _("Switched off. Press to go online."),
            Power.CONNECTING: _("Connecting. Press to switch off."),
            Power.ON: _("Online. Press to switch off."),
        }
        self.setAccessibleName(_("Power"))
        self.setAccessibleDescription(words[self.power])
        keys = QKeySequence("Ctrl+P").toString(QKeySequence.SequenceFormat.NativeText)
        self.setToolTip(f"{words[self.power]} ({keys})")

    def sizeHint(self) -> QSize:
        """Qt asks: always the same, with room for the focus ring."""
        return QSize(WIDTH + 2 * GAP, HEIGHT + 2 * GAP)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt asks: the track, the knob, and the sign on it."""
        painter, shades = QPainter(self), colours()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(GAP, GAP, WIDTH, HEIGHT)
        if self.hasFocus():
            painter.setPen(QColor(shades.accent))
            painter.drawRoundedRect(track.adjusted(-2.5, -2.5, 2.5, 2.5), HEIGHT / 2 + 2.5, HEIGHT / 2 + 2.5)
        colour = QColor(self._colour(shades))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.setOpacity(1.0 if self.isEnabled() else 0.5)
        painter.drawRoundedRect(track, HEIGHT / 2, HEIGHT / 2)
        side = HEIGHT - 2 * GAP
        knob = QRectF(self._knob_left(track, side), track.top() + GAP, side, side)
        painter.setBrush(QColor("white" if self.isEnabled() else shades.surface))
        painter.drawEllipse(knob)
        scale = self.devicePixelRatioF()
        sign = pixmap("power", round((side - 6) * scale), colour.darker(120).name())
        painter.drawPixmap(knob.adjusted(3, 3, -3, -3), sign, QRectF(sign.rect()))

    def _colour(self, shades: Colours) -> str:
        return {Power.OFF: shades.offline, Power.CONNECTING: shades.connecting, Power.ON: shades.direct}[self.power]

    def _knob_left(self, track: QRectF, side: float) -> float:
        places = {Power.OFF: 0.0, Power.CONNECTING: 0.5, Power.ON: 1.0}
        return track.left() + GAP + places[self.power] * (track.width() - 2 * GAP - side)

    def event(self, event: QEvent) -> bool:
        """Qt tells: the focus ring comes and goes."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.update()
        return super().event(event)
