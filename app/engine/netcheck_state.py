"""What `buri netcheck` shows: frozen results in the words of RFC 4787 and RFC 5780, without secrets.

Plain data as in engine/state.py, of which alone it imports. Made by engine/netcheck.py, shown by the command line and
the window.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.engine.state import PortMappingView, Problem


class MappingBehaviour(StrEnum):
    """How a router maps inner endpoints to outer ones (RFC 4787 section 4.1), as far as it shows."""

    NO_TRANSLATION = "no translation"
    ENDPOINT_INDEPENDENT = "endpoint-independent mapping"
    NOT_PORT_DEPENDENT = "endpoint-independent or address-dependent mapping"
    """Only one address answered, and that takes two to tell."""
    ADDRESS_DEPENDENT = "address-dependent mapping"
    PORT_DEPENDENT = "address-and-port-dependent mapping"
    UNKNOWN = "mapping behaviour unknown"

    @property
    def is_hard(self) -> bool:
        """Whether peers are seen under another endpoint than the one that a reflector sees."""
        return self in (MappingBehaviour.ADDRESS_DEPENDENT, MappingBehaviour.PORT_DEPENDENT)


class FilteringBehaviour(StrEnum):
    """Whom a router lets in to a mapping (RFC 4787 section 5), as far as it shows."""

    NOT_PORT_DEPENDENT = "endpoint-independent or address-dependent filtering"
    """The reflector answers from another port, but from no other address: that one would be a stranger."""
    PORT_DEPENDENT = "address-and-port-dependent filtering"
    UNKNOWN = "filtering behaviour unknown"


class Grade(StrEnum):
    """What to expect of connections from here, best first."""

    OPEN = "open"
    """Anybody gets in directly."""
    DIRECT = "direct"
    """Direct with nearly everybody."""
    HARD = "hard"
    """Direct with those who have an easier router, relayed with others."""
    RELAYED = "relayed"
    """UDP does not get out: everything is relayed over TCP."""
    NOTHING = "nothing"
    """Neither the server nor a relay can be reached."""


@dataclass(frozen=True, slots=True)
class RouterView:
    """What stands between this computer and the internet in one family of addresses."""

    family: str
    """`IPv4` or `IPv6`."""
    has_address: bool
    """This computer has an address of this family that others may reach."""
    udp: bool | None
    """A reflector answered over UDP; None if none of this family is known or there is no way to it."""
    mapping: MappingBehaviour = MappingBehaviour.UNKNOWN
    filtering: FilteringBehaviour = FilteringBehaviour.UNKNOWN
    hairpin: bool | None = None
    """Whether this computer reaches its own outer endpoint (RFC 4787 section 6); None if that can't be told."""
    keeps_port: bool | None = None
    """The outer port is the inner one (RFC 4787 section 4.2.1)."""
    outside: tuple[str, ...] = ()
    """The endpoints that the reflectors saw, each once."""


@dataclass(frozen=True, slots=True)
class RouteView:
    """One way to open a byte stream to the server."""

    name: str
    """In plain words, as `TCP 12975` or `WebSocket 443 through the proxy 10.0.0.1:3128`."""
    works: bool
    seconds: float | None = None
    """Until it stood."""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class ProxyView:
    """An HTTP proxy that was found."""

    place: str
    """Host and port."""
    source: str
    """Where it was found: `settings`, `environment or system` or `automatic configuration`."""


@dataclass(frozen=True, slots=True)
class RelayView:
    """A relay and how far it is; None where it did not answer or was not asked."""

    place: str
    """Host and port."""
    udp: float | None = None
    """Round-trip time over UDP in seconds."""
    stream: float | None = None
    """The same over a stream."""
    stream_tried: bool = False
    """A stream is opened only to a relay that is needed and not reached over UDP."""


@dataclass(frozen=True, slots=True)
class Netcheck:
    """What was found out about the network around this computer."""

    grade: Grade
    verdict: Problem
    """The grade in plain words, with what one could do; its code is in the table of sentences."""
    port_mapping: PortMappingView
    routers: tuple[RouterView, ...] = ()
    """IPv4 first, then IPv6."""
    proxies: tuple[ProxyView, ...] = ()
    routes: tuple[RouteView, ...] = ()
    """To the server, the best first."""
    relays: tuple[RelayView, ...] = ()
    """The nearest first."""
    path_mtu: int | None = None
    """The largest IP packet that gets through to the server; None if that was not told."""
    own_socket: bool = False
    """What is told of routers is how they treat a socket made for this, not the engine's own."""
