"""Who may send to whom over a relay, played with endpoints that only note what they would send."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.relay import RelayBound, RelayPong, RelayRefusal, RelayRefused, RelayUnknown, decode, encode
from app.protocol.wire import MIN_RELAY_ID
from app.server.limits import RelayLimits
from app.server.relay.bindings import HEADERS, IDLE_AFTER, MIN_BURST, Bindings, Origin
from tests.server.relay.party import LATER, SECRET, Party

WALL = LATER - 3_600.0


@dataclass
class NotedWay:
    """An endpoint that keeps what is sent to it."""

    origin: Origin
    source: str
    sent: list[bytes] = field(default_factory=list)

    def send_train(self, train: memoryview, slot: int) -> None:
        """Keep it, datagram by datagram."""
        self.sent += [bytes(train[start : start + slot]) for start in range(0, len(train), slot)]


@dataclass
class Table:
    """A relay's bindings and the clock."""

    limits: RelayLimits = field(default_factory=RelayLimits)
    now: float = 1_000.0
    bindings: Bindings = field(init=False)

    def __post_init__(self) -> None:
        self.bindings = Bindings(SECRET, self.limits)

    def say(self, datagram: bytes, way: NotedWay) -> bytes | None:
        """A word from an endpoint, and its answer, which is never longer."""
        answer = self.bindings.take_word(datagram, way, self.now, WALL)
        assert answer is None or len(answer) <= len(datagram)
        return answer

    def cookie(self, party: Party, way: NotedWay) -> bytes:
        """The PONG to a PING."""
        pong = self.say(party.ping(), way)
        assert pong is not None
        return pong

    def bind(self, party: Party, way: NotedWay) -> int:
        """The relay id that the party gets for this endpoint."""
        return party.bound(self.say(party.bind(self.cookie(party, way)), way)).relay

    def refusal(self, datagram: bytes, way: NotedWay) -> RelayRefusal:
        """Why a BIND was refused."""
        word = decode(self.say(datagram, way) or b"")
        assert isinstance(word, RelayRefused), word
        return word.reason

    def carry(self, relay: int, way: NotedWay, payload: bytes = b"sealed", count: int = 1) -> bool:
        """Relayed datagrams from an endpoint; False if it is not bound."""
        datagram = relay.to_bytes(4) + payload
        return self.bindings.forward(memoryview(datagram * count), len(datagram), way.origin, self.now)


def endpoint(number: int, port: int = 40_000) -> NotedWay:
    host = f"192.0.2.{number}"
    return NotedWay((host, port), host)


@pytest.fixture
def table() -> Table:
    """A relay that nobody uses yet."""
    return Table()


def test_two_peers_bind_and_their_datagrams_reach_each_other_unchanged(table: Table) -> None:
    anna, ben = Party(0), Party(1)
    home, office = endpoint(1), endpoint(2)
    first = anna.bound(table.say(anna.bind(table.cookie(anna, home)), home))
    assert not first.both
    second = ben.bound(table.say(ben.bind(table.cookie(ben, office)), office))
    assert second.both
    assert second.relay == first.relay >= MIN_RELAY_ID
    (told,) = home.sent
    assert anna.bound(told).both, "the one who was there first hears of the second"

    home.sent.clear()
    assert table.carry(first.relay, home, b"to Ben", 3)
    assert table.carry(first.relay, office, b"to Anna")
    assert office.sent == [first.relay.to_bytes(4) + b"to Ben"] * 3
    assert home.sent == [first.relay.to_bytes(4) + b"to Anna"]


def test_before_the_other_side_is_there_nothing_is_sent_anywhere(table: Table) -> None:
    home = endpoint(1)
    relay = table.bind(Party(0), home)
    assert table.carry(relay, home)
    assert table.bindings.counts["relay_dropped_other_side_missing"] == 1


def test_an_endpoint_that_is_not_bound_reaches_nobody_and_hears_so(table: Table) -> None:
    home, office, stranger = endpoint(1), endpoint(2), endpoint(3)
    relay = table.bind(Party(0), home)
    table.bind(Party(1), office)
    home.sent.clear()
    assert not table.carry(relay, stranger)
    assert not table.carry(MIN_RELAY_ID, home)
    assert office.sent == home.sent == []
    answer = table.bindings.tell_unknown(relay, 40, stranger.source, table.now)
    assert answer is not None
    assert decode(answer) == RelayUnknown(relay)
    assert table.bindings.tell_unknown(relay, len(answer) - 1, stranger.source, table.now) is None
    answers = [table.bindings.tell_unknown(relay, 40, stranger.source, table.now) for _ in range(100)]
    assert 1 < sum(each is not None for each in answers) < 20


def test_a_cookie_is_good_for_its_endpoint_alone_and_not_for_long(table: Table) -> None:
    anna, home, cafe = Party(0), endpoint(1), endpoint(2)
    pong = table.cookie(anna, home)
    assert table.refusal(anna.bind(pong), cafe) == RelayRefusal.STALE_COOKIE
    table.now += 180
    assert table.refusal(anna.bind(pong), home) == RelayRefusal.STALE_COOKIE
    assert table.bind(anna, home)


def test_a_token_needs_its_key_its_server_and_its_time(table: Table) -> None:
    home = endpoint(1)
    thief = Party(0)
    thief.key = bytes(32)
    strangers = Party(0, secret=b"\x5b" * 32)
    late = Party(0, expires=int(WALL))
    for party in (thief, strangers, late):
        assert table.refusal(party.bind(table.cookie(party, home)), home) == RelayRefusal.WRONG_TOKEN
    mangled = Party(0)
    mangled.token = mangled.token[:-1] + bytes([mangled.token[-1] ^ 1])
    assert table.refusal(mangled.bind(table.cookie(mangled, home)), home) == RelayRefusal.WRONG_TOKEN
    assert table.bindings.gauges() == {"relay_pairs": 0, "relay_endpoints": 0}


def test_whoever_moves_binds_anew_and_keeps_the_relay_id(table: Table) -> None:
    anna, home, office, train = Party(0), endpoint(1), endpoint(2), endpoint(3)
    relay = table.bind(anna, home)
    table.bind(Party(1), office)
    assert table.bind(anna, train) == relay
    table.carry(relay, office, b"where are you?")
    assert train.sent[-1].endswith(b"where are you?")
    assert not table.carry(relay, home), "the old endpoint is not bound any more"


def test_a_copied_bind_does_not_bring_the_old_endpoint_back(table: Table) -> None:
    anna, home, train = Party(0), endpoint(1), endpoint(3)
    copied = anna.bind(table.cookie(anna, home))
    relay = anna.bound(table.say(copied, home)).relay
    assert anna.bound(table.say(copied, home)).relay == relay, "the client's own repetition is answered again"
    table.bind(anna, train)
    assert table.refusal(copied, home) == RelayRefusal.STALE_COOKIE
    assert table.carry(relay, train)


def test_silence_and_the_end_of_the_token_end_a_binding(table: Table) -> None:
    anna, ben, home, office = Party(0), Party(1, expires=int(WALL) + 1_000), endpoint(1), endpoint(2)
    relay = table.bind(anna, home)
    table.bind(ben, office)
    for _ in range(2):
        table.now += IDLE_AFTER - 1
        assert table.carry(relay, office)
        table.bindings.sweep(table.now)
    assert not table.carry(relay, home), "the silent one"
    assert table.carry(relay, office), "the other one spoke"
    table.now += IDLE_AFTER - 1
    table.carry(relay, office)
    table.now += IDLE_AFTER - 1
    table.bindings.sweep(table.now)
    assert not table.carry(relay, office), "its token's time is over"
    assert table.bindings.gauges() == {"relay_pairs": 0, "relay_endpoints": 0}


def test_an_ended_stream_is_not_bound_any_more(table: Table) -> None:
    stream = NotedWay(("stream", 1), "192.0.2.1")
    table.bind(Party(0), stream)
    table.bindings.unbind(NotedWay(("stream", 2), "192.0.2.1").origin)
    assert table.bindings.gauges() == {"relay_pairs": 1, "relay_endpoints": 1}
    table.bindings.unbind(stream.origin)
    assert table.bindings.gauges() == {"relay_pairs": 0, "relay_endpoints": 0}
    assert not table.bindings._by_origin


def test_a_pair_over_its_rate_loses_its_own_trains_only() -> None:
    table = Table(RelayLimits(pair_rate=1_000_000))
    home, office, others = endpoint(1), endpoint(2), (endpoint(3), endpoint(4))
    relay = table.bind(Party(0), home)
    table.bind(Party(1), office)
    quiet = table.bind(Party(0, b"another pair----"), others[0])
    table.bind(Party(1, b"another pair----"), others[1])

    def seconds_of_flood(seconds: int) -> int:
        before = len(office.sent)
        for _ in range(seconds * 100):
            table.now += 0.01
            table.carry(relay, home, bytes(996), 40)
        return (len(office.sent) - before) * (1_000 + HEADERS)

    seconds_of_flood(1)
    assert seconds_of_flood(10) == pytest.approx(10_000_000, abs=MIN_BURST)
    assert table.bindings.counts["relay_dropped_rate"] > 0
    others[1].sent.clear()
    assert table.carry(quiet, others[0])
    assert len(others[1].sent) == 1


def test_of_a_train_beyond_the_rate_what_fits_is_sent_in_whole_datagrams() -> None:
    """TCP mends a few lost segments at once, where a whole lost train would make it wait."""
    table = Table(RelayLimits(pair_rate=8_192))
    home, office = endpoint(1), endpoint(2)
    relay = table.bind(Party(0), home)
    table.bind(Party(1), office)
    office.sent.clear()
    while not table.bindings.counts["relay_dropped_rate"]:
        table.carry(relay, home, bytes(996), 60)
    assert len(office.sent) == MIN_BURST // (1_000 + HEADERS) > 60 * (len(office.sent) // 60)
    assert {len(datagram) for datagram in office.sent} == {1_000}
    table.now += 1.0
    table.carry(relay, home, bytes(996), 60)
    assert len(office.sent) == (MIN_BURST + 8_192) // (1_000 + HEADERS)


def test_the_server_may_grant_less_than_the_relay_allows_but_not_more() -> None:
    for granted, expected in ((100_000, 100_000), (10_000_000, 1_000_000)):
        table = Table(RelayLimits(pair_rate=1_000_000))
        home, office = endpoint(1), endpoint(2)
        relay = table.bind(Party(0, rate=granted), home)
        table.bind(Party(1, rate=granted), office)
        office.sent.clear()
        for _ in range(2_000):
            table.now += 0.01
            table.carry(relay, home, bytes(996), 20)
        spent = len(office.sent) * (1_000 + HEADERS)
        assert spent == pytest.approx(20 * expected, abs=MIN_BURST + 20_000)


def test_tiny_datagrams_use_up_the_rate_too() -> None:
    table = Table(RelayLimits(pair_rate=8_192))
    home, office = endpoint(1), endpoint(2)
    relay = table.bind(Party(0), home)
    table.bind(Party(1), office)
    office.sent.clear()
    for _ in range(200):
        table.carry(relay, home, b"!", 60)
    assert len(office.sent) == MIN_BURST // (5 + HEADERS)


def test_tables_are_bounded_and_a_full_relay_says_so() -> None:
    table = Table(RelayLimits(pairs=3, endpoints_per_source=2))
    greedy = [endpoint(1, port) for port in (1, 2, 3)]
    for number, way in enumerate(greedy[:2]):
        table.bind(Party(0, b"pair number %d---" % number), way)
    party = Party(0, b"pair number 2---")
    assert table.refusal(party.bind(table.cookie(party, greedy[2])), greedy[2]) == RelayRefusal.BUSY
    table.bind(party, endpoint(2))
    table.bind(Party(1, b"pair number 0---"), endpoint(3))
    last = Party(0, b"pair number 3---")
    assert table.refusal(last.bind(table.cookie(last, endpoint(4))), endpoint(4)) == RelayRefusal.BUSY
    assert table.bindings.gauges() == {"relay_pairs": 3, "relay_endpoints": 4}


def test_forged_words_cannot_use_up_what_the_true_owner_may_ask() -> None:
    table = Table(RelayLimits(words_per_second=5))
    home = endpoint(1)
    anna = Party(0)
    bind = anna.bind(table.cookie(anna, home))
    answers = [table.say(Party(0).ping(), home) for _ in range(100)]
    assert sum(each is not None for each in answers) < 6
    assert anna.bound(table.say(bind, home))


def test_words_of_a_relay_and_garbage_get_no_answer(table: Table) -> None:
    home = endpoint(1)
    for rude in (b"\x82", b"\x82\x93", b"\x82" * 300, encode(RelayPong(bytes(8), bytes(16)))):
        assert table.say(rude, home) is None
    assert table.bindings.counts["relay_words_dropped_malformed"] == 4


class Account:
    """Adds up what goes in and out of a relay, whoever claims to be whom."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._ways = [endpoint(number) for number in (1, 2, 3, 4)]
        self._parties = [Party(0), Party(1), Party(0, b"a pair of others"), Party(1, b"a pair of others")]
        self._known = [bytes(40), encode(RelayPong(bytes(8), bytes(16)))]
        self._received = 0

    def act(self, kind: int, who: int, sender: int, number: int) -> None:
        """One datagram; `sender` is where it seems to come from."""
        way, party = self._ways[sender], self._parties[who]
        match kind:
            case 0:
                self._say(party.ping(), way)
            case 1:
                pongs = [each for each in self._known if each[:3] == b"\x82\x93\x02"]
                self._say(party.bind(pongs[number % len(pongs)]), way)
            case 2:
                self._say(self._known[number % len(self._known)], way)
            case 3:
                relay = MIN_RELAY_ID + number
                bound = [each for each in self._known if each[:3] == b"\x82\x95\x04"]
                if bound:
                    word = decode(bound[number % len(bound)])
                    assert isinstance(word, RelayBound)
                    relay = word.relay
                self._relay(relay.to_bytes(4) + bytes(number), way)
            case _:
                self._table.now += number

    def _say(self, word: bytes, way: NotedWay) -> None:
        self._received += len(word)
        self._known.append(word)
        answer = self._table.say(word, way)
        if answer is not None:
            way.sent.append(answer)
            self._known.append(answer)

    def _relay(self, datagram: bytes, way: NotedWay) -> None:
        bindings, now = self._table.bindings, self._table.now
        self._received += len(datagram)
        if not bindings.forward(memoryview(datagram), len(datagram), way.origin, now):
            relay = int.from_bytes(datagram[:4])
            answer = bindings.tell_unknown(relay, len(datagram), way.source, now)
            way.sent += [] if answer is None else [answer]

    def check(self) -> None:
        """No byte more has gone out than came in."""
        assert sum(len(datagram) for way in self._ways for datagram in way.sent) <= self._received


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3), st.integers(0, 90)), max_size=80))
def test_whoever_poses_as_whom_no_more_goes_out_than_came_in(actions: list[tuple[int, int, int, int]]) -> None:
    """Overheard, repeated and forged, with all tokens of two pairs, from four endpoints."""
    account = Account(Table())
    for action in actions:
        account.act(*action)
        account.check()
