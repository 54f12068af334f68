"""Where strangers come in: TCP, and WebSocket over TLS, within limits; the first byte says what they want.

Limits come first: visitors in all, by source, half-open ones, and new ones a minute. Who exceeds them hears the words
of `refusal`, or nothing when even that would be too much. No rules here and no accounts: a relay on its own machine has
the same entrance. Opened by `service.py`.
"""

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from app.base.tasks import Tasks
from app.protocol.relay import STREAM_MAGIC
from app.server.limits import Rate, RateLimits, TokenBuckets, source_of
from app.server.metrics import Counters
from app.server.sockets import bound_socket
from app.transport.stream import Stream, TcpStream
from app.transport.websocket import accept_websocket

logger = logging.getLogger(__name__)

BACKLOG = 1_024
MAX_REFUSALS = 64
"""Strangers that are being told a refusal at the same time."""
REFUSAL_TIMEOUT = 2.0
OPENING_TIMEOUT = 10.0
"""Seconds until the first byte, with TLS and HTTP in front of it."""
OUT_OF_SOCKETS = 1.0
"""Seconds without accepting when the system has no more descriptors."""
MAX_RELAYED = 0.5
"""Part of a server's connections that may be streams to its relay."""
MAX_MEDIATION_BYTE = 0x10
"""A mediation stream begins with the length of HELO."""
PAGE = "There is nothing to see here: this is a Buri server, for programs alone.\n"
_READ_AHEAD = 65_536
_FIRST_READ = 16_384


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a connection comes from."""

    host: str
    source: str
    """Whom limits count it as."""


@dataclass(eq=False, slots=True)
class Visitor:
    """One stranger's stream. Call `greeted` when it is known who it is: it is half-open until then."""

    peer: Peer
    stream: Stream
    greeted: Callable[[], None]


Handler = Callable[[Visitor], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class _Door:
    """One listening socket, and how to speak there."""

    socket: socket.socket
    web: bool = False
    context: ssl.SSLContext | None = None

    @property
    def proxied(self) -> bool:
        """A web server in front speaks TLS, and says whom it speaks for."""
        return self.web and self.context is None


@dataclass(eq=False, slots=True)
class _Visit:
    """A connection that counts, from when it is let in until it ends."""

    source: str
    """Empty until the web server in front has said it."""


class Entrance:
    """All doors of one process. `mediation` and `relay` are what serves there; None shuts that stranger out."""

    def __init__(
        self,
        limits: RateLimits,
        counters: Counters,
        tasks: Tasks,
        mediation: Handler | None,
        relay: Handler | None,
        refusal: Callable[[], bytes] = bytes,
    ) -> None:
        self._limits = limits
        self._counters = counters
        self._tasks = tasks
        self._mediation = mediation
        self._relay = relay
        self._refusal = refusal
        self._handshakes = TokenBuckets(Rate.per_minute(limits.handshakes_per_minute), capacity=50_000)
        self._visits: set[_Visit] = set()
        self._half_open: set[_Visit] = set()
        self._relayed: set[_Visit] = set()
        """Those at the relay, where nobody logs in: in a server they leave room for those who do."""
        self._by_source: Counter[str] = Counter()
        self._refusals = 0
        self._doors: list[_Door] = []

    def gauges(self) -> dict[str, float]:
        """How many connections there are now."""
        return {"connections": len(self._visits), "half_open": len(self._half_open)}

    def open(self, host: str, port: int) -> int:
        """Listen on one address and TCP port, 0 for any; gives the port. Raises OSError."""
        return self._listen(_Door(bound_socket(host, port, socket.SOCK_STREAM)))

    def open_web(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """As `open`, for WebSocket; without `context` a web server in front speaks TLS. Raises OSError."""
        return self._listen(_Door(bound_socket(host, port, socket.SOCK_STREAM), True, context))

    def _listen(self, door: _Door) -> int:
        self._doors.append(door)
        door.socket.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(door.socket, self._accept, door)
        return int(door.socket.getsockname()[1])

    def close(self) -> None:
        """Let nobody in any more; idempotent."""
        doors, self._doors = self._doors, []
        for door in doors:
            asyncio.get_running_loop().remove_reader(door.socket)
            door.socket.close()

    # --- letting in

    def _accept(self, door: _Door) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted, address = door.socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            logger.warning("nobody can be let in: %s", error.strerror)
            loop.remove_reader(door.socket)
            loop.call_later(OUT_OF_SOCKETS, self._listen_again, door)
            return
        accepted.setblocking(False)
        peer = _peer(str(address[0]))
        visit = _Visit("" if door.proxied else peer.source)
        if self._lets_in(visit):
            self._counters.add("connections")
            self._visits.add(visit)
            self._half_open.add(visit)
            self._by_source[visit.source] += 1
            visiting = self._tasks.start("visitor", self._receive(door, accepted, peer, visit))
            visiting.add_done_callback(lambda _: self._forget(visit, accepted))
        elif door.web or self._refusals >= MAX_REFUSALS:
            accepted.close()
        else:
            self._refusals += 1
            refusing = self._tasks.start("refusal", self._refuse(accepted))
            refusing.add_done_callback(lambda _: self._refused(accepted))

    def _listen_again(self, door: _Door) -> None:
        if door in self._doors:
            asyncio.get_running_loop().add_reader(door.socket, self._accept, door)

    def _lets_in(self, visit: _Visit) -> bool:
        refused = self._limit_against(visit)
        if refused is not None:
            self._counters.add(f"connections_refused_{refused}")
        return refused is None

    def _limit_against(self, visit: _Visit) -> str | None:
        """Which limit stands against one more connection; those by source wait until it is known."""
        limits, source = self._limits, visit.source
        if source and not self._handshakes.take(source, asyncio.get_running_loop().time()):
            return "rate"
        if len(self._visits) >= limits.connections:
            return "full"
        if source and self._by_source[source] >= limits.connections_per_source:
            return "source"
        if len(self._half_open) >= limits.half_open:
            return "half_open"
        if source and sum(each.source == source for each in self._half_open) >= limits.half_open_per_source:
            return "half_open_source"
        return None

    def _refused(self, accepted: socket.socket) -> None:
        self._refusals -= 1
        accepted.close()

    def _forget(self, visit: _Visit, accepted: socket.socket) -> None:
        accepted.close()
        self._visits.discard(visit)
        self._half_open.discard(visit)
        self._relayed.discard(visit)
        self._by_source[visit.source] -= 1
        if not self._by_source[visit.source]:
            del self._by_source[visit.source]

    async def _refuse(self, accepted: socket.socket) -> None:
        """Say so, then wait for the end: closing over unread words would reset the stream and lose the answer."""
        stream: Stream | None = None
        try:
            async with asyncio.timeout(REFUSAL_TIMEOUT):
                stream = await _stream(accepted, None)
                stream.write(self._refusal())
                stream.write_eof()
                while await stream.read(4_096):
                    pass
        except (OSError, TimeoutError):
            self._counters.add("refusals_cut")
        finally:
            if stream is not None:
                stream.abort()

    # --- one visit

    async def _receive(self, door: _Door, accepted: socket.socket, peer: Peer, visit: _Visit) -> None:
        stream: Stream | None = None
        try:
            async with asyncio.timeout(OPENING_TIMEOUT):
                stream = await _stream(accepted, door.context)
                if door.web:
                    stream, peer = await self._open_web(door, stream, peer, visit)
                first = await stream.read(_FIRST_READ)
            stream.unread(first)
            handler = self._handler(first)
            if handler is None:
                raise ConnectionError("it wants nothing that is known here")
            if first.startswith(STREAM_MAGIC):
                self._count_relayed(visit)
            await handler(Visitor(peer, stream, lambda: self._half_open.discard(visit)))
        except (OSError, TimeoutError) as error:
            self._counters.add("connections_cut")
            logger.debug("a visitor from %s: %s", peer.source, error)
        finally:
            if stream is not None:
                stream.abort()

    async def _open_web(self, door: _Door, carrier: Stream, peer: Peer, visit: _Visit) -> tuple[Stream, Peer]:
        """The WebSocket and whose it is. Raises OSError if there is none, or a limit stands against its source."""
        opened = await accept_websocket(carrier, PAGE)
        if opened is None:
            await carrier.drain()
            carrier.close()
            await carrier.wait_closed()
            raise ConnectionError("no WebSocket was asked for")
        stream, forwarded_for = opened
        if not door.proxied:
            return stream, peer
        with suppress(ValueError):
            peer = _peer(forwarded_for)
        if not self._lets_in(_Visit(peer.source)):
            raise ConnectionError("a limit of its source")
        self._by_source[visit.source] -= 1
        self._by_source[peer.source] += 1
        visit.source = peer.source
        return stream, peer

    def _count_relayed(self, visit: _Visit) -> None:
        """Raises ConnectionError if there are too many of them."""
        if self._mediation is not None and len(self._relayed) >= self._limits.connections * MAX_RELAYED:
            self._counters.add("connections_refused_relayed")
            raise ConnectionError("all the relay's streams are in use")
        self._relayed.add(visit)

    def _handler(self, first: bytes) -> Handler | None:
        if not first:
            return None
        if first[0] <= MAX_MEDIATION_BYTE:
            return self._mediation
        return self._relay if first.startswith(STREAM_MAGIC) else None


async def _stream(accepted: socket.socket, context: ssl.SSLContext | None) -> TcpStream:
    """The accepted connection as a stream, under TLS if there is a context. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(_READ_AHEAD, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=context)
    return TcpStream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def _peer(host: str) -> Peer:
    """Raises ValueError if it is no IP address."""
    plain = host.partition("%")[0]
    return Peer(str(ip_address(plain)), source_of(plain))
