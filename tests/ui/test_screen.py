"""The desktop that nobody sees, as a program on it finds it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.ui.screen import DesktopSession, Screen

SHOW = """
from PySide6.QtWidgets import QApplication, QLabel
application = QApplication([])
label = QLabel("hello")
label.setStyleSheet("background: #ff0000")
label.resize(400, 300)
label.show()
while not label.windowHandle().isExposed():
    application.processEvents()
print(application.platformName(), label.screen().size().toTuple(), flush=True)
application.exec()
"""
KEEP = """
import keyring
keyring.set_password("buri-test", "anna", "x" * 3_000)
print(type(keyring.get_keyring()).__module__, len(keyring.get_password("buri-test", "anna")))
"""


def test_a_window_is_shown_and_photographed(screen: Screen, tmp_path: Path) -> None:
    environment = {**os.environ, **screen.environment}
    words = [sys.executable, "-c", SHOW]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "xcb (1280, 800)\n"
        screen.picture(tmp_path / "screen.png")
        program.terminate()
    assert (tmp_path / "screen.png").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == ["screen.png"]


def test_nobody_without_the_cookie_gets_in(screen: Screen) -> None:
    environment = {**os.environ, **screen.environment, "XAUTHORITY": "/dev/null"}
    done = subprocess.run(["xdotool", "getmouselocation"], env=environment, capture_output=True, check=False)
    assert done.returncode != 0


def test_the_session_keeps_a_secret(desktop_session: DesktopSession) -> None:
    environment = {**os.environ, **desktop_session.environment}
    words = [sys.executable, "-c", KEEP]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "keyring.backends.SecretService 3000\n", done.stderr
