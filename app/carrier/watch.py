"""Whether a stream still leads to its relay, decided from what was sent and received; no clock, no I/O.

What is sent is answered by someone before long, or else the relay is asked by PING; without an answer to that the
stream is dead, whatever TCP and a proxy on the way believe. A stream without traffic is kept alive by a PING now and
then. Used by carrier.py.
"""

from enum import Enum, auto
from typing import Final

IDLE: Final = 25.0
"""Seconds without traffic until a PING keeps routers, proxies and the relay from forgetting the stream."""
DOUBT: Final = 2.0
"""Seconds for which what was sent may stay without anything coming back."""
PATIENCE: Final = 3.0
"""Seconds for an answer to a PING."""


class Verdict(Enum):
    """What is to be done at a deadline."""

    NOTHING = auto()
    ASK = auto()
    """Send a PING."""
    DEAD = auto()


class Watch:
    """One stream; `now` in monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._heard = now
        self._unanswered: float | None = None
        """Since when something sent has had no answer."""
        self._asked: float | None = None

    def sent(self, now: float) -> None:
        """Something was sent."""
        if self._unanswered is None:
            self._unanswered = now

    def doubt(self, now: float) -> None:
        """The network has changed: ask at once."""
        if self._asked is None:
            self._unanswered = now - DOUBT

    def received(self, now: float) -> None:
        """Something came."""
        self._heard = now
        self._unanswered = self._asked = None

    def deadline(self) -> float:
        """When to call `decide`."""
        if self._asked is not None:
            return self._asked + PATIENCE
        if self._unanswered is not None:
            return min(self._unanswered + DOUBT, self._heard + IDLE)
        return self._heard + IDLE

    def decide(self, now: float) -> Verdict:
        """At the deadline, or too early."""
        if now < self.deadline():
            return Verdict.NOTHING
        if self._asked is not None:
            return Verdict.DEAD
        self._asked = now
        return Verdict.ASK
