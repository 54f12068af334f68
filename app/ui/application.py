"""The desktop app as a process: Qt's application, the asyncio loop inside it, and all parts put together.

Composition root, started by app/cli/gui.py. One instance for each home: a second start hands its link over and raises
the first one's window. The window is shown first; engine, tray and hosted server follow.
"""

import asyncio
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final

os.environ.setdefault("QT_API", "pyside6")  # qasync would try PyQt5 first

import qasync
from PySide6.QtCore import QCoreApplication, QEvent, QObject, Signal
from PySide6.QtGui import QSessionManager
from PySide6.QtWidgets import QApplication

from app import __version__
from app.base.logs import set_up_logging
from app.base.tasks import Tasks
from app.engine.errors import EngineError, engine_error, problem_of
from app.platform import paths
from app.ui.actions import Actions
from app.ui.engine_bridge import EngineBridge
from app.ui.garbage import GarbageCollection
from app.ui.look.icons import app_icon
from app.ui.look.theme import Theme
from app.ui.preferences import Preferences
from app.ui.roster.main_window import MainWindow
from app.ui.session import Launch, Session
from app.ui.single_instance import SingleInstance
from app.ui.tray.notifications import Notifications
from app.ui.tray.tray import Tray
from app.ui.words.language import Language

logger = logging.getLogger(__name__)

HEAD_START: Final = 5.0
"""Seconds for which the engine waits for the server on this computer."""
END_DEADLINE: Final = 10.0
"""Seconds in which everything must have ended; what hangs then is left to the system."""
THREADS_DEADLINE: Final = 5.0
"""Seconds that threads have after that. One may wait for a person who unlocks the keyring, and can't be ended."""


def run(launch: Launch) -> int:
    """Show the app until the person quits; gives the exit code.

    Raises FirstDoesNotAnswer if another app has this home and hangs, or OSError if its folders can't be used.
    """
    QCoreApplication.setApplicationName("Buri")  # before the application is made: X11 takes its class from it
    application = Application(sys.argv[:1])
    instance = SingleInstance(paths.private_folder(paths.runtime_folder()))
    if not instance.claim(launch.link):
        return 0
    try:
        return _run_first(application, launch, instance)
    finally:
        instance.release()


def _run_first(application: "Application", launch: Launch, instance: SingleInstance) -> int:
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("buri")
    application.setQuitOnLastWindowClosed(False)
    application.setWindowIcon(app_icon())
    garbage = GarbageCollection()
    try:
        with qasync.QEventLoop(application) as loop:
            asyncio.set_event_loop(loop)
            return _run_in(loop, App(application, launch, instance))
    finally:
        faulthandler.cancel_dump_traceback_later()
        garbage.end()


def _run_in(loop: asyncio.AbstractEventLoop, app: "App") -> int:
    try:
        code = loop.run_until_complete(app.live())
        if sys.stderr is not None:
            faulthandler.dump_traceback_later(THREADS_DEADLINE, exit=True)
        return code
    except RuntimeError as error:
        if loop.is_running() or "Event loop stopped" not in str(error):
            raise
        logger.error("the screen went away")  # Qt ends its loop then; helper and hosted server end with our sockets
        return 1


class Application(QApplication):
    """Qt's application, which asks before it quits: else it would stop the loop under everything that must end."""

    quit_asked = Signal()

    def event(self, event: QEvent) -> bool:
        """Its own events; those of the windows do not come by here."""
        if event.type() is QEvent.Type.Quit:
            self.quit_asked.emit()
            return True
        return super().event(event)


class App(QObject):
    """All parts of the running app, from the first window to the last sign."""

    def __init__(self, application: Application, launch: Launch, instance: SingleInstance) -> None:
        super().__init__()
        self._application, self._launch = application, launch
        self._over = asyncio.Event()
        self._tasks = Tasks()
        self.preferences = Preferences(paths.private_folder(paths.config_folder()))
        self._level = launch.log_level
        set_up_logging(self._level or self.preferences.choices.log_level)
        Language(application).choose(self.preferences.choices.language)
        self._theme = Theme(application)
        self._theme.choose(self.preferences.choices.colours)
        self.bridge = EngineBridge()
        self.session = Session(self.bridge, launch)
        self.actions = Actions(self.bridge, self.session, self.preferences)
        self.window = MainWindow(self.actions)
        self.actions.main_window = self.window
        self.tray = Tray(self.actions, self.preferences)
        self.notifications = Notifications(self.actions, self.preferences, self.tray)
        self._wire(instance)

    def _wire(self, instance: SingleInstance) -> None:
        self.preferences.changed.connect(self._preferences_changed)
        self.bridge.problem_met.connect(self.actions.show_problem)
        self.actions.quit_wanted.connect(self._over.set)
        self.actions.window_wanted.connect(self.raise_window)
        instance.called.connect(self._called)
        self.window.installEventFilter(self)
        self._application.quit_asked.connect(self._over.set)
        self._application.commitDataRequest.connect(self._session_ends)

    async def live(self) -> int:
        """Until the person quits, or the system does."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._over.set)
        loop.set_exception_handler(self._loop_failed)
        with self._failures_told():
            if not (self._launch.hidden or self.preferences.choices.start_hidden):
                self.window.show()
            self._tasks.start("start", self._begin())
            logger.info("the app runs")
            await self._over.wait()
            self.window.removeEventFilter(self)
            self.window.close()
            await self._end()
        return 0

    async def _begin(self) -> None:
        """What the window need not wait for."""
        await asyncio.sleep(0)
        self.tray.start()
        self._tasks.start("notifications", self.notifications.start())
        if self.preferences.error is not None:
            self.actions.show_problem(self.preferences.problem(self.preferences.error))
        if self.preferences.choices.host_server:
            hosting = self._tasks.start("hosting", self._host())
            await asyncio.wait([hosting], timeout=HEAD_START)  # else the engine would first find no server here
        await self.session.start()
        if self._launch.link:
            self.actions.open_link(self._launch.link)
        elif self.session.trouble is not None and not self.window.isVisible():
            self.raise_window()  # somebody must learn that nothing runs

    async def _host(self) -> None:
        try:
            await self.actions.hosted.start()
        except EngineError as error:
            self.actions.show_problem(problem_of(error))

    async def _end(self) -> None:
        self.tray.stop()
        try:
            async with asyncio.timeout(END_DEADLINE):
                await self.notifications.close()
                await self._tasks.close()
                await self.session.stop()
                await self.actions.close()
                await self.bridge.close()
        except TimeoutError:
            logger.error("not everything ended in %d seconds", END_DEADLINE)

    # --- the window

    def raise_window(self) -> None:
        """Show the main window above the others."""
        if self.window.isMinimized():
            self.window.showNormal()
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The window is closed to the tray, or its end is the app's."""
        if event.type() is QEvent.Type.Close and watched is self.window:
            event.ignore()
            self._close_window()
            return True
        return False

    def _close_window(self) -> None:
        self.window.keep_geometry()
        self.tray.close_window()

    def _called(self, link: str) -> None:
        """The app was started again; what the link says is nobody's business in a log."""
        logger.info("started a second time%s", ", with a link" if link else "")
        self.raise_window()
        if link:
            self.actions.open_link(link)

    def _preferences_changed(self) -> None:
        choices = self.preferences.choices
        self._theme.choose(choices.colours)
        if not self._launch.log_level and choices.log_level != self._level:
            self._level = choices.log_level
            set_up_logging(choices.log_level)

    def _session_ends(self, _manager: QSessionManager) -> None:
        self._over.set()

    # --- mistakes of ours

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        """What a slot of ours does wrong is logged and told; the app lives on."""
        before, sys.excepthook = sys.excepthook, self._slot_failed
        try:
            yield
        finally:
            sys.excepthook = before

    def _slot_failed(self, kind: type[BaseException], failure: BaseException, at: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._over.set()
            return
        logger.error("a window failed", exc_info=(kind, failure, at))
        self.actions.show_problem(problem_of(engine_error("program-error", reason=kind.__name__)))

    def _loop_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failure = context.get("exception")
        logger.error("%s", context.get("message", "a callback failed"), exc_info=failure)
        reason = type(failure).__name__ if failure is not None else "a callback failed"
        self.actions.show_problem(problem_of(engine_error("program-error", reason=reason)))
