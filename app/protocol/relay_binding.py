"""The client's side of a relay at one endpoint: how far it is, and which peers' pairs this computer is bound to there.

PING measures the relay and brings the cookie that BIND must show; both are repeated until they are answered. A binding
is tried until the relay says that both sides are bound, and begun anew when the relay does not know it any more. The
words and what protects them: protocol/relay.py.

Called by engine/relays.py, one RelayClient for each endpoint of a relay. No I/O, no clock: `now` is in seconds.
"""

import secrets
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.protocol.relay import (
    RelayBind,
    RelayBound,
    RelayPing,
    RelayPong,
    RelayRefusal,
    RelayRefused,
    RelayUnknown,
    RelayWord,
    bind_mac,
    bound_mac,
    decode,
    encode,
    is_mac,
)
from app.protocol.wire import Address, RemoteProtocolError

INTERVALS: Final = (0.3, 0.4, 0.5, 0.8, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0)
"""Seconds after each PING or BIND until it is repeated; after the last one there is a rest."""
COOKIE_LASTS: Final = 50.0
"""Seconds for which a cookie is used without asking for a new one; a relay takes it for a minute at least."""
REBIND_PAUSE: Final = 1.0
"""Seconds between two new beginnings of one binding that nobody asked for but a relay, or somebody in its name."""

_REMEMBERED_PINGS = 8
_NUMBER_LENGTH = 8


class Ticket(NamedTuple):
    """What the server gave for one peer; see messages.RelayOffered."""

    token: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """The relay has answered."""

    round_trip: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Mute:
    """The relay has left a word unanswered for a while, and was not mute before. It is asked on."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Both sides of the pair are bound: datagrams with this relay id reach the peer."""

    peer: Address
    relay: int


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The relay does not take the peer's token: the server may have a new one."""

    peer: Address


RelayEvent = Measured | Mute | Bound | TokenRefused


@dataclass(slots=True)
class _Repeated:
    """A word that is repeated until it is answered."""

    due: float | None = None
    """When it goes out (again); None while it rests."""
    attempts: int = 0

    def begin(self, now: float) -> None:
        self.due, self.attempts = now, 0

    def next(self, now: float) -> bool:
        """Whether it goes out once more."""
        if self.attempts >= len(INTERVALS):
            self.due = None
            return False
        self.due = now + INTERVALS[self.attempts]
        self.attempts += 1
        return True


@dataclass(slots=True)
class _Binding:
    """What this side has with one peer."""

    ticket: Ticket
    nonce: bytes
    word: _Repeated
    relay: int = 0
    """The relay id, 0 while there is none."""
    begun_at: float = float("-inf")
    answered: bool = False
    """The relay has answered since it was begun."""


class RelayClient:
    """One relay at one endpoint. `counters` names every word that was ignored and why."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self._ping = _Repeated()
        self._pings: OrderedDict[bytes, float] = OrderedDict()
        self._cookie = b""
        self._cookie_at = float("-inf")
        self._mute = False
        self._bindings: dict[Address, _Binding] = {}
        self._outbox: deque[bytes] = deque()
        self._events: deque[RelayEvent] = deque()

    # --- what the engine asks

    def measure(self, now: float) -> None:
        """Ask how far it is; does nothing while it is being asked."""
        if self._ping.due is None:
            self._ping.begin(now)
            self._send_ping(now)

    def forget_cookie(self) -> None:
        """This computer's network changed: the cookie may be of another endpoint."""
        self._cookie = b""

    def bind(self, peer: Address, ticket: Ticket, now: float) -> None:
        """Bind, also if that seems done: it tells the relay where this side is now. What is under way goes on."""
        before = self._bindings.get(peer)
        if before is not None and before.ticket == ticket and before.word.due is not None:
            return
        binding = _Binding(ticket, b"", _Repeated(), 0 if before is None else before.relay)
        self._bindings[peer] = binding
        self._begin(binding, now)

    def release(self, peer: Address) -> None:
        """The peer is not reached over this endpoint any more; the relay forgets idle pairs by itself."""
        self._bindings.pop(peer, None)

    # --- the verbs

    def receive_datagram(self, data: bytes, now: float) -> None:
        """Take a word that came from the endpoint. Never raises: what does not fit is counted."""
        try:
            self._receive(decode(data), now)
        except RemoteProtocolError:
            self.counters["relay-word-malformed"] += 1

    def datagrams_to_send(self) -> list[bytes]:
        """Words to send to the endpoint."""
        words = list(self._outbox)
        self._outbox.clear()
        return words

    def next_event(self) -> RelayEvent | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        due = [each.word.due for each in self._bindings.values()]
        return min((each for each in (self._ping.due, *due) if each is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Repeat what was not answered."""
        if self._ping.due is not None and now >= self._ping.due:
            self._became_mute()
            self._send_ping(now)
        for binding in self._bindings.values():
            if binding.word.due is not None and now >= binding.word.due:
                if not binding.answered:
                    self._became_mute()
                self._send_bind(binding, now)

    # --- asking

    def _became_mute(self) -> None:
        if not self._mute:
            self._mute = True
            self._events.append(Mute())

    def _send_ping(self, now: float) -> None:
        if not self._ping.next(now):
            return
        number = secrets.token_bytes(_NUMBER_LENGTH)
        self._pings[number] = now
        if len(self._pings) > _REMEMBERED_PINGS:
            self._pings.popitem(last=False)
        self._outbox.append(encode(RelayPing(number)))

    def _begin(self, binding: _Binding, now: float) -> None:
        binding.nonce, binding.begun_at, binding.answered = secrets.token_bytes(_NUMBER_LENGTH), now, False
        binding.word.begin(now)
        self._send_bind(binding, now)

    def _send_bind(self, binding: _Binding, now: float) -> None:
        """Without a fresh cookie it waits for the PONG that brings one."""
        if not binding.word.next(now):
            return
        if not self._cookie or now >= self._cookie_at + COOKIE_LASTS:
            self.measure(now)
            return
        token, key = binding.ticket
        mac = bind_mac(key, token, self._cookie, binding.nonce)
        self._outbox.append(encode(RelayBind(token, self._cookie, binding.nonce, mac)))

    # --- answers

    def _receive(self, word: RelayWord, now: float) -> None:
        match word:
            case RelayPong():
                self._receive_pong(word, now)
            case RelayBound():
                self._receive_bound(word)
            case RelayRefused():
                self._receive_refused(word, now)
            case RelayUnknown():
                self._receive_unknown(word, now)
            case _:
                self.counters["relay-word-unexpected"] += 1

    def _receive_pong(self, pong: RelayPong, now: float) -> None:
        sent_at = self._pings.pop(pong.probe, None)
        if sent_at is None:
            self.counters["relay-word-unexpected"] += 1
            return
        self._ping.due, self._mute = None, False
        self._cookie, self._cookie_at = pong.cookie, now
        self._events.append(Measured(now - sent_at))
        for binding in self._bindings.values():
            if binding.word.due is not None:
                self._send_bind(binding, now)

    def _receive_bound(self, word: RelayBound) -> None:
        peer = self._peer_of(word.nonce)
        if peer is None:
            self.counters["relay-word-unexpected"] += 1
            return
        binding = self._bindings[peer]
        if not is_mac(bound_mac(binding.ticket.key, word.nonce, word.relay, word.both), word.mac):
            self.counters["relay-word-not-authentic"] += 1
            return
        self._mute, binding.answered = False, True
        if word.both:
            binding.relay, binding.word.due = word.relay, None
            self._events.append(Bound(peer, word.relay))

    def _receive_refused(self, word: RelayRefused, now: float) -> None:
        peer = self._peer_of(word.nonce)
        if peer is None or self._bindings[peer].word.due is None:
            self.counters["relay-word-unexpected"] += 1
        elif word.reason is RelayRefusal.STALE_COOKIE:
            self._cookie = b""
            self.measure(now)
        elif word.reason is RelayRefusal.WRONG_TOKEN:
            del self._bindings[peer]
            self._events.append(TokenRefused(peer))

    def _peer_of(self, nonce: bytes) -> Address | None:
        return next((peer for peer, each in self._bindings.items() if each.nonce == nonce), None)

    def _receive_unknown(self, word: RelayUnknown, now: float) -> None:
        for binding in self._bindings.values():
            if binding.relay == word.relay and now >= binding.begun_at + REBIND_PAUSE:
                self._begin(binding, now)
                return
        self.counters["relay-word-unexpected"] += 1
