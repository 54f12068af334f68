"""Windows without a screen: Qt's offscreen platform unless the environment says otherwise; and a screen for those that
need a real one."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")
os.environ["LC_ALL"] = "C.UTF-8"  # tests read English
os.environ.pop("LANGUAGE", None)

from tests.ui.screen import desktop_session, screen

__all__ = ["desktop_session", "screen"]
