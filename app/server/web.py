"""The `[web]` table: WebSocket over TLS on port 443, for clients whose firewall or proxy lets nothing else through.

A server that may not open the port says what to do about it and runs without. Used by `service.py` and the relay's.
"""

import errno
import logging
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from app.server.certificate import own_certificate, server_context
from app.server.entrance import Entrance
from app.server.sockets import lacks_address_family
from app.transport.routes import WEB_PORT

logger = logging.getLogger(__name__)

CERTIFICATE_FILE = "web-certificate.pem"
ON_THIS_COMPUTER = ("127.0.0.1", "::1")
_PERMISSION = (
    "the system lets only privileged programs listen there: give the service AmbientCapabilities=CAP_NET_BIND_SERVICE"
)
_TAKEN = "another program listens there: let it pass /buri on to Buri (docs/operations.md)"


class WebTable(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[web]`"""

    enabled: bool = True
    port: Annotated[int, Meta(ge=0, le=65_535)] = WEB_PORT
    listen: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    """Empty: as the rest of the server; without TLS on this computer alone."""
    tls: bool = True
    """False: a web server in front speaks TLS and passes WebSockets on, with X-Forwarded-For."""
    public_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """What clients are told, if a web server in front or a router has another port; 0 for `port`."""
    certificate: str = ""
    key: str = ""
    """PEM files; without them the server makes its own certificate."""

    def check(self, other_port: int) -> None:
        """Raises ValueError for values that can't be used together; `other_port` is the TCP port of all else."""
        for host in self.listen:
            ip_address(host)
        if bool(self.certificate) != bool(self.key):
            raise ValueError("web: certificate and key belong together")
        if self.enabled and self.port == other_port != 0:
            raise ValueError(f"web: TCP port {self.port} is the one without TLS: choose another, or `enabled = false`")


def open_web(entrance: Entrance, table: WebTable, folder: Path, hosts: tuple[str, ...], public_host: str) -> int:
    """Open the web port on all addresses; gives the one that clients are told, 0 if there is none."""
    if not table.enabled:
        return 0
    try:
        context = _context(table, folder, public_host) if table.tls else None
    except (OSError, ValueError) as error:
        logger.warning("no WebSocket on port %d: the certificate can't be used: %s", table.port, error)
        return 0
    port, opened, failures = table.port, False, list[str]()
    for host in table.listen or (hosts if table.tls else ON_THIS_COMPUTER):
        try:
            port = entrance.open_web(host, port, context)
            opened = True
        except OSError as error:
            if not lacks_address_family(error):
                failures.append(_what_to_do(error))
    for failure in dict.fromkeys(failures):  # most often the same on all addresses
        logger.warning("no WebSocket on TCP port %d: %s", port, failure)
    return (table.public_port or port) if opened else 0


def web_port_words(port: int) -> str:
    """For the log."""
    return f"web port {port}" if port else "no web port"


def _context(table: WebTable, folder: Path, public_host: str) -> ssl.SSLContext:
    if table.certificate:
        return server_context(Path(table.certificate), Path(table.key))
    file = own_certificate(folder / CERTIFICATE_FILE, public_host)
    return server_context(file, file)


def _what_to_do(error: OSError) -> str:
    advice = {errno.EACCES: _PERMISSION, errno.EADDRINUSE: _TAKEN}.get(error.errno or 0)
    either = "or choose another port in [web], or say `enabled = false` there"
    return f"{advice}, {either}" if advice else f"{error.strerror}; choose another port in [web]"
