"""Everything a person can do from more than one place: menus, tray, notifications and shortcuts all come here.

Each method opens or raises a window, or asks the engine. Windows are imported when they are first wanted: the roster
must be there quickly. One window for each chat, ping and peer: a second wish raises the first.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QWidget

from app.engine.state import NetworkView, PeerView
from app.protocol.wire import NetworkId
from app.ui.engine_bridge import EngineBridge
from app.ui.preferences import Preferences
from app.ui.session import Session


class Actions(QObject):
    """What can be done. `main_window` is the parent of dialogs, set by application.py once it exists."""

    quit_wanted = Signal()
    window_wanted = Signal()
    """The main window should be shown and raised."""

    def __init__(self, bridge: EngineBridge, session: Session, preferences: Preferences) -> None:
        super().__init__()
        self.bridge, self.session, self.preferences = bridge, session, preferences
        self.main_window: QWidget | None = None
        self._windows: dict[object, QWidget] = {}

    # --- this computer

    def set_power(self, on: bool) -> None:
        """Log in, or out."""
        self.bridge.call(self, lambda engine: engine.login() if on else engine.logout())

    # --- networks

    def set_network_online(self, network: NetworkView, online: bool) -> None:
        """Go online or offline in one network."""
        number = NetworkId(network.id)
        self.bridge.call(self, lambda engine: engine.go_online(number) if online else engine.go_offline(number))

    # --- peers

    def copy(self, text: str) -> None:
        """To the clipboard."""
        QGuiApplication.clipboard().setText(text)

    def browse_shares(self, peer: PeerView) -> None:
        """The peer's shared folders in the file manager."""
        QDesktopServices.openUrl(QUrl(f"smb://{peer.address}/"))

    # --- windows

    def _raise(self, key: object, make: Callable[[], QWidget]) -> QWidget:
        """The window under `key`, made if there is none."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = make()
            window.destroyed.connect(lambda: self._windows.pop(key, None))
        window.show()
        window.raise_()
        window.activateWindow()
        return window
