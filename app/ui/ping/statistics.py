"""What a row of pings says: least, average, 99th percentile, jitter, loss. Pure; used by window.py and its graph.

A ring keeps the newest samples, so that a window may stay open for days.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from app.engine.state import PathKind, RoundTrip

MAX_SAMPLES: Final = 3_600


@dataclass(frozen=True, slots=True)
class Sample:
    """One ping and when its answer came, or was given up, in seconds since 1970."""

    time: float
    seconds: float | None
    """None: no answer in time."""
    path: PathKind | None = None
    endpoint: str = ""
    after_pause: bool = False
    """Nothing was sent for a while before it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Times in seconds, None where there is nothing to tell yet."""

    sent: int = 0
    received: int = 0
    last: float | None = None
    """Of the newest ping; None if it had no answer."""
    least: float | None = None
    average: float | None = None
    percentile: float | None = None
    """The time that 99 of 100 answers kept (nearest rank); with fewer than 100 answers, the slowest."""
    most: float | None = None
    jitter: float | None = None
    """How much one answer differs from the next, on average."""

    @property
    def lost(self) -> int:
        """Pings without an answer."""
        return self.sent - self.received

    @property
    def loss(self) -> float | None:
        """The share of pings without an answer, 0 to 1."""
        return self.lost / self.sent if self.sent else None


class PingRecord:
    """The newest samples, oldest first."""

    def __init__(self, limit: int = MAX_SAMPLES) -> None:
        self.samples: deque[Sample] = deque(maxlen=limit)
        self._paused = False

    def add(self, trip: RoundTrip, time: float) -> Sample:
        """Remember one ping. A clock that was set back does not turn the order around."""
        if self.samples:
            time = max(time, self.samples[-1].time)
        sample = Sample(time, trip.seconds, trip.path, trip.endpoint, self._paused)
        self._paused = False
        self.samples.append(sample)
        return sample

    def pause(self) -> None:
        """Nothing is sent from now until the next sample."""
        self._paused = bool(self.samples)

    def clear(self) -> None:
        """Forget all."""
        self.samples.clear()
        self._paused = False

    def figures(self) -> Figures:
        """What the samples say."""
        return figures(self.samples)


def figures(samples: Sequence[Sample]) -> Figures:
    """What these samples say, oldest first."""
    times = [each.seconds for each in samples if each.seconds is not None]
    if not times:
        return Figures(sent=len(samples))
    ordered = sorted(times)
    steps = [abs(later - earlier) for earlier, later in pairwise(times)]
    return Figures(
        sent=len(samples),
        received=len(times),
        last=samples[-1].seconds,
        least=ordered[0],
        average=math.fsum(times) / len(times),
        percentile=ordered[math.ceil(len(ordered) * 0.99) - 1],
        most=ordered[-1],
        jitter=math.fsum(steps) / len(steps) if steps else None,
    )


def path_changes(samples: Sequence[Sample]) -> list[Sample]:
    """The samples whose answer came over another path than the answer before; the first answer is one of them."""
    changes: list[Sample] = []
    before: tuple[PathKind | None, str] | None = None
    for sample in samples:
        if sample.seconds is None:
            continue
        if (sample.path, sample.endpoint) != before:
            before = (sample.path, sample.endpoint)
            changes.append(sample)
    return changes


def axis_step(span: float, most: int) -> float:
    """The smallest step of 1, 2 or 5 times a power of ten with which at most `most` steps cover `span`."""
    least = max(span, 1e-9) / most
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999_999)
