"""The app as a whole, in a process of its own: a mistake in a window, closing, quitting, choices that are broken."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cli.test_gui import ROOT, ended, logs

APP = """
import sys
from PySide6.QtCore import QTimer
from app.engine.settings import KeyStorage
from app.ui import application
from app.ui.session import Launch

class Window(application.MainWindow):
    def showEvent(self, event):
        super().showEvent(event)
        QTimer.singleShot(0, self.happens)

    def happens(self):
        {happens}

    def tell_windows(self):
        windows = application.QApplication.topLevelWidgets()
        print(*(type(each).__name__ for each in windows if each.isVisible()), flush=True)
        QTimer.singleShot(10, self.tell_windows)

application.MainWindow = Window
sys.exit(application.run(Launch(storage=KeyStorage.FILE, log_level="info")))
"""


@asynccontextmanager
async def app_in_which(happens: str, home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An app in whose window something happens once it is shown."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", APP.format(happens=happens)),
        cwd=ROOT,
        env={**os.environ, "BURI_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"},
        stdout=pipe,
        stderr=pipe,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def choose(home: Path, text: str) -> None:
    (home / "config").mkdir()
    (home / "config" / "window.json").write_text(text)


def test_a_mistake_in_a_window_is_logged_and_the_app_lives_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with app_in_which("raise ZeroDivisionError('a mistake of ours')", tmp_path) as app:
            await logs(app, "a window failed")
            await logs(app, "a mistake of ours")
            app.send_signal(signal.SIGTERM)
            assert await ended(app) == 0

    asyncio.run(story())


def test_without_a_tray_closing_the_window_ends_the_app_once_that_was_said(tmp_path: Path) -> None:
    async def story() -> None:
        choose(tmp_path, '{"told_no_tray": true}')
        async with app_in_which("self.close()", tmp_path) as app:
            assert await ended(app) == 0

    asyncio.run(story())


def test_the_systems_wish_to_quit_ends_it_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with app_in_which("application.QApplication.quit()", tmp_path) as app:
            assert await ended(app) == 0
        assert not (tmp_path / "run" / "window.sock").exists()

    asyncio.run(story())


def test_choices_that_can_not_be_read_are_told_and_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        choose(tmp_path, "{")
        async with app_in_which("self.tell_windows()", tmp_path) as app:
            assert app.stdout is not None
            async for line in app.stdout:
                if {b"ProblemWindow", b"Window"} <= set(line.split()):
                    break
            app.send_signal(signal.SIGTERM)
            assert await ended(app) == 0
        assert (tmp_path / "config" / "window.json").read_text() == "{"

    asyncio.run(story())
