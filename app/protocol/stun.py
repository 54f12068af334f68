"""STUN (RFC 8489): Binding requests and their answers, for the server's reflector and for checks between peers.

Only the Binding method exists here. A message is decoded strictly and within limits; whether it is authentic is asked
afterwards, with the password that its USERNAME calls for. Peers use MESSAGE-INTEGRITY-SHA256; SHA-1 is read and can be
checked, for other people's messages and the published vectors, but never accepted where SHA-256 is expected.

Called by protocol/path.py, the engine (to learn its outside endpoint) and the server's reflector. No I/O, no clock.
"""

import hmac
import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Final, NamedTuple

from app.protocol.wire import Endpoint, RemoteProtocolError

MAGIC_COOKIE: Final = 0x2112A442
MAX_MESSAGE = 548
"""Bytes in one message: RFC 8489 section 6.1, for a path whose MTU is not known (576 less IPv4 and UDP headers)."""
MAX_ATTRIBUTES = 24
MAX_REFLECTION = 52
"""Bytes in the largest answer of `reflect`; see there."""
TRANSACTION_ID_LENGTH = 12

CHANGE_PORT = 0x02
"""The answer shall come from the server's other port."""
CHANGE_ADDRESS = 0x04
"""The answer shall come from the server's other address."""

_HEADER = Struct("!HHI12s")
_ATTRIBUTE = Struct("!HH")
_SOFTWARE = "Buri, a private network"
_FINGERPRINT_MASK = 0x5354554E
_FINGERPRINT_SIZE = 8
_MAX_USERNAME = 508
"""Bytes, RFC 8489 section 14.3."""


class MessageClass(IntEnum):
    """The message types of the Binding method (RFC 8489 section 5)."""

    REQUEST = 0x0001
    INDICATION = 0x0011
    SUCCESS = 0x0101
    ERROR = 0x0111


class Attribute(IntEnum):
    """Attribute types that are understood here; below 0x8000 a receiver must understand them."""

    MAPPED_ADDRESS = 0x0001
    CHANGE_REQUEST = 0x0003
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    RESPONSE_ORIGIN = 0x802B
    OTHER_ADDRESS = 0x802C


class ErrorCode(IntEnum):
    """RFC 8489 section 14.8."""

    BAD_REQUEST = 400
    UNAUTHENTICATED = 401
    UNKNOWN_ATTRIBUTE = 420


class _Tag(NamedTuple):
    """What a MESSAGE-INTEGRITY attribute covers, and its value."""

    covered: bytes
    value: bytes

    def is_from(self, key: bytes, digest: str) -> bool:
        return hmac.compare_digest(hmac.digest(key, self.covered, digest)[: len(self.value)], self.value)


@dataclass(frozen=True, slots=True)
class StunMessage:
    """One Binding message. Attributes that came after the integrity are left out: nobody vouches for them."""

    message_class: MessageClass
    transaction_id: bytes
    username: bytes | None = None
    software: str | None = None
    mapped_address: Endpoint | None = None
    """XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS where that is missing; written as the former."""
    response_origin: Endpoint | None = None
    """Where the server answered from (RFC 5780 section 7.3)."""
    other_address: Endpoint | None = None
    """The server's other address and port (RFC 5780 section 7.4)."""
    change_request: int = 0
    """What the answer shall come from: CHANGE_PORT, CHANGE_ADDRESS (RFC 5780 section 7.2)."""
    error_code: int | None = None
    reason: str = ""
    unknown_attributes: tuple[int, ...] = ()
    """In an error response, what the far side did not understand."""
    unsupported: tuple[int, ...] = ()
    """Only of a decoded message: its attributes that must be understood and are not."""
    fingerprint: bool = False
    """Only of a decoded message: it carried a FINGERPRINT, and a right one."""
    _sha1: _Tag | None = field(default=None, repr=False, compare=False)
    _sha256: _Tag | None = field(default=None, repr=False, compare=False)

    def is_authentic(self, key: bytes) -> bool:
        """MESSAGE-INTEGRITY-SHA256 is present and was made with `key` (for short-term credentials the password)."""
        return self._sha256 is not None and self._sha256.is_from(key, "sha256")

    def is_authentic_sha1(self, key: bytes) -> bool:
        """The same for the older MESSAGE-INTEGRITY, HMAC-SHA1."""
        return self._sha1 is not None and self._sha1.is_from(key, "sha1")


def encode(message: StunMessage, key: bytes | None = None, fingerprint: bool = True) -> bytes:
    """The message's bytes, with MESSAGE-INTEGRITY-SHA256 under `key` if there is one and FINGERPRINT if wanted."""
    body = bytearray()
    for kind, value in _values(message):
        body += _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)
    if key is not None:
        tag = hmac.digest(key, _with_header(message, body, 36), "sha256")
        body += _ATTRIBUTE.pack(Attribute.MESSAGE_INTEGRITY_SHA256, len(tag)) + tag
    if fingerprint:
        checksum = zlib.crc32(_with_header(message, body, _FINGERPRINT_SIZE)) ^ _FINGERPRINT_MASK
        body += _ATTRIBUTE.pack(Attribute.FINGERPRINT, 4) + checksum.to_bytes(4, "big")
    return _with_header(message, body, 0)


def decode(datagram: bytes) -> StunMessage:
    """One Binding message. Raises RemoteProtocolError, naming the rule, for anything else."""
    if not _HEADER.size <= len(datagram) <= MAX_MESSAGE:
        raise RemoteProtocolError("stun: wrong size")
    kind, length, cookie, transaction_id = _HEADER.unpack_from(datagram)
    if cookie != MAGIC_COOKIE or length % 4 or length != len(datagram) - _HEADER.size:
        raise RemoteProtocolError("stun: wrong header")
    try:
        message_class = MessageClass(kind)
    except ValueError:
        raise RemoteProtocolError("stun: not a Binding message") from None
    return _Reader(datagram, transaction_id).message(message_class)


def question(transaction_id: bytes, change_request: int = 0) -> bytes:
    """A Binding request for a reflector, at least as long as the answer: none need send more than it got."""
    request = StunMessage(MessageClass.REQUEST, transaction_id, software=_SOFTWARE, change_request=change_request)
    return encode(request, fingerprint=False)


class Reflection(NamedTuple):
    """What a reflector answers."""

    answer: bytes
    from_other_port: bool = False
    """It was asked to answer from its other port (RFC 5780): does it get through the asker's router?"""


def reflect(datagram: bytes, source: Endpoint, has_other_port: bool = False) -> Reflection | None:
    """What a reflector answers to a datagram from `source`: for a plain Binding request its source, else None.

    An answer has at most MAX_REFLECTION bytes (32 for IPv4, 44 for IPv6, 8 more if the request had a FINGERPRINT). A
    refusal of unknown attributes (420) is never larger than its request; whether another answer may be is the caller's
    to say (the server: no). Answers are not answered: no loops.
    """
    try:
        request = decode(datagram)
    except RemoteProtocolError:
        return None
    if request.message_class is not MessageClass.REQUEST or source.port == 0:
        return None
    unsupported = request.unsupported
    if request.change_request not in (0, CHANGE_PORT if has_other_port else 0):
        unsupported = (Attribute.CHANGE_REQUEST, *unsupported)
    if unsupported:
        refusal = _refusal(request, unsupported, len(datagram))
        return None if refusal is None else Reflection(refusal)
    answer = StunMessage(MessageClass.SUCCESS, request.transaction_id, mapped_address=source)
    return Reflection(encode(answer, fingerprint=request.fingerprint), request.change_request == CHANGE_PORT)


def _refusal(request: StunMessage, unsupported: tuple[int, ...], limit: int) -> bytes | None:
    answer = StunMessage(
        MessageClass.ERROR,
        request.transaction_id,
        error_code=ErrorCode.UNKNOWN_ATTRIBUTE,
        unknown_attributes=unsupported[:4],
    )
    encoded = encode(answer, fingerprint=request.fingerprint)
    return encoded if len(encoded) <= limit else None


def _with_header(message: StunMessage, body: bytes | bytearray, following: int) -> bytes:
    """Header and body, the header's length already counting the `following` bytes (RFC 8489 sections 14.5 to 14.7)."""
    length = len(body) + following
    return _HEADER.pack(message.message_class, length, MAGIC_COOKIE, message.transaction_id) + body


class _Reader:
    """Walks the attributes of one message; of an attribute that comes twice the first counts (RFC 8489 section 14)."""

    def __init__(self, datagram: bytes, transaction_id: bytes) -> None:
        self._datagram = datagram
        self._transaction_id = transaction_id
        self._values: dict[Attribute, bytes] = {}
        self._unsupported: list[int] = []
        self._tags: dict[Attribute, _Tag] = {}

    def message(self, message_class: MessageClass) -> StunMessage:
        """The whole message. Raises RemoteProtocolError."""
        self._read()
        mapped = self._endpoint(Attribute.XOR_MAPPED_ADDRESS) or self._endpoint(Attribute.MAPPED_ADDRESS)
        error_code, reason = self._error()
        return StunMessage(
            message_class,
            self._transaction_id,
            username=self._username(),
            software=self._software(),
            mapped_address=mapped,
            response_origin=self._endpoint(Attribute.RESPONSE_ORIGIN),
            other_address=self._endpoint(Attribute.OTHER_ADDRESS),
            change_request=self._change_request(),
            error_code=error_code,
            reason=reason,
            unknown_attributes=self._unknown_attributes(),
            unsupported=tuple(self._unsupported),
            fingerprint=Attribute.FINGERPRINT in self._values,
            _sha1=self._tags.get(Attribute.MESSAGE_INTEGRITY),
            _sha256=self._tags.get(Attribute.MESSAGE_INTEGRITY_SHA256),
        )

    def _read(self) -> None:
        offset, count = _HEADER.size, 0
        while offset < len(self._datagram):
            kind, length = _ATTRIBUTE.unpack_from(self._datagram, offset)
            end = offset + _ATTRIBUTE.size + length
            count += 1
            if end > len(self._datagram) or count > MAX_ATTRIBUTES:
                raise RemoteProtocolError("stun: attributes do not fit")
            self._take(kind, self._datagram[end - length : end], offset)
            offset = end + -length % 4

    def _take(self, kind: int, value: bytes, offset: int) -> None:
        if Attribute.FINGERPRINT in self._values:
            raise RemoteProtocolError("stun: FINGERPRINT is not last")
        if kind == Attribute.FINGERPRINT:
            self._check_fingerprint(value, offset)
            self._values[Attribute.FINGERPRINT] = value
        elif kind in (Attribute.MESSAGE_INTEGRITY, Attribute.MESSAGE_INTEGRITY_SHA256):
            self._take_tag(Attribute(kind), value, offset)
        elif self._tags:
            return  # RFC 8489 section 14.5: what follows the integrity is ignored
        elif kind in _KNOWN:
            self._values.setdefault(Attribute(kind), value)
        elif kind < 0x8000:
            self._unsupported.append(kind)

    def _check_fingerprint(self, value: bytes, offset: int) -> None:
        checksum = zlib.crc32(self._datagram[:offset]) ^ _FINGERPRINT_MASK
        if value != checksum.to_bytes(4, "big"):
            raise RemoteProtocolError("stun: wrong FINGERPRINT")

    def _take_tag(self, kind: Attribute, value: bytes, offset: int) -> None:
        if kind is Attribute.MESSAGE_INTEGRITY:
            allowed = len(value) == 20 and not self._tags
        else:
            allowed = 16 <= len(value) <= 32 and len(value) % 4 == 0 and kind not in self._tags
        if not allowed:
            raise RemoteProtocolError("stun: wrong MESSAGE-INTEGRITY")
        length = offset + _ATTRIBUTE.size + len(value) - _HEADER.size
        covered = self._datagram[:2] + length.to_bytes(2, "big") + self._datagram[4:offset]
        self._tags[kind] = _Tag(covered, value)

    def _endpoint(self, kind: Attribute) -> Endpoint | None:
        value = self._values.get(kind)
        if value is None:
            return None
        if (len(value), value[1:2]) not in ((8, b"\x01"), (20, b"\x02")):
            raise RemoteProtocolError("stun: wrong address")
        if kind is Attribute.XOR_MAPPED_ADDRESS:
            value = value[:2] + _xor(value[2:4], _COOKIE) + _xor(value[4:], _COOKIE + self._transaction_id)
        return Endpoint(str(ip_address(value[4:])), int.from_bytes(value[2:4], "big"))

    def _username(self) -> bytes | None:
        value = self._values.get(Attribute.USERNAME)
        if value is not None and len(value) > _MAX_USERNAME:
            raise RemoteProtocolError("stun: USERNAME too long")
        return value

    def _software(self) -> str | None:
        value = self._values.get(Attribute.SOFTWARE)
        return None if value is None else _text(value)

    def _error(self) -> tuple[int | None, str]:
        value = self._values.get(Attribute.ERROR_CODE)
        if value is None:
            return None, ""
        if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
            raise RemoteProtocolError("stun: wrong ERROR-CODE")
        return (value[2] & 7) * 100 + value[3], _text(value[4:])

    def _change_request(self) -> int:
        value = self._values.get(Attribute.CHANGE_REQUEST, bytes(4))
        if len(value) != 4:
            raise RemoteProtocolError("stun: wrong CHANGE-REQUEST")
        return int.from_bytes(value) & (CHANGE_PORT | CHANGE_ADDRESS)

    def _unknown_attributes(self) -> tuple[int, ...]:
        value = self._values.get(Attribute.UNKNOWN_ATTRIBUTES, b"")
        if len(value) % 2:
            raise RemoteProtocolError("stun: wrong UNKNOWN-ATTRIBUTES")
        return tuple(int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value), 2))


_KNOWN: Final = frozenset(int(kind) for kind in Attribute)
_COOKIE: Final = MAGIC_COOKIE.to_bytes(4, "big")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError("stun: text is not UTF-8") from None


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, mask, strict=False))


def _values(message: StunMessage) -> list[tuple[Attribute, bytes]]:
    """The attributes to write, in order, as types and values."""
    values: list[tuple[Attribute, bytes]] = []
    if message.error_code is not None:
        code = bytes([0, 0, message.error_code // 100, message.error_code % 100])
        values.append((Attribute.ERROR_CODE, code + message.reason.encode()))
    if message.unknown_attributes:
        listed = b"".join(kind.to_bytes(2, "big") for kind in message.unknown_attributes)
        values.append((Attribute.UNKNOWN_ATTRIBUTES, listed))
    if message.change_request:
        values.append((Attribute.CHANGE_REQUEST, message.change_request.to_bytes(4)))
    if message.username is not None:
        values.append((Attribute.USERNAME, message.username))
    if message.software is not None:
        values.append((Attribute.SOFTWARE, message.software.encode()))
    if message.mapped_address is not None:
        plain = _address_value(message.mapped_address)
        mask = bytes(2) + _COOKIE[:2] + _COOKIE + message.transaction_id
        values.append((Attribute.XOR_MAPPED_ADDRESS, _xor(plain, mask)))
    if message.response_origin is not None:
        values.append((Attribute.RESPONSE_ORIGIN, _address_value(message.response_origin)))
    if message.other_address is not None:
        values.append((Attribute.OTHER_ADDRESS, _address_value(message.other_address)))
    return values


def _address_value(endpoint: Endpoint) -> bytes:
    """RFC 8489 section 14.1: a zero byte, the family (1 or 2), the port, the address."""
    address: IPv4Address | IPv6Address = ip_address(endpoint.host)
    family = 1 if address.version == 4 else 2
    return bytes([0, family]) + endpoint.port.to_bytes(2, "big") + address.packed
