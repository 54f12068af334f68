"""Finding the largest IP packet that one path carries in one piece: probes of ever smaller sizes until one is answered.

After RFC 8899 (packetization layer path MTU discovery), with a few sizes in place of a search, as paths are of few
kinds. Used by protocol/liveness.py, which sends the probes sealed and not to be fragmented. Times are in seconds.
"""

from typing import Final

from app.protocol.wire import INNER_MTU

SIZES: Final = (INNER_MTU, 1_360, 1_320, 1_280, 1_200, 1_000, 576)
"""Inner packets for outer paths of 1,500 and less; 1,280 is what IPv6 needs."""
TRIES: Final = 3
"""Probes of one size: some may be lost."""
MIN_PATIENCE: Final = 0.3
PATIENCE_IN_ROUND_TRIPS: Final = 3.0


class MtuSearch:
    """The search on one path. Ends when a size was answered, or with `found` None when none was."""

    def __init__(self, round_trip: float, now: float) -> None:
        self.found: int | None = None
        self.due: float | None = now
        """When the next probe goes out; None when the search has ended."""
        self._patience = max(MIN_PATIENCE, PATIENCE_IN_ROUND_TRIPS * round_trip)
        self._probes = 0

    def next_size(self, now: float) -> int | None:
        """The size to probe now that `due` has come; None ends the search."""
        step, self._probes = self._probes // TRIES, self._probes + 1
        if step >= len(SIZES):
            self.due = None
            return None
        self.due = now + self._patience
        return SIZES[step]

    def answered(self, size: int) -> bool:
        """A probe of this size has come through; tells whether that is news."""
        self.due = None
        is_news = self.found is None or size > self.found
        self.found = size if is_news else self.found
        return is_news
