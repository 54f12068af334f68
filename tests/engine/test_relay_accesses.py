"""By which access a relay is used: UDP where that is answered, else a stream, whatever changes meanwhile."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from app.base.tasks import Tasks
from app.engine.relays import LOOK_AGAIN, STREAM_PATIENCE, Relays
from app.protocol.messages import Accepted, CandidateKind, GetRelay, Relay, RelayOffered, ReportRelays, Request
from app.protocol.relay import Grant, seal_token, token_key
from app.protocol.relay_binding import INTERVALS
from app.protocol.wire import Address, Endpoint
from app.server.limits import RelayLimits
from app.server.relay.bindings import Bindings

PEER = Address(7)
SECRET = bytes(range(32))
HOST, MOVED = "203.0.113.9", "203.0.113.10"
UNKNOWN = "no..name"
UDP, STREAM = Endpoint(HOST, 12_975), Endpoint("127.0.0.1", 40_001)
RELAY = Relay(0, HOST, 12_975, 443)


def offer(side: int, lifetime: int = 43_200) -> RelayOffered:
    token = seal_token(SECRET, Grant(bytes(16), side, int(time.time()) + lifetime, 0))
    return RelayOffered(PEER, 0, token, token_key(SECRET, token), lifetime)


class Way:
    """How the relay reaches one endpoint of this computer; what it sends is read here."""

    def __init__(self, name: str, arrive: Callable[[bytes], None]) -> None:
        self.origin, self.source = (name,), name
        self._arrive = arrive

    def send_train(self, train: memoryview, slot: int) -> None:
        self._arrive(bytes(train))


class Place:
    """A computer's relays with a clock of its own, a real relay's rules at its accesses, and a peer that is bound."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.relay = Bindings(SECRET, RelayLimits())
        self.open = {UDP, STREAM}
        """Where the relay is reached."""
        self.paths: list[tuple[CandidateKind, Endpoint]] = []
        self.wanted: set[int] = set()
        self.hosts: dict[int, str] = {}
        """Where streams were to lead."""
        self.asked: list[Request] = []
        self.online = True
        self.tasks = Tasks()
        self.sent = 0
        self.lost: list[Address] = []
        self.relays = Relays(
            self._send, self, self.tasks, lambda _: True, self._path, self.lost.append, lambda: self.now
        )
        self.relays.streams = self
        self.peer = Relays(
            self._send_of_peer, self, self.tasks, lambda _: True, lambda *_: None, lambda _: None, lambda: self.now
        )

    # --- the server, and the streams

    async def request(self, request: Request, wanted: type[Accepted]) -> Accepted:
        self.asked.append(request)
        return Accepted(0)

    def want(self, relay: Relay, host: str) -> None:
        self.wanted.add(relay.number)
        self.hosts[relay.number] = host

    def unwanted(self, number: int) -> None:
        self.wanted.discard(number)

    def route_of(self, access: Endpoint) -> str:
        return "TCP"

    # --- the relay

    def _send(self, endpoint: Endpoint, data: bytes) -> None:
        self.sent += 1
        if endpoint in self.open:
            self._reach(f"own {endpoint}", endpoint, data, self.relays)

    def _send_of_peer(self, endpoint: Endpoint, data: bytes) -> None:
        self._reach("peer", endpoint, data, self.peer)

    def _reach(self, name: str, endpoint: Endpoint, data: bytes, sender: Relays) -> None:
        loop = asyncio.get_running_loop()

        def answer(word: bytes) -> None:
            loop.call_soon(lambda: sender.receive(word, endpoint, self.now))

        way = Way(name, answer)
        answered = self.relay.take_word(data, way, self.now, time.time())
        if answered is not None:
            answer(answered)

    def _path(self, _peer: Address, kind: CandidateKind, endpoint: Endpoint, _now: float) -> None:
        self.paths.append((kind, endpoint.plain))

    # --- time

    async def found(self) -> None:
        """Hosts are looked up in a thread."""
        while self.tasks:
            await asyncio.wait(self.tasks._running)

    async def pass_time(self, seconds: float) -> None:
        """Let deadlines come, and words travel in no time."""
        end = self.now + seconds
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            due = [each for each in (self.relays.next_deadline(), self.peer.next_deadline()) if each is not None]
            if not due or min(due) > end:
                self.now = end
                return
            self.now = max(self.now, min(due))
            self.relays.handle_deadline(self.now)
            self.peer.handle_deadline(self.now)

    async def log_in(self, host: str = HOST) -> None:
        """The relay is told, and the peer bound to it."""
        told = Relay(0, host, 12_975, 443)
        for each in (self.relays, self.peer):
            each.told((told,), "198.51.100.1")
            each.socket_opened()
        await self.found()
        self.peer.offered(offer(1), bind=True)


def tell(story: Callable[[Place], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        place = Place()
        try:
            await asyncio.wait_for(story(place), 30)
        finally:
            await place.tasks.close()

    asyncio.run(run())


def test_a_relay_that_answers_is_reported_once_and_used_over_udp() -> None:
    async def story(place: Place) -> None:
        await place.log_in()
        await place.pass_time(1)
        place.relays.offered(offer(0), bind=True)
        await place.pass_time(1)
        assert (CandidateKind.RELAY, UDP) in place.paths
        assert place.relays.reach[0].udp is not None
        assert place.relays.place(UDP._replace(relay=0xC0000000)) == f"{HOST}:12975"
        sent = place.sent
        await place.pass_time(3_600)
        assert place.sent == sent, "an hour costs nothing"
        reports = [each for each in place.asked if isinstance(each, ReportRelays)]
        assert [report.times[0].relay for report in reports] == [0, 0], "of both"
        assert not place.wanted

    tell(story)


def test_a_relay_that_udp_does_not_reach_is_used_over_a_stream_until_it_does() -> None:
    async def story(place: Place) -> None:
        place.open.remove(UDP)
        await place.log_in()
        await place.pass_time(0.5)
        assert place.wanted == {0}
        place.relays.offered(offer(0), bind=True)
        place.relays.stream_opened(0, STREAM)
        await place.pass_time(1)
        assert place.paths[-1] == (CandidateKind.STREAM_RELAY, STREAM)
        assert place.relays.reach[0].stream is not None
        place.open.add(UDP)
        await place.pass_time(2 * LOOK_AGAIN[1])
        assert place.paths[-1] == (CandidateKind.RELAY, UDP)
        assert not place.wanted

    tell(story)


def test_a_stream_that_is_lost_and_comes_back_is_bound_anew() -> None:
    async def story(place: Place) -> None:
        place.open.remove(UDP)
        await place.log_in()
        place.relays.offered(offer(0), bind=True)
        await place.pass_time(0.5)
        place.relays.stream_opened(0, STREAM)
        await place.pass_time(1)
        assert place.lost == []
        place.relays.stream_opened(0, None)
        assert place.lost == [PEER]
        place.relay.unbind((f"own {STREAM}",))
        count = len(place.paths)
        place.relays.stream_opened(0, STREAM)
        await place.pass_time(1)
        assert len(place.paths) > count

    tell(story)


def test_a_relay_that_falls_silent_is_tried_over_a_stream_after_some_patience() -> None:
    async def story(place: Place) -> None:
        await place.log_in()
        await place.pass_time(1)
        place.relays.offered(offer(0), bind=True)
        await place.pass_time(1)
        place.open.remove(UDP)
        place.relays.use(PEER, ask=False, now=place.now)
        await place.pass_time(STREAM_PATIENCE / 2)
        assert not place.wanted, "it may only be restarting"
        await place.pass_time(INTERVALS[0] + STREAM_PATIENCE)
        assert place.wanted == {0}

    tell(story)


def test_a_relay_that_comes_back_without_memory_is_bound_anew() -> None:
    async def story(place: Place) -> None:
        await place.log_in()
        await place.pass_time(1)
        place.relays.offered(offer(0), bind=True)
        await place.pass_time(1)
        place.open.clear()
        place.relays.network_changed()
        await place.pass_time(60)
        place.relay = Bindings(SECRET, RelayLimits())
        place.peer.use(PEER, ask=False, now=place.now)
        count = len(place.paths)
        place.open = {UDP}
        await place.pass_time(LOOK_AGAIN[2])
        assert len(place.paths) > count

    tell(story)


def test_a_relay_that_moved_is_bound_at_its_new_address() -> None:
    async def story(place: Place) -> None:
        await place.log_in()
        await place.pass_time(1)
        place.relays.offered(offer(0), bind=True)
        await place.pass_time(1)
        moved = UDP._replace(host=MOVED)
        place.open = {moved}
        place.relays.told((Relay(0, MOVED, 12_975, 443),), "198.51.100.1")
        await place.found()
        await place.pass_time(1)
        assert place.paths[-1] == (CandidateKind.RELAY, moved)

    tell(story)


def test_the_stream_to_a_relay_that_moved_leads_to_its_new_place() -> None:
    async def story(place: Place) -> None:
        place.open.clear()
        await place.log_in()
        await place.pass_time(1)
        assert place.hosts == {0: HOST}
        place.relays.told((Relay(0, MOVED, 12_975, 443),), "198.51.100.1")
        await place.found()
        assert place.hosts == {0: MOVED}

    tell(story)


def test_a_relay_whose_name_only_a_proxy_knows_is_used_over_a_stream() -> None:
    async def story(place: Place) -> None:
        await place.log_in(host=UNKNOWN)
        await place.pass_time(1)
        assert place.wanted == {0}
        assert place.hosts == {0: UNKNOWN}
        place.peer.told((RELAY,), "198.51.100.1")
        await place.found()
        place.relays.offered(offer(0), bind=True)
        place.relays.stream_opened(0, STREAM)
        await place.pass_time(1)
        assert place.paths[-1] == (CandidateKind.STREAM_RELAY, STREAM)
        place.relays.told((RELAY,), "198.51.100.1")
        await place.found()
        await place.pass_time(1)
        assert place.paths[-1] == (CandidateKind.RELAY, UDP)
        assert not place.wanted

    tell(story)


def test_a_relay_whose_name_is_not_found_for_once_is_where_it_was() -> None:
    async def story(place: Place) -> None:
        await place.log_in()
        await place.pass_time(1)
        place.relays.told((Relay(0, UNKNOWN, 12_975, 443),), "198.51.100.1")
        await place.found()
        place.relays.offered(offer(0), bind=True)
        await place.pass_time(1)
        assert place.paths[-1] == (CandidateKind.RELAY, UDP)
        assert not place.wanted

    tell(story)


def test_a_token_is_renewed_before_its_time_is_over() -> None:
    async def story(place: Place) -> None:
        await place.log_in()
        place.relays.offered(offer(0, lifetime=1_000), bind=True)
        await place.pass_time(800)
        assert not any(isinstance(each, GetRelay) for each in place.asked)
        await place.pass_time(150)
        assert sum(isinstance(each, GetRelay) for each in place.asked) == 1

    tell(story)


def test_without_a_socket_nothing_is_sent() -> None:
    async def story(place: Place) -> None:
        await place.log_in()
        place.relays.socket_closed()
        sent = place.sent
        place.relays.offered(offer(0), bind=True)
        place.relays.use(PEER, ask=True, now=place.now)
        await place.pass_time(100)
        assert place.sent == sent
        place.relays.socket_opened()
        await place.pass_time(1)
        assert place.paths[-1] == (CandidateKind.RELAY, UDP)

    tell(story)
