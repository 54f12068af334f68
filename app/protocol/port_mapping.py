"""Asking a router to open a port: PCP (RFC 6887, opcode MAP) and NAT-PMP (RFC 6886), which share UDP port 5351.

A `PortRequest` asks by PCP and falls back to NAT-PMP when the router says that it knows no more, or says nothing. Only
answers with the right nonce (PCP) or the right inner port count; that they come from the router's address is the
caller's to see to. Called by engine/router_requests.py. No I/O, no clock: `now` is in seconds.
"""

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Final, NamedTuple

from app.protocol.wire import Endpoint, RemoteProtocolError, checked_endpoint

ROUTER_PORT: Final = 5351
"""UDP port of the router, for both protocols."""
ANNOUNCEMENT_PORT: Final = 5350
"""UDP port to which a restarted router announces itself."""
NONCE_LENGTH: Final = 12
MAX_ANSWER: Final = 1_100
"""Bytes in an answer (RFC 6887 section 7)."""
RETRANSMISSIONS: Final = (0.0, 0.25, 0.75)
"""Seconds after the first request at which it is sent (again): as RFC 6886 section 3.1, but for an impatient person."""
PATIENCE: Final = 1.5
"""Seconds after which a silent router is given up."""
FALLBACK: Final = 0.5
"""Seconds of silence after which NAT-PMP is tried as well: some old routers say nothing to PCP."""
MAX_LIFETIME: Final = 86_400
"""Seconds; a router that grants more is asked again nevertheless (RFC 6887 section 15)."""

_PCP: Final = 2
_NAT_PMP: Final = 0
_ANSWER: Final = 0x80
_UNSUPPORTED_VERSION: Final = 1
"""In both protocols, and at the same place."""
_ANNOUNCE: Final = 0
_MAP: Final = 1
"""Opcodes of PCP."""
_ADDRESS: Final = 0
_PMP_UDP: Final = 1
"""Opcodes of NAT-PMP."""
_UDP: Final = 17
_IPV4_LENGTH: Final = 4

_PCP_REQUEST: Final = Struct("!BBHI16s")
"""Version, opcode, reserved, lifetime, client's address."""
_PCP_ANSWER: Final = Struct("!BBBBII12s")
"""Version, opcode, reserved, result, lifetime, epoch, reserved."""
_PCP_MAP: Final = Struct("!12sB3sHH16s")
"""Nonce, protocol, reserved, inner port, outer port, outer address."""
_PMP_MAP_REQUEST: Final = Struct("!BBHHHI")
"""Version, opcode, reserved, inner port, outer port, lifetime."""
_PMP_ANSWER: Final = Struct("!BBHI")
"""Version, opcode, result, epoch."""
_PMP_MAPPED: Final = Struct("!HHI")
"""Inner port, outer port, lifetime."""


class Opened(NamedTuple):
    """The router leads `outside` to the inner port."""

    by_pcp: bool
    """Otherwise by NAT-PMP."""
    outside: Endpoint
    lifetime: int
    """Seconds."""


class Refused(NamedTuple):
    """The router does not open the port; `reason` says why, for those who look after a router."""

    reason: str


class PcpResult(IntEnum):
    """RFC 6887 section 7.4: those a client may meet."""

    SUCCESS = 0
    UNSUPPORTED_VERSION = 1
    NOT_AUTHORIZED = 2
    MALFORMED_REQUEST = 3
    UNSUPPORTED_OPCODE = 4
    UNSUPPORTED_OPTION = 5
    MALFORMED_OPTION = 6
    NETWORK_FAILURE = 7
    NO_RESOURCES = 8
    UNSUPPORTED_PROTOCOL = 9
    USER_EXCEEDED_QUOTA = 10
    CANNOT_PROVIDE_EXTERNAL = 11
    ADDRESS_MISMATCH = 12
    EXCESSIVE_REMOTE_PEERS = 13


class PmpResult(IntEnum):
    """RFC 6886 section 3.5."""

    SUCCESS = 0
    UNSUPPORTED_VERSION = 1
    NOT_AUTHORIZED = 2
    NETWORK_FAILURE = 3
    OUT_OF_RESOURCES = 4
    UNSUPPORTED_OPCODE = 5


class PortRequest:
    """Asks one router once for one UDP port; `answer` is set when it is known.

    The lifetime 0 closes the port again; then `answer` is an Opened that lasts no time.
    """

    def __init__(self, client: str, port: int, nonce: bytes, wanted: Endpoint | None, lifetime: int) -> None:
        """`client` is the own address towards the router, `wanted` the endpoint outside that was had before.

        `nonce` proves to the router that a later request is from the same client: it stays the same.
        """
        self.answer: Opened | Refused | None = None
        self._client, self._port, self._nonce, self._lifetime = client, port, nonce, lifetime
        self._wanted = wanted or Endpoint("0.0.0.0", port)
        self._asks_pcp, self._asks_pmp = True, False
        self._outer_address: IPv4Address | None = None
        self._opened_by_pmp: tuple[int, int] | None = None
        self._started: float | None = None
        self._sent = 0

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """What goes to the router now."""
        if self.answer is not None:
            return []
        if self._started is None:
            self._started = now
        waited = now - self._started
        if waited >= PATIENCE:
            self.answer = Refused("no answer")
            return []
        self._asks_pmp = self._asks_pmp or waited >= FALLBACK
        if self._sent >= len(RETRANSMISSIONS) or waited < RETRANSMISSIONS[self._sent]:
            return []
        self._sent += 1
        return self._requests()

    def next_deadline(self) -> float | None:
        """When to call `datagrams_to_send` again; None when there is an answer."""
        if self.answer is not None:
            return None
        if self._started is None:
            return float("-inf")
        return self._started + (RETRANSMISSIONS[self._sent] if self._sent < len(RETRANSMISSIONS) else PATIENCE)

    def give_up(self, reason: str) -> None:
        """The router can't be asked."""
        self.answer = self.answer or Refused(reason)

    def receive(self, datagram: bytes) -> None:
        """Take what came from the router. Raises RemoteProtocolError if it is no answer to this request."""
        if self.answer is not None:
            return
        if not _PMP_ANSWER.size <= len(datagram) <= MAX_ANSWER or not datagram[1] & _ANSWER:
            raise RemoteProtocolError("port mapping: not an answer")
        version, opcode, result = datagram[0], datagram[1] & ~_ANSWER, datagram[3]
        if version != _PCP and result == _UNSUPPORTED_VERSION and self._asks_pcp:
            self._fall_back()
        elif version == _PCP and opcode == _MAP and self._asks_pcp:
            self._receive_pcp(datagram)
        elif version == _NAT_PMP and self._asks_pmp:
            self._receive_pmp(datagram, opcode)
        else:
            raise RemoteProtocolError("port mapping: not an answer")

    def _fall_back(self) -> None:
        """PCP is not spoken here: ask the other way alone, from the beginning."""
        self._asks_pcp, self._asks_pmp = False, True
        self._started, self._sent = None, 0

    def _receive_pcp(self, datagram: bytes) -> None:
        if len(datagram) < _PCP_ANSWER.size + _PCP_MAP.size:
            raise RemoteProtocolError("port mapping: wrong size")
        _, _, _, result, lifetime, _, _ = _PCP_ANSWER.unpack_from(datagram)
        nonce, protocol, _, port, outer_port, outer = _PCP_MAP.unpack_from(datagram, _PCP_ANSWER.size)
        if (nonce, protocol, port) != (self._nonce, _UDP, self._port):
            raise RemoteProtocolError("port mapping: answer to another request")
        if result != PcpResult.SUCCESS:
            self._refuse("PCP", PcpResult, result)
        else:
            self._open(True, str(_plain(outer)), outer_port, lifetime)

    def _receive_pmp(self, datagram: bytes, opcode: int) -> None:
        _, _, result, _ = _PMP_ANSWER.unpack_from(datagram)
        body = datagram[_PMP_ANSWER.size :]
        if result != PmpResult.SUCCESS:
            self._refuse("NAT-PMP", PmpResult, result)
        elif opcode == _ADDRESS and len(body) == _IPV4_LENGTH:
            self._outer_address = IPv4Address(body)
        elif opcode == _PMP_UDP and len(body) == _PMP_MAPPED.size:
            port, outer_port, lifetime = _PMP_MAPPED.unpack(body)
            if port != self._port:
                raise RemoteProtocolError("port mapping: answer to another request")
            self._opened_by_pmp = outer_port, lifetime
        else:
            raise RemoteProtocolError("port mapping: not an answer")
        if self._opened_by_pmp is not None and self._outer_address is not None:
            self._open(False, str(self._outer_address), *self._opened_by_pmp)

    # --- both

    def _requests(self) -> list[bytes]:
        wanted = self._wanted if self._lifetime else Endpoint("0.0.0.0", 0)
        requests = []
        if self._asks_pcp:
            head = _PCP_REQUEST.pack(_PCP, _MAP, 0, self._lifetime, _mapped(self._client))
            place = _mapped(wanted.host)
            requests.append(head + _PCP_MAP.pack(self._nonce, _UDP, bytes(3), self._port, wanted.port, place))
        if self._asks_pmp:
            requests.append(bytes([_NAT_PMP, _ADDRESS]))
            requests.append(_PMP_MAP_REQUEST.pack(_NAT_PMP, _PMP_UDP, 0, self._port, wanted.port, self._lifetime))
        return requests

    def _open(self, by_pcp: bool, host: str, port: int, lifetime: int) -> None:
        if self._lifetime == 0:
            self.answer = Opened(by_pcp, Endpoint(host, port), 0)
            return
        try:
            outside = checked_endpoint(host, port)
        except RemoteProtocolError:
            self.answer = Refused("the router has no address outside")
            return
        lives = min(lifetime, MAX_LIFETIME)
        self.answer = Opened(by_pcp, outside, lives) if lives else Refused("it was opened for no time")

    def _refuse(self, protocol: str, results: type[PcpResult] | type[PmpResult], result: int) -> None:
        names = {int(each): each.name.lower().replace("_", " ") for each in results}
        self.answer = Refused(f"{protocol}: {names.get(result, result)}")


def is_announcement(datagram: bytes) -> bool:
    """Whether it is what a router tells everybody, by either protocol, when it has forgotten its table or got another
    address outside (RFC 6887 section 14.1, RFC 6886 section 3.2.1)."""
    if len(datagram) == _PMP_ANSWER.size + _IPV4_LENGTH:
        return datagram[:2] == bytes([_NAT_PMP, _ANSWER | _ADDRESS])
    return len(datagram) >= _PCP_ANSWER.size and datagram[:2] == bytes([_PCP, _ANSWER | _ANNOUNCE])


def _mapped(host: str) -> bytes:
    """16 bytes of an address; an IPv4 one in its IPv6-mapped form."""
    address = ip_address(host)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def _plain(packed: bytes) -> IPv4Address | IPv6Address:
    address = IPv6Address(packed)
    return address.ipv4_mapped or address
