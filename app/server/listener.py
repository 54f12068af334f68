"""The TCP listener: accepts clients within limits and carries words between the rules and their connections.

Limits come first: connections in all, by source, half-open ones, and new ones a minute; who exceeds them hears HELO NO
BUSY, or nothing when even that would be too much. No rules here. Started by `service.py`.
"""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from app.base.tasks import Tasks
from app.protocol.keys import IdentityKey
from app.protocol.mediation import ServerConversation
from app.protocol.messages import HelloRefusal
from app.server.connection import Connection, Peer
from app.server.decisions import Decisions
from app.server.directory import Directory
from app.server.limits import Rate, RateLimits, TokenBuckets, source_of
from app.server.metrics import Counters
from app.server.presence import Delivery, Session, SessionId
from app.server.sockets import bound_socket

logger = logging.getLogger(__name__)

BACKLOG = 1_024
SEND_BUFFER = 131_072
"""Bytes that the system may keep for a client that does not read, besides `connection.MAX_UNSENT`."""
MAX_REFUSALS = 64
"""Strangers that are being told BUSY at the same time."""
REFUSAL_TIMEOUT = 2.0
STOP_TIMEOUT = 8.0
"""Seconds that `stop` gives all connections together."""


class Listener:
    """All connections of this server process."""

    def __init__(
        self,
        identity: IdentityKey,
        directory: Directory,
        decisions: Decisions,
        limits: RateLimits,
        counters: Counters,
        tasks: Tasks,
    ) -> None:
        self._identity = identity
        self._directory = directory
        self._decisions = decisions
        self._limits = limits
        self._counters = counters
        self._tasks = tasks
        self._handshakes = TokenBuckets(Rate.per_minute(limits.handshakes_per_minute), capacity=50_000)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._half_open: set[Connection] = set()
        self._by_source: Counter[str] = Counter()
        self._by_session: dict[SessionId, Connection] = {}
        self._refusals = 0
        self._servers: list[asyncio.Server] = []

    def gauges(self) -> dict[str, float]:
        """How many connections there are now."""
        return {"connections": len(self._connections), "half_open": len(self._half_open)}

    async def open(self, host: str, port: int) -> int:
        """Listen on one address and port, 0 for any; returns the port. Raises OSError."""
        server = await asyncio.start_server(
            self._accept, sock=bound_socket(host, port, socket.SOCK_STREAM), backlog=BACKLOG
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Accept nobody any more, ask all clients to come back after the restart, and end their streams."""
        for server in self._servers:
            server.close()
        running = list(self._connections.items())
        for connection, _ in running:
            connection.stop()
        if running:
            await asyncio.wait([task for _, task in running], timeout=STOP_TIMEOUT)

    # --- accepting

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peername = writer.get_extra_info("peername")
        if peername is None:  # it is gone already
            writer.transport.abort()
            return
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        host = str(peername[0]).partition("%")[0]
        peer = Peer(host, source_of(host))
        refusal = self._refusal(peer)
        if refusal is not None:
            self._counters.add(f"connections_refused_{refusal}")
            self._refuse(reader, writer)
            return
        self._counters.add("connections")
        self._serve(peer, reader, writer)

    def _refusal(self, peer: Peer) -> str | None:
        """Which limit stands against one more connection."""
        now = asyncio.get_running_loop().time()
        if not self._handshakes.take(peer.source, now):
            return "rate"
        if len(self._connections) >= self._limits.connections:
            return "full"
        if self._by_source[peer.source] >= self._limits.connections_per_source:
            return "source"
        if len(self._half_open) >= self._limits.half_open:
            return "half_open"
        if sum(each.peer.source == peer.source for each in self._half_open) >= self._limits.half_open_per_source:
            return "half_open_source"
        return None

    def _serve(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = ServerConversation(self._identity, asyncio.get_running_loop().time())
        connection = Connection(
            peer,
            reader,
            writer,
            conversation,
            self._directory,
            self._decisions,
            self,
            self._limits,
            self._counters,
        )
        self._half_open.add(connection)
        self._by_source[peer.source] += 1
        task = self._tasks.start("connection", connection.run())
        self._connections[connection] = task
        task.add_done_callback(lambda _: self._forget(connection))

    def _forget(self, connection: Connection) -> None:
        del self._connections[connection]
        self._half_open.discard(connection)
        source = connection.peer.source
        self._by_source[source] -= 1
        if not self._by_source[source]:
            del self._by_source[source]

    def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusals >= MAX_REFUSALS:
            writer.transport.abort()
            return
        self._refusals += 1
        self._tasks.start("refusal", self._say_busy(reader, writer))

    async def _say_busy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HELO NO, then wait for the end: closing over an unread HELO would reset the stream and lose the answer."""
        conversation = ServerConversation(self._identity, asyncio.get_running_loop().time())
        conversation.refuse_hello(HelloRefusal.BUSY)
        try:
            async with asyncio.timeout(REFUSAL_TIMEOUT):
                writer.write(conversation.data_to_send())
                writer.write_eof()
                while await reader.read(4_096):
                    pass
        except (OSError, TimeoutError):
            self._counters.add("refusals_cut")
        finally:
            self._refusals -= 1
            writer.transport.abort()

    # --- the switchboard

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """Hand words to the sessions they are for; those of ended sessions are dropped, their clients ask again."""
        for session, group in groupby(deliveries, key=attrgetter("session")):
            connection = self._by_session.get(session)
            if connection is not None:
                connection.tell(delivery.message for delivery in group)

    def joined(self, session: Session, connection: Connection) -> None:
        """Words for the session are for this connection from now on."""
        self._by_session[session.number] = connection

    def left(self, session: Session) -> None:
        """The session has no connection any more."""
        self._by_session.pop(session.number, None)

    def handshake_over(self, connection: Connection) -> None:
        """The connection is not half-open any more."""
        self._half_open.discard(connection)
