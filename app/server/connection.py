"""One client's connection: bytes to and from its ServerConversation, requests to the rules.

Bytes are counted before they are parsed and requests before they are decided; who sends more than the limits allow is
read more slowly, who does not read what we send is disconnected. It decides nothing. Made by `listener.py`.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Protocol

from app.protocol.keys import PublicKey
from app.protocol.mediation import (
    ConversationClosed,
    Event,
    LoggedIn,
    LoginRequested,
    MessageReceived,
    RegistrationRequested,
    ServerConversation,
)
from app.protocol.messages import Closing, Message, Refusal, Refused, Request
from app.protocol.wire import Address, format_address
from app.server.decisions import Decisions
from app.server.directory import Directory
from app.server.entrance import Visitor
from app.server.limits import Rate, RateLimits, Throttle
from app.server.metrics import Counters
from app.server.notices import Outcome
from app.server.presence import Delivery, Session

logger = logging.getLogger(__name__)

READ_SIZE = 16_384
MAX_UNSENT = 4 * 1_048_576
"""Bytes that may wait for a client to read them; the largest rosters and statements fit."""
CLOSE_TIMEOUT = 5.0
"""Seconds a client has to read the last words."""


class Switchboard(Protocol):
    """What a connection needs of the listener."""

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """Hand words to the sessions they are for."""

    def joined(self, session: Session, connection: "Connection") -> None:
        """A login is done: words for the session are for this connection."""

    def left(self, session: Session) -> None:
        """The session has no connection any more."""


class Connection:
    """One client. `run` lives as long as its stream."""

    def __init__(
        self,
        visitor: Visitor,
        conversation: ServerConversation,
        directory: Directory,
        decisions: Decisions,
        switchboard: Switchboard,
        limits: RateLimits,
        counters: Counters,
    ) -> None:
        self.peer = visitor.peer
        self._stream = visitor.stream
        self._greeted = visitor.greeted
        self._conversation = conversation
        self._directory = directory
        self._decisions = decisions
        self._switchboard = switchboard
        self._counters = counters
        now = asyncio.get_running_loop().time()
        self._bytes = Throttle(Rate(4 * READ_SIZE, limits.bytes_per_second), now)
        self._requests = Throttle(Rate(4 * limits.requests_per_second, limits.requests_per_second), now)
        self._waiting: asyncio.Timeout | None = None
        self._session: Session | None = None
        self._ended = False

    # --- the life of the stream

    async def run(self) -> None:
        """Serve the client until either side ends the stream."""
        try:
            while not self._conversation.closed:
                data = await self._read()
                if data is None:
                    self._conversation.handle_deadline(self._now())
                elif data:
                    await self._take(data)
                else:
                    self._conversation.close()
                await self._handle_events()
        except ConnectionError:
            self._conversation.close()
        finally:
            self._leave()
            await self._close_stream()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _read(self) -> bytes | None:
        """Some bytes, none at the end of the stream, or None when the conversation has something due."""
        deadline = self._conversation.next_deadline()
        try:
            async with asyncio.timeout_at(deadline) as self._waiting:
                return await self._stream.read(READ_SIZE)
        except TimeoutError:
            return None
        finally:
            self._waiting = None

    async def _take(self, data: bytes) -> None:
        self._counters.add("received_bytes", len(data))
        delay = self._bytes.delay(len(data), self._now())
        if delay > 0:
            self._counters.add("throttled_bytes")
            await asyncio.sleep(delay)
        self._conversation.receive_data(data, self._now())

    async def _handle_events(self) -> None:
        self.flush()
        while (event := self._conversation.next_event()) is not None:
            await self._handle(event)
            self.flush()

    async def _close_stream(self) -> None:
        self.flush()
        self._greeted()
        self._stream.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._stream.wait_closed()
        except (OSError, TimeoutError):
            self._stream.abort()

    def flush(self) -> None:
        """Write what the conversation has to say; a client that leaves too much unread is cut off."""
        data = self._conversation.data_to_send()
        if not data or self._stream.is_closing():
            return
        self._counters.add("sent_bytes", len(data))
        self._stream.write(data)
        if self._stream.unsent > MAX_UNSENT:
            self._counters.add("closed_slow_readers")
            self._conversation.close()
            self._stream.abort()
            self._wake()

    def _wake(self) -> None:
        """Make `_read` return, so that `run` sees that the conversation is closed."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.reschedule(self._now())

    def tell(self, messages: Iterable[Message]) -> None:
        """Words of the server; Closing is the last."""
        for message in messages:
            self._conversation.send(message)
            if isinstance(message, Closing):
                self._conversation.close()
        self.flush()
        if self._conversation.closed:
            self._wake()

    def stop(self) -> None:
        """The server stops: say so to a client that is logged in, and end the stream."""
        if self._conversation.established:
            self.tell([Closing(restart=True)])
        else:
            self._conversation.close()
            self._wake()

    # --- logins and requests

    async def _handle(self, event: Event) -> None:
        match event:
            case LoginRequested():
                await self._decide_login(event.address)
            case RegistrationRequested():
                await self._decide_registration(event)
            case LoggedIn():
                await self._log_in(event.address)
            case MessageReceived(message=Request() as request):
                await self._carry_out(request)
            case ConversationClosed():
                self._count_end(event.reason)
            case _:
                logger.error("event without a handler: %s", type(event).__name__)

    async def _decide_login(self, address: Address) -> None:
        try:
            answer = await self._decisions.decide(lambda: self._directory.login_key(address))
        except Exception:
            logger.exception("login failed")
            answer = Refusal.INTERNAL
        if isinstance(answer, PublicKey):
            self._conversation.accept_login(answer, self._now())
        else:
            self._refuse_login(answer)

    async def _decide_registration(self, event: RegistrationRequested) -> None:
        now, wall = self._now(), time.time()
        directory, source = self._directory, self.peer.source
        try:
            answer = await self._decisions.decide(
                lambda: directory.register(event.public_key, event.nickname, source, now, wall)
            )
        except Exception:
            logger.exception("registration failed")
            answer = Refusal.INTERNAL
        if isinstance(answer, Refusal):
            self._refuse_login(answer)
        else:
            self._counters.add("registrations")
            logger.info("account %s made from %s", format_address(answer), self.peer.source)
            self._conversation.accept_registration(answer, self._now())

    def _refuse_login(self, reason: Refusal) -> None:
        self._counters.add(f"login_refused_{reason.name.lower()}")
        logger.info("login from %s refused: %s", self.peer.source, reason.name)
        self._conversation.refuse_login(reason, self._now())

    async def _log_in(self, address: Address) -> None:
        self._counters.add("logins")
        self._greeted()
        directory, peer, now = self._directory, self.peer, self._now()
        try:
            await self._decisions.decide(lambda: directory.log_in(address, peer.host, peer.source, now), self._joined)
        except Exception:
            logger.exception("login failed")
            self._conversation.close()

    def _joined(self, result: tuple[Session, Outcome]) -> None:
        self._session, outcome = result
        self._switchboard.joined(self._session, self)
        self._switchboard.deliver(outcome.deliveries)
        if self._ended:
            self._leave()

    def _leave(self) -> None:
        """End the session, if there is one; what follows is told to the others."""
        self._ended = True
        session, self._session = self._session, None
        if session is not None:
            self._switchboard.left(session)
            wall = time.time()
            self._decisions.decide(
                lambda: self._directory.log_out(session, wall),
                lambda outcome: self._switchboard.deliver(outcome.deliveries),
            ).add_done_callback(_log_failure)

    async def _carry_out(self, request: Request) -> None:
        delay = self._requests.delay(1, self._now())
        if delay > 0:
            self._counters.add("throttled_requests")
            await asyncio.sleep(delay)
        session = self._session
        if session is None or self._conversation.closed:
            return
        now, wall = self._now(), time.time()
        try:
            await self._decisions.decide(
                lambda: self._directory.carry_out(session, request, now, wall), self._apply_outcome
            )
        except Exception:
            logger.exception("request %s failed", type(request).__name__)
            self.tell([Refused(request.request, Refusal.INTERNAL)])
        self._counters.add("requests")

    def _apply_outcome(self, outcome: Outcome) -> None:
        if outcome.reply is not None:
            if isinstance(outcome.reply, Refused):
                self._counters.add(f"refused_{outcome.reply.reason.name.lower()}")
            self.tell([outcome.reply])
        self._switchboard.deliver(outcome.deliveries)

    def _count_end(self, reason: str) -> None:
        self._counters.add("conversations_ended")
        logger.debug("conversation ended: %s", reason)


def _log_failure(future: "asyncio.Future[Outcome]") -> None:
    if not future.cancelled() and (failure := future.exception()) is not None:
        logger.error("logout failed", exc_info=failure)
