"""Handshake messages in datagrams: fragments, their reassembly and the cookie that proves an endpoint.

    0x80 | kind | number | count | sender index (32) | receiver index (32) | cookie (16 bytes, HELO only) | payload

A message is cut into `count` fragments of at most FRAGMENT_PAYLOAD bytes. Used by peer_handshake.py; does no I/O.
"""

import hmac
import secrets
from collections import OrderedDict
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from app.protocol.wire import DatagramType, Endpoint, LocalProtocolError, RemoteProtocolError

FRAGMENT_HEADER: Final = Struct("!BBBBII")
COOKIE_LENGTH: Final = 16
FRAGMENT_PAYLOAD: Final = 1_160
"""Bytes of a message in one fragment: a fragment fits the 1,280 bytes that every IPv6 path carries."""
MAX_FRAGMENTS: Final = 4
MAX_ASSEMBLIES: Final = 64
"""Messages of which some fragments are missing; the oldest goes."""
COOKIE_LIFETIME: Final = 60.0


class Kind(IntEnum):
    """What a handshake datagram carries."""

    HELO = 1
    HELO_OK = 2
    AUTH = 3
    AUTH_OK = 4
    COOKIE = 5


class Fragment(NamedTuple):
    """One handshake datagram, its numbers checked."""

    kind: int
    number: int
    total: int
    sender: int
    receiver: int
    payload: bytes


def parse_fragment(data: bytes) -> Fragment:
    """The fragment in a datagram. Raises RemoteProtocolError."""
    if len(data) <= FRAGMENT_HEADER.size or data[0] != DatagramType.HANDSHAKE:
        raise RemoteProtocolError("fragment: too short")
    _, kind, number, count, sender, receiver = FRAGMENT_HEADER.unpack_from(data)
    if not (1 <= count <= MAX_FRAGMENTS and number < count and sender):
        raise RemoteProtocolError("fragment: numbers out of range")
    return Fragment(kind, number, count, sender, receiver, data[FRAGMENT_HEADER.size :])


def cut_message(kind: Kind, sender: int, receiver: int, message: bytes, cookie: bytes = b"") -> list[bytes]:
    """The datagrams of a message. Raises LocalProtocolError if it needs more than MAX_FRAGMENTS."""
    parts = [message[start : start + FRAGMENT_PAYLOAD] for start in range(0, len(message), FRAGMENT_PAYLOAD)]
    if len(parts) > MAX_FRAGMENTS:
        raise LocalProtocolError("handshake message too long")
    return [
        FRAGMENT_HEADER.pack(DatagramType.HANDSHAKE, kind, number, len(parts), sender, receiver) + cookie + part
        for number, part in enumerate(parts)
    ]


class Assembler:
    """Puts fragments together again; what stays incomplete is bounded."""

    def __init__(self) -> None:
        self._partial: OrderedDict[tuple[Endpoint, int, int, int, int], dict[int, bytes]] = OrderedDict()

    def add(self, fragment: Fragment, endpoint: Endpoint) -> bytes | None:
        """The whole message if this was its last missing fragment. Raises RemoteProtocolError if it is too long."""
        if len(fragment.payload) > FRAGMENT_PAYLOAD:
            raise RemoteProtocolError("fragment: too long")
        if fragment.total == 1:
            return fragment.payload
        key = (endpoint, fragment.kind, fragment.sender, fragment.receiver, fragment.total)
        parts = self._partial.setdefault(key, {})
        parts[fragment.number] = fragment.payload
        if len(parts) < fragment.total:
            while len(self._partial) > MAX_ASSEMBLIES:
                self._partial.popitem(last=False)
            return None
        del self._partial[key]
        return b"".join(parts[number] for number in sorted(parts))


class CookieJar:
    """Makes and checks cookies without keeping any: a MAC over endpoint, index and the minute."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def cookie(self, endpoint: Endpoint, sender: int, now: float) -> bytes:
        """The cookie that this sender must bring, good for one to two minutes."""
        return self._cookie(endpoint, sender, int(now // COOKIE_LIFETIME))

    def holds(self, cookie: bytes, endpoint: Endpoint, sender: int, now: float) -> bool:
        """Whether we gave this cookie to this sender lately."""
        period = int(now // COOKIE_LIFETIME)
        return any(hmac.compare_digest(cookie, self._cookie(endpoint, sender, each)) for each in (period, period - 1))

    def _cookie(self, endpoint: Endpoint, sender: int, period: int) -> bytes:
        data = f"{endpoint} {sender} {period}".encode()
        return hmac.digest(self._secret, data, "sha256")[:COOKIE_LENGTH]
