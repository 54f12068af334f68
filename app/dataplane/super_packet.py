"""Cutting a TCP or UDP super packet (GSO) from the adapter into the texts of one train, without copying payload.

The trick: the kernel scatters its one packet straight into the slots (`Shape.read_buffers`), leaving room for the
headers, which are then written in front of each payload in one pass. That needs a guess of the packet's shape before
it is read; `Shape.place` puts a packet of another shape into its slots by copying.

Buffer ownership: all shapes share outbound.py's one buffer; a train lies at its start until it has been sent.
Sources: virtio 1.2 section 5.1.6 (virtio_net_hdr), RFC 9293, RFC 768, RFC 3168 section 6.1.2 (CWR on the first
segment only).
"""

from collections import deque
from collections.abc import Iterable
from itertools import repeat
from struct import Struct
from typing import NamedTuple

from app.dataplane.ip_packet import CWR, FIN, PSH, UINT16, UINT32, complete_checksum, ones_complement_sum
from app.dataplane.udp_port import train_limit
from app.protocol.tunnel import AEAD_OVERHEAD, Slots

VNET_HEADER = Struct("=BBHHHH")
"""virtio_net_hdr: flags, GSO type, header length, segment size, checksum start, checksum offset."""
NEEDS_CHECKSUM = 1
GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP = 0, 1, 4, 5
GSO_ECN = 0x80

MAX_PACKET = 65_535
TEXT = 16
"""Where a text begins in its slot: behind suite 2's header."""
VNET = TEXT - VNET_HEADER.size
"""Where the packet's virtio header is read to: in front of the text, until suite 2's header is written there."""


class ShapeKey(NamedTuple):
    """What super packets of one flow have in common."""

    version: int
    tcp: bool
    transport: int
    """Bytes of IP header."""
    header: int
    """Bytes of IP and transport header."""
    payload: int
    """Payload bytes in each segment but the last."""


class Shape:
    """The slots for super packets of one shape, and how their headers are written."""

    def __init__(self, key: ShapeKey, view: memoryview) -> None:
        self.key = key
        slot = key.header + key.payload + AEAD_OVERHEAD
        self.limit = train_limit(slot)
        self.slots = Slots(view, slot, self.limit)
        self.payloads = [text[key.header :] for text in self.slots.texts]
        rest = view[slot * self.limit : slot * self.limit + MAX_PACKET]
        self.read_buffers = [view[VNET : TEXT + key.header + key.payload], *self.payloads[1:], rest]
        self._header_parts = _header_parts(key)

    def gather(self, length: int) -> bytes:
        """The packet of `length` bytes that was read into `read_buffers`, in one piece."""
        return b"".join(self.read_buffers)[TEXT - VNET :][:length]

    def place(self, packet: bytes, first: int, count: int) -> None:
        """Copy the payloads of segments `first` to `first + count` of `packet` into slots 0 to `count`."""
        size = self.key.payload
        start = self.key.header + first * size
        for index in range(count):
            payload = packet[start : start + size]
            self.payloads[index][: len(payload)] = payload
            start += size

    def write_headers(self, buffer: bytearray, header: bytes, length: int, first: int, count: int) -> None:
        """Write the headers of segments `first` to `first + count` into slots 0 to `count`.

        `header` is that of the super packet of `length` bytes. Checksums are left partial.
        """
        key = self.key
        template = _template(key, header, length)
        parts: list[Iterable[object]] = []
        if key.version == 4:
            ids, checksums = _successive_ids(template, key.transport, first, count)
            parts += [repeat(bytes(template[:4])), ids, repeat(bytes(template[6:10])), checksums]
        if key.tcp:
            (sequence,) = UINT32.unpack_from(template, key.transport + 4)
            fixed = template[12 if key.version == 4 else 0 : key.transport + 4]
            parts += [repeat(bytes(fixed)), _sequences(sequence + first * key.payload, key.payload, count)]
        fixed_from = key.transport + 8 if key.tcp else 12 if key.version == 4 else 0
        parts.append(repeat(bytes(template[fixed_from:])))
        places = range(TEXT, TEXT + self.slots.slot * count, self.slots.slot)
        deque(map(self._header_parts.pack_into, repeat(buffer), places, *parts), maxlen=0)
        if first == 0 and key.tcp:
            buffer[TEXT + key.transport + 13] |= header[key.transport + 13] & CWR
        self._finish_last(buffer, header, length, first, count)

    def last_payload(self, length: int, first: int, count: int) -> int:
        """Payload bytes in segment `first + count - 1` of a super packet of `length` bytes."""
        return min(self.key.payload, length - self.key.header - (first + count - 1) * self.key.payload)

    def complete_checksums(self, buffer: bytearray, count: int, last_payload: int) -> None:
        """Turn the partial checksums of `count` segments into complete ones."""
        key = self.key
        field = key.transport + (16 if key.tcp else 6)
        start = TEXT
        for index in range(count):
            end = start + key.header + (key.payload if index < count - 1 else last_payload)
            complete_checksum(buffer, start + key.transport, end, start + field)
            start += self.slots.slot

    def _finish_last(self, buffer: bytearray, header: bytes, length: int, first: int, count: int) -> None:
        """Give the last segment its own length, and the super packet's FIN and PSH if it is the very last."""
        key = self.key
        start = TEXT + (count - 1) * self.slots.slot
        shorter = key.payload - self.last_payload(length, first, count)
        if key.tcp and (first + count) * key.payload + key.header >= length:
            buffer[start + key.transport + 13] |= header[key.transport + 13] & (FIN | PSH)
        if not shorter:
            return
        if key.version == 4:
            _add(buffer, start + 2, -shorter)
            _add_to_sum(buffer, start + 10, shorter)
        else:
            _add(buffer, start + 4, -shorter)
        if not key.tcp:
            _add(buffer, start + key.transport + 4, -shorter)
        _add_to_sum(buffer, start + key.transport + (16 if key.tcp else 6), -shorter)


def _header_parts(key: ShapeKey) -> Struct:
    """The header as what stays the same and what counts up: id and checksum (IPv4), sequence number (TCP)."""
    front = "4sH4sH" if key.version == 4 else ""
    behind = 12 if key.version == 4 else 0
    if key.tcp:
        return Struct(f"!{front}{key.transport + 4 - behind}sI{key.header - key.transport - 8}s")
    return Struct(f"!{front}{key.header - behind}s")


def _template(key: ShapeKey, header: bytes, length: int) -> bytearray:
    """The header of a full segment in the middle; `header` is that of the super packet of `length` bytes."""
    template = bytearray(header)
    size = key.header + key.payload
    if key.version == 4:
        UINT16.pack_into(template, 2, size)
    else:
        UINT16.pack_into(template, 4, size - 40)
    if key.tcp:
        template[key.transport + 13] &= ~(FIN | PSH | CWR) & 0xFF
        _add_to_sum(template, key.transport + 16, size - length)
    else:
        UINT16.pack_into(template, key.transport + 4, size - key.transport)
        _add_to_sum(template, key.transport + 6, size - length)
    return template


def _successive_ids(template: bytearray, transport: int, first: int, count: int) -> tuple[Iterable[int], Iterable[int]]:
    """The IPv4 ids of `count` segments and their header checksums, which go the other way."""
    start = (UINT16.unpack_from(template, 4)[0] + first) & 0xFFFF
    UINT16.pack_into(template, 4, start)
    UINT16.pack_into(template, 10, 0)
    checksum = 65_535 - ones_complement_sum(template[:transport])
    if start + count <= 65_536 and checksum >= count:
        return range(start, start + count), range(checksum, checksum - count, -1)
    ids = [(start + index) & 0xFFFF for index in range(count)]
    return ids, [(checksum + start - each) % 65_535 for each in ids]


def _sequences(start: int, step: int, count: int) -> Iterable[int]:
    start &= 0xFFFFFFFF
    if start + step * count <= 1 << 32:
        return range(start, start + step * count, step)
    return [(start + step * index) & 0xFFFFFFFF for index in range(count)]


def _add(buffer: bytearray, field: int, change: int) -> None:
    UINT16.pack_into(buffer, field, UINT16.unpack_from(buffer, field)[0] + change)


def _add_to_sum(buffer: bytearray, field: int, change: int) -> None:
    """Add to a ones' complement field."""
    UINT16.pack_into(buffer, field, (UINT16.unpack_from(buffer, field)[0] + change) % 65_535)
