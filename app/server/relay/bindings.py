"""Who may send to whom over the relay: pairs of peers, their two sides, and the words by which endpoints are bound.

Pure: bytes and the time in, answers and decisions out. An endpoint is bound to a side once it has shown a cookie, which
only that endpoint was sent, and a token of the mediation server together with the key that belongs to it. All tables
are bounded, and no answer is longer than what it answers. Used by `forwarder.py`, the relay's streams and `relay.py`.

`now` is monotonic seconds, `wall` seconds since 1970, in which tokens count.
"""

import hashlib
import hmac
import secrets
from collections import Counter, deque
from collections.abc import Hashable
from typing import Final, Protocol, TypeVar

from app.protocol.relay import (
    COOKIE_LENGTH,
    Grant,
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
    open_token,
    token_key,
)
from app.protocol.wire import MIN_RELAY_ID, RELAY_ID_LENGTH, RemoteProtocolError
from app.server.limits import Rate, RelayLimits, TokenBuckets

COOKIE_PERIOD: Final = 60.0
"""Seconds after which cookies are made anew; those of the period before are still good."""
IDLE_AFTER: Final = 300.0
"""Seconds of silence after which an endpoint is not bound any more."""
SWEEP_INTERVAL: Final = 30.0
"""Seconds between two searches for what has ended."""
BURST_SECONDS: Final = 0.1
"""What a pair may send at once, in seconds of its rate."""
MIN_BURST: Final = 262_144
"""Bytes that any pair may send at once: a few trains."""
HEADERS: Final = 48
"""Bytes that each datagram counts more than it holds: IPv6 and UDP. Many tiny ones are as much work as large ones."""
EARLY: Final = 0.001
"""Seconds by which a sleep may end too soon, by the clock's steps and by rounding."""
REMEMBERED_NONCES: Final = 8
"""Of each side: a BIND that somebody copied does not bring an earlier endpoint back."""
UNKNOWN_RATE: Final = Rate(16, 4)
"""Answers to one source that is not bound: enough to find all its pairs anew after a restart of the relay."""

Key = TypeVar("Key")
Origin = tuple[Hashable, ...]
"""What an endpoint is told apart by: a socket's address, or the number of a stream."""


class Way(Protocol):
    """How datagrams go to an endpoint: UDP or a stream."""

    @property
    def origin(self) -> Origin:
        """Stands for the endpoint."""

    @property
    def source(self) -> str:
        """Whom limits count it as (`limits.source_of`)."""

    def send_train(self, train: memoryview, slot: int) -> None:
        """Send, or drop and count, at once: the view is used again. It neither waits nor raises."""


class Side:
    """One side of a pair. What its endpoint sends goes out by the way of `other`."""

    __slots__ = ("_burst", "_filled", "_level", "_rate", "expires", "heard", "key", "nonces", "other", "way")

    def __init__(self) -> None:
        self.way: Way | None = None
        self.key = b""
        self.nonces: deque[bytes] = deque(maxlen=REMEMBERED_NONCES)
        """Of the BINDs that were taken, the newest last."""
        self.expires = 0.0
        self.heard = 0.0
        self.other = self
        self._rate = self._burst = self._level = self._filled = 0.0

    def bind(self, way: Way, word: RelayBind, key: bytes, rate: float, expires: float, now: float) -> None:
        """The endpoint of `way` is this side from now on."""
        self.way, self.key, self.expires, self.heard = way, key, expires, now
        if word.nonce not in self.nonces:
            self.nonces.append(word.nonce)
        if rate != self._rate:
            self._rate, self._burst = rate, max(MIN_BURST, rate * BURST_SECONDS)
            self._level, self._filled = self._burst, now

    def has_moved_since(self, nonce: bytes, origin: Origin) -> bool:
        """Whether the BIND of this nonce was taken before, and `origin` is not the side's endpoint any more."""
        return nonce in self.nonces and (self.way is None or self.way.origin != origin)

    def spend(self, length: int, slot: int, now: float) -> int:
        """How many bytes of a train the side's rate has room for, in whole datagrams; they are spent.

        The rest of one train is lost rather than all of it: that is all the news a sender needs.
        """
        level, cost = self._level_at(now), _cost(length, slot)
        if level < cost:
            count = int(level) // (slot + HEADERS)
            length, cost = count * slot, count * (slot + HEADERS)
        self._level, self._filled = level - cost, now
        return length

    def wait(self, length: int, slot: int, now: float) -> float:
        """Seconds until `spend` has room for a train; 0.0 if it has, or never will."""
        level, cost = self._level_at(now), _cost(length, slot)
        return (cost - level) / self._rate + EARLY if level < cost <= self._burst else 0.0

    def _level_at(self, now: float) -> float:
        return min(self._burst, self._level + (now - self._filled) * self._rate)

    def is_over(self, now: float) -> bool:
        """Whether its endpoint was silent too long, or its token's time is over."""
        return now >= self.expires or now - self.heard >= IDLE_AFTER


def _cost(length: int, slot: int) -> int:
    return length + HEADERS * -(-length // slot)


class Pair:
    """Two peers that share a relay id."""

    __slots__ = ("name", "relay", "sides")

    def __init__(self, name: bytes, relay: int) -> None:
        self.name = name
        self.relay = relay
        self.sides = (Side(), Side())
        self.sides[0].other, self.sides[1].other = self.sides[1], self.sides[0]

    def side_of(self, origin: Origin) -> Side | None:
        """The side that is bound to an endpoint."""
        for side in self.sides:
            if side.way is not None and side.way.origin == origin:
                return side
        return None


class Bindings:
    """All pairs of one relay, and what was counted of them."""

    def __init__(self, secret: bytes, limits: RelayLimits) -> None:
        self._secret = secret
        self._limits = limits
        self._cookie_key = secrets.token_bytes(32)
        self._by_name: dict[bytes, Pair] = {}
        self._by_id: dict[int, Pair] = {}
        self._by_source: Counter[str] = Counter()
        self._by_origin: Counter[Origin] = Counter()
        rate = Rate(limits.words_per_second, limits.words_per_second)
        self._unproved = TokenBuckets(rate, capacity=50_000)
        """Answers to sources that anybody may have forged; these can't keep the true owner from binding."""
        self._binds = TokenBuckets(rate, capacity=50_000)
        self._unknown = TokenBuckets(UNKNOWN_RATE, capacity=50_000)
        self.counts: Counter[str] = Counter()

    def gauges(self) -> dict[str, float]:
        """How many pairs and bound endpoints there are."""
        return {"relay_pairs": len(self._by_id), "relay_endpoints": self._by_source.total()}

    # --- datagrams

    def forward(self, train: memoryview, slot: int, origin: Origin, now: float) -> bool:
        """Send a train, whose datagrams all have one relay id, to the other side; False if its sender is not bound."""
        pair = self._by_id.get(int.from_bytes(train[:RELAY_ID_LENGTH]))
        if pair is None:
            return False
        side = pair.side_of(origin)
        if side is None:
            return False
        side.heard = now
        way = side.other.way
        if way is None:
            self.counts["relay_dropped_other_side_missing"] += 1
            return True
        length = side.spend(len(train), slot, now)
        if length < len(train):
            self.counts["relay_dropped_rate"] += 1
            train = train[:length]
        if length:
            self.counts["relay_bytes"] += length
            self.counts["relay_trains"] += 1
            way.send_train(train, slot)
        return True

    def wait(self, train: memoryview, slot: int, origin: Origin, now: float) -> float:
        """Seconds that a sender who can wait should, so that its rate has room for a train of one relay id."""
        pair = self._by_id.get(int.from_bytes(train[:RELAY_ID_LENGTH]))
        side = pair.side_of(origin) if pair is not None else None
        return side.wait(len(train), slot, now) if side is not None else 0.0

    def tell_unknown(self, relay: int, length: int, source: str, now: float) -> bytes | None:
        """The answer to a datagram of `length` bytes whose sender is not bound to this relay id, if it gets one."""
        self.counts["relay_dropped_not_bound"] += 1
        answer = encode(RelayUnknown(relay))
        if len(answer) > length or not self._unknown.take(source, now):
            return None
        return answer

    # --- words

    def take_word(self, datagram: bytes, way: Way, now: float, wall: float) -> bytes | None:
        """What a word leads to: the answer, never longer than the word, or None."""
        try:
            word = decode(datagram)
        except RemoteProtocolError:
            self.counts["relay_words_dropped_malformed"] += 1
            return None
        answer = self._answer(word, way, now, wall)
        return answer if answer is not None and len(answer) <= len(datagram) else None

    def _answer(self, word: RelayWord, way: Way, now: float, wall: float) -> bytes | None:
        is_bind = isinstance(word, RelayBind) and self._is_fresh(word.cookie, way, now)
        if not (self._binds if is_bind else self._unproved).take(way.source, now):
            self.counts["relay_words_dropped_rate"] += 1
            return None
        match word:
            case RelayPing():
                self.counts["relay_pings"] += 1
                return encode(RelayPong(word.probe, self._cookie(way, now)))
            case RelayBind() if is_bind:
                return self._bind(word, way, now, wall)
            case RelayBind():
                return self._refuse(word, RelayRefusal.STALE_COOKIE)
            case _:
                self.counts["relay_words_dropped_malformed"] += 1  # words of a relay
                return None

    def _cookie(self, way: Way, now: float, periods_ago: int = 0) -> bytes:
        text = f"{int(now // COOKIE_PERIOD) - periods_ago} {way.origin!r}"
        return hmac.digest(self._cookie_key, text.encode(), hashlib.sha256)[:COOKIE_LENGTH]

    def _is_fresh(self, cookie: bytes, way: Way, now: float) -> bool:
        return any(is_mac(self._cookie(way, now, ago), cookie) for ago in (0, 1))

    def _bind(self, word: RelayBind, way: Way, now: float, wall: float) -> bytes:
        try:
            grant = open_token(self._secret, word.token)
        except RemoteProtocolError:
            return self._refuse(word, RelayRefusal.WRONG_TOKEN)
        key = token_key(self._secret, word.token)
        if grant.expires <= wall or not is_mac(bind_mac(key, word.token, word.cookie, word.nonce), word.mac):
            return self._refuse(word, RelayRefusal.WRONG_TOKEN)
        pair = self._by_name.get(grant.pair)
        side = pair.sides[grant.side] if pair else None
        if side is not None and side.has_moved_since(word.nonce, way.origin):
            return self._refuse(word, RelayRefusal.STALE_COOKIE)
        if not self._has_room(pair, side, way):
            return self._refuse(word, RelayRefusal.BUSY)
        return self._bound(grant, word, way, key, now, wall)

    def _refuse(self, word: RelayBind, reason: RelayRefusal) -> bytes:
        self.counts[f"relay_binds_refused_{reason.name.lower()}"] += 1
        return encode(RelayRefused(word.nonce, reason))

    def _has_room(self, pair: Pair | None, side: Side | None, way: Way) -> bool:
        if pair is None and len(self._by_name) >= self._limits.pairs:
            return False
        counts_already = side is not None and side.way is not None and side.way.source == way.source
        return counts_already or self._by_source[way.source] < self._limits.endpoints_per_source

    def _bound(self, grant: Grant, word: RelayBind, way: Way, key: bytes, now: float, wall: float) -> bytes:
        pair = self._by_name.get(grant.pair) or self._new_pair(grant.pair)
        side = pair.sides[grant.side]
        twin = pair.side_of(way.origin)
        if twin is not None and twin is not side:
            self._release(twin)  # one endpoint can't be both: nobody could tell its datagrams apart
        is_new = side.way is None or side.way.origin != way.origin
        if is_new:
            self._release(side)
            self._by_source[way.source] += 1
            self._by_origin[way.origin] += 1
        rate = min(grant.rate or self._limits.pair_rate, self._limits.pair_rate)
        side.bind(way, word, key, rate, now + grant.expires - wall, now)
        self.counts["relay_binds"] += 1
        if side.other.way is not None:
            told = self._bound_word(pair, side.other)
            side.other.way.send_train(memoryview(told), len(told))
        return self._bound_word(pair, side)

    def _new_pair(self, name: bytes) -> Pair:
        relay = MIN_RELAY_ID
        while relay in self._by_id or relay == MIN_RELAY_ID:
            relay = MIN_RELAY_ID + secrets.randbelow(0x1_0000_0000 - MIN_RELAY_ID)
        pair = self._by_name[name] = self._by_id[relay] = Pair(name, relay)
        return pair

    def _bound_word(self, pair: Pair, side: Side) -> bytes:
        nonce, both = side.nonces[-1], side.other.way is not None
        return encode(RelayBound(nonce, pair.relay, both, bound_mac(side.key, nonce, pair.relay, both)))

    # --- ends

    def unbind(self, origin: Origin) -> None:
        """An endpoint is gone: a stream has ended. Most of a stranger's were never bound, and cost nothing."""
        if origin not in self._by_origin:
            return
        for pair in list(self._by_id.values()):
            side = pair.side_of(origin)
            if side is not None:
                self._release(side)
                self._drop_if_empty(pair)

    def sweep(self, now: float) -> None:
        """End what was silent too long or has a token whose time is over; to be called every SWEEP_INTERVAL."""
        for pair in list(self._by_id.values()):
            for side in pair.sides:
                if side.is_over(now):
                    self._release(side)
            self._drop_if_empty(pair)

    def _drop_if_empty(self, pair: Pair) -> None:
        if all(side.way is None for side in pair.sides):
            del self._by_name[pair.name], self._by_id[pair.relay]

    def _release(self, side: Side) -> None:
        if side.way is not None:
            source, origin = side.way.source, side.way.origin
            side.way = None
            _take_one(self._by_source, source)
            _take_one(self._by_origin, origin)


def _take_one(counts: Counter[Key], key: Key) -> None:
    """One less; nothing is kept for none."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
