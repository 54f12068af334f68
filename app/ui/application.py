"""The desktop app as a process: Qt's application, the asyncio loop inside it, and all parts put together.

Composition root, started by app/cli/gui.py. One instance for each home: a second start hands its link over and raises
the first one's window.
"""

import asyncio
import logging
import os
import signal
import sys

os.environ.setdefault("QT_API", "pyside6")  # qasync would try PyQt5 first

import qasync
from PySide6.QtWidgets import QApplication

from app import __version__
from app.platform import paths
from app.ui.actions import Actions
from app.ui.engine_bridge import EngineBridge
from app.ui.main_window import MainWindow
from app.ui.preferences import Preferences
from app.ui.session import Launch, Session
from app.ui.theme import Theme
from app.ui.translations import choose_language

logger = logging.getLogger(__name__)


def run(launch: Launch) -> int:
    """Show the app until the person quits; gives the exit code."""
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("Buri")
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("buri")
    application.setQuitOnLastWindowClosed(False)
    with qasync.QEventLoop(application) as loop:
        asyncio.set_event_loop(loop)
        return int(loop.run_until_complete(_live(application, launch)))


async def _live(application: QApplication, launch: Launch) -> int:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    preferences = Preferences(paths.private_folder(paths.config_folder()))
    choose_language(preferences.choices.language)
    theme = Theme(application)
    theme.choose(preferences.choices.colours)
    bridge = EngineBridge()
    session = Session(bridge, launch)
    actions = Actions(bridge, session, preferences)
    actions.quit_wanted.connect(over.set)
    window = MainWindow(actions)
    actions.main_window = window
    if not launch.hidden:
        window.show()
    try:
        await session.start()
        await over.wait()
    finally:
        window.close()
        await session.stop()
        await bridge.close()
    return 0
