"""`buri` with a stopwatch: prints when the first window was painted, as JSON with CLOCK_MONOTONIC and what was used.

    python -m benchmarks.window_start gui --key-file      (the arguments of `buri`; needs a display)

Started by window.py. Nothing of the app is changed: the stopwatch is an event filter that goes after the first paint.
"""

import json
import sys
import time

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QMainWindow

from app.cli.main import main
from app.ui import application


class WatchedApplication(application.Application):
    """Waits for the first paint of a main window, and for the turn of the loop after it, when the screen has it."""

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self.installEventFilter(self)

    def eventFilter(self, receiver: QObject, event: QEvent) -> bool:
        """Looks on."""
        if event.type() is QEvent.Type.Paint and isinstance(receiver, QMainWindow):
            self.removeEventFilter(self)
            QTimer.singleShot(0, tell)
        return False


def tell() -> None:
    """The moment, on one line."""
    print(json.dumps({"painted": time.monotonic(), "cpu_seconds": time.process_time()}), flush=True)


if __name__ == "__main__":
    setattr(application, "Application", WatchedApplication)  # noqa: B010 - to mypy a class can't be replaced
    sys.exit(main())
