"""When something is due that comes again and again, and may wait for long while a tunnel carries nothing.

Fresh keys and searches for a better path are worth their packets only to those who use the tunnel. Owned by
engine/peer_link.py.
"""

import math


class Recurring:
    """One such thing. All times are in seconds."""

    def __init__(self) -> None:
        self._since = self._busy = self._idle = math.inf

    def at(self, time: float) -> None:
        """It is due then, whatever the tunnel carries."""
        self._since = self._busy = self._idle = time

    def plan(self, now: float, busy: float, idle: float) -> None:
        """It is due `busy` seconds from now if the tunnel carries something from now on, else after `idle` seconds."""
        self._since, self._busy, self._idle = now, now + busy, now + idle

    def due(self, carried_at: float) -> float:
        """When it is due, as the tunnel carried something last at `carried_at`."""
        return self._busy if carried_at >= self._since else self._idle
