"""A client for tests of the real server: ClientConversation over a real TCP connection on loopback."""

import asyncio
import itertools
import math
from base64 import urlsafe_b64decode
from functools import cache
from typing import Self, TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa

from app.protocol.keys import PUBLIC_EXPONENT, IdentityKey
from app.protocol.mediation import ClientConversation, ConversationClosed, Event, LoggedIn, MessageReceived
from app.protocol.messages import Accepted, Message, Request, Synchronised
from app.protocol.wire import Address

PATIENCE = 20.0
"""Seconds after which a test gives up waiting; never slept."""

Wanted = TypeVar("Wanted")


@cache
def key(number: int) -> IdentityKey:
    """The same key for the same number: making one takes time."""
    return IdentityKey.generate()


def many_keys(count: int) -> list[IdentityKey]:
    """Different keys in a moment: all pairs of a few primes. Weak, as any two share a factor, but real."""
    needed = math.ceil((1 + math.sqrt(1 + 8 * count)) / 4)  # n keys are 2n primes, and n(2n - 1) pairs
    compact = [key(-number).to_compact() for number in range(1, needed + 1)]
    primes = [half for text in compact for half in _halves(urlsafe_b64decode(text.removeprefix("v1:")))]
    return [_key(p, q) for p, q in itertools.islice(itertools.combinations(primes, 2), count)]


def _halves(data: bytes) -> tuple[int, int]:
    middle = len(data) // 2
    return int.from_bytes(data[:middle], "big"), int.from_bytes(data[middle:], "big")


def _key(p: int, q: int) -> IdentityKey:
    d = pow(PUBLIC_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(PUBLIC_EXPONENT, p * q),
    )
    return IdentityKey(numbers.private_key(unsafe_skip_rsa_key_validation=True))


class Client:
    """One client. What the server says is kept in order in `told`; `expect` takes from it."""

    def __init__(self, port: int, fingerprint: bytes, identity: IdentityKey, address: Address | None = None) -> None:
        self._port = port
        self._fingerprint = fingerprint
        self.identity = identity
        self.address = address
        self.told: list[Message] = []
        self.events: list[Event] = []
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def connect(self, nickname: str = "anna", suite: int = 2) -> Self:
        """Open the stream and say HELO."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        now = asyncio.get_running_loop().time()
        self.conversation = ClientConversation(self.identity, self._fingerprint, suite, self.address, nickname, now)
        self._flush()
        return self

    async def log_in(self, nickname: str = "anna", suite: int = 2) -> Self:
        """Connect, log in or register, and wait until the networks have been told."""
        await self.connect(nickname, suite)
        event = await self.event(LoggedIn)
        self.address = event.address
        await self.expect(Synchronised)
        return self

    def _flush(self) -> None:
        self.writer.write(self.conversation.data_to_send())

    async def _receive(self) -> bool:
        """Take in some bytes; False when the stream or the conversation has ended."""
        if self.conversation.closed:
            return False
        async with asyncio.timeout(PATIENCE):
            data = await self.reader.read(65_536)
        if not data:
            return False
        self.conversation.receive_data(data, asyncio.get_running_loop().time())
        self._flush()
        while (event := self.conversation.next_event()) is not None:
            if isinstance(event, MessageReceived):
                self.told.append(event.message)
            else:
                self.events.append(event)
        return True

    async def event(self, kind: type[Wanted]) -> Wanted:
        """Wait for an event of the conversation other than a message."""
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            if not await self._receive():
                raise AssertionError(f"no {kind.__name__}: {self.events}")

    async def end(self) -> str:
        """Wait for the end of the stream; gives why the conversation ended, "" for a bare end."""
        while await self._receive():
            pass
        return next((event.reason for event in self.events if isinstance(event, ConversationClosed)), "")

    async def expect(self, kind: type[Wanted]) -> Wanted:
        """Wait for the next message of this kind; those before it are dropped."""
        while True:
            while self.told:
                message = self.told.pop(0)
                if isinstance(message, kind):
                    return message
            if not await self._receive():
                raise AssertionError(f"no {kind.__name__}, but {self.events}")

    def send(self, request: Request) -> None:
        """Send a request without waiting."""
        self.conversation.send(request)
        self._flush()

    async def ask(self, request: Request) -> Message:
        """Send a request and wait for its reply, keeping what else was told."""
        self.send(request)
        while True:
            for message in self.told:
                if getattr(message, "request", None) == request.request:
                    self.told.remove(message)
                    return message
            if not await self._receive():
                raise AssertionError(f"no reply to {request}: {self.events}")

    async def must(self, request: Request) -> None:
        """Send a request that has to be accepted."""
        reply = await self.ask(request)
        assert isinstance(reply, Accepted), reply

    def number(self) -> int:
        """A fresh request number."""
        return next(self._numbers)
