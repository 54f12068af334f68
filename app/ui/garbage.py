"""Collects Python's cyclic garbage in Qt's thread alone.

Python collects in whatever thread happens to allocate, also in one of `asyncio.to_thread`. Windows and other Qt objects
among the garbage would be destroyed there, which ends the process with a crash sooner or later. Whenever Qt has nothing
left to do and goes to sleep it is looked whether enough was allocated; nothing is woken up for it. Used by
application.py and by the tests' loop.
"""

import gc
import time
from typing import Final

from PySide6.QtCore import QAbstractEventDispatcher, QObject

PAUSE: Final = 1.0
"""Seconds at least from one collection to the next, so that a busy window stays smooth."""


class GarbageCollection(QObject):
    """Takes the place of the automatic collection from `__init__` to `end`."""

    def __init__(self) -> None:
        super().__init__()
        gc.disable()
        gc.freeze()  # what the program is made of stays to its end, and need not be looked through
        self._last = time.monotonic()
        self._dispatcher = QAbstractEventDispatcher.instance()
        self._dispatcher.aboutToBlock.connect(self._collect)

    def _collect(self) -> None:
        """Collect the oldest generation that is due, as the automatic collection does."""
        due = [count > threshold for count, threshold in zip(gc.get_count(), gc.get_threshold(), strict=True)]
        now = time.monotonic()
        if not any(due) or now - self._last < PAUSE:
            return
        self._last = now
        gc.collect(max(generation for generation in range(3) if due[generation]))

    def end(self) -> None:
        """Back to the automatic collection."""
        self._dispatcher.aboutToBlock.disconnect(self._collect)
        gc.collect()
        gc.unfreeze()
        gc.enable()
