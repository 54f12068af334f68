"""The smallest shared facts of the wire: value types, limits, the tunnel header and the error family.

Every other protocol module builds on this one; it imports nothing of the project.

A UDP datagram says by its first byte what it is (RFC 7983 keeps 0x00-0x3F for STUN)::

    0x00-0x3F  STUN                     (protocol/stun.py)
    0x80       handshake fragment       (protocol/fragment.py)
    0x81       tunnel data, below       (protocol/tunnel.py)
    0x82       word to or of a relay    (protocol/relay.py)
    0xC0-0xFF  any of these behind the 32-bit relay id of two peers

     0       1       2       3
    +-------+-------+-------+-------+
    | 0x81  | flags |    reserved   |
    +-------+-------+-------+-------+
    |   receiver index (32 bits)    |
    +-------+-------+-------+-------+
    |  suite 2: counter (64 bits)   |    suite 1: message id (32 bits)
    +-------------------------------+
    |  suite 2: AES-256-GCM text and 16-byte tag, the 16 bytes above as associated data
    |  suite 1: AES-256-CBC text and 12-byte HMAC-SHA1-96 over id and text

All integers are big-endian.
"""

from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import NamedTuple, NewType

PROTOCOL_VERSION = 1

Address = NewType("Address", int)
"""A virtual IPv4 address as a 32-bit number: the identity of an account on its server."""

NetworkId = NewType("NetworkId", int)
"""A network's 32-bit number on its server, never 0. People see it as ten digits, see `format_network_id`."""

SERVER_PORT = 12975
"""The TCP port of the mediation server; the reflector listens on the same number and the next on UDP."""

MAX_FRAME = 65_535
"""Bytes in one stream frame after its 16-bit length."""
MAX_UNAUTHENTICATED_FRAME = 4_096
"""Bytes in one stream frame before AUTH OK."""
MAX_DATAGRAM = 1_472
"""Bytes in a single tunnel or handshake datagram: what an Ethernet path carries over IPv4."""
MAX_NAME = 64
"""Characters in a network's name or a nickname."""
MAX_PASSWORD = 1_024
"""Characters in a network password."""
MAX_CHAT = 16_384
"""Bytes of UTF-8 in one chat message."""
INNER_MTU = 1_400
"""Default MTU of the virtual adapter in bytes."""

RELAY_ID_LENGTH = 4
"""Bytes of the relay id in front of each relayed datagram."""
MIN_RELAY_ID = 0xC000_0000
"""Relay ids are 32-bit numbers from here on, so that their first byte tells a relayed datagram from any other."""
MAX_EXTRA_SOCKETS = 512
"""Sockets that a computer opens beside its one UDP socket to get through a hard NAT; numbered from 1."""

ENGINE_MESSAGE = 0x00
"""First plaintext byte of an engine message in a tunnel; an IP packet starts with 0x4_ or 0x6_."""


class DatagramType(IntEnum):
    """First byte of a datagram that is not STUN."""

    HANDSHAKE = 0x80
    DATA = 0x81
    RELAY = 0x82


class DataFlag(IntFlag):
    """Second byte of a tunnel data header; only suite 2, which authenticates it, may set one."""

    NONE = 0
    CONTINUES = 0x01
    """This segment continues the one with the previous counter: same headers, next payload bytes."""
    PARTIAL_CHECKSUM = 0x02
    """The TCP or UDP checksum field holds the pseudo-header sum only."""


DATA_HEADER_AEAD = Struct("!BBHIQ")
"""Suite 2: type, flags, reserved, receiver index, counter (16 bytes)."""
DATA_HEADER_CBC = Struct("!BBHII")
"""Suite 1: type, flags, reserved, receiver index, message id (12 bytes)."""


class ProtocolError(Exception):
    """Something on the wire that the protocol does not allow; its text names the rule that was broken."""


class LocalProtocolError(ProtocolError):
    """We asked a machine for something its state does not allow: a bug of the caller."""


class RemoteProtocolError(ProtocolError):
    """The far side sent what the protocol does not allow. It ends at most that one conversation."""


class Endpoint(NamedTuple):
    """Where datagrams go to or come from: an IP address in text and a UDP port, and how they travel.

    Over a relay the address is the relay's, and `relay` tells it the peer. Almost always the one UDP socket is used.
    """

    host: str
    port: int
    relay: int = 0
    """The relay id in front of each datagram, 0 for none."""
    socket: int = 0
    """The number of the own extra socket that is used, 0 for the one UDP socket."""

    def __str__(self) -> str:
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"relay {place}" if self.relay else place

    @property
    def plain(self) -> "Endpoint":
        """Address and port alone."""
        return Endpoint(self.host, self.port)


def checked_endpoint(host: str, port: int, relay: int = 0, socket: int = 0) -> Endpoint:
    """An endpoint in normal form (an IPv4-mapped address becomes IPv4).

    Raises RemoteProtocolError if `host` is no IP address a peer could have, `port` is not 1 to 65535, or `relay` or
    `socket` is neither 0 nor in its range.
    """
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        raise RemoteProtocolError("endpoint: not an IP address") from None
    if "%" in host:
        raise RemoteProtocolError("endpoint: a zone means something on one computer only")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if not 0 < port <= 65_535:
        raise RemoteProtocolError("endpoint: port out of range")
    if address.is_multicast or address.is_unspecified or address == IPv4Address(0xFFFFFFFF):
        raise RemoteProtocolError("endpoint: not a unicast address")
    if relay and not MIN_RELAY_ID <= relay <= 0xFFFFFFFF:
        raise RemoteProtocolError("endpoint: relay id out of range")
    if not 0 <= socket <= MAX_EXTRA_SOCKETS:
        raise RemoteProtocolError("endpoint: no such socket")
    return Endpoint(str(address), port, relay, socket)


def parse_address(text: str) -> Address:
    """The address in dotted form, as `format_address` writes it. Raises ValueError."""
    return Address(int(IPv4Address(text)))


def format_address(address: int) -> str:
    """The dotted form of a virtual address."""
    return str(IPv4Address(address))


def format_address6(address: int) -> str:
    """The IPv6 form of a virtual address: fd62:7572:6900::/96 and the IPv4 address."""
    return str(IPv6Address(VIRTUAL_PREFIX6 | address))


VIRTUAL_PREFIX6 = int(IPv6Address("fd62:7572:6900::"))
"""The /96 in which every virtual address also exists ("bur" in hexadecimal)."""


def format_network_id(network: int) -> str:
    """A network id as people see it: ten digits in groups, `0123-456-789`."""
    digits = f"{network:010d}"
    return f"{digits[:4]}-{digits[4:7]}-{digits[7:]}"
