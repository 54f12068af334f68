"""The tray icon, on desktops that have a tray; where there is none the window takes its place.

A tray may come after us, as at login: until there is one it is looked for every few seconds, each time with a fresh
icon, as Qt's D-Bus icon never shows if its host came later. Made by application.py.
"""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QSystemTrayIcon

from app.ui.preferences import Preferences
from app.ui.tray.icon import TrayState, drawing, tooltip, tray_state
from app.ui.tray.menu import TrayMenu, menu_plan
from app.ui.verbs import Verbs

LOOK_EVERY: Final = 3_000
"""Milliseconds between two looks for a tray."""
GIVE_UP_AFTER: Final = 4
"""Looks; then the window must be there. A tray is looked for all the same."""


class Tray(QObject):
    """The icon and its menu."""

    came = Signal()
    """The icon is shown now."""
    message_clicked = Signal()
    """The message shown last was clicked."""

    def __init__(
        self,
        actions: Verbs,
        preferences: Preferences,
        is_there: Callable[[], bool] = QSystemTrayIcon.isSystemTrayAvailable,
    ) -> None:
        """`is_there` says whether the desktop has a tray now."""
        super().__init__()
        self._actions, self._preferences, self._is_there = actions, preferences, is_there
        self._icon: QSystemTrayIcon | None = None
        self._shown: TrayState | None = None
        self._looks = 0
        self.menu = TrayMenu(actions)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY)
        self._timer.timeout.connect(self._look)
        actions.bridge.state_changed.connect(lambda _state: self._show())
        actions.session.trouble_changed.connect(self._show)
        actions.bridge.engine_changed.connect(self._show)

    @property
    def available(self) -> bool:
        """Whether the icon is shown."""
        return self._icon is not None

    def start(self) -> None:
        """Show the icon, now or once there is a tray."""
        self._look()

    def stop(self) -> None:
        """Take it away."""
        self._timer.stop()
        if self._icon is not None:
            self._icon.hide()
            self._icon.deleteLater()
            self._icon = None
        self.menu.deleteLater()

    def close_window(self) -> None:
        """The person closed the main window: the icon stays, if there is one and that is wished; else the app ends.

        Where there is no tray that is said before, once: on other desktops the app would go on.
        """
        choices, window = self._preferences.choices, self._actions.main_window
        if self.available and choices.close_to_tray and window is not None:
            window.hide()
        elif choices.close_to_tray and not self.available and not choices.told_no_tray:
            self._actions.tell_no_tray()
        else:
            self._actions.quit()

    def show_message(self, title: str, text: str) -> None:
        """A notification of the desktop."""
        if self._icon is not None:
            self._icon.showMessage(title, text, self._icon.icon())

    def _look(self) -> None:
        if self._is_there():
            self._timer.stop()
            self._make_icon()
            return
        self._timer.start()
        self._looks += 1
        if self._looks == GIVE_UP_AFTER and not self._window_is_shown():
            self._actions.show_window()  # else there would be no way to the app

    def _make_icon(self) -> None:
        self._icon = QSystemTrayIcon(self)
        self._icon.setContextMenu(self.menu)
        self._icon.activated.connect(self._activated)
        self._icon.messageClicked.connect(self.message_clicked)
        self._shown = None
        self._show()
        self._icon.show()
        self.came.emit()

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        window = self._actions.main_window
        if reason is not QSystemTrayIcon.ActivationReason.Trigger or window is None:
            return
        if self._window_is_shown():
            window.hide()
        else:
            self._actions.show_window()

    def _window_is_shown(self) -> bool:
        window = self._actions.main_window
        return window is not None and window.isVisible() and not window.isMinimized()

    def _show(self) -> None:
        if self._icon is None:
            return
        state, session = self._actions.bridge.state, self._actions.session
        shown = tray_state(state, session.trouble is not None and not session.is_first_start)
        if shown is not self._shown:
            self._shown = shown
            self._icon.setIcon(drawing(shown))
        words = tooltip(state)
        if words != self._icon.toolTip():
            self._icon.setToolTip(words)
        self.menu.show_plan(menu_plan(state, self._actions.bridge.has_engine))
