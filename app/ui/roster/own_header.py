"""The top of the main window: who I am, my address to copy, the power switch, and where the server stands.

Used by main_window.py.
"""

from typing import Final

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, QTimer
from PySide6.QtGui import QFont, QFontMetrics, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.engine.state import EngineState, ServerStatus
from app.ui.look.icons import icon, sharp_pixmap
from app.ui.look.theme import SPACE, Colours, colours
from app.ui.look.widgets import COPIED_FOR, ElidedLabel
from app.ui.roster.power_switch import PowerSwitch
from app.ui.verbs import Verbs
from app.ui.words.statuses import server_line
from app.ui.words.times import clock
from app.ui.words.translations import _

SIGN: Final = 12
TEXT_INSET: Final = 6
"""Between the edge of the nickname's button and its text."""


class NameButton(QPushButton):
    """The own nickname, cut off where there is no room; a click changes it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = ""
        self.setFlat(True)
        self.setAutoDefault(False)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._large = QFont(self.font())
        self._large.setPointSizeF(self._large.pointSizeF() * 1.35)
        self._large.setWeight(QFont.Weight.DemiBold)
        self.setStyleSheet(  # text rather than a button, until the pointer or the keyboard is on it
            "QPushButton, QPushButton:disabled { color: palette(window-text); text-align: left; padding: 2px 5px;"
            f" font-size: {self._large.pointSizeF():.1f}pt; font-weight: 600; }}"
            "QPushButton:focus { padding: 1px 4px; }"
        )

    def show_name(self, name: str) -> None:
        """Show this."""
        self.name = name
        self.setToolTip(_("Change your nickname (Ctrl+Shift+N)"))
        self.setAccessibleName(_("Nickname {name}").format(name=name))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt tells: more or less room."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = QFontMetrics(self._large)
        room = max(self.width() - 2 * SPACE, 4 * SPACE)
        self.setText(metrics.elidedText(self.name, Qt.TextElideMode.ElideRight, room).replace("&", "&&"))


class OwnHeader(QFrame):
    """This computer on the server."""

    def __init__(self, actions: Verbs, menu: QMenu, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self._state = EngineState()
        self.name = NameButton()
        self.address = QLabel()
        self.copy_button = QToolButton()
        self.power = PowerSwitch()
        self.menu_button = QToolButton()
        self._sign, self.server = QLabel(), ElidedLabel()
        self._set_up(menu)
        self._lay_out()
        self.name.clicked.connect(actions.edit_nickname)
        self.copy_button.clicked.connect(self._copy)
        self.power.wanted.connect(actions.set_power)
        self._draw_signs()

    def _set_up(self, menu: QMenu) -> None:
        self.setObjectName("header")
        self.address.setProperty("muted", True)
        self.address.setTextFormat(Qt.TextFormat.PlainText)
        self.address.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.address.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.address.customContextMenuRequested.connect(self._open_address_menu)
        self.copy_button.setAutoRaise(True)
        self.copy_button.setIconSize(QSize(14, 14))
        self.copy_button.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.copy_button.customContextMenuRequested.connect(self._open_address_menu)
        self.copy_button.setAccessibleName(_("Copy your address"))
        self.menu_button.setAutoRaise(True)
        self.menu_button.setIconSize(QSize(20, 20))
        self.menu_button.setMenu(menu)
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu_button.setToolTip(_("Menu (F10)"))
        self.menu_button.setAccessibleName(_("Menu"))
        self.server.setProperty("muted", True)
        self.server.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def _lay_out(self) -> None:
        first, second, third = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        first.setSpacing(SPACE)
        first.addWidget(self.name, 1)
        first.addWidget(self.power)
        first.addWidget(self.menu_button)
        second.setSpacing(SPACE // 2)
        second.addSpacing(TEXT_INSET)
        second.addWidget(self.address)
        second.addWidget(self.copy_button)
        second.addStretch(1)
        third.setSpacing(SPACE)
        third.addSpacing(TEXT_INSET)
        third.addWidget(self._sign)
        third.addWidget(self.server, 1)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(2 * SPACE - TEXT_INSET, SPACE + 4, SPACE + 4, SPACE + 4)
        lines.setSpacing(SPACE // 2)
        for line in (first, second, third):
            lines.addLayout(line)

    def show_state(self, state: EngineState, usable: bool) -> None:
        """Show this snapshot; `usable` if an engine runs."""
        self._state = state
        server = state.server
        self.power.show_state(state, usable)
        self.name.show_name(server.nickname or "Buri")
        self.name.setEnabled(usable)
        self.address.setText(server.address)
        self.address.setToolTip(f"{server.address}\n{server.address6}")
        for widget in (self.address, self.copy_button):
            widget.setVisible(bool(server.address))
        self.power.setVisible(usable)
        self.copy_button.setToolTip(_("Copy your address"))
        retry = "" if server.retry_at is None else clock(server.retry_at, seconds=True)
        line = server_line(state, retry) if usable else self._standing_still()
        self.server.say(line)
        self.server.setToolTip(_server_tip(state) if usable else "")
        name, colour = _server_sign(server.status if usable else ServerStatus.LOGGED_OUT, colours())
        self._sign.setPixmap(sharp_pixmap(name, SIGN, colour, self.devicePixelRatioF()))

    def _standing_still(self) -> str:
        """Why no engine runs, in two or three words."""
        return _("Not set up yet") if self._actions.session.is_first_start else _("Not running")

    def _copy(self) -> None:
        self._actions.copy(self._state.server.address)
        self.copy_button.setIcon(icon("check", colours().direct))
        self.copy_button.setToolTip(_("Copied"))
        QTimer.singleShot(COPIED_FOR, self, self._draw_signs)

    def _open_address_menu(self, place: QPoint) -> None:
        server = self._state.server
        if not server.address:
            return
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.addAction(_("Copy IPv&4 address"), lambda: self._actions.copy(server.address))
        menu.addAction(_("Copy IPv&6 address"), lambda: self._actions.copy(server.address6))
        menu.popup(self.copy_button.mapToGlobal(place))

    def _draw_signs(self) -> None:
        self.copy_button.setIcon(icon("copy", colours().muted))
        self.menu_button.setIcon(icon("menu"))

    def changeEvent(self, event: QEvent) -> None:
        """Qt tells: other colours."""
        if event.type() is QEvent.Type.PaletteChange:
            self._draw_signs()
            self.show_state(self._state, self.power.isEnabled())
        super().changeEvent(event)


def _server_tip(state: EngineState) -> str:
    server = state.server
    return "\n".join(
        part for part in (f"{server.host}:{server.port}" if server.host else "", server.fingerprint) if part
    )


def _server_sign(status: ServerStatus, shades: Colours) -> tuple[str, str]:
    """The shape and colour for the server's line; the same family as the peers' statuses."""
    match status:
        case ServerStatus.ONLINE:
            return "direct", shades.direct
        case ServerStatus.CONNECTING | ServerStatus.SYNCHRONISING:
            return "connecting", shades.connecting
        case ServerStatus.WAITING:
            return "failed", shades.failed
        case ServerStatus.REFUSED:
            return "key-changed", shades.attention
        case _:
            return "offline", shades.offline
