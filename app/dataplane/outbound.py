"""Packets from the adapter become sealed trains on the UDP socket.

1. Read one packet with its virtio header, straight to where it will be sealed.
2. Find the peer by the destination address; broadcast and multicast go to every peer that takes them.
3. A super packet is cut into a train of its own (super_packet.py). Other packets of one session and one size are
   gathered into a train; a shorter one ends it. Datagrams of one flow are marked as continuing each other.
4. Seal the train in place, and send it in one system call.

Buffer ownership: the one buffer holds the train being gathered from its start, and behind it the packet just read.
While the socket is full nothing is read and nothing gathered, so a waiting train stays as it is. Called by pump.py.
"""

import os
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from struct import Struct
from typing import Any

from app.dataplane.broadcast import Broadcaster
from app.dataplane.counters import Counters
from app.dataplane.ip_packet import (
    MIN_MTU6,
    MULTICAST4,
    MULTICAST6,
    PREFIX6,
    SYN,
    TCP,
    UDP,
    clamp_mss,
    complete_checksum,
    is_tcp,
    may_be_fragmented,
    packet_too_big,
    transport_offset,
)
from app.dataplane.peer_table import Interface, Peer, PeerSession, PeerTable
from app.dataplane.staging import Staging
from app.dataplane.standing_queue import StandingQueue
from app.dataplane.super_packet import (
    GSO_NONE,
    NEEDS_CHECKSUM,
    TEXT,
    VNET,
    VNET_HEADER,
    Shape,
    ShapeKey,
)
from app.dataplane.udp_port import UdpPort, train_limit, with_relay_id
from app.ipc.schema import Notification, PeerQuiet
from app.protocol.suites import Buffer
from app.protocol.tunnel import AEAD_OVERHEAD, Slots, header_word
from app.protocol.wire import RELAY_ID_LENGTH, DataFlag

MAX_READS = 64
"""Packets taken from the adapter in one turn of the loop."""
MAX_SUPER_PACKETS = 4
"""Super packets among them."""
MAX_SHAPES = 16
"""Shapes of super packets, and slot lengths, whose views are kept."""

_PLAIN = header_word(0)
_PARTIAL = header_word(DataFlag.PARTIAL_CHECKSUM)
_CONTINUES = header_word(DataFlag.PARTIAL_CHECKSUM | DataFlag.CONTINUES)

_FIELDS4 = Struct("!I2xI2xIIIH")
"""Version to length; fragment, TTL, protocol; source; destination; ports; UDP length. All but id and checksums."""
_FIELDS6 = Struct("!IHBB12sI12sIIH")
"""The same of IPv6, with the addresses as the /96 prefix and the last 32 bits."""


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
        self._peers = table.peers
        self._interface = interface
        self._counters = counters
        self._notify = notify
        self._staging = Staging(counters, notify)
        self._broadcaster = Broadcaster(port, table, counters)
        self._buffer = bytearray(2 * 65_536 + TEXT)
        self._view = memoryview(self._buffer)
        self._shapes: dict[ShapeKey, Shape] = {}
        self._slots: dict[int, Slots] = {}
        self._expected: Shape | None = None
        """The shape of super packet that the next read is scattered for."""
        self._held: bytes | None = None
        self._session: PeerSession | None = None
        self._slot = self._room = self._last = 0
        """Of the train being gathered: slot length, how many more packets it may hold, length of its last text."""
        self._words: list[int] = []
        """The header word of each packet of the train being gathered."""
        self._start = TEXT
        """Where the next packet is read to."""
        self._flow: object = None
        self._queue = StandingQueue()
        self._super_packets = 0
        self._now = 0.0

    def forward(self, now: float) -> None:
        """Take what the adapter has, up to MAX_READS packets, and send it. Does nothing while the port is blocked."""
        self._now = now
        if self._held is not None and not self._port.blocked:
            held, self._held = self._held, None
            self.forward_packet(held, now)
        reads = self._super_packets = 0
        self._queue.begin(now)
        while reads < MAX_READS and self._super_packets < MAX_SUPER_PACKETS and not self._port.blocked:
            try:
                length = self._read()
            except BlockingIOError:
                self._queue.emptied()
                break
            reads += 1
            self._handle(self._start, length)
        self._counters["tun-reads"] += reads
        self.flush()

    def forward_packet(self, packet: bytes, now: float) -> None:
        """Send one packet that was read before, with its virtio header in front."""
        self._now = now
        self.flush()
        if self._port.blocked:
            self._hold(packet)
            return
        self._expected = None
        self._view[VNET : VNET + len(packet)] = packet
        self._handle(TEXT, len(packet) - VNET_HEADER.size)
        self.flush()

    def session_ready(self, address: int, now: float) -> None:
        """A session to `address` can send: what waited for it goes first."""
        for packet in self._staging.release(address, now):
            self.forward_packet(packet, now)

    def flush(self) -> None:
        """Seal and send the train that was gathered, if any."""
        session = self._session
        if session is None:
            return
        count = len(self._words)
        if count > 1 or session.aead is None:
            self._send_slots(session, self._slots_of(self._slot), count, self._last, self._words)
        else:
            datagram = self._view[: self._slot]
            session.aead.seal_in_place(datagram, self._words[0])
            self._count_sent(session.peer, 1, self._last)
            path = session.peer.path
            total = len(path[1]) + self._slot
            self._port.send_train((path[1], datagram) if path[1] else (datagram,), total, total, path)
        self._session = self._flow = None
        self._words.clear()
        self._start = TEXT

    def _read(self) -> int:
        """Bytes in the packet read to `_start`. Raises BlockingIOError when there is none."""
        expected = self._expected
        if expected is None:
            start = self._start - VNET_HEADER.size
            return os.readv(self._tun, (self._view[start:],)) - VNET_HEADER.size
        length = os.readv(self._tun, expected.read_buffers) - VNET_HEADER.size
        if self._buffer[VNET + 1] == GSO_NONE:
            self._expected = None
            if length > len(expected.slots.texts[0]):
                self._view[TEXT : TEXT + length] = expected.gather(length)
        return length

    def _hold(self, packet: bytes) -> None:
        """Keep one packet until the port is free again."""
        if self._held is None:
            self._held = packet
        else:
            self._counters["drop-udp-full"] += 1

    def _handle(self, start: int, length: int) -> None:
        """Route the packet of `length` bytes at `start`."""
        buffer = self._buffer
        fields: tuple[Any, ...]
        if buffer[start] >> 4 == 4 and length >= 20:
            fields = first, middle, source, destination, _, _ = _FIELDS4.unpack_from(buffer, start)
            ours = source == self._interface.address
            usual = first >> 24 == 0x45 and not middle & 0x3FFF0000
            transport = 20 if usual else transport_offset(buffer, start)
            protocol = middle & 0xFF
        elif buffer[start] >> 4 == 6 and length >= 40:
            fields = _FIELDS6.unpack_from(buffer, start)
            _, _, protocol, _, source_prefix, source, prefix, destination, _, _ = fields
            ours = source == self._interface.address and source_prefix == PREFIX6
            transport = 40
            if prefix != PREFIX6:
                destination = -1 if prefix[0] == MULTICAST6 else 0
        else:
            self._counters["drop-not-ip"] += 1
            return
        if not ours:
            self._counters["drop-source"] += 1
            return
        peer = self._peers.get(destination)
        session = None if peer is None else peer.sending
        if session is None:
            self._unroutable(destination, start, length)
        elif buffer[start - VNET_HEADER.size + 1] != GSO_NONE:
            self._super_packet(session, start, length)
        elif length > session.peer.mtu and self._is_too_big(session.peer, start, length):
            return
        else:
            word = self._prepare(session, start, length, transport, protocol, fields)
            self._append(session, start, length, word)

    def _prepare(
        self, session: PeerSession, start: int, length: int, transport: int, protocol: int, fields: object
    ) -> int:
        """Make a packet ready to be sealed; its header word. `transport` is 0 if ports and checksum are not at hand."""
        buffer = self._buffer
        partial = buffer[start - VNET_HEADER.size] & NEEDS_CHECKSUM
        if protocol == TCP and transport and buffer[start + transport + 13] & SYN:
            clamp_mss(buffer, start, length, session.peer.mtu, bool(partial))
        if not partial:
            return _PLAIN
        if not session.partial_checksums or not transport or protocol not in (TCP, UDP):
            self._complete(start, length)
            return _PLAIN
        if protocol == TCP:
            return _PARTIAL
        if fields == self._flow:
            return _CONTINUES
        self._flow = fields
        return _PARTIAL

    def _complete(self, start: int, length: int) -> None:
        """Complete the checksum that the virtio header names, which then names none: the packet may be held."""
        _, _, _, _, covered, field = VNET_HEADER.unpack_from(self._buffer, start - VNET_HEADER.size)
        if covered + field + 2 <= length:
            complete_checksum(self._buffer, start + covered, start + length, start + covered + field)
        self._buffer[start - VNET_HEADER.size] = 0

    def _append(self, session: PeerSession, start: int, length: int, word: int) -> None:
        """Add the packet at `start` to the train being gathered, or make it the first of the next."""
        slot = length + AEAD_OVERHEAD
        if session is not self._session or slot > self._slot or not self._room:
            flow = self._flow
            self.flush()
            if self._port.blocked:
                self._hold(bytes(self._view[start - VNET_HEADER.size : start + length]))
                return
            if session.tunnel.exhausted:
                self._counters["drop-session-exhausted"] += 1
                return
            if start != TEXT:
                self._view[TEXT : TEXT + length] = self._view[start : start + length]
            self._session, self._slot, self._flow = session, slot, flow
            self._room = train_limit(slot)
            if word == _CONTINUES:
                word = _PARTIAL
        self._words.append(word)
        self._last = length
        self._room -= 1
        self._start += self._slot
        if slot < self._slot:
            self.flush()

    def _super_packet(self, session: PeerSession, start: int, length: int) -> None:
        """One packet that stands for many: a train of its own."""
        shape = self._shape_of(session.peer, start, length)
        if shape is None:
            return
        if session.tunnel.exhausted:
            self._counters["drop-session-exhausted"] += 1
            return
        self._super_packets += 1
        count = -(-(length - shape.key.header) // shape.key.payload)
        if shape is self._expected and count <= shape.limit:
            header = bytes(self._view[TEXT : TEXT + shape.key.header])
            self._send_segments(session, shape, header, length, 0, count)
            return
        packet = self._whole(start, length)
        self.flush()
        self._expected = shape
        if self._port.blocked:
            self._hold(packet)
        else:
            self._send_parts(session, shape, packet[VNET_HEADER.size :], count)

    def _whole(self, start: int, length: int) -> bytes:
        """A copy of the packet at `start`, with its virtio header."""
        if self._expected is None:
            return bytes(self._view[start - VNET_HEADER.size : start + length])
        return bytes(self._view[VNET:TEXT]) + self._expected.gather(length)

    def _shape_of(self, peer: Peer, start: int, length: int) -> Shape | None:
        """The shape of the super packet at `start`; None if it is refused, and counted."""
        buffer = self._buffer
        _, _, _, payload, transport, _ = VNET_HEADER.unpack_from(buffer, start - VNET_HEADER.size)
        if not transport or transport != transport_offset(buffer, start) or not payload:
            self._counters["drop-not-ip"] += 1
            return None
        tcp = is_tcp(buffer, start)
        header = transport + ((buffer[start + transport + 12] >> 4) * 4 if tcp else 8)
        if length <= header:
            self._counters["drop-not-ip"] += 1
            return None
        segment = min(header + payload, length)
        if segment > peer.mtu and self._is_too_big(peer, start, segment):
            return None
        key = ShapeKey(buffer[start] >> 4, tcp, transport, header, payload)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            shape = self._shapes[key] = Shape(key, self._view)
        return shape

    def _send_parts(self, session: PeerSession, shape: Shape, packet: bytes, count: int) -> None:
        """Copy a super packet into the slots and send it, in several trains if it has too many segments for one."""
        for first in range(0, count, shape.limit):
            part = min(shape.limit, count - first)
            if self._port.blocked or session.tunnel.exhausted:
                self._counters["drop-udp-full" if self._port.blocked else "drop-session-exhausted"] += part
                continue
            shape.place(packet, first, part)
            self._send_segments(session, shape, packet[: shape.key.header], len(packet), first, part)

    def _send_segments(
        self, session: PeerSession, shape: Shape, header: bytes, length: int, first: int, count: int
    ) -> None:
        """Write the headers of the `count` segments whose payloads lie in the slots, and send them."""
        shape.write_headers(self._buffer, header, length, first, count)
        skip = int(shape.key.tcp and count > 1 and self._queue.should_drop(self._now))
        last = shape.last_payload(length, first, count)
        if session.partial_checksums:
            words = chain((_PARTIAL,), repeat(_CONTINUES))
        else:
            shape.complete_checksums(self._buffer, count, last)
            words = chain((_PLAIN,), repeat(_PLAIN))
        self._send_slots(session, shape.slots, count, shape.key.header + last, words, skip)

    def _send_slots(
        self, session: PeerSession, slots: Slots, count: int, last: int, words: "chain[int] | list[int]", skip: int = 0
    ) -> None:
        """Seal and send the train of `count` texts in `slots`, the last of `last` bytes, without the first `skip`."""
        texts, sealed = slots.cut(count, last)
        headers = slots.headers
        begin, end = skip * slots.slot, (count - 1) * slots.slot + last + AEAD_OVERHEAD
        if skip:
            texts, sealed, headers = texts[skip:], sealed[skip:], headers[skip:]
            self._counters["drop-standing-queue"] += skip
            count -= skip
        slot, total = slots.slot, end - begin
        peer = session.peer
        path = peer.path
        self._count_sent(peer, count, total - count * AEAD_OVERHEAD)
        parts: tuple[Sequence[Buffer], ...]
        train: Sequence[Buffer]
        if session.aead is None:
            train = [session.tunnel.seal(text) for text in texts]
            slot, total, parts = len(train[0]), sum(map(len, train)), (train,)
        else:
            session.aead.seal_train(headers, texts, sealed, words)
            train, parts = (self._view[begin:end],), (headers[:count], sealed)
        if path[1]:
            train = with_relay_id(path[1], *parts)
            slot, total = slot + RELAY_ID_LENGTH, total + count * RELAY_ID_LENGTH
        self._port.send_train(train, slot, total, path)

    def _count_sent(self, peer: Peer, packets: int, size: int) -> None:
        peer.count_sent(packets, size, self._now)
        if peer.is_quiet(self._now):
            self._notify(PeerQuiet(peer.address))

    def _slots_of(self, slot: int) -> Slots:
        slots = self._slots.get(slot)
        if slots is None:
            if len(self._slots) >= MAX_SHAPES:
                self._slots.clear()
            slots = self._slots[slot] = Slots(self._view, slot, train_limit(slot))
        return slots

    def _is_too_big(self, peer: Peer, start: int, length: int) -> bool:
        """Tell the sender of a packet, or of segments, of `length` bytes that they exceed the MTU of the peer's path.

        False for IPv4 that may be fragmented, and for IPv6 of the size that any link must carry: it goes out as it is,
        and the datagram around it is fragmented on its way.
        """
        mtu = peer.mtu if self._buffer[start] >> 4 == 4 else max(peer.mtu, MIN_MTU6)
        if length <= mtu or (length <= self._interface.mtu and may_be_fragmented(self._buffer, start)):
            return False
        self._counters["drop-too-big"] += 1
        answer = packet_too_big(self._whole(start, length)[VNET_HEADER.size :], mtu)
        if answer is not None:
            try:
                os.write(self._tun, bytes(VNET_HEADER.size) + answer)
            except OSError:
                self._counters["drop-tun-refused"] += 1
        return True

    def _unroutable(self, destination: int, start: int, length: int) -> None:
        """Broadcast, a peer without a session, or an address outside the virtual network."""
        interface = self._interface
        if destination in (-1, 0xFFFFFFFF, interface.broadcast) or destination >> 28 == MULTICAST4:
            if length > interface.mtu:
                self._counters["drop-too-big"] += 1
                return
            if self._buffer[start - VNET_HEADER.size] & NEEDS_CHECKSUM:
                self._complete(start, length)
            self._broadcaster.send(bytes(self._view[start : start + length]), self._now)
        elif destination > 0 and destination | interface.host_mask == interface.broadcast:
            self._staging.hold(destination, self._whole(start, length), self._now)
        else:
            self._counters["drop-destination"] += 1
