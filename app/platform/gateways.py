"""The routers to which this computer sends what is for the internet. Unprivileged.

Linux tells them in /proc; elsewhere none are known, and ports are opened in no router there.
"""

import socket
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, NamedTuple

_ROUTES: Final = Path("/proc/net/route")
_GATEWAY: Final = 0x2
"""RTF_GATEWAY."""
_MAX_ROUTES: Final = 4_096


class Gateway(NamedTuple):
    """A default route's next hop."""

    interface: str
    address: str


def default_gateways() -> list[Gateway]:
    """The IPv4 default gateways, the one in use first. Raises OSError."""
    return parse_routes(_ROUTES.read_text()) if sys.platform == "linux" else []


def parse_routes(table: str) -> list[Gateway]:
    """The default gateways in the text of /proc/net/route, by metric."""
    found: list[tuple[int, Gateway]] = []
    for line in table.splitlines()[1 : _MAX_ROUTES + 1]:
        fields = line.split()
        try:
            interface, destination, gateway, flags, _, _, metric, mask = fields[:8]
            if int(destination, 16) == int(mask, 16) == 0 and int(flags, 16) & _GATEWAY:
                address = IPv4Address(int(gateway, 16).to_bytes(4, sys.byteorder))
                found.append((int(metric), Gateway(interface, str(address))))
        except (ValueError, OverflowError):
            continue  # a line of another form
    return [gateway for _, gateway in sorted(found)]


def announcement_socket(port: int) -> socket.socket | None:
    """A non-blocking socket for what routers tell all hosts (224.0.0.1) at a UDP port; None where it can't be had.

    Every host is a member of that group anyway, and the port is shared with whoever else listens.
    """
    if sys.platform != "linux":
        return None
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("", port))
    except OSError:
        listening.close()
        return None
    return listening
