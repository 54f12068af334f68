"""What waits in front of a stream that is slower than its sender: little, and never for long.

A queue that never empties adds latency and nothing else. By the control law of CoDel (RFC 8289), when trains have
waited too long for a whole interval one datagram is dropped, then another a little sooner, until the tunnel's senders
slow down; above a bound whole trains are. Used on both ends of a relay's stream.
"""

from collections import deque
from math import sqrt
from typing import Final

from app.protocol.relay_stream import Train, frame_header

MAX_WAITING: Final = 524_288
"""Bytes that may wait."""
TARGET: Final = 0.01
"""Seconds that a train may wait without a thought."""
LONGEST: Final = 0.1
"""Seconds after which the oldest train keeps others from waiting behind it."""
INTERVAL: Final = 0.05
"""Seconds of longer waits until the first drop."""
SMALL: Final = 512
"""A train of so few bytes is never dropped for its wait: words, acknowledgements and pings make no queue."""


class TrainQueue:
    """Frames between those who send trains and a stream's writer; `now` in monotonic seconds."""

    def __init__(self) -> None:
        self.waiting = 0
        """Bytes of trains."""
        self.dropped_full = 0
        """Trains that found no room."""
        self.dropped_standing = 0
        """Datagrams dropped to keep the queue short."""
        self._trains: deque[tuple[float, int, bytes]] = deque()
        self._late = False
        """The last train had waited too long."""
        self._drops = 0
        self._next = 0.0

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._trains)

    def put(self, train: Train, slot: int, now: float) -> bool:
        """Add a copy of a train; False if it was dropped for lack of room."""
        if self.waiting + len(train) > MAX_WAITING or (len(train) > SMALL and self._is_slow(now)):
            self.dropped_full += 1
            return False
        self._trains.append((now, slot, bytes(train)))
        self.waiting += len(train)
        return True

    def take(self, now: float, enough: int) -> bytes:
        """Whole frames until they are `enough` bytes or nothing is left; empty if nothing waits."""
        parts: list[bytes] = []
        size = 0
        while self._trains and size < enough:
            since, slot, train = self._trains.popleft()
            self.waiting -= len(train)
            if self._should_drop(now - since, now) and len(train) > SMALL:
                self.dropped_standing += 1
                train = train[slot:]
            if train:
                parts += (frame_header(train, min(slot, len(train))), train)
                size += len(train)
        return b"".join(parts)

    def clear(self) -> None:
        """Drop everything: the stream is gone."""
        self._trains.clear()
        self.waiting = 0

    def _is_slow(self, now: float) -> bool:
        return bool(self._trains) and now - self._trains[0][0] > LONGEST

    def _should_drop(self, wait: float, now: float) -> bool:
        if wait < TARGET:
            self._late = False
        elif not self._late:
            self._late, self._drops, self._next = True, 0, now + INTERVAL
        elif now >= self._next:
            self._drops += 1
            self._next = now + INTERVAL / sqrt(self._drops + 1)
            return True
        return False
