"""Bound sockets for the listener and the reflector: one address family each, the same on every system.

asyncio's own binding skips a family that the computer lacks without a word, and lets a UDP `::` take the IPv4 port too.
"""

import errno
import os
import socket


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
    except OSError:
        bound.close()
        raise
    return bound


def lacks_address_family(error: OSError) -> bool:
    """Whether binding failed because the computer has no such kind of address at all."""
    return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
