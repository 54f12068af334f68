"""IP packets for tests, made and taken apart the slow and obvious way, independent of app/dataplane."""

import struct
from typing import NamedTuple

PREFIX6 = bytes.fromhex("fd6275726900000000000000")


def checksum(data: bytes) -> int:
    """RFC 1071, word by word."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


class Flow(NamedTuple):
    """What all packets of one direction of a conversation share."""

    source: int
    destination: int
    tcp: bool = True
    version: int = 4
    options: bytes = b""
    """TCP options, a multiple of four bytes."""
    ip_options: bytes = b""

    def addresses(self) -> bytes:
        both = (self.source.to_bytes(4, "big"), self.destination.to_bytes(4, "big"))
        return b"".join(both) if self.version == 4 else b"".join(PREFIX6 + each for each in both)

    def pseudo_header(self, length: int) -> bytes:
        return self.addresses() + struct.pack("!II", length, 6 if self.tcp else 17)


def packet(
    flow: Flow,
    payload: bytes,
    *,
    sequence: int = 0,
    flags: int = 0x10,
    identity: int = 0,
    partial: bool = False,
    fragments: bool = False,
) -> bytes:
    """One whole packet; with `partial` its checksum is the pseudo-header's sum only; `fragments` are allowed or not."""
    if flow.tcp:
        offset = (20 + len(flow.options)) // 4
        fields = (40_000, 5_201, sequence & 0xFFFFFFFF, 77, offset << 4, flags, 500, 0, 0)
        segment = struct.pack("!HHIIBBHHH", *fields) + flow.options + payload
        field = 16
    else:
        segment = struct.pack("!HHHH", 40_000, 5_201, 8 + len(payload), 0) + payload
        field = 6
    pseudo_header = flow.pseudo_header(len(segment))
    value = ~checksum(pseudo_header) & 0xFFFF if partial else checksum(pseudo_header + segment)
    if not partial and value == 0 and not flow.tcp:
        value = 0xFFFF
    segment = segment[:field] + struct.pack("!H", value) + segment[field + 2 :]
    protocol = 6 if flow.tcp else 17
    if flow.version == 6:
        return struct.pack("!IHBB", 0x60000000, len(segment), protocol, 64) + flow.addresses() + segment
    header_length = 20 + len(flow.ip_options)
    header = struct.pack(
        "!BBHHHBBH",
        0x40 | header_length // 4,
        0,
        header_length + len(segment),
        identity & 0xFFFF,
        0 if fragments else 0x4000,
        64,
        protocol,
        0,
    )
    header += flow.addresses() + flow.ip_options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + segment


def transport_length(flow: Flow) -> int:
    """Bytes of IP header."""
    return 40 if flow.version == 6 else 20 + len(flow.ip_options)


def header_length(flow: Flow) -> int:
    """Bytes of IP and transport header."""
    return transport_length(flow) + (20 + len(flow.options) if flow.tcp else 8)


def virtio(flow: Flow, size: int = 0, ecn: bool = False) -> bytes:
    """The virtio header of a packet with a partial checksum; with `size`, of a super packet of such payloads."""
    kind = 0 if not size else 5 if not flow.tcp else 1 if flow.version == 4 else 4
    transport, field = transport_length(flow), 16 if flow.tcp else 6
    header = header_length(flow) if size else 0
    return struct.pack("=BBHHHH", 1, kind | (0x80 if ecn else 0), header, size, transport, field)


def cut(
    flow: Flow, payload: bytes, size: int, *, sequence: int = 0, flags: int = 0x10, identity: int = 0
) -> list[bytes]:
    """The complete packets that a super packet stands for."""
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)]
    packets = []
    for index, piece in enumerate(pieces):
        own = flags
        if index:
            own &= ~0x80  # CWR on the first only
        if index < len(pieces) - 1:
            own &= ~0x09  # FIN and PSH on the last only
        packets.append(packet(flow, piece, sequence=sequence + index * size, flags=own, identity=identity + index))
    return packets


def is_intact(whole: bytes) -> bool:
    """Whether lengths and all checksums of a complete packet are right."""
    if whole[0] >> 4 == 4:
        start = (whole[0] & 15) * 4
        if checksum(whole[:start]) or struct.unpack_from("!H", whole, 2)[0] != len(whole):
            return False
        protocol, addresses = whole[9], whole[12:20]
    else:
        start, protocol, addresses = 40, whole[6], whole[8:40]
        if struct.unpack_from("!H", whole, 4)[0] != len(whole) - 40:
            return False
    return checksum(addresses + struct.pack("!II", len(whole) - start, protocol) + whole[start:]) == 0
