"""This computer's own IP addresses, and a socket that tells when they change.

Linux answers over rtnetlink (RFC 3549; `man 7 rtnetlink`), asked here directly: the engine needs nothing else of it,
and a netlink library would double its memory. Elsewhere only the addresses that lead out of the computer are found and
changes are not told. Unprivileged; used by engine/candidates.py.
"""

import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from struct import Struct
from typing import Final, NamedTuple

_HEADER: Final = Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
_ADDRESS: Final = Struct("=BBBBI")
"""ifaddrmsg: family, prefix length, flags, scope, interface."""
_ATTRIBUTE: Final = Struct("=HH")
_DUMP_REQUEST: Final = _HEADER.pack(_HEADER.size + _ADDRESS.size, 22, 0x301, 1, 0) + _ADDRESS.pack(0, 0, 0, 0, 0)
"""RTM_GETADDR with NLM_F_REQUEST and NLM_F_DUMP, for all families."""
_NEW_ADDRESS: Final = 20
_DONE: Final = 3
_ERROR: Final = 2
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_TEMPORARY: Final = 0x01
"""IFA_F_TEMPORARY, of IPv6 addresses (RFC 8981)."""
_UNUSABLE_FLAGS: Final = 0x08 | 0x20 | 0x40
"""IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE."""
_GROUPS: Final = 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE."""
_MAX_REPLY: Final = 1 << 20


class LocalAddress(NamedTuple):
    """One address of one interface."""

    interface: str
    address: str
    temporary: bool = False
    """Changed from time to time, so that nobody can be followed by it."""


def local_addresses() -> list[LocalAddress]:
    """All addresses that peers might reach: no loopback, link-local or multicast ones. Raises OSError."""
    found = _linux_addresses() if sys.platform == "linux" else _outgoing_addresses()
    return without_trackable([each for each in found if _may_be_reached(each.address)])


def open_change_socket() -> socket.socket | None:
    """A non-blocking socket that becomes readable when addresses or routes change; None where there is no such thing.

    What it brings is of no interest and only needs to be read away. Raises OSError.
    """
    if sys.platform != "linux":
        return None
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    try:
        netlink.bind((0, _GROUPS))
    except OSError:
        netlink.close()
        raise
    return netlink


def without_trackable(found: Sequence[LocalAddress]) -> list[LocalAddress]:
    """Without IPv6 addresses that show the hardware's, where a temporary one of the same network is there.

    RFC 8445 section 5.1.1.1: an address by which a computer can be followed is told to nobody without need.
    """
    covered = {(each.interface, _network_of(each)) for each in found if each.temporary}
    return [
        each
        for each in found
        if each.temporary or not _shows_hardware(each.address) or (each.interface, _network_of(each)) not in covered
    ]


def _network_of(each: LocalAddress) -> bytes:
    return ip_address(each.address).packed[:8]


def _shows_hardware(text: str) -> bool:
    """An interface identifier made of the hardware address (RFC 4291 appendix A)."""
    packed = ip_address(text).packed
    return len(packed) == 16 and packed[11:13] == b"\xff\xfe"


def _may_be_reached(text: str) -> bool:
    address = ip_address(text)
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


def _outgoing_addresses() -> list[LocalAddress]:
    """The source addresses that the system would choose towards the internet; no packet is sent."""
    found = []
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                found.append(LocalAddress("", probe.getsockname()[0]))
        except OSError:
            continue  # this family is not in use here
    return found


def _linux_addresses() -> list[LocalAddress]:
    found: list[LocalAddress] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(2.0)
        netlink.bind((0, 0))
        netlink.send(_DUMP_REQUEST)
        while True:
            data = netlink.recv(_MAX_REPLY)
            for kind, body in _messages(data):
                if kind in (_DONE, _ERROR):
                    return found
                if kind == _NEW_ADDRESS and (address := _address_in(body)) is not None:
                    found.append(address)


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    messages, at = [], 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            break
        messages.append((kind, data[at + _HEADER.size : at + length]))
        at += (length + 3) & ~3
    return messages


def _address_in(body: bytes) -> LocalAddress | None:
    family, _, flags, _, index = _ADDRESS.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6) or flags & _UNUSABLE_FLAGS:
        return None
    values: dict[int, bytes] = {}
    at = _ADDRESS.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        values[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    raw = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
    if raw is None or len(raw) not in (4, 16):
        return None
    try:
        temporary = family == socket.AF_INET6 and bool(flags & _TEMPORARY)
        return LocalAddress(socket.if_indextoname(index), str(ip_address(raw)), temporary)
    except OSError:
        return None  # the interface went away meanwhile
