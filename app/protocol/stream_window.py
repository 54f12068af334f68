"""How much may be on the way on a stream: enough to keep the line busy, and little more.

What a proxy or a slow line on the way holds back nobody can drop any more, and everything behind it waits. So the
sender looks at how long its bytes take to be confirmed: longer than the shortest time by more than a little means that
they stand in a queue, and less is sent ahead; otherwise more. That is the idea of LEDBAT (RFC 6817), with TCP Vegas
before it. No clock, no I/O; used by `transport/train_writer.py`.
"""

from collections import deque
from typing import Final

LEAST: Final = 131_072
"""Bytes that may always be on the way: two trains."""
MOST: Final = 16_777_216
TARGET: Final = 0.04
"""Seconds that the way may take longer than it did at best."""
SHRINK: Final = 0.75
STEP: Final = 65_536
"""Bytes more in each round trip, after the first queue was seen; before that the window doubles."""
MARK: Final = 16_384
"""Bytes between two times that are kept."""


class StreamWindow:
    """One direction of one stream; `now` in monotonic seconds."""

    def __init__(self) -> None:
        self._window = 2 * LEAST
        self._sent = 0
        self._confirmed = 0
        self._marks: deque[tuple[int, int, float]] = deque()
        """Byte number, how many were on the way with it, and when it was sent."""
        self._best = float("inf")
        self._doubling = True
        self._hold = 0.0
        """Until then it does not shrink again: what it did last has not had its effect."""

    @property
    def is_open(self) -> bool:
        """Whether more may be sent."""
        return self._sent - self._confirmed < self._window

    def sent(self, size: int, now: float) -> None:
        """So many bytes were sent."""
        self._sent += size
        if not self._marks or self._sent - self._marks[-1][0] >= MARK:
            self._marks.append((self._sent, self._sent - self._confirmed, now))

    def confirmed(self, total: int, now: float) -> None:
        """The other side has received so many bytes since the beginning; whatever it says, only it is harmed."""
        news = min(total, self._sent) - self._confirmed
        if news <= 0:
            return
        self._confirmed += news
        mark = None
        while self._marks and self._marks[0][0] <= self._confirmed:
            mark = self._marks.popleft()
        if mark is not None:
            _, on_the_way, since = mark
            self._adapt(news, on_the_way, now - since, now)

    def _adapt(self, news: int, on_the_way: int, round_trip: float, now: float) -> None:
        self._best = min(self._best, round_trip)
        if on_the_way < self._window / 2:
            return  # the sender had no more to send
        if round_trip <= self._best + TARGET:
            self._window = min(MOST, self._window + (news if self._doubling else news * STEP // self._window))
        elif now >= self._hold:
            self._doubling = False
            self._window = max(LEAST, int(self._window * SHRINK))
            self._hold = now + round_trip
