"""The few fields of an IP packet that the pump needs: addresses, checksums, TCP's MSS option, "packet too big".

Pure functions over buffers; a packet here starts at `start` in a larger buffer. Used by outbound.py and inbound.py.
Sources: RFC 791, RFC 8200, RFC 9293 (TCP), RFC 768 (UDP), RFC 1071 and RFC 1624 (checksums), RFC 792 and RFC 1191
(fragmentation needed), RFC 4443 section 3.2 (packet too big).
"""

from struct import Struct
from typing import Final

from app.protocol.wire import VIRTUAL_PREFIX6

TCP: Final = 6
UDP: Final = 17
FIN, SYN, PSH, CWR = 0x01, 0x02, 0x08, 0x80
MIN_MTU6: Final = 1_280
"""Bytes that every link must carry for IPv6, whose senders do not go below (RFC 8200 section 5)."""

ADDRESSES4 = Struct("!12xII")
"""Source and destination of an IPv4 packet."""
ADDRESSES6 = Struct("!8x12sI12sI")
"""Source and destination of an IPv6 packet, each as the /96 prefix and the last 32 bits."""
UINT16 = Struct("!H")
UINT32 = Struct("!I")

PREFIX6: Final = (VIRTUAL_PREFIX6 >> 32).to_bytes(12, "big")
"""The first 12 bytes of every virtual IPv6 address."""
MULTICAST4: Final = 0xE
"""The top four bits of 224.0.0.0/4."""
MULTICAST6: Final = 0xFF
"""The first byte of ff00::/8."""

_TOO_BIG_QUOTE4: Final = 548
_TOO_BIG_QUOTE6: Final = 1_232


def ones_complement_sum(data: bytes | bytearray | memoryview) -> int:
    """The 16-bit ones' complement sum of RFC 1071, 0 to 65534; an odd last byte counts as if a zero byte followed."""
    number = int.from_bytes(data, "big")
    return (number << 8 if len(data) & 1 else number) % 65_535


def complete_checksum(buffer: bytearray | memoryview, start: int, end: int, field: int) -> None:
    """Complete the checksum over buffer[start:end] whose field, at `field`, holds the pseudo-header's sum."""
    with memoryview(buffer)[start:end] as covered:
        UINT16.pack_into(buffer, field, 65_535 - ones_complement_sum(covered))


def transport_offset(buffer: bytearray | memoryview, start: int) -> int:
    """Bytes of IP header in front of TCP or UDP, 0 if it is neither, a fragment, or behind IPv6 extension headers."""
    first = buffer[start]
    if first >> 4 == 4:
        fragment = UINT16.unpack_from(buffer, start + 6)[0] & 0x3FFF
        length = (first & 0x0F) * 4
        return length if buffer[start + 9] in (TCP, UDP) and not fragment and length >= 20 else 0
    return 40 if buffer[start + 6] in (TCP, UDP) else 0


def is_tcp(buffer: bytearray | memoryview, start: int) -> bool:
    """Whether the IP header says TCP directly."""
    return buffer[start + (9 if buffer[start] >> 4 == 4 else 6)] == TCP


def clamp_mss(buffer: bytearray | memoryview, start: int, length: int, mtu: int, partial: bool) -> None:
    """Lower the MSS option of a TCP SYN to what `mtu` carries (RFC 6691), and correct a complete checksum."""
    offset = transport_offset(buffer, start)
    tcp = start + offset
    if not offset or not is_tcp(buffer, start) or length < offset + 20 or not buffer[tcp + 13] & SYN:
        return
    limit = mtu - offset - 20
    option = _find_mss(buffer, tcp + 20, min(start + length, tcp + (buffer[tcp + 12] >> 4) * 4))
    if not option or UINT16.unpack_from(buffer, option)[0] <= limit:
        return
    (old,) = UINT16.unpack_from(buffer, option)
    UINT16.pack_into(buffer, option, limit)
    if not partial:
        (checksum,) = UINT16.unpack_from(buffer, tcp + 16)
        # An option at an odd distance is added with its bytes swapped, which is a multiplication by 256.
        change = (old - limit) * (256 if (option - tcp) & 1 else 1)
        UINT16.pack_into(buffer, tcp + 16, (checksum + change) % 65_535)


def _find_mss(buffer: bytearray | memoryview, at: int, end: int) -> int:
    """Where the MSS value lies among the TCP options, 0 if there is none."""
    while at + 1 < end:
        kind, size = buffer[at], buffer[at + 1]
        if kind == 2 and size == 4 and at + 4 <= end:
            return at + 2
        if kind == 0 or (kind != 1 and size < 2):
            return 0
        at += 1 if kind == 1 else size
    return 0


def may_be_fragmented(buffer: bytes | bytearray, start: int) -> bool:
    """Whether the IP header lets routers fragment the packet: IPv4 without "don't fragment"."""
    return buffer[start] >> 4 == 4 and not buffer[start + 6] & 0x40


def packet_too_big(packet: bytes, mtu: int) -> bytes | None:
    """The ICMP answer to `packet`, which exceeds `mtu`, as from its destination; None where none is due."""
    if packet[0] >> 4 == 6:
        return _packet_too_big6(packet, mtu)
    if may_be_fragmented(packet, 0):  # the sender expects fragments, not an answer
        return None
    body = Struct("!BBHHH").pack(3, 4, 0, 0, mtu) + packet[:_TOO_BIG_QUOTE4]
    body = body[:2] + UINT16.pack(65_535 - ones_complement_sum(body)) + body[4:]
    header = Struct("!BBHHHBBH4s4s").pack(
        0x45, 0, 20 + len(body), 0, 0, 64, 1, 0, bytes(packet[16:20]), bytes(packet[12:16])
    )
    return header[:10] + UINT16.pack(65_535 - ones_complement_sum(header)) + header[12:] + body


def _packet_too_big6(packet: bytes, mtu: int) -> bytes:
    body = Struct("!BBHI").pack(2, 0, 0, mtu) + packet[:_TOO_BIG_QUOTE6]
    addresses = bytes(packet[24:40]) + bytes(packet[8:24])
    pseudo_header = addresses + Struct("!II").pack(len(body), 58)
    body = body[:2] + UINT16.pack(65_535 - ones_complement_sum(pseudo_header + body)) + body[4:]
    return Struct("!IHBB").pack(0x60000000, len(body), 58, 64) + addresses + body
