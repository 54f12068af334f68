"""The clients of this server: carries words between the rules and their connections.

The entrance lets them in. No rules here. Started by `service.py`.
"""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby
from operator import attrgetter

from app.protocol.keys import IdentityKey
from app.protocol.mediation import ServerConversation
from app.protocol.messages import HelloRefusal
from app.server.connection import Connection
from app.server.decisions import Decisions
from app.server.directory import Directory
from app.server.entrance import Visitor
from app.server.limits import RateLimits
from app.server.metrics import Counters
from app.server.presence import Delivery, Session, SessionId

SEND_BUFFER = 131_072
"""Bytes that the system may keep for a client that does not read, besides `connection.MAX_UNSENT`."""
STOP_TIMEOUT = 8.0
"""Seconds that `stop` gives all connections together."""


class Listener:
    """All clients of this server process. `serve` is what the entrance calls for each."""

    def __init__(
        self,
        identity: IdentityKey,
        directory: Directory,
        decisions: Decisions,
        limits: RateLimits,
        counters: Counters,
    ) -> None:
        self._identity = identity
        self._directory = directory
        self._decisions = decisions
        self._limits = limits
        self._counters = counters
        self._connections: set[Connection] = set()
        self._all_ended = asyncio.Event()
        self._by_session: dict[SessionId, Connection] = {}

    async def serve(self, visitor: Visitor) -> None:
        """One client, from its HELO to the end of its stream."""
        visitor.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        conversation = ServerConversation(self._identity, asyncio.get_running_loop().time())
        connection = Connection(
            visitor, conversation, self._directory, self._decisions, self, self._limits, self._counters
        )
        self._connections.add(connection)
        self._all_ended.clear()
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            if not self._connections:
                self._all_ended.set()

    async def stop(self) -> None:
        """Ask all clients to come back after the restart, and end their streams."""
        for connection in list(self._connections):
            connection.stop()
        if self._connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._all_ended.wait()

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


def busy(identity: IdentityKey, now: float) -> bytes:
    """What somebody hears for whom there is no room: HELO NO."""
    conversation = ServerConversation(identity, now)
    conversation.refuse_hello(HelloRefusal.BUSY)
    return conversation.data_to_send()
