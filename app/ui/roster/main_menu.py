"""The menu of the main window, which holds its keyboard shortcuts too. Used by main_window.py."""

from collections.abc import Callable

from PySide6.QtCore import QEvent
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from app.engine.state import EngineState
from app.protocol.invite import MAX_LINK
from app.ui.look.icons import icon
from app.ui.verbs import Verbs
from app.ui.words.translations import _

SCHEME = "buri://"


class MainMenu(QMenu):
    """Everything that is not about one row of the roster."""

    def __init__(self, actions: Verbs, parent: QWidget) -> None:
        super().__init__(parent)
        self._actions = actions
        self._drawn: list[tuple[QAction, str]] = []
        self.create_action = self._add(_("&Create network…"), "plus", actions.create_network, "Ctrl+N")
        self.join_action = self._add(_("&Join network…"), "network", actions.join_network, "Ctrl+J")
        self.link_action = self._add(_("&Open invite link…"), "invite", self._open_link, "Ctrl+O")
        self.invite_action = self._add(
            _("In&vite to the server…"), "server", lambda: actions.invite(None), "Ctrl+Shift+I"
        )
        self.approvals = self._add(_("&Approvals…"), "people", lambda: actions.approvals(None), "Ctrl+Shift+A")
        self.addSeparator()
        self.nickname = self._add(_("Change n&ickname…"), "edit", actions.edit_nickname, "Ctrl+Shift+N")
        self.hide_offline = self._add(_("&Hide who is offline"), "", self._hide_offline, "Ctrl+H")
        self.hide_offline.setCheckable(True)
        self.power = self._add(_("Switch o&n"), "power", self._switch, "Ctrl+P")
        self.addSeparator()
        self._add(_("&Preferences…"), "settings", actions.preferences_dialog, "Ctrl+,")
        self._add(_("&Back up identity…"), "backup", actions.backup_identity, "Ctrl+Shift+B")
        self._add(_("Chec&k the network…"), "globe", actions.check_network, "Ctrl+Shift+K")
        self._add(_("Diagnostics &report…"), "report", actions.report, "Ctrl+Shift+R")
        self._add(_("Abo&ut Buri"), "info", actions.about, "F1")
        self.addSeparator()
        self._add(_("&Quit"), "quit", actions.quit, "Ctrl+Q")
        actions.preferences.changed.connect(self._prefer)
        self._prefer()
        self._draw_signs()

    def _add(self, text: str, sign: str, act: Callable[[], object], shortcut: str) -> QAction:
        action = self.addAction(text)
        action.triggered.connect(lambda _checked=False: act())
        action.setShortcut(QKeySequence(shortcut))
        action.setShortcutVisibleInContextMenu(True)
        if sign:
            self._drawn.append((action, sign))
        window = self.parentWidget()
        if window is not None:
            window.addAction(action)
        return action

    def show_state(self, state: EngineState, usable: bool, waiting: int) -> None:
        """What can be done now; `usable` if an engine runs, `waiting` for those who ask to be let in."""
        self.approvals.setText(_("&Approvals ({count})…").format(count=waiting) if waiting else _("&Approvals…"))
        self.power.setText(_("Switch o&ff") if state.power else _("Switch o&n"))
        needing_engine = (self.create_action, self.join_action, self.invite_action, self.approvals, self.nickname)
        for action in (*needing_engine, self.power):
            action.setEnabled(usable)

    def _switch(self) -> None:
        self._actions.set_power(not self._actions.bridge.state.power)

    def _hide_offline(self) -> None:
        self._actions.prefer(hide_offline=self.hide_offline.isChecked())

    def _prefer(self) -> None:
        self.hide_offline.setChecked(self._actions.preferences.choices.hide_offline)

    def _open_link(self) -> None:
        """The link that was copied before; without one it is asked for."""
        self._actions.open_link(copied_link())

    def _draw_signs(self) -> None:
        for action, sign in self._drawn:
            action.setIcon(icon(sign))

    def changeEvent(self, event: QEvent) -> None:
        """Qt tells: other colours."""
        if event.type() is QEvent.Type.PaletteChange:
            self._draw_signs()
        super().changeEvent(event)


def copied_link() -> str:
    """The invite link in the clipboard, or nothing."""
    return invite_link(QGuiApplication.clipboard().text()[: 2 * MAX_LINK])


def invite_link(text: str) -> str:
    """The text without space around it if it looks like an invite link, else nothing; it is checked when opened."""
    text = text.strip()
    return text if text.lower().startswith(SCHEME) and len(text) <= MAX_LINK else ""
