"""The Linux TUN device and the UDP socket that the pump works on.

Making them needs CAP_NET_ADMIN (the helper); using the descriptors needs no privilege (the pump). Addresses, MTU,
queue length and routes are not made here: app/platform/linux/routes.py does that, and for the pump's sake it sets
MTU 1,400, `gso_max_size` GSO_MAX_SIZE (which covers IPv4 as well) and `txqlen` TX_QUEUE_LENGTH.

Sources: Linux Documentation/networking/tuntap.rst, include/uapi/linux/if_tun.h and virtio_net.h, udp(7).
"""

import errno
import fcntl
import os
import socket
import struct
from typing import Final, NamedTuple

GSO_MAX_SIZE = 61_000
"""Bytes the system may hand over in one read: 45 segments of 1,348 bytes, which fill one UDP train."""
TX_QUEUE_LENGTH = 2_000
"""Packets that may wait in the adapter: 20 ms of 100,000 datagrams a second, while the system runs something else than
the pump. The pump keeps TCP from filling it."""
SOCKET_BUFFER = 2_097_152
"""Bytes asked for in each direction of the UDP socket; as root beyond net.core.rmem_max as well."""

UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104

_TUNSETIFF: Final = 0x400454CA
_TUNSETOFFLOAD: Final = 0x400454D0
_TUNSETVNETHDRSZ: Final = 0x400454D8
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_IFF_TUN_EXCL: Final = 0x8000
_TUN_F_CSUM: Final = 0x01
_TUN_F_TSO4: Final = 0x02
_TUN_F_TSO6: Final = 0x04
_TUN_F_TSO_ECN: Final = 0x08
_TUN_F_USO4: Final = 0x20
_TUN_F_USO6: Final = 0x40
_TCP_OFFLOADS: Final = _TUN_F_CSUM | _TUN_F_TSO4 | _TUN_F_TSO6 | _TUN_F_TSO_ECN
_VNET_HEADER_LENGTH: Final = 10
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_IPV6_MTU_DISCOVER: Final = 23
_IP_MTU_DISCOVER: Final = 10
_PMTUDISC_DONT: Final = 0


class TunDevice(NamedTuple):
    """An open TUN device. Every read and write has a 10-byte virtio header in front, also without offloads."""

    fd: int
    name: str
    partial_checksums: bool
    """The system takes and gives partial checksums and TCP super packets."""
    udp_segmentation: bool
    """The system takes and gives UDP super packets (Linux 6.2)."""


def open_tun(name: str, offload: bool) -> TunDevice:
    """Make the TUN device `name` (at most 15 bytes, not in use) and open it, non-blocking.

    It vanishes when the last descriptor is closed. With `offload` the kernel's offloads are on as far as it has them.
    Raises OSError: no permission, no /dev/net/tun, or the name is taken.
    """
    encoded = name.encode()
    if not 0 < len(encoded) < 16:
        raise OSError(f"interface name of {len(encoded)} bytes")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_TUN_EXCL
        answer = fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", encoded, flags))
        fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("i", _VNET_HEADER_LENGTH))
        partial_checksums, udp_segmentation = _set_offloads(fd, offload)
    except OSError:
        os.close(fd)
        raise
    real_name = answer[:16].rstrip(b"\0").decode()
    return TunDevice(fd, real_name, partial_checksums, udp_segmentation)


def _set_offloads(fd: int, offload: bool) -> tuple[bool, bool]:
    """Turn on what the kernel has: (TCP, UDP). An old kernel refuses the unknown UDP flags as a whole."""
    if not offload:
        fcntl.ioctl(fd, _TUNSETOFFLOAD, 0)
        return False, False
    for wanted, result in (
        (_TCP_OFFLOADS | _TUN_F_USO4 | _TUN_F_USO6, (True, True)),
        (_TCP_OFFLOADS, (True, False)),
    ):
        try:
            fcntl.ioctl(fd, _TUNSETOFFLOAD, wanted)
        except OSError:
            continue
        return result
    fcntl.ioctl(fd, _TUNSETOFFLOAD, 0)
    return False, False


def open_udp_socket(port: int, offload: bool) -> socket.socket:
    """The one UDP socket on `port` (0: the system chooses), non-blocking, for IPv6 and IPv4 where IPv6 exists.

    Datagrams leave without the don't-fragment bit, so a path with a smaller MTU fragments them rather than losing them.
    With `offload`, trains are received as one (UDP_GRO) where the kernel can. Raises OSError if the port is taken.
    """
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        _set_options(sock, offload)
        try:
            sock.bind(("::" if sock.family == socket.AF_INET6 else "0.0.0.0", port))
        except OSError as error:
            if sock.family != socket.AF_INET6 or error.errno == errno.EADDRINUSE:
                raise
            sock.close()
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            _set_options(sock, offload)
            sock.bind(("0.0.0.0", port))
    except OSError:
        sock.close()
        raise
    return sock


def _set_options(sock: socket.socket, offload: bool) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
    sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
    _set_buffer(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
    _set_buffer(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
    if offload:
        try:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        except OSError:
            return  # before Linux 5.0: datagrams come one by one


def _set_buffer(sock: socket.socket, forced: int, usual: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, usual, SOCKET_BUFFER)
