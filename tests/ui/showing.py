"""A main window that shows thought-up snapshots, as if an engine ran."""

from pathlib import Path

from app.engine.state import EngineState, Problem
from app.ui.actions import Actions
from app.ui.engine_bridge import EngineBridge
from app.ui.preferences import Preferences
from app.ui.roster.main_window import MainWindow
from app.ui.session import Launch, Session


class ShowingBridge(EngineBridge):
    """Tells what it is given."""

    shows = True

    @property
    def has_engine(self) -> bool:
        return self.shows

    def show(self, state: EngineState) -> None:
        """As the engine's snapshots come."""
        self.state = state
        self.state_changed.emit(state)


class Showing:
    """The main window and what is behind it; with a trouble no engine runs."""

    def __init__(self, folder: Path, state: EngineState, trouble: Problem | None = None) -> None:
        self.bridge = ShowingBridge()
        self.bridge.shows = trouble is None
        self.preferences = Preferences(folder)
        self.session = Session(self.bridge, Launch())
        self.session.trouble = trouble
        self.actions = Actions(self.bridge, self.session, self.preferences)
        self.window = MainWindow(self.actions)
        self.actions.main_window = self.window
        self.window.resize(360, 620)
        self.show = self.bridge.show
        self.show(state)
