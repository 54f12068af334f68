"""A Qt application that knows how long it took over each event: the time for which its window could not answer.

Used by the benchmarks of the window. Everything that runs in the main thread does so inside an event: painting, clicks,
timers, and the callbacks of asyncio.
"""

import time
from dataclasses import dataclass
from statistics import quantiles

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication

PAINTING = (QEvent.Type.UpdateRequest, QEvent.Type.Expose)
"""Events of a window in which Qt paints what changed and hands it to the screen: one frame each."""


@dataclass(frozen=True, slots=True)
class Held:
    """One event."""

    seconds: float
    kind: str
    receiver: str


class TimedApplication(QApplication):
    """Times every event that is not part of another one, once `start_clock` was called."""

    def __init__(self) -> None:
        super().__init__(["buri"])
        self.frames: list[float] = []
        self.events: list[float] = []
        self.longest: list[Held] = []
        self._ticking = False
        self._is_inside = False

    def start_clock(self) -> None:
        """From now on, with nothing noted yet."""
        self.frames, self.events, self.longest = [], [], []
        self._ticking = True

    def notify(self, receiver: QObject, event: QEvent) -> bool:
        """As Qt's, with a clock around it."""
        if not self._ticking or self._is_inside:
            return super().notify(receiver, event)
        kind = event.type()
        self._is_inside = True
        started = time.perf_counter()
        try:
            return super().notify(receiver, event)
        finally:
            self._is_inside = False
            self._note(time.perf_counter() - started, kind, receiver)

    def _note(self, seconds: float, kind: QEvent.Type, receiver: QObject) -> None:
        if kind in PAINTING:
            self.frames.append(seconds)
        self.events.append(seconds)
        if len(self.longest) < 10 or seconds > self.longest[-1].seconds:
            self.longest.append(Held(seconds, kind.name, type(receiver).__name__))
            self.longest.sort(key=lambda held: -held.seconds)
            del self.longest[10:]


def spread_of(values: list[float]) -> dict[str, float]:
    """Number, median, 99th percentile and maximum, in milliseconds."""
    if len(values) < 2:
        return {"count": len(values), "p50": 0.0, "p99": 0.0, "max": round(1e3 * max(values, default=0.0), 2)}
    parts = quantiles(values, n=100)
    figures = {"p50": parts[49], "p99": parts[98], "max": max(values)}
    return {"count": len(values), **{name: round(1e3 * value, 2) for name, value in figures.items()}}
