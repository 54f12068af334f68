"""Packets from the adapter become sealed trains on the UDP socket.

1. Read one packet with its virtio header, straight to where it will be sealed.
2. Find the peer by the destination address; broadcast and multicast go to every peer that takes them.
3. A super packet is cut into a train of its own (super_packet.py). Other packets of one session and one size are
   gathered into a train; a shorter one ends it.
4. Seal in place, and send the train in one system call.

Buffer ownership: the one buffer holds the train being gathered, from `_base` to `_end`, and behind it the packet just
read. A super packet's train begins at 0. While the socket is full nothing is read, so a waiting train stays intact.
Called by pump.py only.
"""

import os
from collections.abc import Callable, Sequence

from app.dataplane.counters import Counters, TokenBucket
from app.dataplane.ip_packet import (
    ADDRESSES4,
    ADDRESSES6,
    MULTICAST4,
    MULTICAST6,
    PREFIX6,
    UDP,
    clamp_mss,
    complete_checksum,
    is_tcp,
    packet_too_big,
    transport_offset,
)
from app.dataplane.peer_table import Interface, PeerSession, PeerTable
from app.dataplane.staging import Staging
from app.dataplane.super_packet import (
    GSO_NONE,
    MAX_PACKET,
    NEEDS_CHECKSUM,
    TEXT,
    VNET_HEADER,
    Shape,
    ShapeKey,
)
from app.dataplane.udp_port import MAX_TRAIN_BYTES, MAX_TRAIN_SEGMENTS, UdpPort
from app.ipc.schema import Notification
from app.protocol.tunnel import AEAD_OVERHEAD
from app.protocol.wire import DataFlag

MAX_READS = 128
"""Packets taken from the adapter in one turn of the loop."""
MAX_SHAPES = 16
"""Shapes of super packets whose views are kept."""
BROADCAST_RATE, BROADCAST_BURST = 500.0, 200.0
"""Broadcast and multicast packets a second, each of which goes to many peers."""

_CONTINUES = int(DataFlag.CONTINUES)
_PARTIAL = int(DataFlag.PARTIAL_CHECKSUM)


class Outbound:
    """The way from the adapter to the peers."""

    def __init__(
        self,
        tun: int,
        port: UdpPort,
        table: PeerTable,
        interface: Interface,
        counters: Counters,
        notify: Callable[[Notification], None],
    ) -> None:
        self._tun = tun
        self._port = port
        self._table = table
        self._interface = interface
        self._counters = counters
        self._staging = Staging(counters, notify)
        self._broadcasts = TokenBucket(BROADCAST_RATE, BROADCAST_BURST)
        self._vnet = bytearray(VNET_HEADER.size)
        self._buffer = bytearray(2 * 65_536)
        self._view = memoryview(self._buffer)
        self._shapes: dict[ShapeKey, Shape] = {}
        self._expected: Shape | None = None
        self._held: bytes | None = None
        self._session: PeerSession | None = None
        self._base = self._end = self._slot = self._count = 0
        self._flow: object = None
        self._now = 0.0

    def forward(self, now: float) -> None:
        """Take what the adapter has, up to MAX_READS packets, and send it. Does nothing while the port is blocked."""
        self._now = now
        if self._held is not None and not self._port.blocked:
            held, self._held = self._held, None
            self.forward_packet(held, now)
        reads = 0
        while reads < MAX_READS:
            if self._expected is not None or self._end > MAX_TRAIN_BYTES:
                self.flush()
            if self._port.blocked:
                break
            try:
                length = self._read()
            except BlockingIOError:
                break
            reads += 1
            length -= VNET_HEADER.size
            if self._expected is not None and self._vnet[1] == GSO_NONE:
                self._stop_expecting(length)
            self._handle(length)
        self._counters["tun-reads"] += reads
        self.flush()

    def forward_packet(self, packet: bytes, now: float) -> None:
        """Send one packet that was read before, with its virtio header in front."""
        self._now = now
        self.flush()
        if self._port.blocked:
            self._hold(packet)
            return
        length = len(packet) - VNET_HEADER.size
        self._vnet[:] = packet[: VNET_HEADER.size]
        self._expected = None
        self._view[TEXT : TEXT + length] = packet[VNET_HEADER.size :]
        self._handle(length)
        self.flush()

    def session_ready(self, address: int, now: float) -> None:
        """A session to `address` can send: what waited for it goes first."""
        for packet in self._staging.release(address, now):
            self.forward_packet(packet, now)

    def flush(self) -> None:
        """Send the train that was gathered, if any."""
        if not self._count or self._port.blocked:
            return
        session = self._session
        if session is not None:
            train = self._view[self._base : self._end]
            self._port.send_train((train,), self._slot, len(train), session.peer.path)
        self._session = None
        self._base = self._end = self._count = 0

    def _read(self) -> int:
        """Bytes read, the virtio header's included. Raises BlockingIOError when there is no packet."""
        if self._expected is not None:
            return os.readv(self._tun, self._expected.read_buffers)
        start = self._end + TEXT
        return os.readv(self._tun, (self._vnet, self._view[start : start + MAX_PACKET]))

    def _stop_expecting(self, length: int) -> None:
        """An ordinary packet came where a super packet was expected: bring it into one piece."""
        shape, self._expected = self._expected, None
        if shape is not None and length > len(shape.slots.texts[0]):
            self._view[TEXT : TEXT + length] = shape.gather(length)

    def _hold(self, packet: bytes) -> None:
        """Keep one packet until the port is free again."""
        if self._held is None:
            self._held = packet
        else:
            self._counters["drop-udp-full"] += 1

    def _handle(self, length: int) -> None:
        """Route the packet of `length` bytes that was just read."""
        start = self._end + TEXT
        buffer = self._buffer
        version = buffer[start] >> 4
        if version == 4 and length >= 20:
            source, destination = ADDRESSES4.unpack_from(buffer, start)
            if source != self._interface.address:
                self._counters["drop-source"] += 1
                return
        elif version == 6 and length >= 40:
            source_prefix, source, prefix, destination = ADDRESSES6.unpack_from(buffer, start)
            if source != self._interface.address or source_prefix != PREFIX6:
                self._counters["drop-source"] += 1
                return
            if prefix != PREFIX6:
                destination = -1 if prefix[0] == MULTICAST6 else 0
        else:
            self._counters["drop-not-ip"] += 1
            return
        peer = self._table.peers.get(destination)
        if peer is None or peer.sending is None:
            self._unroutable(destination, start, length)
        elif self._vnet[1] == GSO_NONE:
            self._packet(peer.sending, start, length)
        else:
            self._super_packet(peer.sending, start, length)

    def _packet(self, session: PeerSession, start: int, length: int) -> None:
        """One packet as it is."""
        if length > self._interface.mtu:
            self._too_big(bytes(self._view[start : start + length]))
            return
        buffer = self._buffer
        transport = transport_offset(buffer, start)
        partial = self._vnet[0] & NEEDS_CHECKSUM
        flags = 0
        if transport and buffer[start + (9 if transport != 40 or buffer[start] >> 4 == 4 else 6)] != UDP:
            clamp_mss(buffer, start, length, self._interface.mtu, bool(partial))
        if partial:
            if session.partial_checksums and transport:
                flags = _PARTIAL
            else:
                self._complete(start, length)
        self._append(session, start, length, flags)

    def _complete(self, start: int, length: int) -> None:
        """Complete the checksum that the virtio header names."""
        _, _, _, _, covered_from, field = VNET_HEADER.unpack(self._vnet)
        if covered_from + field + 2 <= length:
            complete_checksum(self._buffer, start + covered_from, start + length, start + covered_from + field)

    def _append(self, session: PeerSession, start: int, length: int, flags: int) -> None:
        """Seal the packet at `start`, as part of the train being gathered or as the first of the next."""
        tunnel = session.aead
        if session.tunnel.exhausted:
            self._counters["drop-session-exhausted"] += 1
            return
        peer = session.peer
        peer.sent_packets += 1
        peer.sent_bytes += length
        peer.last_sent = self._now
        if tunnel is None:
            self.flush()
            datagram = session.tunnel.seal(self._view[start : start + length])
            self._port.send_train((datagram,), len(datagram), len(datagram), peer.path)
            return
        slot = length + AEAD_OVERHEAD
        base = start - TEXT
        if session is not self._session or slot > self._slot or self._is_full(slot):
            self.flush()
            self._session = session
            self._slot = slot
            self._base = base
        tunnel.seal_in_place(self._view[base : base + slot], flags)
        self._end = base + slot
        self._count += 1
        if slot < self._slot:
            self.flush()

    def _is_full(self, slot: int) -> bool:
        return self._count >= MAX_TRAIN_SEGMENTS or self._end - self._base + slot > MAX_TRAIN_BYTES

    def _super_packet(self, session: PeerSession, start: int, length: int) -> None:
        """One packet that stands for many: a train of its own."""
        shape = self._shape_of(start, length)
        if shape is None:
            return
        count = -(-(length - shape.key.header) // shape.key.payload)
        if shape is self._expected and count <= shape.limit:
            header = bytes(self._view[TEXT : TEXT + shape.key.header])
            self._send_segments(session, shape, header, length, 0, count)
            return
        packet = bytes(self._view[start : start + length]) if self._expected is None else self._expected.gather(length)
        self._expected = shape
        self.flush()
        if self._port.blocked:
            self._hold(bytes(self._vnet) + packet)
        else:
            self._send_parts(session, shape, packet, count)

    def _send_parts(self, session: PeerSession, shape: Shape, packet: bytes, count: int) -> None:
        """Copy a super packet into the slots and send it, in several trains if it has too many segments for one."""
        for first in range(0, count, shape.limit):
            part = min(shape.limit, count - first)
            if self._port.blocked:
                self._counters["drop-udp-full"] += part
                continue
            shape.place(packet, first, part)
            self._send_segments(session, shape, packet[: shape.key.header], len(packet), first, part)

    def _shape_of(self, start: int, length: int) -> Shape | None:
        """The shape of the super packet at `start`; None if it is refused, and counted."""
        _, _, _, payload, transport, _ = VNET_HEADER.unpack(self._vnet)
        buffer = self._buffer
        tcp = is_tcp(buffer, start)
        if transport != transport_offset(buffer, start) or not payload:
            self._counters["drop-not-ip"] += 1
            return None
        header = transport + ((buffer[start + transport + 12] >> 4) * 4 if tcp else 8)
        if header + payload > self._interface.mtu or length <= header:
            self._too_big(bytes(self._view[start : start + min(length, self._interface.mtu)]))
            return None
        key = ShapeKey(buffer[start] >> 4, tcp, transport, header, payload)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = Shape(key, self._vnet, self._view)
        return shape

    def _send_segments(
        self, session: PeerSession, shape: Shape, header: bytes, length: int, first: int, count: int
    ) -> None:
        """Seal and send the `count` segments whose payloads lie in the slots."""
        tunnel = session.tunnel
        if tunnel.next_id + 2 * count >= tunnel.id_limit:
            self._counters["drop-session-exhausted"] += count
            return
        shape.write_headers(self._buffer, header, length, first, count)
        slots = shape.slots
        last = shape.last_payload(length, first, count)
        if not session.partial_checksums:
            shape.complete_checksums(self._buffer, count, last)
        texts: list[memoryview] = slots.texts[:count]
        total = count * slots.slot
        sealed: Sequence[memoryview] = slots.sealed
        if last < shape.key.payload:
            texts[-1] = slots.last_text(count - 1, shape.key.header + last)
            sealed = [*slots.sealed[: count - 1], slots.last_sealed(count - 1, shape.key.header + last)]
            total -= shape.key.payload - last
        peer = session.peer
        peer.sent_packets += count
        peer.sent_bytes += total - count * AEAD_OVERHEAD
        peer.last_sent = self._now
        if session.aead is None:
            datagrams = [tunnel.seal(text) for text in texts]
            self._port.send_train(datagrams, len(datagrams[0]), sum(map(len, datagrams)), peer.path)
            return
        flags = _PARTIAL if session.partial_checksums else 0
        following = flags | _CONTINUES if session.partial_checksums else 0
        session.aead.seal_train(slots.headers, texts, sealed, flags, following)
        self._port.send_train((self._view[:total],), slots.slot, total, peer.path)

    def _too_big(self, packet: bytes) -> None:
        """Tell the sender of a packet that exceeds the MTU."""
        self._counters["drop-too-big"] += 1
        answer = packet_too_big(packet, self._interface.mtu)
        if answer is not None:
            try:
                os.write(self._tun, bytes(VNET_HEADER.size) + answer)
            except OSError:
                self._counters["drop-tun-refused"] += 1

    def _unroutable(self, destination: int, start: int, length: int) -> None:
        """Broadcast, a peer without a session, or an address outside the virtual network."""
        interface = self._interface
        if destination in (-1, 0xFFFFFFFF, interface.broadcast) or destination >> 28 == MULTICAST4:
            self._broadcast(start, length)
        elif destination > 0 and (destination | interface.host_mask) == interface.broadcast:
            packet = (
                bytes(self._view[start : start + length]) if self._expected is None else self._expected.gather(length)
            )
            self._staging.hold(destination, bytes(self._vnet) + packet, self._now)
        else:
            self._counters["drop-destination"] += 1

    def _broadcast(self, start: int, length: int) -> None:
        """A copy to every peer that takes broadcasts, with complete checksums for the plainest of them."""
        if length > self._interface.mtu or self._vnet[1] != GSO_NONE:
            self._counters["drop-too-big"] += 1
            return
        if not self._broadcasts.take(self._now):
            self._counters["drop-broadcast-rate"] += 1
            return
        if self._vnet[0] & NEEDS_CHECKSUM:
            self._complete(start, length)
        packet = bytes(self._view[start : start + length])
        for peer in self._table.peers.values():
            session = peer.sending
            if session is None or not peer.broadcast:
                continue
            if session.tunnel.exhausted:
                self._counters["drop-session-exhausted"] += 1
                continue
            self._port.send_one(session.tunnel.seal(packet), peer.path)
            peer.sent_packets += 1
            peer.sent_bytes += length
            peer.last_sent = self._now
