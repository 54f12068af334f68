"""A program with nothing but the tray icon and notifications, for tests that look at them from the desktop's side.

QApplication is one for each process, and a tray needs a real platform. It shows the states of samples.py whose names
come in, one a line, and prints what a person asked for. `python -m tests.ui.tray_program FOLDER`
"""

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QRect, QTimer
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from app.engine.state import ChatMessage, ChatStatus, Conversation, EngineState, MemberView, NetworkView, PeerView
from app.ui.actions import Actions
from app.ui.engine_bridge import EngineBridge
from app.ui.look.theme import Theme
from app.ui.preferences import Preferences
from app.ui.session import Launch, Session
from app.ui.tray import tray as tray_module
from app.ui.tray.notifications import Notifications
from app.ui.tray.tray import Tray
from tests.ui import samples
from tests.ui.world import run_in_qt

LAST_LINE = "end"
OBEYED = "obeyed"
"""Said after each line: clicks come another way, and might be quicker."""


class SpokenActions(Actions):
    """Says what it was asked for."""

    def open_chat(self, conversation: Conversation) -> None:
        say(f"chat {conversation.peer or conversation.network}")

    def open_ping(self, peer: PeerView) -> None:
        say(f"ping {peer.address}")

    def approvals(self, network: NetworkView | None = None) -> None:
        say("approvals")

    def approve(self, network: NetworkView, member: MemberView) -> None:
        say(f"approved {member.nickname} in {network.name}")

    def reject(self, network: NetworkView, member: MemberView) -> None:
        say(f"rejected {member.nickname} in {network.name}")

    def set_network_online(self, network: NetworkView, online: bool) -> None:
        say(f"{network.name} {'online' if online else 'offline'}")


def say(words: str) -> None:
    print(words, flush=True)


class Program:
    """The icon, a window that it shows and hides, and notifications."""

    def __init__(self, folder: Path) -> None:
        self.bridge = EngineBridge()
        folder.mkdir(exist_ok=True)
        preferences = Preferences(folder)
        self.actions = SpokenActions(self.bridge, Session(self.bridge, Launch()), preferences)
        self.window = QWidget()
        self.window.setWindowTitle("the window")
        self.window.resize(300, 200)
        self.actions.main_window = self.window
        self.actions.window_wanted.connect(self._show_window)
        self.actions.quit_wanted.connect(lambda: say("quit"))
        self.tray = Tray(self.actions, preferences)
        self.tray.came.connect(lambda: say("icon"))
        self.tray.menu.aboutToShow.connect(lambda: say("menu"))
        self._later = 0.0
        self.notifications = Notifications(self.actions, preferences, self.tray, self._clock)

    def _clock(self) -> float:
        return time.monotonic() + self._later

    def _show_window(self) -> None:
        self.window.show()
        say("window")

    async def live(self) -> None:
        self.tray.start()
        await self.notifications.start()
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        say("ready")
        while (line := (await reader.readline()).decode().strip()) not in (LAST_LINE, ""):
            self._obey(line)
            say(OBEYED)
        self.tray.stop()
        await self.notifications.close()
        await self.bridge.close()

    def _tell_place(self) -> None:
        """The middle of the icon, once a panel of X11 has given it room."""
        icon = self.tray.findChild(QSystemTrayIcon)
        place = icon.geometry() if isinstance(icon, QSystemTrayIcon) else QRect()
        if place.width() > 1:
            say(f"at {place.center().x()} {place.center().y()}")
        else:
            QTimer.singleShot(20, self.window, self._tell_place)

    def _obey(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "message":
            self.bridge.chat_changed.emit(ChatMessage(1, "10.73.0.3", rest, samples.NOON, ChatStatus.RECEIVED))
        elif word == "later":
            self._later += float(rest)
        elif word == "where":
            self._tell_place()
        elif word == "close":
            self.tray.close_window()
        else:
            self.bridge.state = STATES[word]
            self.bridge.state_changed.emit(self.bridge.state)


def _calm() -> EngineState:
    """Nothing that needs attention."""
    ben = replace(samples.PEERS[0], unread=0)
    family = samples.network(samples.FAMILY, "Family", members=(samples.member(ben), samples.own_line(True)))
    return replace(samples.no_networks(), networks=(family,), peers=(ben,))


def _asked() -> EngineState:
    """Aunt Clara wants to join."""
    family = _calm().networks[0]
    return replace(_calm(), networks=(replace(family, members=(*family.members, samples.waiting(1, "Aunt Clara"))),))


STATES = {
    "off": samples.switched_off(),
    "connecting": samples.connecting(),
    "online": _calm(),
    "attention": replace(_calm(), problems=(samples.problem("network-evicted", name="Book club"),)),
    "unread": samples.lively(),
    "asked": _asked(),
}


def main() -> None:
    """Until the input ends."""
    application = QApplication(sys.argv[:1])
    application.setApplicationName("Buri")
    application.setQuitOnLastWindowClosed(False)
    Theme(application)
    tray_module.LOOK_EVERY = 100  # type: ignore[misc]
    run_in_qt(application, Program(Path(sys.argv[1])).live())


if __name__ == "__main__":
    main()
