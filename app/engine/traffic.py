"""What the pump reported of one peer's traffic, over all adapters there were. Owned by engine/peer_link.py."""

import math
from dataclasses import dataclass, field

from app.ipc.schema import PeerStatistics


@dataclass(slots=True)
class Traffic:
    """IP packets of one peer. Times are the loop's."""

    sent_bytes: int = 0
    received_bytes: int = 0
    last_received: float | None = None
    """When anything authentic last came."""
    carried_at: float = -math.inf
    """When the last report told of more packets than the one before."""
    _earlier: tuple[int, int] = field(default=(0, 0))
    """Bytes sent and received over adapters that are gone."""

    def observe(self, told: PeerStatistics, now: float) -> None:
        """A report of the pump."""
        before = self.sent_bytes, self.received_bytes
        self.sent_bytes = self._earlier[0] + told.sent_bytes
        self.received_bytes = self._earlier[1] + told.received_bytes
        if (self.sent_bytes, self.received_bytes) != before:
            self.carried_at = now

    def heard(self, at: float) -> None:
        """Something authentic came."""
        self.last_received = max(at, self.last_received or at)

    def adapter_gone(self) -> None:
        """The next report counts from 0 on."""
        self._earlier = self.sent_bytes, self.received_bytes
