"""Finding a direct path through routers of several kinds, and choosing between paths."""

import hmac
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol import messages, stun
from app.protocol.messages import CandidateKind
from app.protocol.path import (
    CHECK_INTERVALS,
    MAX_LEARNED,
    PACING,
    SEARCH_AFTER_FOUND,
    Candidate,
    CheckCredentials,
    FinderEvent,
    NoPathYet,
    Path,
    PathFinder,
    PathFound,
    better_path,
    candidates_from,
    path_order,
)
from app.protocol.stun import MessageClass, StunMessage
from app.protocol.wire import Endpoint
from tests.machine_pair import Arrival, MachinePair, Weather

HOST, MAPPED, REFLEXIVE, PEER_REFLEXIVE, RELAY, STREAM_RELAY = CandidateKind


# --- choosing


def paths() -> st.SearchStrategy[Path]:
    hosts = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"])
    endpoints = st.builds(Endpoint, hosts, st.integers(1, 3))
    return st.builds(Path, st.sampled_from(CandidateKind), endpoints, st.floats(0, 2), st.booleans())


@given(paths(), paths())
def test_the_better_path_is_the_same_in_both_orders(a: Path, b: Path) -> None:
    assert better_path(a, b) == better_path(b, a)
    assert better_path(a, b) in (a, b)


@given(st.lists(paths(), min_size=3, max_size=3))
def test_better_is_transitive(three: list[Path]) -> None:
    for a, b, c in itertools.permutations(three):
        if better_path(a, b) == a and better_path(b, c) == b:
            assert better_path(a, c) == a


@given(paths(), paths())
def test_direct_is_always_better_than_relayed(a: Path, b: Path) -> None:
    direct, relayed = a._replace(kind=REFLEXIVE), b._replace(kind=RELAY)
    assert better_path(direct, relayed) == direct


V4, OTHER, V6 = Endpoint("192.0.2.1", 1), Endpoint("192.0.2.2", 1), Endpoint("2001:db8::1", 1)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Path(REFLEXIVE, V4, 0.020), Path(REFLEXIVE, OTHER, 0.030)),
        (Path(REFLEXIVE, V4, 0.030, in_use=True), Path(REFLEXIVE, OTHER, 0.020)),
        (Path(REFLEXIVE, OTHER, 0.020), Path(REFLEXIVE, V4, 0.050, in_use=True)),
        (Path(HOST, V4, 0.001), Path(REFLEXIVE, OTHER, 0.001, in_use=True)),
        (Path(REFLEXIVE, V6, 0.020), Path(REFLEXIVE, V4, 0.020)),
        (Path(MAPPED, OTHER, 0.020), Path(REFLEXIVE, V4, 0.020)),
        (Path(REFLEXIVE, V4, 0.500), Path(RELAY, OTHER, 0.010, in_use=True)),
    ],
)
def test_which_path_is_better(better: Path, worse: Path) -> None:
    assert better_path(better, worse) == better_path(worse, better) == better


@given(st.floats(0, 2), st.floats(0, 2))
def test_noise_does_not_make_the_choice_flap(a: float, b: float) -> None:
    """Whichever of two is chosen and put to use, the same figures never call for the other."""
    chosen = better_path(Path(REFLEXIVE, V4, a), Path(REFLEXIVE, OTHER, b))
    rest = Path(REFLEXIVE, OTHER, b) if chosen.endpoint == V4 else Path(REFLEXIVE, V4, a)
    assert better_path(chosen._replace(in_use=True), rest).endpoint == chosen.endpoint
    assert path_order(chosen) <= path_order(rest)


def test_a_peers_candidates_are_checked_before_use() -> None:
    told = [
        messages.Candidate(REFLEXIVE, "192.0.2.1", 5),
        messages.Candidate(HOST, "::ffff:192.0.2.1", 5),
        messages.Candidate(HOST, "127.0.0.1", 5),
        messages.Candidate(HOST, "224.0.0.1", 5),
        messages.Candidate(HOST, "no address", 5),
        messages.Candidate(HOST, "2001:db8::1", 5),
        messages.Candidate(PEER_REFLEXIVE, "192.0.2.4", 5),
        messages.Candidate(RELAY, "192.0.2.2", 5),
        messages.Candidate(STREAM_RELAY, "192.0.2.3", 5),
    ]
    assert candidates_from(told) == [
        Candidate(HOST, Endpoint("192.0.2.1", 5)),
        Candidate(HOST, Endpoint("2001:db8::1", 5)),
    ]


def test_a_peer_that_tells_ever_new_candidates_makes_nothing_grow() -> None:
    finder, credentials = PathFinder(CheckCredentials.new()), CheckCredentials.new()
    for number in range(100):
        told = [messages.Candidate(kind, f"192.0.2.{number + 1}", 5) for kind in CandidateKind]
        finder.set_remote(candidates_from(told), credentials, float(number))
    assert len(finder.looked_at()) <= len(CandidateKind)


# --- a small internet: two computers, each in a LAN behind a router or in the open


@dataclass
class Router:
    """A NAT. `ports_kept`: one mapping for all destinations, with the inside port. It lets in only what was asked for
    by its inside (address- and port-dependent filtering), and nothing from its own inside (no hairpin)."""

    outside: str
    ports_kept: bool = True
    mappings: dict[tuple[Endpoint, Endpoint | None], Endpoint] = field(default_factory=dict)
    opened: set[tuple[Endpoint, Endpoint]] = field(default_factory=set)

    def leave(self, inside: Endpoint, destination: Endpoint) -> Endpoint:
        key = (inside, None if self.ports_kept else destination)
        port = inside.port if self.ports_kept else 50_000 + len(self.mappings)
        outer = self.mappings.setdefault(key, Endpoint(self.outside, port))
        self.opened.add((outer, destination))
        return outer

    def admits(self, source: Endpoint, destination: Endpoint) -> Endpoint | None:
        if (destination, source) not in self.opened:
            return None
        return next(inside for (inside, _), outer in self.mappings.items() if outer == destination)


@dataclass
class Computer:
    endpoint: Endpoint
    router: Router | None = None
    endpoint6: Endpoint | None = None


class Internet:
    """Where a datagram of one of two computers comes out."""

    def __init__(self, *computers: Computer) -> None:
        self.computers = computers

    def route(self, sender: int, destination: Endpoint, now: float) -> Arrival | None:
        here, there = self.computers[sender], self.computers[1 - sender]
        if ":" in destination.host:
            open6 = here.endpoint6 is not None and destination == there.endpoint6
            return Arrival(1 - sender, here.endpoint6) if open6 and here.endpoint6 else None
        if here.router is there.router and destination == there.endpoint:
            return Arrival(1 - sender, here.endpoint)
        source = here.router.leave(here.endpoint, destination) if here.router else here.endpoint
        if there.router is None:
            return Arrival(1 - sender, source) if destination == there.endpoint else None
        if here.router is there.router:
            return None
        return Arrival(1 - sender, source) if there.router.admits(source, destination) == there.endpoint else None

    def candidates(self, index: int) -> list[Candidate]:
        """What the computer would tell its peer: its interfaces, and what a reflector saw."""
        computer = self.computers[index]
        found = [Candidate(HOST, computer.endpoint)]
        if computer.endpoint6:
            found.append(Candidate(HOST, computer.endpoint6))
        if computer.router:
            reflexive = computer.router.leave(computer.endpoint, Endpoint("203.0.113.99", 12975))
            found.append(Candidate(REFLEXIVE, reflexive))
        return found


class Searcher:
    """A PathFinder as the harness drives it, keeping its events."""

    def __init__(self) -> None:
        self.finder = PathFinder(CheckCredentials.new())
        self.events: list[FinderEvent] = []
        self.next_deadline = self.finder.next_deadline
        self.datagrams_to_send = self.finder.datagrams_to_send

    def receive_datagram(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        self.finder.receive_datagram(data, endpoint, now)
        self.take_events()

    def handle_deadline(self, now: float) -> None:
        self.finder.handle_deadline(now)
        self.take_events()

    def take_events(self) -> None:
        while (event := self.finder.next_event()) is not None:
            self.events.append(event)

    @property
    def found(self) -> list[PathFound]:
        return [event for event in self.events if isinstance(event, PathFound)]


class Meeting:
    """Two computers whose candidates and credentials go through a server."""

    def __init__(self, first: Computer, second: Computer, weather: Weather | None = None, seed: int = 0) -> None:
        self.internet = Internet(first, second)
        self.searchers = (Searcher(), Searcher())
        self.pair = MachinePair(*self.searchers, weather or Weather(delay=0.02), seed, self.internet.route)

    def introduce(self, lag: float = 0.03) -> None:
        """The second hears of the first a little later than the first of it."""
        told = [self.internet.candidates(index) for index in (0, 1)]
        for index, searcher in enumerate(self.searchers):
            other = self.searchers[1 - index].finder.own
            searcher.finder.set_remote(told[1 - index], other, self.pair.now)
            searcher.take_events()
            self.pair.run(lag)

    def both_found(self, limit: float) -> bool:
        return self.pair.run_until(lambda: all(searcher.finder.best() for searcher in self.searchers), limit)

    def best(self, index: int) -> Path:
        best = self.searchers[index].finder.best()
        assert best is not None
        return best


def behind(outside: str, inside: str = "192.168.1.10", port: int = 4_000, ports_kept: bool = True) -> Computer:
    return Computer(Endpoint(inside, port), Router(outside, ports_kept))


def in_the_open(host: str = "198.51.100.5") -> Computer:
    return Computer(Endpoint(host, 6_000))


def test_both_behind_routers_that_keep_ports_meet_well_within_a_second() -> None:
    meeting = Meeting(behind("198.51.100.1"), behind("198.51.100.2", port=5_000))
    meeting.introduce()
    assert meeting.both_found(0.6)
    assert meeting.best(0).endpoint == Endpoint("198.51.100.2", 5_000)
    assert meeting.best(1).endpoint == Endpoint("198.51.100.1", 4_000)
    assert meeting.best(0).kind is REFLEXIVE
    assert meeting.best(0).round_trip == pytest.approx(0.04)


@pytest.mark.parametrize("ports_kept", [True, False])
@pytest.mark.parametrize("open_one_first", [True, False])
def test_one_in_the_open_meets_one_behind_any_router(ports_kept: bool, open_one_first: bool) -> None:
    in_open, behind_one = in_the_open(), behind("198.51.100.2", ports_kept=ports_kept)
    meeting = Meeting(in_open, behind_one) if open_one_first else Meeting(behind_one, in_open)
    meeting.introduce()
    assert meeting.both_found(0.6)
    behind_router = meeting.searchers[1 if open_one_first else 0]
    assert [found.endpoint for found in behind_router.found] == [Endpoint("198.51.100.5", 6_000)]


def test_a_router_that_changes_ports_is_learned_from_its_checks() -> None:
    meeting = Meeting(in_the_open(), behind("198.51.100.2", ports_kept=False))
    meeting.introduce()
    assert meeting.both_found(0.6)
    assert meeting.best(0).kind is PEER_REFLEXIVE


def test_two_behind_the_same_router_meet_in_their_lan() -> None:
    first = behind("198.51.100.1")
    second = Computer(Endpoint("192.168.1.20", 5_000), first.router)
    meeting = Meeting(first, second, Weather(delay=0.0005))
    meeting.introduce()
    assert meeting.both_found(0.5)
    assert (meeting.best(0).kind, meeting.best(1).kind) == (HOST, HOST)
    meeting.pair.run(1)
    quiet = list(meeting.pair.sent)
    meeting.pair.run(60)
    assert meeting.pair.sent == quiet, "a good path ends the search"


def test_ipv6_is_found_and_preferred_when_ipv4_is_not_better() -> None:
    first, second = behind("198.51.100.1"), behind("198.51.100.2", port=5_000)
    first.endpoint6, second.endpoint6 = Endpoint("2001:db8:1::1", 4_000), Endpoint("2001:db8:2::1", 5_000)
    meeting = Meeting(first, second)
    meeting.introduce()
    meeting.pair.run(2)
    assert meeting.best(0)[:2] == (HOST, second.endpoint6)
    assert {found.kind for found in meeting.searchers[0].found} == {HOST, REFLEXIVE}


def test_many_interfaces_do_not_hold_up_the_reflexive_address() -> None:
    meeting = Meeting(behind("198.51.100.1"), behind("198.51.100.2", port=5_000))
    dead = [Candidate(HOST, Endpoint(f"172.17.{number}.1", 5_000)) for number in range(20)]
    for index, searcher in enumerate(meeting.searchers):
        told = meeting.internet.candidates(1 - index)
        searcher.finder.set_remote([*dead, *told], meeting.searchers[1 - index].finder.own, meeting.pair.now)
    assert meeting.both_found(0.4)


def test_two_routers_that_change_ports_find_nothing_and_say_so_once() -> None:
    meeting = Meeting(behind("198.51.100.1", ports_kept=False), behind("198.51.100.2", "192.168.7.7", ports_kept=False))
    meeting.introduce()
    assert not meeting.both_found(60)
    for searcher in meeting.searchers:
        assert searcher.events == [NoPathYet()]
        assert searcher.next_deadline() is None
    assert max(meeting.pair.sent) <= 2 * len(CHECK_INTERVALS), "the search is bounded"


def test_no_candidates_is_no_path() -> None:
    searcher = Searcher()
    searcher.finder.set_remote([], CheckCredentials.new(), 0.0)
    searcher.take_events()
    assert searcher.events == [NoPathYet()]


@settings(max_examples=40, deadline=None)
@given(
    loss=st.floats(0, 0.4),
    duplication=st.floats(0, 0.5),
    jitter=st.floats(0, 0.3),
    lag=st.floats(0, 2),
    seed=st.integers(0, 2**32),
)
def test_in_bad_weather_they_still_meet(loss: float, duplication: float, jitter: float, lag: float, seed: int) -> None:
    meeting = Meeting(
        behind("198.51.100.1"), behind("198.51.100.2", port=5_000), Weather(loss, duplication, 0.03, jitter), seed
    )
    for _ in range(10):  # the engine starts the search anew as long as the tunnel is not up
        meeting.introduce(lag)
        if meeting.both_found(15):
            break
    assert all(searcher.finder.best() for searcher in meeting.searchers)


def test_checks_are_paced_and_the_search_for_better_ones_is_bounded() -> None:
    meeting = Meeting(behind("198.51.100.1"), behind("198.51.100.2", port=5_000))
    finder = meeting.searchers[0].finder
    dead = [Candidate(HOST, Endpoint("172.17.0.1", port)) for port in range(1, 10)]
    finder.set_remote(dead, CheckCredentials.new(), 0.0)
    finder.datagrams_to_send(0.0)
    moments = []
    while (deadline := finder.next_deadline()) is not None:
        finder.handle_deadline(deadline)
        moments += [deadline] * len(finder.datagrams_to_send(deadline))
    assert len(moments) == len(dead) * len(CHECK_INTERVALS) - 1
    assert min(after - before for before, after in itertools.pairwise(moments)) >= PACING * 0.999
    assert moments[-1] < 2 * sum(CHECK_INTERVALS)


def test_the_search_for_something_better_ends_in_time() -> None:
    meeting = Meeting(behind("198.51.100.1"), behind("198.51.100.2", port=5_000))
    meeting.introduce()
    assert meeting.both_found(1)
    meeting.pair.run(SEARCH_AFTER_FOUND)
    assert [searcher.next_deadline() for searcher in meeting.searchers] == [None, None]


def test_a_search_can_be_started_anew_after_a_change_of_network() -> None:
    meeting = Meeting(behind("198.51.100.1"), behind("198.51.100.2", port=5_000))
    meeting.introduce()
    assert meeting.both_found(1)
    meeting.searchers[0].finder.restart(meeting.pair.now)
    assert meeting.searchers[0].finder.best() is None
    assert meeting.both_found(1)


def test_a_peer_with_new_credentials_is_searched_from_the_start() -> None:
    meeting = Meeting(behind("198.51.100.1"), behind("198.51.100.2", port=5_000))
    meeting.introduce()
    assert meeting.both_found(1)
    meeting.searchers[1].finder = PathFinder(CheckCredentials.new())
    for name in ("next_deadline", "datagrams_to_send"):
        setattr(meeting.searchers[1], name, getattr(meeting.searchers[1].finder, name))
    meeting.introduce()
    assert meeting.both_found(1)


# --- what must have no effect

OWN = CheckCredentials(b"own-fragment", b"own-password-0123")
PEER = CheckCredentials(b"peer-fragment", b"peer-password-012")
THERE = Endpoint("198.51.100.2", 5_000)
STRANGER = Endpoint("198.51.100.66", 666)


def check(username: bytes = b"own-fragment:peer-fragment", key: bytes | None = OWN.password, number: int = 0) -> bytes:
    request = StunMessage(MessageClass.REQUEST, number.to_bytes(12, "big"), username=username)
    return stun.encode(request, key)


def searching() -> PathFinder:
    finder = PathFinder(OWN)
    finder.set_remote([Candidate(REFLEXIVE, THERE)], PEER, 0.0)
    return finder


def answer_to(data: bytes, key: bytes | None = PEER.password, seen: Endpoint | None = STRANGER) -> bytes:
    request = stun.decode(data)
    return stun.encode(StunMessage(MessageClass.SUCCESS, request.transaction_id, mapped_address=seen), key)


@pytest.mark.parametrize(
    ("datagram", "counter"),
    [
        (b"\x00garbage", "check-malformed"),
        (check(key=b"wrong password"), "check-not-authentic"),
        (check(key=None), "check-not-authentic"),
        (check(username=b"own-fragment:another"), "check-for-another"),
        (check(username=b"peer-fragment:own-fragment", key=PEER.password), "check-for-another"),
        (stun.encode(StunMessage(MessageClass.SUCCESS, bytes(12)), OWN.password), "check-answer-unexpected"),
        (stun.encode(StunMessage(MessageClass.ERROR, bytes(12), error_code=401)), "check-refused"),
    ],
)
def test_what_is_not_right_is_counted_and_has_no_effect(datagram: bytes, counter: str) -> None:
    finder = searching()
    finder.datagrams_to_send(0.0)
    deadline = finder.next_deadline()
    finder.receive_datagram(datagram, STRANGER, 0.01)
    assert finder.counters == {counter: 1}
    assert finder.datagrams_to_send(0.01) == []
    assert (finder.next_deadline(), finder.next_event(), finder.best()) == (deadline, None, None)


def test_a_check_that_asks_for_what_we_do_not_know_is_not_answered() -> None:
    finder = PathFinder(OWN)
    name = b"own-fragment:peer-fragment"
    body = b"\x7f\xff\x00\x00" + b"\x00\x06" + len(name).to_bytes(2, "big") + name + bytes(-len(name) % 4)
    header = b"\x00\x01" + (len(body) + 36).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12)
    tag = hmac.digest(OWN.password, header + body, "sha256")
    finder.receive_datagram(header + body + b"\x00\x1c\x00\x20" + tag, STRANGER, 0.0)
    assert finder.counters == {"check-unsupported": 1}
    assert finder.datagrams_to_send(0.0) == []


def test_answers_to_checks_of_long_ago_do_not_count() -> None:
    finder = searching()
    [(_, oldest)] = finder.datagrams_to_send(0.0)
    for number in range(1, 11):
        finder.receive_datagram(check(number=number), THERE, number * 0.3)
    finder.receive_datagram(answer_to(oldest), THERE, 4.0)
    assert finder.counters == {"check-answer-unexpected": 1}


def test_a_stopped_search_sends_nothing_more_but_answers() -> None:
    finder = searching()
    finder.datagrams_to_send(0.0)
    finder.stop()
    finder.handle_deadline(10.0)
    assert (finder.next_deadline(), finder.datagrams_to_send(10.0), finder.next_event()) == (None, [], None)
    finder.receive_datagram(check(), THERE, 10.0)
    assert len(finder.datagrams_to_send(10.0)) == 2


def test_our_own_check_sent_back_to_us_is_nothing() -> None:
    finder = searching()
    [(_, own_check)] = finder.datagrams_to_send(0.0)
    finder.receive_datagram(own_check, THERE, 0.01)
    assert finder.counters == {"check-for-another": 1}


@pytest.mark.parametrize(
    ("source", "key", "seen", "counter"),
    [
        (STRANGER, PEER.password, STRANGER, "check-answer-unexpected"),
        (THERE, OWN.password, STRANGER, "check-answer-not-authentic"),
        (THERE, None, STRANGER, "check-answer-not-authentic"),
        (THERE, PEER.password, None, "check-answer-incomplete"),
    ],
)
def test_a_wrong_answer_makes_no_path_and_the_right_one_still_does(
    source: Endpoint, key: bytes | None, seen: Endpoint | None, counter: str
) -> None:
    finder = searching()
    [(_, sent)] = finder.datagrams_to_send(0.0)
    finder.receive_datagram(answer_to(sent, key, seen), source, 0.01)
    assert finder.counters == {counter: 1}
    assert finder.best() is None
    finder.receive_datagram(answer_to(sent), THERE, 0.02)
    assert finder.next_event() == PathFound(THERE, REFLEXIVE, 0.02)
    finder.receive_datagram(answer_to(sent), THERE, 0.03)
    assert finder.counters["check-answer-unexpected"] >= 1, "a duplicate is nothing new"
    assert finder.best() == Path(REFLEXIVE, THERE, 0.02)


def test_a_check_replayed_from_elsewhere_teaches_nothing() -> None:
    finder = searching()
    finder.datagrams_to_send(0.0)
    finder.receive_datagram(check(), THERE, 0.01)
    answered = finder.datagrams_to_send(0.01)
    assert [endpoint for endpoint, _ in answered] == [THERE, THERE], "an answer, and a check in turn"
    finder.receive_datagram(check(), STRANGER, 0.02)
    assert finder.datagrams_to_send(0.02) == []
    assert finder.counters == {"check-replayed": 1}
    finder.receive_datagram(check(), THERE, 0.03)
    assert len(finder.datagrams_to_send(0.03)) == 1, "a duplicate is answered and triggers nothing"


def test_an_answer_is_smaller_than_its_check() -> None:
    finder = searching()
    finder.datagrams_to_send(0.0)
    own = CheckCredentials.new()
    request = stun.encode(StunMessage(MessageClass.REQUEST, bytes(12), username=own.username * 2 + b":"), OWN.password)
    finder.receive_datagram(check(), THERE, 0.0)
    assert len(finder.datagrams_to_send(0.0)[0][1]) <= len(request)


def test_a_check_that_comes_before_the_introduction_is_answered_and_remembered() -> None:
    finder = PathFinder(OWN)
    finder.receive_datagram(check(), STRANGER, 0.0)
    [(endpoint, answer)] = finder.datagrams_to_send(0.0)
    assert endpoint == STRANGER
    assert stun.decode(answer).is_authentic(OWN.password)
    assert stun.decode(answer).mapped_address == STRANGER
    assert finder.next_deadline() is None
    finder.set_remote([Candidate(REFLEXIVE, THERE)], PEER, 1.0)
    finder.handle_deadline(1.0 + PACING)
    assert {endpoint for endpoint, _ in finder.datagrams_to_send(1.1)} == {STRANGER, THERE}


def test_a_peer_cannot_make_us_keep_or_send_without_bound() -> None:
    finder = searching()
    for number in range(1_000):
        finder.receive_datagram(check(number=number), Endpoint("198.51.100.7", 1 + number), 0.0)
    assert finder.counters["check-learned-full"] == 1_000 - MAX_LEARNED
    assert finder.counters["check-answers-full"] > 0
    assert len(finder.datagrams_to_send(0.0)) <= 64


def test_the_oldest_candidate_that_never_answered_gives_way_to_a_new_one() -> None:
    finder = searching()
    for number in range(3 * MAX_LEARNED):
        endpoint = Endpoint("198.51.100.7", 1 + number)
        finder.receive_datagram(check(number=number), endpoint, 100.0 * number)
        assert finder.knows(endpoint)
        for later in range(1, 40):
            finder.handle_deadline(100.0 * number + later)
        finder.datagrams_to_send(100.0 * number + 40)
    assert len(finder.looked_at()) == MAX_LEARNED + 1
    assert finder.knows(THERE), "what the peer told stays"


def test_whom_a_knock_reaches_checks_back() -> None:
    knocking, reached = searching(), PathFinder(PEER)
    reached.set_remote([], OWN, 0.0)
    knocking.datagrams_to_send(0.0)
    knocking.knock(STRANGER)
    assert not knocking.knows(STRANGER), "a guess is no candidate"
    [(endpoint, datagram)] = knocking.datagrams_to_send(0.0)
    assert endpoint == STRANGER
    reached.receive_datagram(datagram, THERE, 0.0)
    for endpoint, data in reached.datagrams_to_send(0.0):
        assert endpoint == THERE
        knocking.receive_datagram(data, STRANGER, 0.0)
    assert knocking.knows(STRANGER)
    knocking.forget(STRANGER)
    assert not knocking.knows(STRANGER)


def test_which_finder_a_message_is_for() -> None:
    finder = searching()
    [(_, sent)] = finder.datagrams_to_send(0.0)
    assert finder.is_for_me(stun.decode(check()))
    assert finder.is_for_me(stun.decode(answer_to(sent)))
    assert not finder.is_for_me(stun.decode(sent))
    assert not finder.is_for_me(StunMessage(MessageClass.SUCCESS, bytes(12)))


@given(st.lists(st.binary(max_size=120) | st.integers(0, 3).map(lambda number: check(number=number)), max_size=20))
def test_any_datagrams_are_answered_or_counted(datagrams: list[bytes]) -> None:
    finder = searching()
    finder.datagrams_to_send(0.0)
    for number, data in enumerate(datagrams):
        finder.receive_datagram(data, THERE, number * 0.01)
    assert finder.counters.total() <= len(datagrams)
    assert finder.best() is None


def test_candidates_that_a_peer_tells_no_longer_are_not_checked() -> None:
    """A peer that tells new candidates over and over can't make us point ever more checks at others."""
    finder = searching()
    for number in range(1, 50):
        told = [Candidate(HOST, Endpoint(f"203.0.113.{number}", port)) for port in range(1, 20)]
        finder.set_remote(told, PEER, float(number))
        finder.datagrams_to_send(float(number))
    asked = set()
    now = 50.0
    while (deadline := finder.next_deadline()) is not None and now < 200.0:
        now = max(now, deadline)
        finder.handle_deadline(now)
        asked |= {endpoint.host for endpoint, _ in finder.datagrams_to_send(now)}
    assert asked == {"203.0.113.49"}
