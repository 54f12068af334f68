"""Bound sockets for the listener and the reflector: one address family each, the same on every system.

asyncio's own binding skips a family that the computer lacks without a word, and lets a UDP `::` take the IPv4 port too.
"""

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)


def bound_socket(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking TCP (`SOCK_STREAM`) or UDP socket bound to an IP address; `::` is IPv6 alone. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM and os.name == "posix":
            # A restart must not wait for the old connections' TIME_WAIT. On Windows it would mean sharing the port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        name = "TCP" if kind == socket.SOCK_STREAM else "UDP"
        raise OSError(error.errno, f"{name} port {port} of {host}: {error.strerror}") from error
    return bound


def lacks_address_family(error: OSError) -> bool:
    """Whether binding failed because the computer has no such kind of address at all."""
    return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def open_on_all(hosts: Iterable[str], port: int, open_one: Callable[[str, int], int]) -> int:
    """Open one port, 0 for any, on all addresses, and give it. Raises OSError.

    An address that this computer lacks (no IPv6) is skipped while another works.
    """
    opened, missing = 0, None
    for host in hosts:
        try:
            port = open_one(host, port)
            opened += 1
        except OSError as error:
            if not lacks_address_family(error):
                raise
            missing = error
            logger.warning("not listening: %s", error.strerror)
    if missing is not None and not opened:
        raise missing
    return port
