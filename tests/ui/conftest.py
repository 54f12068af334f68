"""Windows without a screen: Qt's offscreen platform unless the environment says otherwise; and a screen for those that
need a real one."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")

from tests.ui.screen import desktop_session, screen

__all__ = ["desktop_session", "screen"]
