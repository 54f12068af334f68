"""A name for the network that this computer is in: the same whenever it comes back, and of no use to anybody else.

It is made of the default gateway's address, its MAC where that is known, and this computer's own network there. Linux
alone for now: elsewhere all networks are one. Used by engine/server_routes.py.
"""

import hashlib
import socket
import sys
from pathlib import Path
from typing import Final

NOWHERE: Final = ""
"""There is no default gateway."""
_UP_GATEWAY: Final = 0x0003
_PROC: Final = Path("/proc/net")


def network_location(proc: Path = _PROC) -> str:
    """The present network's name. Reads files of the kernel alone."""
    if sys.platform != "linux":
        return NOWHERE
    try:
        return _name(*_gateway4(proc)) or _name(*_gateway6(proc))
    except (OSError, ValueError, IndexError):
        return NOWHERE


def _name(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16] if any(parts) else NOWHERE


def _gateway4(proc: Path) -> tuple[str, ...]:
    """The default gateway with the lowest metric, its MAC, and the networks on its interface."""
    rows = [line.split() for line in (proc / "route").read_text().splitlines()[1:]]
    usable = [row for row in rows if row[1] == "00000000" and int(row[3], 16) & _UP_GATEWAY == _UP_GATEWAY]
    if not usable:
        return ()
    interface, _, gateway, *_ = min(usable, key=lambda row: int(row[6]))
    own = sorted(f"{row[1]}/{row[7]}" for row in rows if row[0] == interface and row[2] == "00000000")
    address = socket.inet_ntoa(bytes.fromhex(gateway)[::-1])
    neighbours = [line.split() for line in (proc / "arp").read_text().splitlines()[1:]]
    known = [row[3] for row in neighbours if row[0] == address and row[5] == interface]
    return (address, *own, *known)


def _gateway6(proc: Path) -> tuple[str, ...]:
    rows = [line.split() for line in (proc / "ipv6_route").read_text().splitlines()]
    gateways = [row[4] for row in rows if row[0] == "0" * 32 and row[1] == "00" and row[4] != "0" * 32]
    return (min(gateways),) if gateways else ()
