"""Keeping queues short when the pump itself is the bottleneck.

The control law of CoDel (RFC 8289) with another measure: the pump cannot see how long a packet waited, but it sees
when it has emptied a queue. One that was never empty for a whole interval is a standing queue, which only adds
latency. Then one TCP segment is dropped, then another a little sooner, until the senders slow down. Used by outbound.py
and inbound.py.
"""

from math import sqrt
from typing import Final

INTERVAL: Final = 0.02
"""Seconds without an empty queue until the first drop: well above a burst, well below what a person notices."""


class StandingQueue:
    """Says when to drop, from when the queue was seen empty."""

    __slots__ = ("_drops", "_empty", "_next")

    def __init__(self) -> None:
        self._empty = True
        self._drops = 0
        self._next = 0.0

    def begin(self, now: float) -> None:
        """There is something in the queue at `now` (monotonic seconds)."""
        if self._empty:
            self._empty = False
            self._drops = 0
            self._next = now + INTERVAL

    def emptied(self) -> None:
        """Nothing is left in the queue."""
        self._empty = True

    def should_drop(self, now: float) -> bool:
        """Whether one segment is to be dropped at `now`."""
        if now < self._next:
            return False
        self._drops += 1
        self._next = now + INTERVAL / sqrt(self._drops + 1)
        return True
