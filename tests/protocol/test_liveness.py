"""Watching a tunnel's paths: quiet when idle, quick when a path dies, never switching to what has not answered."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol import tunnel_message
from app.protocol.liveness import (
    DOUBT_AFTER,
    KEEPALIVE,
    MAX_PATHS,
    Health,
    MonitorEvent,
    MtuFound,
    Outgoing,
    PathChosen,
    PathDoubted,
    PathLost,
    PathMonitor,
    TunnelAlive,
    TunnelSilent,
)
from app.protocol.messages import CandidateKind
from app.protocol.tunnel_message import ProbeReply, ProbeRequest
from app.protocol.wire import INNER_MTU, MIN_RELAY_ID, Endpoint
from tests.machine_pair import Arrival, MachinePair, Weather

REFLEXIVE, RELAY, HOST = CandidateKind.REFLEXIVE, CandidateKind.RELAY, CandidateKind.HOST
DIRECT = Endpoint("198.51.100.1", 1)
BETTER = Endpoint("192.168.1.5", 2)
RELAYED = Endpoint("203.0.113.9", 3)
START = 1_000.0
POLL = 5.0
"""Seconds between the pump's reports."""


class Side:
    """One end of a tunnel: a monitor, the pump's two times of it, and an engine that reads them every five seconds."""

    def __init__(self, initiator: bool, kind: CandidateKind = REFLEXIVE, endpoint: Endpoint = DIRECT) -> None:
        self.monitor = PathMonitor(kind, endpoint, initiator, START)
        self.events: list[MonitorEvent] = []
        self.last_sent = self.last_received = 0.0
        self.data_every: float | None = None
        self.tells_moves = True
        self.width = INNER_MTU
        """The largest packet that leaves this side in one piece."""
        self._next_poll = START + POLL
        self._next_data = START

    def receive_datagram(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        self.last_received = now
        if endpoint != self.monitor.current.endpoint and self.tells_moves:
            self.monitor.peer_moved(REFLEXIVE, endpoint, now)
        if data != b"IP packet":
            message = tunnel_message.decode(data)
            assert isinstance(message, ProbeRequest | ProbeReply)
            self.monitor.receive_message(message, endpoint, now)
        self.take_events()

    def datagrams_to_send(self, now: float) -> list[tuple[Endpoint, bytes]]:
        sent = self.monitor.messages_to_send()
        datagrams = [
            (each.endpoint, each.payload) for each in sent if len(each.payload) <= self.width or not each.whole
        ]
        if self.data_every is not None and now >= self._next_data:
            self._next_data = now + self.data_every
            datagrams.append((self.monitor.current.endpoint, b"IP packet"))
        if datagrams:
            self.last_sent = now
        return datagrams

    def next_deadline(self) -> float:
        data = self._next_data if self.data_every is not None else float("inf")
        return min(self.monitor.next_deadline(), self._next_poll, data)

    def handle_deadline(self, now: float) -> None:
        if now >= self._next_poll:
            self._next_poll = now + POLL
        self.monitor.observe_traffic(self.last_sent, self.last_received, now)
        if now >= self.monitor.next_deadline():
            self.monitor.handle_deadline(now)
        self.take_events()

    def take_events(self) -> None:
        while (event := self.monitor.next_event()) is not None:
            self.events.append(event)


class Roads:
    """Which paths carry. Each path joins the two sides and looks the same from both."""

    def __init__(self, *carrying: Endpoint) -> None:
        self.carrying = set(carrying)

    def route(self, sender: int, destination: Endpoint, now: float) -> Arrival | None:
        return Arrival(1 - sender, destination) if destination in self.carrying else None


def tunnel(
    *carrying: Endpoint, weather: Weather | None = None, kind: CandidateKind = REFLEXIVE, endpoint: Endpoint = DIRECT
) -> tuple[Side, Side, MachinePair, Roads]:
    roads = Roads(*(carrying or (DIRECT,)))
    one, other = Side(True, kind, endpoint), Side(False, kind, endpoint)
    return one, other, MachinePair(one, other, weather or Weather(delay=0.02), route=roads.route, start=START), roads


def chosen(side: Side) -> list[Endpoint]:
    return [event.endpoint for event in side.events if isinstance(event, PathChosen)]


def test_a_new_tunnel_measures_its_path_at_once() -> None:
    one, other, pair, _ = tunnel()
    assert one.monitor.current.round_trip == float("inf")
    pair.run(1)
    assert one.monitor.current.round_trip == other.monitor.current.round_trip == pytest.approx(0.04)


def test_an_idle_hour_costs_one_packet_of_each_side_every_25_seconds() -> None:
    one, other, pair, _ = tunnel()
    pair.run(10)
    before = list(pair.sent)
    pair.run(3_600)
    keepalives = 3_600 / KEEPALIVE
    for index in (0, 1):
        assert keepalives * 0.95 <= pair.sent[index] - before[index] <= keepalives + 1
    assert one.events == other.events == []


def test_a_busy_tunnel_needs_no_keepalives() -> None:
    one, other, pair, _ = tunnel()
    one.data_every = other.data_every = 1.0
    pair.run(600)
    assert pair.sent[0] == pytest.approx(600, abs=5)
    assert one.events == other.events == []


def test_a_tunnel_that_carries_one_way_only_stays_alive_with_a_probe_now_and_then() -> None:
    one, other, pair, _ = tunnel()
    one.data_every = 1.0
    pair.run(600)
    assert pair.sent[1] <= 600 / DOUBT_AFTER + 5
    assert one.events == other.events == []


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_some_loss_is_no_death(seed: int) -> None:
    roads = Roads(DIRECT)
    one, other = Side(True), Side(False)
    pair = MachinePair(one, other, Weather(loss=0.1, delay=0.02, jitter=0.02), seed, roads.route, START)
    one.data_every = other.data_every = 0.5
    pair.run(300)
    assert [event for event in one.events + other.events if not isinstance(event, MtuFound)] == []


def test_a_dead_path_is_noticed_under_traffic_and_told_once() -> None:
    one, _, pair, roads = tunnel()
    one.data_every = 1.0
    pair.run(30)
    roads.carrying.clear()
    assert pair.run_until(lambda: bool(one.events), DOUBT_AFTER + POLL + 4)
    pair.run(600)
    assert [event for event in one.events if event != PathDoubted()] == [PathLost(DIRECT), TunnelSilent()]
    assert one.monitor.health is Health.SILENT


def test_a_silent_tunnel_is_probed_ever_more_slowly_and_comes_back() -> None:
    one, other, pair, roads = tunnel()
    one.data_every = other.data_every = 1.0
    pair.run(30)
    roads.carrying.clear()
    pair.run(120)
    one.data_every = other.data_every = None
    before = pair.sent[0]
    pair.run(600)
    assert pair.sent[0] - before <= 600 / 30 + 2
    roads.carrying.add(DIRECT)
    assert pair.run_until(lambda: TunnelAlive() in one.events and TunnelAlive() in other.events, 32)
    assert one.monitor.health is Health.ALIVE


def test_a_better_path_found_later_is_used_once_it_answered() -> None:
    one, other, pair, _ = tunnel(RELAYED, DIRECT, kind=RELAY, endpoint=RELAYED)
    pair.run(1)
    one.monitor.add_path(REFLEXIVE, DIRECT, pair.now)
    assert one.monitor.current.endpoint == RELAYED, "not before it has answered"
    pair.run(1)
    assert chosen(one) == [DIRECT]
    assert chosen(other) == [DIRECT], "the other side probes the path by which it was probed"
    assert not any(isinstance(event, PathLost) for event in one.events)


def test_who_is_probed_over_a_relay_that_is_known_follows_when_the_direct_path_is_mute() -> None:
    one, other, pair, roads = tunnel(DIRECT, RELAYED)
    for side in (one, other):
        side.monitor.add_path(RELAY, RELAYED, pair.now)
    pair.run(30)
    roads.carrying.remove(DIRECT)
    other.tells_moves = False
    one.monitor.quiet(pair.now)
    assert pair.run_until(lambda: chosen(one) == chosen(other) == [RELAYED], 2)


def test_who_is_probed_over_another_known_path_tries_it_too() -> None:
    one, other, pair, roads = tunnel(RELAYED, kind=RELAY, endpoint=RELAYED)
    for side in (one, other):
        side.monitor.add_path(REFLEXIVE, DIRECT, pair.now)
    pair.run(30)
    assert chosen(one) == chosen(other) == []
    roads.carrying.add(DIRECT)
    other.tells_moves = False  # the pump has told of this place before
    one.monitor.add_path(REFLEXIVE, DIRECT, pair.now)
    pair.run(5)
    assert chosen(one) == chosen(other) == [DIRECT]


def test_a_path_that_answers_checks_but_no_sealed_probe_is_never_used() -> None:
    one, _, pair, _ = tunnel(RELAYED, kind=RELAY, endpoint=RELAYED)
    one.monitor.add_path(REFLEXIVE, DIRECT, pair.now)
    pair.run(60)
    assert one.events == []
    assert one.monitor.current.endpoint == RELAYED


def test_when_the_path_in_use_dies_another_known_one_takes_over() -> None:
    one, other, pair, roads = tunnel(DIRECT, RELAYED)
    for side in (one, other):
        side.monitor.add_path(RELAY, RELAYED, pair.now)
    one.data_every = other.data_every = 0.5
    pair.run(60)
    assert one.events == []
    roads.carrying.remove(DIRECT)
    assert pair.run_until(lambda: chosen(one) == chosen(other) == [RELAYED], DOUBT_AFTER + POLL + 1)
    assert PathLost(DIRECT) in one.events + other.events
    assert TunnelSilent() not in one.events + other.events


def test_a_peer_that_moves_is_followed_at_once_when_its_old_place_is_mute() -> None:
    one, other, pair, roads = tunnel(DIRECT)
    pair.run(30)
    roads.carrying = {BETTER}
    other.monitor = PathMonitor(REFLEXIVE, BETTER, False, pair.now)
    assert pair.run_until(lambda: chosen(one) == [BETTER], 1)


def test_a_move_that_is_only_claimed_changes_nothing() -> None:
    one, other, pair, _ = tunnel(DIRECT)
    pair.run(30)
    one.monitor.peer_moved(REFLEXIVE, BETTER, pair.now)
    pair.run(30)
    one.monitor.peer_moved(REFLEXIVE, DIRECT, pair.now)
    assert one.events == other.events == []
    assert one.monitor.current.endpoint == DIRECT


def test_a_change_of_this_computers_network_is_tried_at_once() -> None:
    one, other, pair, roads = tunnel(DIRECT, RELAYED)
    for side in (one, other):
        side.monitor.add_path(RELAY, RELAYED, pair.now)
    pair.run(30)
    roads.carrying.remove(DIRECT)
    one.monitor.suspect(pair.now)
    assert pair.run_until(lambda: chosen(one) == [RELAYED], 1)
    assert pair.run_until(lambda: chosen(other) == [RELAYED], 1)


def test_a_silent_tunnel_tries_again_as_soon_as_something_comes() -> None:
    one, _, pair, roads = tunnel()
    one.data_every = 1.0
    pair.run(30)
    roads.carrying.clear()
    pair.run(300)
    roads.carrying.add(DIRECT)
    pair.inject(0, b"IP packet", DIRECT)
    assert pair.run_until(lambda: TunnelAlive() in one.events, 2)


def test_a_path_that_never_answered_is_doubted_within_seconds() -> None:
    one, _, pair, roads = tunnel()
    roads.carrying.clear()
    assert pair.run_until(lambda: one.monitor.health is Health.IN_DOUBT, 4)
    assert pair.run_until(lambda: TunnelSilent() in one.events, 4)


def test_what_the_pump_tells_of_silence_leads_to_another_path_within_a_second() -> None:
    one, other, pair, roads = tunnel(DIRECT, RELAYED)
    for side in (one, other):
        side.monitor.add_path(RELAY, RELAYED, pair.now)
    pair.run(30)
    roads.carrying.remove(DIRECT)
    one.monitor.quiet(pair.now)
    assert pair.run_until(lambda: chosen(one) == [RELAYED], 1)
    assert one.events[0] == PathDoubted()
    assert pair.run_until(lambda: chosen(other) == [RELAYED], 1), "the other side follows, though it sends nothing"


def test_silence_over_a_path_that_carries_costs_a_probe_and_changes_nothing() -> None:
    one, other, pair, _ = tunnel(DIRECT, RELAYED)
    for side in (one, other):
        side.monitor.add_path(RELAY, RELAYED, pair.now)
    pair.run(5)
    before = sum(pair.sent)
    one.monitor.quiet(pair.now)
    pair.run(5)
    assert one.events == other.events == []
    assert sum(pair.sent) - before <= 2


def test_a_relay_that_gives_a_new_id_is_followed_at_once() -> None:
    one, other, pair, roads = tunnel(RELAYED, kind=RELAY, endpoint=RELAYED)
    pair.run(5)
    anew = RELAYED._replace(relay=0xC0000001)
    roads.carrying = {anew}
    for side in (one, other):
        side.monitor.replace_path(RELAY, RELAYED, anew, pair.now)
    assert one.monitor.current.endpoint == other.monitor.current.endpoint == anew
    pair.run(5)
    assert one.monitor.health is other.monitor.health is Health.ALIVE
    assert [path.endpoint for path in one.monitor.paths] == [anew]
    one.monitor.add_path(REFLEXIVE, DIRECT, pair.now)
    one.monitor.replace_path(RELAY, anew, RELAYED, pair.now)
    assert {path.endpoint for path in one.monitor.paths} == {DIRECT, RELAYED}


def sizes(side: Side) -> list[int]:
    return [event.mtu for event in side.events if isinstance(event, MtuFound)]


def test_a_narrow_path_is_found_to_be_so_and_not_asked_again_while_it_works() -> None:
    one, other, pair, _ = tunnel()
    one.width = 1_300
    pair.run(20)
    assert sizes(one) == [1_280]
    assert sizes(other) == []
    before = sum(pair.sent)
    pair.run(600)
    assert sum(pair.sent) - before <= 2 * 600 / KEEPALIVE + 2


def test_a_path_that_became_narrow_is_noticed_when_large_packets_are_not_answered() -> None:
    one, _, pair, _ = tunnel()
    pair.run(100)
    assert sizes(one) == []
    one.width = 1_200
    one.monitor.quiet(pair.now)
    pair.run(10)
    assert sizes(one) == [1_200]


def test_a_path_that_is_used_again_is_known_to_be_narrow() -> None:
    one, _, pair, roads = tunnel(RELAYED, kind=RELAY, endpoint=RELAYED)
    one.width = 1_320
    pair.run(10)
    roads.carrying = {DIRECT}
    one.monitor.add_path(REFLEXIVE, DIRECT, pair.now)
    pair.run(10)
    roads.carrying = {RELAYED}
    one.monitor.quiet(pair.now)
    pair.run(10)
    assert [event.mtu for event in one.events if isinstance(event, PathChosen)] == [INNER_MTU, 1_320]


@settings(max_examples=40, deadline=None)
@given(
    script=st.lists(st.tuples(st.sets(st.sampled_from([DIRECT, BETTER, RELAYED])), st.floats(0, 90)), max_size=6),
    last=st.sampled_from([DIRECT, BETTER, RELAYED]),
    loss=st.floats(0, 0.2),
    seed=st.integers(0, 2**32),
)
def test_whatever_paths_come_and_go_both_end_on_one_that_carries(
    script: list[tuple[set[Endpoint], float]], last: Endpoint, loss: float, seed: int
) -> None:
    roads = Roads(DIRECT)
    one, other = Side(True), Side(False)
    pair = MachinePair(one, other, Weather(loss, 0.1, 0.02, 0.05), seed, roads.route, START)
    for side in (one, other):
        side.monitor.add_path(HOST, BETTER, START)
        side.monitor.add_path(RELAY, RELAYED, START)
        side.data_every = 1.0
    for carrying, seconds in script:
        roads.carrying = carrying
        pair.run(seconds)
    roads.carrying = {last}

    def settled() -> bool:
        return all(
            side.monitor.health is Health.ALIVE and side.monitor.current.endpoint == last for side in (one, other)
        )

    assert pair.run_until(settled, 120)


# --- what others may send


def monitor() -> PathMonitor:
    fresh = PathMonitor(REFLEXIVE, DIRECT, True, START)
    fresh.messages_to_send()
    return fresh


def sent_tokens(watching: PathMonitor) -> dict[Endpoint, int]:
    tokens = {}
    for endpoint, payload, _ in watching.messages_to_send():
        message = tunnel_message.decode(payload)
        assert isinstance(message, ProbeRequest)
        tokens[endpoint] = message.token
    return tokens


def test_a_reply_counts_only_for_the_path_that_was_probed() -> None:
    watching = monitor()
    watching.add_path(HOST, BETTER, START)
    token = sent_tokens(watching)[BETTER]
    assert watching.receive_message(ProbeReply(token), RELAYED, START + 0.01)
    assert watching.counters == {"probe-reply-from-elsewhere": 1}
    assert watching.next_event() is None


def test_a_ping_of_the_engine_is_left_to_the_engine() -> None:
    assert not monitor().receive_message(ProbeReply(12345), DIRECT, START)


def test_a_probe_is_answered_where_it_came_from_with_its_padding() -> None:
    watching = monitor()
    assert watching.receive_message(ProbeRequest(7, b"sized"), RELAYED, START)
    assert watching.messages_to_send() == [Outgoing(RELAYED, tunnel_message.encode(ProbeReply(7, b"sized")))]


def test_a_flood_of_probes_and_moves_is_bounded() -> None:
    watching = monitor()
    for number in range(1_000):
        watching.receive_message(ProbeRequest(number), DIRECT, START)
        watching.peer_moved(REFLEXIVE, Endpoint("198.51.100.7", 1 + number), START)
    assert watching.counters["probe-replies-full"] > 0
    assert len(watching._paths) == MAX_PATHS


def test_of_many_paths_the_direct_ones_are_forgotten_first_and_relayed_ones_as_well() -> None:
    watching = PathMonitor(HOST, DIRECT, True, START)
    watching.add_path(HOST, BETTER, START)
    for number in range(2 * MAX_PATHS):
        watching.add_path(CandidateKind.RELAY, RELAYED._replace(relay=MIN_RELAY_ID + number), START)
    assert len(watching._paths) == MAX_PATHS
    assert DIRECT in watching._paths
    assert BETTER not in watching._paths


Step = Callable[[PathMonitor, float], object]


def steps() -> st.SearchStrategy[Step]:
    endpoints = st.sampled_from([DIRECT, BETTER, RELAYED])
    return st.one_of(
        st.builds(lambda endpoint: lambda watched, now: watched.peer_moved(REFLEXIVE, endpoint, now), endpoints),
        st.builds(lambda endpoint: lambda watched, now: watched.add_path(HOST, endpoint, now), endpoints),
        st.builds(
            lambda sent, got: lambda watched, now: watched.observe_traffic(now - sent, now - got, now),
            *[st.floats(0, 60)] * 2,
        ),
        st.builds(
            lambda endpoint, token: lambda watched, now: watched.receive_message(ProbeReply(token), endpoint, now),
            endpoints,
            st.integers(0, 3),
        ),
        st.just(lambda watched, now: watched.suspect(now)),
        st.just(lambda watched, now: watched.handle_deadline(now)),
    )


@given(st.lists(st.tuples(st.floats(0, 20), steps()), max_size=40))
def test_without_a_true_answer_no_path_is_ever_chosen(script: list[tuple[float, Step]]) -> None:
    watching, now = monitor(), START
    for wait, step in script:
        now += wait
        step(watching, now)
        watching.messages_to_send()
    watching.handle_deadline(now)
    assert watching.next_deadline() > now
    while (event := watching.next_event()) is not None:
        assert isinstance(event, PathDoubted | PathLost | TunnelSilent)
    assert watching.current.endpoint == DIRECT
