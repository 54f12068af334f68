"""The server's relays: how far each is and by which access it is reached, and by which of them a peer is.

Each relay has accesses: its UDP endpoints, and, where UDP is not answered, a stream that a carrier opens and shows as
an endpoint of this computer (engine/carriers.py). The server offers one relay to both peers of a pair; each binds to it
at its best access, and a peer for which both have done so is reached by that access and the relay id of the pair.
Owned by engine/peers.py.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from app.base.tasks import Tasks
from app.engine.candidates import resolve_ports
from app.engine.errors import EngineError
from app.protocol.messages import (
    Accepted,
    CandidateKind,
    GetRelay,
    Relay,
    RelayOffered,
    RelayTime,
    ReportRelays,
    Request,
)
from app.protocol.relay_binding import Bound, Measured, Mute, RelayClient, RelayEvent, Ticket, TokenRefused
from app.protocol.wire import Address, Endpoint

logger = logging.getLogger(__name__)

ASK_PAUSE = 3.0
"""Seconds until a relay to the same peer is asked for again."""
STREAM_PATIENCE = 0.5
"""Seconds that a relay which has answered over UDP before may be mute until it is tried over a stream."""
LOOK_AGAIN = (30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds between the attempts to reach a relay over UDP that is not reached so; the last one repeats."""
MAX_LOOK_UPS = 3
"""Names that are looked up at a time: each may hold a thread for long, and others need threads as well."""
NOTICEABLE = 1.3
"""How many times longer or shorter a round trip must be to be reported anew."""
NOTICEABLE_SECONDS = 0.005
RENEW_AFTER = 0.9
"""Part of a token's lifetime after which a new one is asked for."""


class Streams(Protocol):
    """Opens streams to relays, and tells by `Relays.stream_opened` what came of it."""

    def want(self, relay: Relay, host: str) -> None:
        """Have a stream to this relay; `host` is where it is, which may change."""
        ...

    def unwanted(self, number: int) -> None:
        """The stream to the relay of this number is not needed any more."""
        ...

    def route_of(self, access: Endpoint) -> str:
        """The route of the stream behind an endpoint of this computer, in plain words."""
        ...


class Server(Protocol):
    """The mediation server, as far as relays are its business."""

    @property
    def online(self) -> bool:
        """Requests can be sent."""
        ...

    async def request(self, request: Request, wanted: type[Accepted]) -> Accepted:
        """Ask something. Raises EngineError."""
        ...


class RelayReach(NamedTuple):
    """How far one relay is, in seconds; None where it does not answer."""

    place: str
    """Host and port as the server names them."""
    udp: float | None
    stream: float | None
    stream_tried: bool


@dataclass(slots=True)
class _Relay:
    """One relay and its accesses."""

    told: Relay
    host: str
    accesses: dict[Endpoint, RelayClient] = field(default_factory=dict)
    times: dict[Endpoint, float] = field(default_factory=dict)
    """Round trips of the accesses that answer."""
    stream: Endpoint | None = None
    """The access among them that is a stream."""
    was_reached: bool = False
    """Over UDP, since the network last changed."""
    mute: bool = False
    """Over UDP, as far as is known."""
    streaming: bool = False
    """A stream is wanted."""
    stream_at: float | None = None
    """When a stream will be wanted."""
    look_at: float | None = None
    """When UDP is tried again."""
    looks: int = 0

    @property
    def place(self) -> str:
        return str(Endpoint(self.host, self.told.port))

    @property
    def is_found(self) -> bool:
        """It is known where it should be reached over UDP."""
        return any(access != self.stream for access in self.accesses)

    @property
    def udp_time(self) -> float | None:
        return min((time for access, time in self.times.items() if access != self.stream), default=None)

    @property
    def stream_time(self) -> float | None:
        return None if self.stream is None else self.times.get(self.stream)

    def best(self) -> Endpoint | None:
        """The access to use: UDP rather than a stream, then the nearest; one that is mute if there is no other."""
        answering = min(self.times, key=lambda each: (each == self.stream, self.times[each]), default=None)
        return answering or next(iter(self.accesses), None)


@dataclass(slots=True)
class _Offer:
    """What the server gave for one peer, and where this side is bound with it."""

    relay: int
    ticket: Ticket
    renew_at: float
    expires_at: float
    access: Endpoint | None = None


class Relays:
    """All relays of one server.

    `send` sends a word from the helper's socket, `is_needed` tells whether a peer has no direct path now, and
    `on_path(peer, kind, endpoint, now)` is told where a peer is reached over a relay, `on_loss(peer)` that it is not
    any more, as the stream there is lost.
    """

    def __init__(
        self,
        send: Callable[[Endpoint, bytes], None],
        server: Server,
        tasks: Tasks,
        is_needed: Callable[[Address], bool],
        on_path: Callable[[Address, CandidateKind, Endpoint, float], None],
        on_loss: Callable[[Address], None],
        clock: Callable[[], float],
    ) -> None:
        self.streams: Streams | None = None
        """Set by the engine where streams can be opened."""
        self.counters: Counter[str] = Counter()
        self._send, self._server, self._tasks = send, server, tasks
        self._is_needed, self._on_path, self._on_loss, self._clock = is_needed, on_path, on_loss, clock
        self._relays: dict[int, _Relay] = {}
        self._offers: dict[Address, _Offer] = {}
        self._asked_at: dict[Address, float] = {}
        self._reported: dict[int, float] = {}
        self._reporting = False
        self._has_socket = False
        self._looking_up = asyncio.Semaphore(MAX_LOOK_UPS)

    # --- what the engine tells

    def told(self, relays: Sequence[Relay], server_host: str) -> None:
        """A login: these are the server's relays. What is bound stays so, and is bound anew if the server restarted."""
        self._reported = {}
        self._tasks.start("relays", self._find(relays, server_host))

    async def _find(self, relays: Sequence[Relay], server_host: str) -> None:
        """Names are looked up at each login: a relay may have moved."""
        for number in self._relays.keys() - {each.number for each in relays}:
            self._drop(number)
        for each in relays:
            self._know(each, each.host or server_host)
        await asyncio.gather(*(self._look_up(relay) for relay in tuple(self._relays.values())))

    def _know(self, told: Relay, host: str) -> None:
        relay = self._relays.setdefault(told.number, _Relay(told, host))
        relay.told, relay.host = told, host
        if relay.streaming and self.streams is not None:
            self.streams.want(told, host)

    async def _look_up(self, relay: _Relay) -> None:
        told, host = relay.told, relay.host
        async with self._looking_up:
            endpoints = await resolve_ports(host, (told.port,))
        if self._relays.get(told.number) is relay and (relay.told, relay.host) == (told, host):
            self._found(relay, endpoints)

    def _found(self, relay: _Relay, endpoints: Sequence[Endpoint]) -> None:
        """It is at these endpoints. What is bound at another one is bound anew: the tokens stay good.

        If there are none, its name could not be looked up: then it is where it was before.
        """
        now = self._clock()
        if endpoints:
            for gone in relay.accesses.keys() - {*endpoints, relay.stream}:
                self._close_access(relay, gone)
        for each in endpoints:
            relay.accesses.setdefault(each, RelayClient())
        self._measure(relay, now)
        self._bind_all(relay, now)
        self._report()

    def _close_access(self, relay: _Relay, endpoint: Endpoint) -> list[Address]:
        """Forget it; gives the peers that were bound there."""
        relay.accesses.pop(endpoint, None)
        relay.times.pop(endpoint, None)
        peers = [peer for peer, offer in self._offers.items() if offer.access == endpoint]
        for peer in peers:
            self._offers[peer].access = None
        return peers

    def _drop(self, number: int) -> None:
        relay = self._relays.pop(number, None)
        if relay is None:
            return
        self._stream_unwanted(relay)
        self._offers = {peer: offer for peer, offer in self._offers.items() if offer.relay != number}

    def socket_opened(self) -> None:
        """The helper's socket is a new one: nothing is bound."""
        now, self._has_socket = self._clock(), True
        for relay in self._relays.values():
            self._begin_anew(relay)
            self._measure(relay, now)
            self._bind_all(relay, now)

    def socket_closed(self) -> None:
        """There is no socket: nothing can be sent."""
        self._has_socket = False
        for relay in self._relays.values():
            self._begin_anew(relay)
            self._stream_unwanted(relay)

    def network_changed(self) -> None:
        """What answered may not any more, and the other way round."""
        now = self._clock()
        for relay in self._relays.values():
            relay.was_reached, relay.looks = False, 0
            for access in relay.accesses.values():
                access.forget_cookie()
            self._measure(relay, now)

    def stream_opened(self, number: int, endpoint: Endpoint | None) -> None:
        """The stream to a relay can be used by this endpoint, or is lost (None)."""
        relay = self._relays.get(number)
        if relay is None or not relay.streaming:
            return
        lost = [] if relay.stream is None else self._close_access(relay, relay.stream)
        relay.stream = endpoint
        if endpoint is not None:
            now = self._clock()
            relay.accesses[endpoint] = client = RelayClient()
            client.measure(now)
            self._flush(relay, now)
        self._report()
        for peer in lost:
            if self._is_needed(peer):
                self._on_loss(peer)

    def offered(self, word: RelayOffered, *, bind: bool) -> None:
        """The server offers a relay to a peer, which has the same offer and may wait: `bind` at once, or later."""
        now, peer = self._clock(), Address(word.peer)
        before = self._offers.get(peer)
        if before is not None and before.relay != word.relay:
            self._release(peer, before)
        self._offers[peer] = offer = _Offer(
            word.relay,
            Ticket(word.token, word.key),
            now + word.lifetime * RENEW_AFTER,
            now + word.lifetime,
        )
        if bind:
            self._bind(peer, offer, now)

    def forget(self, peer: Address) -> None:
        """There is no tunnel with this peer any more."""
        offer = self._offers.pop(peer, None)
        self._asked_at.pop(peer, None)
        if offer is not None:
            self._release(peer, offer)

    def forget_all(self) -> None:
        """Logged out."""
        for number in tuple(self._relays):
            self._drop(number)
        self._offers.clear()

    # --- what links ask

    def use(self, peer: Address, *, ask: bool, now: float) -> None:
        """The peer is to be reached over a relay: bind with what the server gave before, or `ask` it for both sides."""
        offer = self._offers.get(peer)
        if offer is not None and now < offer.expires_at:
            self._bind(peer, offer, now)
        if ask:
            self._ask(peer, now)

    def _ask(self, peer: Address, now: float) -> None:
        if self._relays and self._server.online and now >= self._asked_at.get(peer, float("-inf")) + ASK_PAUSE:
            self._asked_at[peer] = now
            self._tasks.start("relay", self._get_relay(peer))

    async def _get_relay(self, peer: Address) -> None:
        try:
            await self._server.request(GetRelay(0, peer), Accepted)
        except EngineError as error:
            logger.debug("relay: %s", error)

    # --- what is shown

    @property
    def reach(self) -> tuple[RelayReach, ...]:
        """All relays and how far they are."""
        return tuple(
            RelayReach(each.place, each.udp_time, each.stream_time, each.streaming) for each in self._relays.values()
        )

    @property
    def all_counters(self) -> Counter[str]:
        """Every word that was ignored, by the reason."""
        total = Counter(self.counters)
        for relay in self._relays.values():
            for access in relay.accesses.values():
                total.update(access.counters)
        return total

    def place(self, endpoint: Endpoint) -> str:
        """Host and port of the relay at this end of a path, as the server names them; empty if it is none."""
        if not endpoint.relay:
            return ""
        return next((each.place for each in self._relays.values() if endpoint.plain in each.accesses), "")

    def route(self, endpoint: Endpoint) -> str:
        """By which route the stream at this end of a path leads, in plain words; empty if it is none."""
        return self.streams.route_of(endpoint.plain) if self.streams is not None and endpoint.relay else ""

    # --- words

    def receive(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        """A word came from an endpoint."""
        for relay in self._relays.values():
            access = relay.accesses.get(endpoint)
            if access is not None:
                access.receive_datagram(data, now)
                self._flush(relay, now)
                return
        self.counters["relay-word-of-stranger"] += 1

    def _flush(self, relay: _Relay, now: float) -> None:
        for endpoint, access in tuple(relay.accesses.items()):
            while (event := access.next_event()) is not None:
                self._take(relay, endpoint, event, now)
            for word in access.datagrams_to_send():
                if self._has_socket:
                    self._send(endpoint, word)

    def _take(self, relay: _Relay, endpoint: Endpoint, event: RelayEvent, now: float) -> None:
        match event:
            case Measured():
                self._measured(relay, endpoint, event.round_trip, now)
            case Mute():
                self._became_mute(relay, endpoint, now)
            case Bound():
                kind = CandidateKind.STREAM_RELAY if endpoint == relay.stream else CandidateKind.RELAY
                self._on_path(event.peer, kind, endpoint._replace(relay=event.relay), now)
            case TokenRefused():
                self._offers.pop(event.peer, None)
                self._ask(event.peer, now)

    # --- measuring

    def _begin_anew(self, relay: _Relay) -> None:
        relay.times.clear()
        relay.accesses = {each: RelayClient() for each in relay.accesses if each != relay.stream}
        relay.stream, relay.was_reached, relay.mute = None, False, False
        for offer in self._offers.values():
            if offer.relay == relay.told.number:
                offer.access = None

    def _measure(self, relay: _Relay, now: float) -> None:
        if not self._has_socket:
            return
        if not relay.is_found:
            self._do_without_udp(relay, now)  # a proxy may know its name
        for access in relay.accesses.values():
            access.measure(now)
        self._flush(relay, now)

    def _measured(self, relay: _Relay, endpoint: Endpoint, round_trip: float, now: float) -> None:
        back = None if endpoint in relay.times else endpoint
        relay.times[endpoint] = round_trip
        if endpoint != relay.stream:
            relay.was_reached, relay.mute, relay.looks, relay.look_at = True, False, 0, None
            self._stream_unwanted(relay)
        self._move(relay, now, back)
        self._report()

    def _became_mute(self, relay: _Relay, endpoint: Endpoint, now: float) -> None:
        relay.times.pop(endpoint, None)
        if endpoint != relay.stream and relay.udp_time is None:
            self._do_without_udp(relay, now)
        self._move(relay, now)
        self._report()

    def _do_without_udp(self, relay: _Relay, now: float) -> None:
        relay.mute = True
        relay.stream_at = now + (STREAM_PATIENCE if relay.was_reached else 0.0)
        relay.look_at = now + LOOK_AGAIN[relay.looks]

    def _look_again(self, relay: _Relay, now: float) -> None:
        relay.looks = min(relay.looks + 1, len(LOOK_AGAIN) - 1)
        relay.look_at = now + LOOK_AGAIN[relay.looks]
        if relay.is_found:
            self._measure(relay, now)
        else:
            self._tasks.start("relays", self._look_up(relay))

    def _stream_due(self, relay: _Relay) -> None:
        """The first relay is always kept in reach, any other one while the server offers it."""
        relay.stream_at = None
        number = relay.told.number
        needed = number == min(self._relays) or any(offer.relay == number for offer in self._offers.values())
        if needed and self.streams is not None and not relay.streaming:
            relay.streaming = True
            self.streams.want(relay.told, relay.host)

    def _stream_unwanted(self, relay: _Relay) -> None:
        relay.stream_at = None
        if relay.streaming and self.streams is not None:
            self.streams.unwanted(relay.told.number)
        relay.streaming = False
        if relay.stream is not None:
            self._close_access(relay, relay.stream)
            relay.stream = None

    def _report(self) -> None:
        if not self._reporting and self._server.online and self._times_differ():
            self._reporting = True
            self._tasks.start("relay times", self._tell_times())

    def _nearest(self) -> dict[int, float]:
        return {number: min(each.times.values()) for number, each in self._relays.items() if each.times}

    def _times_differ(self) -> bool:
        times = self._nearest()
        if times.keys() != self._reported.keys():
            return True
        return any(_is_noticeable(self._reported[number], time) for number, time in times.items())

    async def _tell_times(self) -> None:
        try:
            while self._server.online and self._times_differ():
                self._reported = self._nearest()
                times = (RelayTime(number, min(65_535, round(time * 1_000))) for number, time in self._reported.items())
                await self._server.request(ReportRelays(0, tuple(times)), Accepted)
            self._ask_elsewhere()
        except EngineError as error:
            logger.debug("relay times: %s", error)
        finally:
            self._reporting = False

    def _ask_elsewhere(self) -> None:
        """Whose relay is mute while another one answers: the server, which knows it by now, has that one for both."""
        answering = {number for number, each in self._relays.items() if each.times}
        for peer, offer in tuple(self._offers.items()):
            if answering and offer.relay not in answering and self._is_needed(peer):
                self._asked_at.pop(peer, None)
                self._ask(peer, self._clock())

    # --- binding

    def _bind_all(self, relay: _Relay, now: float) -> None:
        """Peers that need it are bound (again)."""
        for peer, offer in tuple(self._offers.items()):
            if offer.relay == relay.told.number and self._is_needed(peer):
                self._bind(peer, offer, now)

    def _move(self, relay: _Relay, now: float, back: Endpoint | None = None) -> None:
        """Peers that need it leave an access that is mute, or a stream, for a better one.

        At one that is `back` after it was mute they are bound anew: the relay may have been restarted.
        """
        best = relay.best()
        for peer, offer in tuple(self._offers.items()):
            if offer.relay != relay.told.number or not self._is_needed(peer):
                continue
            stays = offer.access == best or (offer.access in relay.times and offer.access != relay.stream)
            if offer.access == back or not stays:
                self._bind(peer, offer, now)

    def _bind(self, peer: Address, offer: _Offer, now: float) -> None:
        relay = self._relays.get(offer.relay)
        if relay is None or not self._has_socket:
            return
        if relay.mute and relay.stream_at is None:
            relay.stream_at = now
        best = relay.best()
        if best is None:
            return
        if offer.access is not None and offer.access != best:
            self._release(peer, offer)
        offer.access = best
        relay.accesses[best].bind(peer, offer.ticket, now)
        self._flush(relay, now)

    def _release(self, peer: Address, offer: _Offer) -> None:
        relay = self._relays.get(offer.relay)
        if relay is not None and offer.access is not None and offer.access in relay.accesses:
            relay.accesses[offer.access].release(peer)
        offer.access = None

    # --- time

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        due: list[float | None] = [offer.renew_at for offer in self._offers.values()]
        for relay in self._relays.values():
            due += (relay.stream_at, relay.look_at)
            due += (access.next_deadline() for access in relay.accesses.values())
        return min((each for each in due if each is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Do what is due."""
        for relay in tuple(self._relays.values()):
            for access in tuple(relay.accesses.values()):
                access.handle_deadline(now)
            self._flush(relay, now)
            if relay.stream_at is not None and now >= relay.stream_at:
                self._stream_due(relay)
            if relay.look_at is not None and now >= relay.look_at:
                self._look_again(relay, now)
        for peer, offer in tuple(self._offers.items()):
            if now >= offer.renew_at:
                offer.renew_at = float("inf")
                if self._is_needed(peer):
                    self._ask(peer, now)


def _is_noticeable(before: float, now: float) -> bool:
    larger, smaller = max(before, now), min(before, now)
    return larger > smaller * NOTICEABLE and larger - smaller > NOTICEABLE_SECONDS
