"""Collects Python's cyclic garbage in Qt's thread alone.

Python collects in whatever thread happens to allocate, also in one of `asyncio.to_thread`. Windows and other Qt objects
among the garbage would be destroyed there, which ends the process with a crash sooner or later. Used by application.py
and by the tests' loop.
"""

import gc
from typing import Final

from PySide6.QtCore import QObject, QTimerEvent

INTERVAL: Final = 1_000
"""Milliseconds between two looks."""


class GarbageCollection(QObject):
    """Takes the place of the automatic collection from `__init__` to `end`."""

    def __init__(self) -> None:
        super().__init__()
        gc.disable()
        gc.freeze()  # what the program is made of stays to its end, and need not be looked through
        self._timer = self.startTimer(INTERVAL)

    def timerEvent(self, _event: QTimerEvent) -> None:
        """Collect the oldest generation that is due, as the automatic collection does."""
        due = [count > threshold for count, threshold in zip(gc.get_count(), gc.get_threshold(), strict=True)]
        for generation in (2, 1, 0):
            if due[generation]:
                gc.collect(generation)
                return

    def end(self) -> None:
        """Back to the automatic collection."""
        self.killTimer(self._timer)
        gc.collect()
        gc.unfreeze()
        gc.enable()
