"""Tries out a router with two fresh UDP sockets: mapping, filtering and hairpin behaviour (RFC 5780, RFC 4787).

Fresh, because what a router lets in depends on whom a socket has spoken to. Blocking and bounded; engine/netcheck.py
runs it in a thread. It sends some twenty datagrams at most, each no shorter than the answer it asks for.
"""

import secrets
import selectors
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from app.protocol import stun
from app.protocol.stun import MessageClass, StunMessage
from app.protocol.wire import Endpoint, RemoteProtocolError, checked_endpoint

MAX_REFLECTORS: Final = 6
PATIENCE: Final = 1.2
"""Seconds for the reflectors to answer."""
HAIRPIN_PATIENCE: Final = 0.5
_SENDINGS: Final = (0.0, 0.2, 0.5)
"""Seconds after the first question at which it is asked (again)."""
_MAX_DATAGRAMS: Final = 200
"""That are looked at: a flood must not hold us up."""
_IP_MTU, _IPV6_MTU = 14, 24


class Probed(NamedTuple):
    """What one family of addresses showed."""

    host: Endpoint
    """The first socket's own address and port."""
    seen: dict[Endpoint, Endpoint]
    """For each reflector that answered the endpoint that it saw of the first socket."""
    other_port_gets_in: bool | None
    """Whether an answer came from the reflector's other port, to a socket that had never spoken to it."""
    hairpin: bool | None
    path_mtu: int | None


@dataclass
class _Question:
    """One request, until it is answered."""

    asking: socket.socket
    to: Endpoint
    change_request: int = 0
    transaction: bytes = field(default_factory=lambda: secrets.token_bytes(stun.TRANSACTION_ID_LENGTH))
    answer: StunMessage | None = None
    came_from: Endpoint | None = None
    came: bool = False
    """It came in itself, as a hairpin lets it."""

    def ask(self) -> None:
        with suppress(OSError):
            self.asking.sendto(stun.question(self.transaction, self.change_request), (self.to.host, self.to.port))

    @property
    def outside(self) -> Endpoint | None:
        """What the reflector saw, if it told something that can be."""
        if self.answer is None or self.answer.mapped_address is None:
            return None
        with suppress(RemoteProtocolError):
            return checked_endpoint(*self.answer.mapped_address)
        return None


def probe(reflectors: Sequence[Endpoint]) -> Probed | None:
    """Ask reflectors of one family; None if this computer has no way to them."""
    reflectors = reflectors[:MAX_REFLECTORS]
    family = socket.AF_INET6 if ":" in reflectors[0].host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as first, socket.socket(family, socket.SOCK_DGRAM) as second:
            host, path_mtu = _own_address(family, reflectors[0])
            first.bind(("", 0))
            second.bind(("", 0))
            return _probe(reflectors, first, second, Endpoint(host, first.getsockname()[1]), path_mtu)
    except OSError:
        return None


def _probe(
    reflectors: Sequence[Endpoint], first: socket.socket, second: socket.socket, host: Endpoint, path_mtu: int | None
) -> Probed:
    mapping = [_Question(first, each) for each in reflectors]
    plain = _Question(second, reflectors[0])
    changed = _Question(second, reflectors[0], stun.CHANGE_PORT)
    questions = [*mapping, plain, changed]
    _converse(questions, PATIENCE, lambda: all(each.answer is not None for each in questions))
    seen = {each.to: each.outside for each in mapping if each.outside is not None}
    return Probed(host, seen, _other_port_gets_in(plain, changed), _hairpin(seen, host, first, plain), path_mtu)


def _own_address(family: socket.AddressFamily, reflector: Endpoint) -> tuple[str, int | None]:
    """The address from which packets to a reflector leave, and the largest packet that is known to get there."""
    with socket.socket(family, socket.SOCK_DGRAM) as connected:
        connected.connect((reflector.host, reflector.port))
        address, path_mtu = str(connected.getsockname()[0]), None
        if sys.platform == "linux":
            level, option = (
                (socket.IPPROTO_IP, _IP_MTU) if family == socket.AF_INET else (socket.IPPROTO_IPV6, _IPV6_MTU)
            )
            path_mtu = connected.getsockopt(level, option)
    return address, path_mtu


def _other_port_gets_in(plain: _Question, changed: _Question) -> bool | None:
    """None where the reflector has no other port, or nothing answers at all."""
    if changed.answer is not None:
        from_there = changed.came_from is not None and changed.came_from.port != changed.to.port
        return True if from_there and changed.answer.message_class is MessageClass.SUCCESS else None
    return None if plain.answer is None else False


def _hairpin(seen: dict[Endpoint, Endpoint], host: Endpoint, first: socket.socket, plain: _Question) -> bool | None:
    """Whether the second socket reaches the first one's outer endpoint; both speak first, as peers would."""
    outside, other = next(iter(seen.values()), None), plain.outside
    if outside is None or other is None or outside == host or len(set(seen.values())) > 1:
        return None
    there, back = _Question(plain.asking, outside), _Question(first, other)
    _converse([there, back], HAIRPIN_PATIENCE, lambda: there.came or back.came)
    return there.came or back.came


def _converse(questions: Sequence[_Question], patience: float, is_enough: Callable[[], bool]) -> None:
    """Ask, ask again, and take the answers, until it is enough or the time is over."""
    by_transaction = {each.transaction: each for each in questions}
    started, sent = time.monotonic(), 0
    with selectors.DefaultSelector() as selector:
        for asking in {each.asking for each in questions}:
            asking.setblocking(False)
            selector.register(asking, selectors.EVENT_READ)
        for _ in range(_MAX_DATAGRAMS):
            waited = time.monotonic() - started
            if is_enough() or waited >= patience:
                return
            if sent < len(_SENDINGS) and waited >= _SENDINGS[sent]:
                sent += 1
                for each in questions:
                    if each.answer is None:
                        each.ask()
            due = _SENDINGS[sent] if sent < len(_SENDINGS) else patience
            for key, _ in selector.select(max(0.0, due - waited)):
                assert isinstance(key.fileobj, socket.socket)
                _take(key.fileobj, by_transaction)


def _take(asking: socket.socket, by_transaction: dict[bytes, _Question]) -> None:
    try:
        datagram, (host, port, *_) = asking.recvfrom(stun.MAX_MESSAGE + 1)
        message = stun.decode(datagram)
    except (OSError, RemoteProtocolError):
        return
    question = by_transaction.get(message.transaction_id)
    if question is None:
        return
    if message.message_class is MessageClass.REQUEST:
        question.came = question.came or asking is not question.asking
    elif asking is question.asking and host == question.to.host and question.answer is None:
        question.answer, question.came_from = message, Endpoint(host, port)
