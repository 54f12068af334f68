"""Who is reached by which virtual address, and which session a receiver index means.

Plain objects that the pump changes between packets; nothing here does I/O. Used by outbound.py, inbound.py, control.py.
"""

from app.dataplane.counters import TokenBucket
from app.ipc.schema import UdpEndpoint
from app.protocol.tunnel import AeadSession, TunnelSession
from app.protocol.wire import RELAY_ID_LENGTH, Endpoint

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
"""As the UDP socket reports it: two fields of an IPv4 socket, four of an IPv6 one."""
Path = tuple[SocketAddress, bytes, int]
"""How datagrams go or came: the address, the relay id in front of each (empty for none), the number of the own socket.

A plain tuple: one is made for each train that comes, and compared with the peer's.
"""

NOTICE_RATE, NOTICE_BURST = 1_000.0, 1_000.0
"""What the engine is told a second because of one peer: its engine messages and moves. Chat stays far below."""
PATIENCE, MAX_PATIENCE = 0.5, 32.0
"""Seconds in which something must come back from a peer that packets are sent to, at first and at last."""


class Interface:
    """What the adapter is: its own address, its pool, its MTU."""

    __slots__ = ("address", "broadcast", "host_mask", "mtu")

    def __init__(self, address: int, prefix_length: int, mtu: int) -> None:
        self.address = address
        self.host_mask = 0xFFFFFFFF >> prefix_length
        self.broadcast = address | self.host_mask
        self.mtu = mtu

    def reaches(self, address: int) -> bool:
        """Whether another computer of the virtual network can have this address."""
        special = (self.address, self.broadcast, self.broadcast ^ self.host_mask)
        return address | self.host_mask == self.broadcast and address not in special


class Peer:
    """One peer: its path, its sessions and its traffic."""

    __slots__ = (
        "address",
        "asked",
        "broadcast",
        "last_received",
        "last_sent",
        "mtu",
        "notices",
        "path",
        "patience",
        "received_bytes",
        "received_packets",
        "sending",
        "sent_bytes",
        "sent_packets",
        "sessions",
        "told_path",
    )

    def __init__(self, address: int, path: Path, mtu: int) -> None:
        self.address = address
        self.path = path
        self.told_path = path
        """The endpoint that EndpointChanged last named, or the path."""
        self.mtu = mtu
        """Bytes in the largest IP packet that the path carries in one piece."""
        self.asked = 0.0
        """When the first IP packet was sent to which nothing has come back."""
        self.patience = PATIENCE
        self.broadcast = True
        self.notices = TokenBucket(NOTICE_RATE, NOTICE_BURST)
        self.sessions: list[PeerSession] = []
        """In the order of their installation; all of them receive."""
        self.sending: PeerSession | None = None
        self.sent_bytes = 0
        self.sent_packets = 0
        self.received_bytes = 0
        self.received_packets = 0
        self.last_sent = 0.0
        self.last_received = 0.0

    def count_sent(self, packets: int, size: int, now: float) -> None:
        """Packets of `size` bytes together were sent."""
        self.sent_packets += packets
        self.sent_bytes += size
        self.last_sent = now

    def use_path(self, path: Path, mtu: int) -> None:
        """Send over this path from now on."""
        if path != self.path:
            self.asked = 0.0
            self.patience = PATIENCE
        self.path = self.told_path = path
        self.mtu = mtu

    def is_quiet(self, now: float) -> bool:
        """Whether to tell, as an IP packet is sent, that nothing comes back; each time it takes longer.

        `patience` begins anew with an IP packet of the peer, not with its answer to a probe: else the silence of one
        who only listens would be told every second.
        """
        if self.last_received >= self.asked:
            self.asked = now
            return False
        if now - self.asked < self.patience:
            return False
        self.asked = now
        self.patience = min(2 * self.patience, MAX_PATIENCE)
        return True


class PeerSession:
    """A tunnel session and whose it is."""

    __slots__ = ("aead", "confirmed", "partial_checksums", "peer", "tunnel")

    def __init__(self, peer: Peer, tunnel: TunnelSession, confirmed: bool, partial_checksums: bool) -> None:
        self.peer = peer
        self.tunnel = tunnel
        self.aead = tunnel if isinstance(tunnel, AeadSession) else None
        """The tunnel again if it can seal and open in place."""
        self.confirmed = confirmed
        self.partial_checksums = partial_checksums and self.aead is not None


class PeerTable:
    """All peers by address and all sessions by local index."""

    __slots__ = ("family6", "mtu", "peers", "sessions")

    def __init__(self, family6: bool, mtu: int) -> None:
        self.family6 = family6
        """The UDP sockets are IPv6 ones: IPv4 endpoints are written as mapped addresses."""
        self.mtu = mtu
        """The adapter's; a path's too until it is known."""
        self.peers: dict[int, Peer] = {}
        self.sessions: dict[int, PeerSession] = {}

    def install(self, address: int, path: Path, session: TunnelSession, confirmed: bool, partial: bool) -> Peer:
        """Add a session to the peer at `address`, made if it is new; its path becomes `path`."""
        peer = self.peers.get(address)
        if peer is None:
            peer = self.peers[address] = Peer(address, path, self.mtu)
        peer.use_path(path, peer.mtu if path == peer.path else self.mtu)
        entry = PeerSession(peer, session, confirmed, partial)
        peer.sessions.append(entry)
        self.sessions[session.local_index] = entry
        if confirmed:
            peer.sending = entry
        return peer

    def confirm(self, entry: PeerSession) -> bool:
        """The far side used the session; gives whether it is the one that sends now (no newer one was confirmed)."""
        entry.confirmed = True
        sessions = entry.peer.sessions
        sending = entry.peer.sending
        if sending is None or sessions.index(entry) > sessions.index(sending):
            entry.peer.sending = entry
            return True
        return False

    def drop_session(self, local_index: int) -> None:
        """Forget a session; the newest confirmed one that is left sends on."""
        entry = self.sessions.pop(local_index, None)
        if entry is None:
            return
        peer = entry.peer
        peer.sessions.remove(entry)
        if peer.sending is entry:
            peer.sending = next((left for left in reversed(peer.sessions) if left.confirmed), None)

    def remove_peer(self, address: int) -> None:
        """Forget a peer with its sessions."""
        peer = self.peers.pop(address, None)
        if peer is not None:
            for entry in peer.sessions:
                del self.sessions[entry.tunnel.local_index]
            peer.sessions.clear()
            peer.sending = None

    def path(self, endpoint: Endpoint) -> Path | None:
        """The path to `endpoint`, just as inbound.py makes it of what comes from there.

        None for an IPv6 address that an IPv4 socket cannot reach.
        """
        host, port, relay, number = endpoint
        address: SocketAddress
        if self.family6:
            address = (host if ":" in host else f"::ffff:{host}", port, 0, 0)
        elif ":" in host:
            return None
        else:
            address = (host, port)
        return address, relay.to_bytes(RELAY_ID_LENGTH) if relay else b"", number


def endpoint_of(path: Path) -> UdpEndpoint:
    """The endpoint at the far end of a path, as the engine is told of it."""
    address, relay, number = path
    host = address[0].removeprefix("::ffff:") if "." in address[0] else address[0]
    return UdpEndpoint(host, address[1], int.from_bytes(relay), number)
