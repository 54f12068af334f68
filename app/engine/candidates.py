"""Where this computer may be reached: its interfaces' addresses, and its outside endpoints as reflectors see them.

Candidates as in RFC 8445 section 5.1.1. Reflectors are asked through the helper's one UDP socket (STUN, RFC 8489), so
that what they see is the mapping that peers will use. A server behind this computer's own router sees nothing of it;
then the outside endpoint is guessed. Owned by engine/peers.py.
"""

import asyncio
import logging
import math
import secrets
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from app.engine.timing import Timing
from app.platform.addresses import LocalAddress, local_addresses
from app.platform.gateways import Gateway, default_gateways
from app.protocol import stun
from app.protocol.messages import MAX_CANDIDATES, Candidate, CandidateKind
from app.protocol.stun import MessageClass, StunMessage
from app.protocol.wire import VIRTUAL_PREFIX6, Endpoint, RemoteProtocolError, checked_endpoint

logger = logging.getLogger(__name__)

MAX_REFLECTORS = 8
MAX_OUTSIDE = 6
"""Mapped and reflexive candidates that are told."""
ADDRESSES_LAST = 1.0
"""Seconds until this computer's addresses are read anew; a change that the system tells is seen at once."""
_RETRANSMISSIONS = (0.0, 0.25, 0.75)
"""Seconds after the first request at which it is sent (again)."""
_GRACE = 0.15
"""Seconds that the other reflectors have after the first answer, or after a guess: one may not get through at all."""

Send = Callable[[Endpoint, bytes], None]
ListAddresses = Callable[[], list[LocalAddress]]


class Reflectors:
    """Learns the outside endpoints of the helper's socket and remembers them for a while."""

    def __init__(self, send: Send, timing: Timing) -> None:
        self.endpoints: tuple[Endpoint, ...] = ()
        """The reflectors to ask."""
        self.seen: dict[Endpoint, Endpoint] = {}
        """The outside endpoint that each reflector told; see engine/nat.py for what follows from it."""
        self.mapped: tuple[Endpoint, ...] = ()
        """The endpoint that a router leads here because it was asked to, see engine/port_mapping.py."""
        self.public_host = ""
        """Name or address of the own router, known where the server stands behind it as well."""
        self.guessed: tuple[Endpoint, ...] = ()
        """The own router's address with the own port, which most home routers keep."""
        self._own_port = 0
        self._send = send
        self._timing = timing
        self._asked_at = float("-inf")
        self._waiting: dict[bytes, asyncio.Future[Endpoint]] = {}
        self._asking = asyncio.Lock()

    @property
    def found(self) -> tuple[Endpoint, ...]:
        """The outside endpoints, each once."""
        return tuple(dict.fromkeys((*self.seen.values(), *self.guessed)))

    def socket_opened(self, port: int) -> None:
        """The helper's socket is a new one, at this port."""
        self._own_port, self.guessed = port, ()
        self.forget()

    def forget(self) -> None:
        """The network or the socket changed: ask again next time."""
        self.seen = {}
        self._asked_at = float("-inf")

    def receive(self, message: StunMessage) -> bool:
        """Take a STUN message; False if it answers none of our questions."""
        waiting = self._waiting.get(message.transaction_id)
        if waiting is None:
            return False
        mapped = message.mapped_address
        if message.message_class is MessageClass.SUCCESS and mapped is not None and not waiting.done():
            try:
                waiting.set_result(checked_endpoint(*mapped))
            except RemoteProtocolError as error:
                logger.debug("reflector: %s", error)
        return True

    async def ask(self) -> tuple[Endpoint, ...]:
        """The outside endpoints, asked for anew if they are not fresh. Empty if no reflector answers."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() - self._asked_at < self._timing.reflexive_lifetime:
                return self.found
            self.seen, self.guessed = await asyncio.gather(
                self._ask_all(self.endpoints[:MAX_REFLECTORS]), self._guess()
            )
            freshness = 0.0 if self.found else self._timing.reflexive_lifetime - self._timing.reflector_retry
            self._asked_at = loop.time() - freshness
            return self.found

    async def ask_through(self, sockets: Sequence[int]) -> tuple[Endpoint, ...]:
        """What a reflector sees of extra sockets over IPv4, in their order, without those where it does not answer."""
        reflector = next((each for each in self.endpoints if ":" not in each.host), None)
        if reflector is None:
            return ()
        return tuple((await self._ask_all([reflector._replace(socket=each) for each in sockets])).values())

    async def _ask_all(self, reflectors: Sequence[Endpoint]) -> dict[Endpoint, Endpoint]:
        loop = asyncio.get_running_loop()
        questions = {secrets.token_bytes(stun.TRANSACTION_ID_LENGTH): each for each in reflectors}
        if not questions:
            return {}
        answers: list[asyncio.Future[Endpoint]] = [loop.create_future() for _ in questions]
        self._waiting.update(zip(questions, answers, strict=True))
        started = loop.time()
        patience = _GRACE if self.public_host else self._timing.reflector_timeout
        try:
            for delay in (each for each in _RETRANSMISSIONS if each < patience):
                await _wait_all(answers, started + delay)
                if any(each.done() for each in answers):
                    break
                self._send_unanswered(questions)
            await _wait_all(answers, started + patience, _GRACE)
        finally:
            for transaction in questions:
                del self._waiting[transaction]
        answered = zip(questions.values(), answers, strict=True)
        told = {reflector: answer.result() for reflector, answer in answered if answer.done()}
        return {reflector: outside for reflector, outside in told.items() if not _is_loopback(outside)}

    async def _guess(self) -> tuple[Endpoint, ...]:
        """Looked up each time, as the address of a home changes. IPv6 needs no guess: it is not translated."""
        if not self.public_host:
            return ()
        try:
            async with asyncio.timeout(self._timing.reflector_timeout):
                found = await resolve_ports(self.public_host, (self._own_port,))
        except TimeoutError:
            found = ()
        return tuple(each for each in found if ":" not in each.host and not _is_loopback(each)) or self.guessed

    def _send_unanswered(self, questions: dict[bytes, Endpoint]) -> None:
        for transaction, reflector in questions.items():
            if not self._waiting[transaction].done():
                self._send(reflector, stun.question(transaction))


def _is_loopback(endpoint: Endpoint) -> bool:
    """Such an endpoint is this computer to itself alone: a peer that was told it would knock at its own door."""
    return ip_address(endpoint.host.partition("%")[0]).is_loopback


async def _wait_all(answers: Sequence[asyncio.Future[Endpoint]], until: float, grace: float = math.inf) -> None:
    """Wait for all answers, but only until a time, and only for `grace` seconds after the first."""
    loop = asyncio.get_running_loop()
    while waiting := [each for each in answers if not each.done()]:
        if len(waiting) < len(answers):
            until = min(until, loop.time() + grace)
        if loop.time() >= until:
            return
        await asyncio.wait(waiting, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)


class OwnAddresses:
    """This computer's addresses, read at most once in ADDRESSES_LAST: a crowd that is introduced asks all at once."""

    def __init__(self, read: ListAddresses) -> None:
        self._read = read
        self._addresses: list[LocalAddress] = []
        self._read_at = float("-inf")

    def now(self) -> list[LocalAddress]:
        """The addresses, a moment old at most."""
        now = asyncio.get_running_loop().time()
        if now >= self._read_at + ADDRESSES_LAST:
            self._addresses, self._read_at = self._read(), now
        return self._addresses

    def forget(self) -> None:
        """They changed."""
        self._read_at = float("-inf")


def host_endpoints(
    addresses: Sequence[LocalAddress], port: int, own_interface: str, pool: IPv4Network | None, ipv6: bool
) -> list[Endpoint]:
    """The interface addresses as endpoints, without the virtual adapter's and without the pool's."""
    found = []
    for each in addresses:
        address = ip_address(each.address)
        if each.interface == own_interface or (address.version == 6 and not ipv6):
            continue
        if (pool is not None and address in pool) or address in _VIRTUAL6:
            continue
        found.append(Endpoint(str(address), port))
    return found


def as_candidates(
    hosts: Sequence[Endpoint], reflexive: Sequence[Endpoint], mapped: Sequence[Endpoint] = ()
) -> tuple[Candidate, ...]:
    """Everything to tell a peer, interfaces first and in their order, each once, at most MAX_CANDIDATES."""
    kinds = {each.plain: CandidateKind.REFLEXIVE for each in reflexive}
    kinds.update((each.plain, CandidateKind.MAPPED) for each in mapped)
    kinds.update((each.plain, CandidateKind.HOST) for each in hosts)
    outside = [each for each, kind in kinds.items() if kind is not CandidateKind.HOST]
    reserved = sorted(outside, key=lambda each: (kinds[each], each))[:MAX_OUTSIDE]
    inside = list(dict.fromkeys(each.plain for each in hosts))[: MAX_CANDIDATES - len(reserved)]
    return tuple(Candidate(kinds[each], each.host, each.port) for each in (*inside, *reserved))


async def resolve_ports(host: str, ports: Sequence[int]) -> tuple[Endpoint, ...]:
    """The ports of a host, at one address of each family at most. Empty if the name does not resolve."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:  # the latter for what can be no name, such as `a..b`
        logger.debug("look-up of the server: %s", error)
        return ()
    by_family = {family: address[0] for family, _, _, _, address in reversed(found)}
    return tuple(Endpoint(str(address), port) for address in by_family.values() for port in ports if port)


_VIRTUAL6 = IPv6Network((VIRTUAL_PREFIX6, 96))


def read_addresses() -> list[LocalAddress]:
    """The interface addresses, those that lead out first; none if the system does not tell.

    A computer with many bridges for its containers still tells the address that counts.
    """
    leading_out = {each.interface for each in read_gateways()}
    try:
        return sorted(local_addresses(), key=lambda each: each.interface not in leading_out)
    except OSError as error:
        logger.warning("own addresses can't be read: %s", error)
        return []


def read_gateways() -> list[Gateway]:
    """The routers that lead out of this computer's networks; none if the system does not tell."""
    try:
        return default_gateways()
    except OSError as error:
        logger.warning("own routes can't be read: %s", error)
        return []
