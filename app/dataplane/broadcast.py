"""Copies of broadcast and multicast packets to every peer that takes them, within a rate. Used by outbound.py."""

from app.dataplane.counters import Counters, TokenBucket
from app.dataplane.peer_table import PeerTable
from app.dataplane.udp_port import UdpPort

BROADCAST_RATE, BROADCAST_BURST = 500.0, 200.0
"""Broadcast and multicast packets a second, each of which goes to many peers."""


class Broadcaster:
    """Sends one packet to many."""

    def __init__(self, port: UdpPort, table: PeerTable, counters: Counters) -> None:
        self._port = port
        self._table = table
        self._counters = counters
        self._bucket = TokenBucket(BROADCAST_RATE, BROADCAST_BURST)

    def send(self, packet: bytes, now: float) -> None:
        """Seal `packet`, whose checksums are complete, for each peer that takes broadcasts and has a session."""
        if not self._bucket.take(now):
            self._counters["drop-broadcast-rate"] += 1
            return
        for peer in self._table.peers.values():
            session = peer.sending
            if session is None or not peer.broadcast:
                continue
            if session.tunnel.exhausted:
                self._counters["drop-session-exhausted"] += 1
                continue
            self._port.send_one(session.tunnel.seal(packet), peer.path)
            peer.count_sent(1, len(packet), now)
