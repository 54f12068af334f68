"""The main window: who I am, a power switch, and the roster."""

from PySide6.QtWidgets import QLabel, QMainWindow

from app.engine.state import EngineState
from app.ui.actions import Actions


class MainWindow(QMainWindow):
    """The roster's window."""

    def __init__(self, actions: Actions) -> None:
        super().__init__()
        self._actions = actions
        self.setWindowTitle("Buri")
        self._label = QLabel()
        self.setCentralWidget(self._label)
        self.resize(360, 620)
        actions.bridge.state_changed.connect(self.show_state)
        self.show_state(actions.bridge.state)

    def show_state(self, state: EngineState) -> None:
        """Show this snapshot."""
        lines = [f"{state.server.nickname} {state.server.address} {state.server.status}"]
        lines += [network.name for network in state.networks]
        lines += [f"{peer.nickname} {peer.status}" for peer in state.peers]
        self._label.setText("\n".join(lines))
