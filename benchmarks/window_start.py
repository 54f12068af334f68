"""`buri` with a stopwatch: prints when the first window was painted, as JSON with CLOCK_MONOTONIC and what was used.

    python -m benchmarks.window_start gui --key-file      (the arguments of `buri`; needs a display)

Started by window.py. Nothing of the app is changed: the stopwatch is an event filter that goes after the first paint.
"""

import json
import sys
import time

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow

from app.cli.main import main


class Stopwatch(QObject):
    """Waits for the first paint of a main window, and for the turn of the loop after it, when the screen has it."""

    def eventFilter(self, receiver: QObject, event: QEvent) -> bool:
        """Looks on."""
        if event.type() is QEvent.Type.Paint and isinstance(receiver, QMainWindow):
            application = QApplication.instance()
            assert application is not None
            application.removeEventFilter(self)
            QTimer.singleShot(0, tell)
        return False


def tell() -> None:
    """The moment, on one line."""
    print(json.dumps({"painted": time.monotonic(), "cpu_seconds": time.process_time()}), flush=True)


if __name__ == "__main__":
    application = QApplication(sys.argv[:1])
    stopwatch = Stopwatch()
    application.installEventFilter(stopwatch)
    sys.exit(main())
