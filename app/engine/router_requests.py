"""Opens a UDP port of a router for this computer, and closes it again: PCP and NAT-PMP first, UPnP where they fail.

Blocking, and bounded in time and bytes whatever the router does: engine/port_mapping.py runs it in a thread. Only
packets from the router's own address are looked at. The formats are protocol/port_mapping.py and protocol/upnp.py.
"""

import random
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.engine.state import MappingProtocol
from app.protocol import port_mapping, upnp
from app.protocol.port_mapping import Opened, PortRequest, Refused
from app.protocol.upnp import Control, Place, UpnpError
from app.protocol.wire import Endpoint, RemoteProtocolError, checked_endpoint

LIFETIME: Final = 1_800
"""Seconds for which a port is opened; what a crash leaves open ends then."""
SEARCH_PATIENCE: Final = 1.0
"""Seconds for a router to answer the UPnP search."""
CALL_PATIENCE: Final = 2.0
"""Seconds for a whole HTTP answer of the router."""
CONNECT_PATIENCE: Final = 1.0
OTHER_PORTS: Final = 3
"""Ports to try when the wanted one is taken."""
DESCRIPTION: Final = "Buri"
"""What the router's pages say of the open port."""
_MAX_PACKETS: Final = 64
"""Packets that are looked at for one answer."""


class RouterRefused(Exception):
    """The port was not opened; the text says why."""


class Opening(NamedTuple):
    """A port that is open, and what it takes to renew and close it."""

    protocol: MappingProtocol
    router: str
    client: str
    """The own address towards the router."""
    port: int
    outside: Endpoint
    lifetime: int
    """Seconds."""
    control: Control | None = None
    """UPnP: what takes calls."""


@dataclass(frozen=True, slots=True)
class RouterRequests:
    """What one engine asks of routers. `nonce` shows a router that it is always the same client."""

    nonce: bytes
    request_port: int = port_mapping.ROUTER_PORT
    search_port: int = upnp.SEARCH_PORT

    @classmethod
    def new(cls) -> "RouterRequests":
        """With a fresh nonce."""
        return cls(secrets.token_bytes(port_mapping.NONCE_LENGTH))

    def open(self, router: str, port: int, wanted: Endpoint | None) -> Opening:
        """Open a UDP port that leads to the own `port`, if it can be at `wanted`. Raises RouterRefused."""
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, _search_socket() as searching:
                asking.connect((router, self.request_port))
                client = str(asking.getsockname()[0])
                self._search(searching, router)
                request = PortRequest(client, port, self.nonce, wanted, LIFETIME)
                answer = _exchange(asking, request)
                if isinstance(answer, Opened):
                    protocol = MappingProtocol.PCP if answer.by_pcp else MappingProtocol.NAT_PMP
                    return Opening(protocol, router, client, port, answer.outside, answer.lifetime)
                return _open_by_upnp(_found(searching, router, answer.reason), router, client, port, wanted)
        except OSError as error:
            raise RouterRefused(error.strerror or str(error)) from error

    def close(self, opening: Opening) -> None:
        """Close the port again. Raises RouterRefused if the router does not say that it did."""
        try:
            if opening.control is not None:
                _call(opening.router, opening.control, "DeletePortMapping", **_outer(opening.outside.port))
                return
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.connect((opening.router, self.request_port))
                answer = _exchange(asking, PortRequest(opening.client, opening.port, self.nonce, None, 0))
        except (OSError, UpnpError, RemoteProtocolError) as error:
            raise RouterRefused(str(error)) from error
        if isinstance(answer, Refused):
            raise RouterRefused(answer.reason)

    def _search(self, searching: socket.socket, router: str) -> None:
        """Ask the group and the router itself: the one may be filtered, the other not be answered."""
        for host in (upnp.SEARCH_GROUP, router):
            for search in upnp.searches(host):
                with suppress(OSError):
                    searching.sendto(search, (host, self.search_port))


def _search_socket() -> socket.socket:
    searching = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    searching.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
    return searching


def _exchange(asking: socket.socket, request: PortRequest) -> Opened | Refused:
    """Over a connected socket, so that only the router's answers come."""
    while (deadline := request.next_deadline()) is not None:
        try:
            for datagram in request.datagrams_to_send(time.monotonic()):
                asking.send(datagram)
            asking.settimeout(max(0.001, deadline - time.monotonic()))
            request.receive(asking.recv(port_mapping.MAX_ANSWER + 1))
        except (TimeoutError, RemoteProtocolError):
            continue  # the time for the next request, or not an answer
        except OSError as error:
            request.give_up(error.strerror or str(error))
    assert request.answer is not None
    return request.answer


# --- UPnP


def _found(searching: socket.socket, router: str, otherwise: str) -> Place:
    """Where the router's description is. Raises RouterRefused, with why it did not go `otherwise`."""
    until = time.monotonic() + SEARCH_PATIENCE
    for _ in range(_MAX_PACKETS):
        searching.settimeout(max(0.001, until - time.monotonic()))
        try:
            answer, (host, *_) = searching.recvfrom(upnp.MAX_SEARCH_ANSWER + 1)
            if host == router:
                return upnp.description_place(answer, router)
        except TimeoutError:
            break
        except (RemoteProtocolError, OSError):
            continue
    raise RouterRefused(f"PCP and NAT-PMP: {otherwise}. UPnP: no answer")


def _open_by_upnp(place: Place, router: str, client: str, port: int, wanted: Endpoint | None) -> Opening:
    try:
        description = _fetch(router, place.port, upnp.request("GET", place, router, {}))
        control = upnp.control_of(description, place, router)
        host = upnp.outer_address(_call(router, control, "GetExternalIPAddress"))
        chance = random.Random()
        outer = wanted.port if wanted is not None else port
        for tried in (outer, *(upnp.other_port(chance) for _ in range(OTHER_PORTS))):
            if _adds(router, control, tried, client, port):
                outside = checked_endpoint(host, tried)
                return Opening(MappingProtocol.UPNP, router, client, port, outside, LIFETIME, control)
    except (UpnpError, RemoteProtocolError) as error:
        raise RouterRefused(str(error)) from error
    raise RouterRefused("UPnP: all ports that were tried are taken")


def _adds(router: str, control: Control, outer: int, client: str, port: int) -> bool:
    """False if another computer has this port outside. Raises UpnpError."""
    for lifetime in (LIFETIME, 0):
        try:
            _call(
                router,
                control,
                "AddPortMapping",
                **_outer(outer),
                NewInternalPort=port,
                NewInternalClient=client,
                NewEnabled=1,
                NewPortMappingDescription=DESCRIPTION,
                NewLeaseDuration=lifetime,
            )
        except UpnpError as error:
            if error.code in upnp.PORT_TAKEN:
                return False
            if error.code != upnp.ONLY_FOR_EVER or lifetime == 0:
                raise
        else:
            return True
    return False


def _outer(port: int) -> dict[str, object]:
    return {"NewRemoteHost": "", "NewExternalPort": port, "NewProtocol": "UDP"}


def _call(router: str, control: Control, action: str, **arguments: object) -> bytes:
    headers, body = upnp.call(action, control.service, **arguments)
    return _fetch(router, control.place.port, upnp.request("POST", control.place, router, headers, body))


def _fetch(router: str, port: int, request: bytes) -> bytes:
    """The body of the answer to an HTTP request. Raises OSError, UpnpError, RemoteProtocolError."""
    until = time.monotonic() + CALL_PATIENCE
    answer = bytearray()
    with socket.create_connection((router, port), CONNECT_PATIENCE) as connection:
        connection.sendall(request)
        while len(answer) <= upnp.MAX_HEAD + upnp.MAX_DOCUMENT:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the router answers too slowly")
            connection.settimeout(left)
            part = connection.recv(16_384)
            if not part:
                break
            answer += part
    return upnp.body_of(bytes(answer))
