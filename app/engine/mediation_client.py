"""The stream to the mediation server: connects, logs in, stays logged in, and matches replies to requests.

It drives `ClientConversation` and understands no word of the server but the replies; everything else goes to
`on_word` in the order it came. A lost server ends requests and nothing more: tunnels are not its business.
Owned by engine/engine.py.
"""

import asyncio
import errno
import logging
import random
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar

import msgspec

from app.base.tasks import Tasks
from app.base.turn import Turn
from app.engine.errors import EngineError, engine_error, hello_refused, refusal_code, refused
from app.engine.server_routes import ServerRoutes, unreachable
from app.engine.state import ServerStatus
from app.engine.timing import Timing
from app.protocol.keys import IdentityKey, format_fingerprint
from app.protocol.mediation import (
    ClientConversation,
    ConversationClosed,
    Event,
    HelloRefused,
    LoggedIn,
    LoginRefused,
    MessageReceived,
)
from app.protocol.messages import (
    Accepted,
    Closing,
    Created,
    HelloRefusal,
    JoinParameters,
    Message,
    PeerKey,
    Pending,
    Ping,
    Refusal,
    Refused,
    Request,
    Synchronised,
)
from app.protocol.wire import Address, Endpoint
from app.transport.race import RoutesFailedError, Winner, race
from app.transport.routes import Dialler, Route, Target
from app.transport.stream import Stream, StreamError

logger = logging.getLogger(__name__)

MAX_UNSENT = 1_048_576
"""Bytes that may wait for a server that does not read."""
MAX_REQUESTS = 256
"""Requests that may wait for replies."""
MAX_FIRST_BYTE = 0x10
"""A server's answer begins with a length of two bytes that is not near its limit."""
_READ_SIZE = 65_536
_REFUSED_FOR_LONG = frozenset(
    {"server-wrong-key", "server-no-suite", "server-too-old", "server-replaced"}
    | {refusal_code(reason) for reason in Refusal if reason is not Refusal.INTERNAL}
)
"""Trying again soon does not mend these."""

Answer = Accepted | Refused | JoinParameters | Created | Pending | PeerKey
Wanted = TypeVar("Wanted", bound=Message)


class HelloRefusedError(StreamError):
    """HELO was answered with NO: perhaps by another server of the same host, so other routes are still tried."""

    def __init__(self, reason: HelloRefusal) -> None:
        super().__init__(f"HELO refused: {reason.name}")
        self.reason = reason


class ServerAccess(msgspec.Struct, frozen=True):
    """Where the server is and how to know it; who we are there."""

    host: str
    port: int
    fingerprint: bytes
    suite: int
    nickname: str
    """For the registration at first contact."""


class MediationClient:
    """One account's connection, kept up from `start` to `stop`.

    Callbacks run in the loop: `on_word(word)`, `on_login(address)` before any word, `on_change()` after the status
    changed.
    """

    def __init__(
        self,
        identity: IdentityKey,
        timing: Timing,
        tasks: Tasks,
        on_word: Callable[[Message], None],
        on_login: Callable[[Address], None],
        on_change: Callable[[], None],
        routes: ServerRoutes,
    ) -> None:
        self.status = ServerStatus.LOGGED_OUT
        self.problem: EngineError | None = None
        self.retry_at: float | None = None
        """Unix time of the next try."""
        self.route: Route | None = None
        """By which the server is reached now."""
        self._identity = identity
        self._timing = timing
        self._tasks = tasks
        self._on_word, self._on_login, self._on_change = on_word, on_login, on_change
        self._routes = routes
        self._server = self._expected = ""
        self._suite = 0
        self._conversation: ClientConversation | None = None
        self._stream: Stream | None = None
        self._opening: asyncio.Timeout | None = None
        """While routes are tried: ends that."""
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._last_number = 0
        self._running: asyncio.Task[None] | None = None
        self._try_now = asyncio.Event()
        self._settled = asyncio.Event()
        """Set when the present try has come to an end, good or bad."""

    # --- start, stop, wait

    def start(self, access: ServerAccess, address: Address | None) -> None:
        """Log in and stay logged in; `address` None registers. Does nothing if it runs."""
        if self._running is None or self._running.done():
            self._server = str(Endpoint(access.host, access.port))
            self._expected = format_fingerprint(access.fingerprint)
            self._suite = access.suite
            self._settled.clear()
            self._set(ServerStatus.CONNECTING)
            self._running = self._tasks.start("server connection", self._keep_logged_in(access, address))

    async def stop(self) -> None:
        """Leave the server; idempotent."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        self.problem, self.retry_at = None, None
        self._set(ServerStatus.LOGGED_OUT)
        self._settled.set()

    def try_now(self) -> None:
        """Don't wait for the next try: the network changed, or a person asks. Does nothing while connected."""
        if self.status in (ServerStatus.WAITING, ServerStatus.REFUSED):
            self._settled.clear()
            self._try_now.set()

    def network_changed(self, own_hosts: Collection[str]) -> None:
        """This computer's addresses are now these: a connection from another one is dead, whatever TCP believes.

        One from an address that is still there may be dead as well: behind another router nobody knows it.
        """
        self._routes.forget()
        if self._stream is not None:
            own = self._stream.own_host
            if own and own not in own_hosts and not ip_address(own).is_loopback:
                self._leave(self._stream)
            elif self.online:
                self._tasks.start("server check", self._check(self._stream))
        self.try_now()

    async def _check(self, stream: Stream) -> None:
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(self._timing.server_check_timeout):
                await self.request(Ping(0), Accepted)
            return
        if self._stream is stream:
            logger.debug("server: no answer since the network changed")
            self._leave(stream)

    def reconnect(self) -> None:
        """The connection may be dead without a sign, or there are other routes: make a new one at once."""
        if self._stream is not None:
            self._leave(self._stream)
        if self._opening is not None:
            self._opening.reschedule(asyncio.get_running_loop().time())
            self._opening = None
        self.try_now()

    def _leave(self, stream: Stream) -> None:
        """Make a new connection as soon as this one has ended."""
        stream.abort()
        self._try_now.set()

    async def settled(self) -> None:
        """Wait until logged in and synchronised. Raises the EngineError that ended the present try; too long is one."""
        try:
            async with asyncio.timeout(self._timing.login_timeout):
                await self._settled.wait()
        except TimeoutError:
            raise engine_error("server-no-answer", server=self._server) from None
        if self.problem is not None:
            raise self.problem
        if self.status is ServerStatus.LOGGED_OUT:
            raise engine_error("not-logged-in")

    @property
    def online(self) -> bool:
        """Requests can be sent."""
        return self._conversation is not None and self._conversation.established

    # --- requests

    async def request(self, request: Request, wanted: type[Wanted]) -> Wanted:
        """Send a request (its number is filled in) and give its reply.

        Raises EngineError: refused, not connected, or no reply in time.
        """
        conversation = self._conversation
        if conversation is None or not conversation.established:
            raise engine_error("not-logged-in")
        if len(self._waiting) >= MAX_REQUESTS:
            raise engine_error("server-no-answer", server=self._server)
        number = self._next_number()
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            conversation.send(msgspec.structs.replace(request, request=number))
            self._flush()
            async with asyncio.timeout(self._timing.request_timeout):
                return self._checked(await reply, wanted)
        except TimeoutError:
            raise engine_error("server-no-answer", server=self._server) from None
        finally:
            self._waiting.pop(number, None)

    def _checked(self, answer: Message, wanted: type[Wanted]) -> Wanted:
        if isinstance(answer, Refused):
            raise refused(answer.reason)
        if not isinstance(answer, wanted):
            logger.debug("server: %s where %s was due", type(answer).__name__, wanted.__name__)
            raise engine_error("server-protocol", reason=f"It answered with {type(answer).__name__}")
        return answer

    def _next_number(self) -> int:
        """Never 0: the conversation's own pings have that."""
        self._last_number = self._last_number % 0xFFFFFFFF + 1
        return self._last_number

    # --- the connection

    async def _keep_logged_in(self, access: ServerAccess, address: Address | None) -> None:
        attempt = 0
        try:
            while True:
                self._try_now.clear()
                self._settled.clear()
                self.problem, self.retry_at = None, None
                self._set(ServerStatus.CONNECTING)
                account = await self._try_once(access, address)
                if account is not None:
                    address, attempt = account, 0
                await self._pause(attempt)
                attempt += 1
        finally:
            self._drop_connection()

    async def _try_once(self, access: ServerAccess, address: Address | None) -> Address | None:
        """A boundary: whatever one connection runs into, the next one is tried."""
        try:
            return await self._converse(access, address)
        except Exception:
            logger.exception("the server connection failed")
            self.problem = engine_error("server-lost", server=self._server)
            return None

    async def _pause(self, attempt: int) -> None:
        refused = self.problem is not None and self.problem.code in _REFUSED_FOR_LONG
        backoff = self._timing.refused_backoff if refused else self._timing.server_backoff
        delay = backoff.delay(attempt, random.random())
        self.retry_at = time.time() + delay
        self._set(ServerStatus.REFUSED if refused else ServerStatus.WAITING)
        self._settled.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._try_now.wait()

    async def _converse(self, access: ServerAccess, address: Address | None) -> Address | None:
        """One connection from start to end; gives the address if the login succeeded."""
        account: Address | None = None
        try:
            won = await self._open(access, address)
        except RoutesFailedError as error:
            logger.debug("server: %s", error)
            self.problem = self._why_unreachable(error)
            return None
        self._conversation, self._stream, self.route = won.greeting, won.stream, won.route
        try:
            account = await self._drive(won.greeting, won.stream)
        except OSError as error:
            logger.debug("server: %s", error)
        finally:
            self._drop_connection()
            if account is None:
                self._routes.failed(won.route)
        return account

    async def _open(self, access: ServerAccess, address: Address | None) -> Winner[ClientConversation]:
        """A stream to the server. Begins anew when `reconnect` is called meanwhile. Raises RoutesFailedError."""
        while True:
            self._opening = opening = asyncio.timeout(None)
            try:
                async with opening:
                    ways = await self._routes.to(self.target_of(access))
                    return await self.reach(access, address, ways, self._routes.dialler)
            except TimeoutError:
                if not opening.expired():
                    raise
            finally:
                self._opening = None

    def _why_unreachable(self, error: RoutesFailedError) -> EngineError:
        refusals = [each.reason for each in error.failures.values() if isinstance(each, HelloRefusedError)]
        if refusals:
            return hello_refused(refusals[0], self._server, self._expected, self._suite)
        return unreachable(self._server, error, self._routes.problem)

    def target_of(self, access: ServerAccess) -> Target:
        """Where routes to the server lead."""
        return Target(access.host, access.port, self._routes.web_port)

    async def reach(
        self, access: ServerAccess, address: Address | None, ways: Sequence[Route], dialler: Dialler
    ) -> Winner[ClientConversation]:
        """A stream on which the server has answered HELO, by the first route that leads there.

        Raises RoutesFailedError.
        """

        async def greet(stream: Stream) -> ClientConversation:
            now = asyncio.get_running_loop().time
            conversation = ClientConversation(
                self._identity, access.fingerprint, access.suite, address, access.nickname, now()
            )
            stream.write(conversation.data_to_send())
            answer = await stream.read(_READ_SIZE)
            if not answer:
                raise ConnectionResetError(errno.ECONNRESET, "the stream was closed")
            if answer[0] > MAX_FIRST_BYTE:
                raise StreamError("What answers there is no server of Buri")
            conversation.receive_data(answer, now())
            match conversation.next_event():
                case None:
                    return conversation
                case HelloRefused(reason):
                    raise HelloRefusedError(reason)
                case event:
                    raise StreamError(event.reason if isinstance(event, ConversationClosed) else "It spoke too early")

        return await race(dialler, self.target_of(access), ways, greet, self._timing.connect_timeout)

    async def _drive(self, conversation: ClientConversation, stream: Stream) -> Address | None:
        loop = asyncio.get_running_loop()
        account: Address | None = None
        turn = Turn()
        while True:
            while (event := conversation.next_event()) is not None:
                account = self._take(event) or account
                await turn.breathe()
            self._flush()
            if conversation.closed:
                return account
            try:
                async with asyncio.timeout_at(conversation.next_deadline()):
                    data = await stream.read(_READ_SIZE)
            except TimeoutError:
                conversation.handle_deadline(loop.time())
                continue
            if not data:
                self.problem = self.problem or engine_error("server-lost", server=self._server)
                return account
            conversation.receive_data(data, loop.time())

    def _take(self, event: Event) -> Address | None:
        match event:
            case LoggedIn():
                self._set(ServerStatus.SYNCHRONISING)
                if self.route is not None:
                    self._tasks.start("remember route", self._routes.through(self.route))
                self._on_login(event.address)
                return event.address
            case MessageReceived():
                self._take_message(event.message)
            case LoginRefused():
                self.problem = refused(event.reason)
            case ConversationClosed():
                logger.debug("server: %s", event.reason)
                self.problem = self.problem or self._why_closed(event.reason)
            case _:
                logger.debug("server: %s is nothing for a client", type(event).__name__)
        return None

    def _why_closed(self, reason: str) -> EngineError:
        if reason.startswith(("login: not the expected server key", "signature:")):
            return engine_error("server-wrong-key", server=self._server, fingerprint=self._expected)
        if reason == "stream: the server is silent":
            return engine_error("server-lost", server=self._server)
        return engine_error("server-protocol", reason=reason)

    def _take_message(self, message: Message) -> None:
        if isinstance(message, Answer):
            waiting = self._waiting.get(message.request)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        if isinstance(message, Closing):
            self.problem = engine_error(
                "server-restarts" if message.restart else "server-replaced", server=self._server
            )
            return
        self._on_word(message)
        if isinstance(message, Synchronised):
            self._set(ServerStatus.ONLINE)
            self._settled.set()

    def _flush(self) -> None:
        conversation, stream = self._conversation, self._stream
        if conversation is None or stream is None or stream.is_closing():
            return
        data = conversation.data_to_send()
        if data:
            stream.write(data)
        if stream.unsent > MAX_UNSENT:
            stream.abort()

    def _drop_connection(self) -> None:
        if self._conversation is not None:
            self._conversation.close()
        if self._stream is not None:
            self._stream.close()
        self._conversation, self._stream, self.route = None, None, None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(engine_error("server-lost", server=self._server))

    def _set(self, status: ServerStatus) -> None:
        if status is not self.status:
            self.status = status
            logger.info("server: %s%s", status, f", {self.problem.code}" if self.problem is not None else "")
            self._on_change()
