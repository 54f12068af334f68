"""Packets that wait for a session, and telling the engine which peers are wanted.

Bounded in peers, packets and bytes; a packet waits a few seconds at most. Used by outbound.py.
"""

from collections import deque
from collections.abc import Callable

from app.dataplane.counters import Counters, TokenBucket
from app.ipc.schema import Notification, PeerWanted

MAX_WANTED = 256
"""Addresses without a session that are remembered at once."""
MAX_PACKETS = 8
"""Packets held for each of them."""
MAX_BYTES = 1_048_576
"""Bytes held for all of them."""
MAX_WAIT = 5.0
"""Seconds a packet may wait."""
TELL_INTERVAL = 1.0
"""Seconds between two PeerWanted for one address."""
TELL_RATE, TELL_BURST = 200.0, 200.0
"""PeerWanted a second for all addresses: a scan of the whole pool must not occupy the engine."""


class _Wanted:
    __slots__ = ("packets", "told")

    def __init__(self) -> None:
        self.told = float("-inf")
        self.packets: deque[tuple[float, bytes]] = deque()


class Staging:
    """Holds the newest packets to each wanted address."""

    def __init__(self, counters: Counters, notify: Callable[[Notification], None]) -> None:
        self._counters = counters
        self._notify = notify
        self._tells = TokenBucket(TELL_RATE, TELL_BURST)
        self._wanted: dict[int, _Wanted] = {}
        self._bytes = 0

    def hold(self, address: int, packet: bytes, now: float) -> None:
        """Keep `packet` (with its virtio header) for `address` and tell the engine, at most once a second."""
        wanted = self._wanted.get(address)
        if wanted is None:
            if len(self._wanted) >= MAX_WANTED:
                self._forget_oldest()
            wanted = self._wanted[address] = _Wanted()
        if now - wanted.told >= TELL_INTERVAL and self._tells.take(now):
            wanted.told = now
            self._notify(PeerWanted(address))
        if len(wanted.packets) >= MAX_PACKETS:
            self._bytes -= len(wanted.packets.popleft()[1])
            self._counters["drop-no-session"] += 1
        if self._bytes + len(packet) > MAX_BYTES:
            self._counters["drop-no-session"] += 1
            return
        wanted.packets.append((now, packet))
        self._bytes += len(packet)

    def release(self, address: int, now: float) -> list[bytes]:
        """The packets that wait for `address`, oldest first; it is wanted no more."""
        wanted = self._wanted.pop(address, None)
        if wanted is None:
            return []
        self._bytes -= sum(len(packet) for _, packet in wanted.packets)
        fresh = [packet for since, packet in wanted.packets if now - since <= MAX_WAIT]
        self._counters["drop-stale"] += len(wanted.packets) - len(fresh)
        return fresh

    def _forget_oldest(self) -> None:
        """Make room: the address first wanted goes, with what waits for it."""
        oldest = self._wanted.pop(next(iter(self._wanted)))
        self._bytes -= sum(len(packet) for _, packet in oldest.packets)
        self._counters["drop-no-session"] += len(oldest.packets)
