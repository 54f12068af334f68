"""Datagrams from the UDP socket become packets for the adapter, or go to the engine.

1. Receive one datagram, or a whole train that the kernel gathered (UDP_GRO).
2. Find the session by the receiver index and open every slot of the train in place, behind its relay id if it has one.
3. Accept only what comes from the peer's virtual address and goes to us.
4. Successive segments that the sender marked CONTINUES go to the adapter as one super packet: the first whole, of the
   others the payload, in one system call and without copying.

Buffer ownership: the one buffer holds the train until it has been written; nothing keeps a view of it after
`receive` has returned. What a stranger can send reaches the engine only through a rate limit. Called by pump.py only.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from app.dataplane.counters import Counters, TokenBucket
from app.dataplane.ip_packet import (
    ADDRESSES4,
    ADDRESSES6,
    FIN,
    MULTICAST4,
    MULTICAST6,
    PREFIX6,
    PSH,
    UINT16,
    clamp_mss,
    complete_checksum,
    is_tcp,
    ones_complement_sum,
    transport_offset,
)
from app.dataplane.peer_table import PATIENCE, Interface, Path, PeerSession, PeerTable, SocketAddress, endpoint_of
from app.dataplane.standing_queue import StandingQueue
from app.dataplane.super_packet import GSO_ECN, GSO_TCP4, GSO_TCP6, GSO_UDP, NEEDS_CHECKSUM, VNET_HEADER
from app.ipc.schema import (
    DatagramReceived,
    EndpointChanged,
    MessageReceived,
    Notification,
    SessionConfirmed,
)
from app.protocol.tunnel import (
    AEAD_OVERHEAD,
    MIN_DATAGRAM,
    RECEIVER_INDEX,
    ReplayedMessage,
    Slots,
    header_word,
    successive_runs,
)
from app.protocol.wire import (
    ENGINE_MESSAGE,
    MAX_DATAGRAM,
    MIN_RELAY_ID,
    RELAY_ID_LENGTH,
    DataFlag,
    DatagramType,
    RemoteProtocolError,
)

MAX_RECEIVES = 4
"""Trains taken from the socket in one turn of the loop."""
MAX_SEGMENTS = 128
"""Segments the kernel may gather in one train (Linux 6.9; 64 before)."""
MAX_LAYOUTS = 16
"""Slot lengths, with and without a relay id, whose views are kept."""
MAX_MESSAGE = 1_400
"""Bytes in an engine message: the schema's limit."""
ENGINE_RATE, ENGINE_BURST = 2_000.0, 500.0
"""STUN, handshake and relay datagrams a second that reach the engine."""

_RELAYED = MIN_RELAY_ID >> 24
"""The lowest first byte of a relay id."""
_UDP_GRO = 104
_GRO_SIZE = Struct("=i")
_ANCILLARY_ROOM = socket.CMSG_SPACE(_GRO_SIZE.size)
_CONTINUES = header_word(DataFlag.CONTINUES) & 0x00FF0000
_PARTIAL = header_word(DataFlag.PARTIAL_CHECKSUM) & 0x00FF0000
_MERGES = header_word(DataFlag.CONTINUES | DataFlag.PARTIAL_CHECKSUM)
_KNOWN_WORDS = frozenset(header_word(flags) for flags in range(4))


class _Layout:
    """Views of a train with slots of one length, and how all its headers are read at once.

    `lead` is the length of a relay id if each slot begins with one, else 0.
    """

    def __init__(self, view: memoryview, slot: int, lead: int) -> None:
        self.slots = Slots(view, slot, min(MAX_SEGMENTS, len(view) // slot), lead)
        self._header = "IIIQ" if lead else "IIQ"
        self.fields = len(self._header)
        """How many fields of a slot are read."""
        self._headers: dict[int, Struct] = {}
        self._payloads: dict[int, list[memoryview]] = {}

    def headers(self, count: int) -> Struct:
        """(relay id if there is one, word, receiver index, id) of `count` slots, one after another."""
        struct = self._headers.get(count)
        if struct is None:
            gap = self.slots.slot - Struct("!" + self._header).size
            struct = self._headers[count] = Struct("!" + f"{self._header}{gap}x" * (count - 1) + self._header)
        return struct

    def payloads(self, header: int) -> list[memoryview]:
        """The texts without their first `header` bytes."""
        payloads = self._payloads.get(header)
        if payloads is None:
            payloads = self._payloads[header] = [text[header:] for text in self.slots.texts]
        return payloads


class Inbound:
    """The way from the peers to the adapter."""

    def __init__(
        self,
        tun: int,
        sockets: Mapping[int, socket.socket],
        table: PeerTable,
        interface: Interface,
        counters: Counters,
        notify: Callable[[Notification], None],
        session_ready: Callable[[int, float], None],
        segmentation: tuple[bool, bool],
    ) -> None:
        self._tun = tun
        self._sockets = sockets
        self._table = table
        self._interface = interface
        self._counters = counters
        self._notify = notify
        self._session_ready = session_ready
        self._merges_tcp, self._merges_udp = segmentation
        self._strangers = TokenBucket(ENGINE_RATE, ENGINE_BURST)
        self._vnet = bytearray(VNET_HEADER.size)
        self._buffer = bytearray(2 * 65_536)
        self._view = memoryview(self._buffer)
        self._layouts: dict[tuple[int, int], _Layout] = {}
        self._queue = StandingQueue()
        self._now = 0.0

    def receive(self, now: float, number: int = 0) -> None:
        """Take what socket `number` has, up to MAX_RECEIVES trains, and deliver it."""
        self._now = now
        sock = self._sockets[number]
        receives = 0
        self._queue.begin(now)
        while receives < MAX_RECEIVES:
            try:
                length, ancillary, _, address = sock.recvmsg_into((self._view,), _ANCILLARY_ROOM)
            except BlockingIOError:
                self._queue.emptied()
                break
            receives += 1
            slot = length
            for level, kind, data in ancillary:
                if level == socket.IPPROTO_UDP and kind == _UDP_GRO:
                    (slot,) = _GRO_SIZE.unpack(data)
            self._handle(length, slot, address, number)
        self._counters["udp-receives"] += receives

    def _handle(self, length: int, slot: int, address: SocketAddress, number: int) -> None:
        """One train of `length` bytes in slots of `slot` bytes, all from one address."""
        if length > slot:
            kind = self._buffer[0]
            if kind == DatagramType.DATA and self._open_train(length, slot, (address, b"", number)):
                return
            if kind >= _RELAYED and self._open_train(length, slot, (address, self._relay_id(0), number)):
                return
        for start in range(0, length, slot or 1):
            self._datagram(start, min(start + slot, length), address, number)

    def _datagram(self, start: int, end: int, address: SocketAddress, number: int) -> None:
        """A single datagram, perhaps behind a relay id. A relay's own words and relay ids are never behind one."""
        kind = self._buffer[start]
        relay = b""
        if kind >= _RELAYED and end - start > RELAY_ID_LENGTH:
            relay = self._relay_id(start)
            start += RELAY_ID_LENGTH
            kind = self._buffer[start]
        path = (address, relay, number)
        if kind == DatagramType.DATA:
            self._open_one(start, end, path)
        elif kind < 0x40 or kind == DatagramType.HANDSHAKE or (kind == DatagramType.RELAY and not relay):
            self._to_engine(bytes(self._view[start:end]), path)
        else:
            self._counters["drop-unknown-datagram"] += 1

    def _relay_id(self, start: int) -> bytes:
        return bytes(self._view[start : start + RELAY_ID_LENGTH])

    def _to_engine(self, datagram: bytes, path: Path) -> None:
        if len(datagram) > MAX_DATAGRAM:
            self._counters["drop-unknown-datagram"] += 1
        elif self._strangers.take(self._now):
            self._notify(DatagramReceived(endpoint_of(path), datagram))
        else:
            self._counters["drop-engine-busy"] += 1

    def _open_one(self, start: int, end: int, path: Path) -> None:
        """A single datagram of tunnel data."""
        if end - start < MIN_DATAGRAM:
            self._counters["drop-malformed"] += 1
            return
        (index,) = RECEIVER_INDEX.unpack_from(self._buffer, start)
        session = self._table.sessions.get(index)
        if session is None:
            self._counters["drop-unknown-session"] += 1
            return
        try:
            flags, _, packet = session.tunnel.open(self._view[start:end])
        except ReplayedMessage:
            self._counters["drop-replayed"] += 1
        except RemoteProtocolError:
            self._counters["drop-not-authentic"] += 1
        else:
            self._count(session, 1, len(packet))
            self._deliver_one(session, memoryview(bytearray(packet)), bool(flags & DataFlag.PARTIAL_CHECKSUM), path)

    def _open_train(self, length: int, slot: int, path: Path) -> bool:
        """The usual train: one session, ids that grow and are above all before; segments may be missing.

        False, and nothing done, if it is another.
        """
        lead = len(path[1])
        overhead = lead + AEAD_OVERHEAD
        (index,) = RECEIVER_INDEX.unpack_from(self._buffer, lead)
        session = self._table.sessions.get(index)
        if session is None or session.aead is None:  # before a stranger's slot length costs us a layout
            return False
        count = -(-length // slot)
        last = length - (count - 1) * slot
        if last < overhead:
            return False
        layout = self._layouts.get((slot, lead)) or self._new_layout(slot, lead)
        if count > len(layout.slots.texts):
            return False
        fields = layout.headers(count).unpack_from(self._buffer)
        step = layout.fields
        words, ids = fields[step - 3 :: step], fields[step - 1 :: step]
        if fields[step - 2 :: step].count(index) != count or (lead and fields[::step].count(fields[0]) != count):
            return False
        window = session.tunnel.window
        runs = successive_runs(ids)
        if ids[0] <= window.newest or not runs or not _KNOWN_WORDS.issuperset(words):
            return False
        slots = layout.slots
        texts, sealed = slots.cut(count, last - overhead)
        opened = session.aead.open_train(slots.headers, sealed, texts, ids)
        if opened:
            size = opened * (slot - overhead) - (slot - last if opened == count else 0)
            self._count(session, opened, size)
            for start, stop in runs:
                if start < opened:
                    window.mark_run(ids[start], min(stop, opened) - start)
                    self._deliver_segments(session, layout, texts, words, start, min(stop, opened), path)
        if opened < count:
            self._counters["drop-not-authentic"] += 1
            for start in range((opened + 1) * slot, length, slot):
                self._open_one(start + lead, min(start + slot, length), path)
        return True

    def _new_layout(self, slot: int, lead: int) -> _Layout:
        if len(self._layouts) >= MAX_LAYOUTS:
            self._layouts.clear()
        layout = self._layouts[slot, lead] = _Layout(self._view, slot, lead)
        return layout

    def _count(self, session: PeerSession, packets: int, size: int) -> None:
        """Authentic packets came on this session: the first one confirms it."""
        peer = session.peer
        peer.received_packets += packets
        peer.received_bytes += size
        peer.last_received = self._now
        if not session.confirmed and self._table.confirm(session):
            self._notify(SessionConfirmed(peer.address, session.tunnel.local_index))
            self._session_ready(peer.address, self._now)

    def _deliver_segments(
        self,
        session: PeerSession,
        layout: _Layout,
        texts: Sequence[memoryview],
        words: Sequence[int],
        start: int,
        end: int,
        path: Path,
    ) -> None:
        """Segments `start` to `end`, of successive ids: split them into runs, each a segment and what continues it."""
        while start < end:
            stop = start + 1
            if words[stop:end].count(_MERGES) == end - stop:
                stop = end
            while stop < end and words[stop] & _CONTINUES:
                stop += 1
            partial = bool(words[start] & _PARTIAL)
            first = texts[start]
            if stop - start > 8 and len(first) >= 20 and is_tcp(first, 0) and self._queue.should_drop(self._now):
                self._counters["drop-standing-queue"] += 1
                start += 1
            if stop - start == 1 or not self._deliver_run(session, layout, texts[start:stop], start, partial, path):
                for text in texts[start:stop]:
                    self._deliver_one(session, text, partial, path)
            start = stop

    def _deliver_one(self, session: PeerSession, text: memoryview, partial: bool, path: Path) -> None:
        """One packet or engine message."""
        if len(text) and text[0] == ENGINE_MESSAGE:
            self._message(session, bytes(text), path)
            return
        if not self._accepts(session, text):
            return
        self._check_path(session, path)
        transport = transport_offset(text, 0)
        minimum = transport + (20 if transport and is_tcp(text, 0) else 8)
        if partial and (not transport or len(text) < minimum):
            self._counters["drop-malformed"] += 1
            return
        if transport and len(text) >= minimum and minimum - transport == 20:
            clamp_mss(text, 0, len(text), session.peer.mtu, partial)
        if not partial:
            VNET_HEADER.pack_into(self._vnet, 0, 0, 0, 0, 0, 0, 0)
        elif self._merges_tcp:
            field = 16 if minimum - transport == 20 else 6
            VNET_HEADER.pack_into(self._vnet, 0, NEEDS_CHECKSUM, 0, 0, 0, transport, field)
        else:
            complete_checksum(text, transport, len(text), transport + (16 if minimum - transport == 20 else 6))
            VNET_HEADER.pack_into(self._vnet, 0, 0, 0, 0, 0, 0, 0)
        self._write((self._vnet, text))

    def _message(self, session: PeerSession, message: bytes, path: Path) -> None:
        session.peer.received_packets -= 1  # what is told as traffic are IP packets
        session.peer.received_bytes -= len(message)
        if len(message) > MAX_MESSAGE:
            self._counters["drop-malformed"] += 1
            return
        if not session.peer.notices.take(self._now):
            self._counters["drop-message-rate"] += 1
            return
        endpoint = endpoint_of(path)
        self._notify(MessageReceived(session.peer.address, session.tunnel.local_index, endpoint, message))

    def _deliver_run(
        self,
        session: PeerSession,
        layout: _Layout,
        texts: Sequence[memoryview],
        start: int,
        partial: bool,
        path: Path,
    ) -> bool:
        """Several segments as one super packet. False, and nothing done, if they can only go one by one."""
        first, last = texts[0], texts[-1]
        if not partial or len(first) < 28 or first[0] == ENGINE_MESSAGE:
            return False
        transport = transport_offset(first, 0)
        tcp = is_tcp(first, 0)
        if not transport or not (self._merges_tcp if tcp else self._merges_udp):
            return False
        if len(first) <= transport + (20 if tcp else 8):
            return False
        header = transport + ((first[transport + 12] >> 4) * 4 if tcp else 8)
        payload = len(first) - header
        if payload <= 0 or len(last) <= header or (tcp and header < transport + 20):
            return False
        if not self._accepts(session, first):
            return True
        self._check_path(session, path)
        total = payload * (len(texts) - 1) + len(last)
        if total > 65_535:
            return False
        self._merge_headers(first, last, transport, tcp, total)
        version = first[0] >> 4
        kind = (GSO_TCP4 if version == 4 else GSO_TCP6) if tcp else GSO_UDP
        if tcp and first[transport + 13] & 0x80:
            kind |= GSO_ECN
        VNET_HEADER.pack_into(self._vnet, 0, NEEDS_CHECKSUM, kind, header, payload, transport, 16 if tcp else 6)
        payloads = layout.payloads(header)[start + 1 : start + len(texts)]
        payloads[-1] = last[header:]
        self._write((self._vnet, first, *payloads))
        return True

    def _merge_headers(self, first: memoryview, last: memoryview, transport: int, tcp: bool, total: int) -> None:
        """Make the first segment's header that of the whole run of `total` bytes."""
        field = transport + (16 if tcp else 6)
        (partial,) = UINT16.unpack_from(first, field)
        UINT16.pack_into(first, field, (partial + total - len(first)) % 65_535)
        if tcp:
            first[transport + 13] |= last[transport + 13] & (FIN | PSH)
        else:
            UINT16.pack_into(first, transport + 4, total - transport)
        if first[0] >> 4 == 4:
            UINT16.pack_into(first, 2, total)
            UINT16.pack_into(first, 10, 0)
            UINT16.pack_into(first, 10, 65_535 - ones_complement_sum(first[:transport]))
        else:
            UINT16.pack_into(first, 4, total - 40)

    def _accepts(self, session: PeerSession, packet: memoryview) -> bool:
        """Whether the packet is from the peer's virtual address and for us; counted if not."""
        own = self._interface.address
        length = len(packet)
        version = packet[0] >> 4 if length >= 20 else 0
        if version == 4:
            source, destination = ADDRESSES4.unpack_from(packet)
            for_us = destination in (own, 0xFFFFFFFF, self._interface.broadcast) or destination >> 28 == MULTICAST4
            from_peer = source == session.peer.address
        elif version == 6 and length >= 40:
            source_prefix, source, prefix, destination = ADDRESSES6.unpack_from(packet)
            for_us = (prefix == PREFIX6 and destination == own) or prefix[0] == MULTICAST6
            from_peer = source == session.peer.address and source_prefix == PREFIX6
        else:
            self._counters["drop-malformed"] += 1
            return False
        if not from_peer:
            self._counters["drop-inner-source"] += 1
        elif not for_us:
            self._counters["drop-inner-destination"] += 1
        return from_peer and for_us

    def _check_path(self, session: PeerSession, path: Path) -> None:
        """IP packets of a peer came: its silence is over. Tell once when they come from elsewhere than we send."""
        peer = session.peer
        peer.patience = PATIENCE
        if path not in (peer.path, peer.told_path) and peer.notices.take(self._now):
            peer.told_path = path
            self._notify(EndpointChanged(peer.address, endpoint_of(path)))

    def _write(self, parts: Sequence[bytearray | memoryview]) -> None:
        try:
            os.writev(self._tun, parts)
            self._counters["tun-writes"] += 1
        except BlockingIOError:
            self._counters["drop-tun-full"] += 1
        except OSError:
            self._counters["drop-tun-refused"] += 1
