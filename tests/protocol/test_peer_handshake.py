"""Two peers agree on a session over a wire that loses, doubles, reorders and forges."""

from collections.abc import Callable
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.fragment import Kind
from app.protocol.keys import IdentityKey
from app.protocol.peer_handshake import (
    BUSY_HALF_OPEN,
    GIVE_UP_AFTER,
    MAX_HALF_OPEN,
    Event,
    HandshakeFailed,
    PeerFacts,
    PeerHandshakes,
    PeerUnknown,
    SessionEstablished,
    SharedNetwork,
)
from app.protocol.wire import Address, Endpoint, LocalProtocolError, NetworkId

ANNA, BEN = Address(0x0A100001), Address(0x0A100002)
ANNA_AT, BEN_AT = Endpoint("192.0.2.1", 1000), Endpoint("198.51.100.2", 2000)
FRIENDS, GAMES = NetworkId(1), NetworkId(2)
SECRET = bytes(range(32))


@cache
def key(name: str) -> IdentityKey:
    """One key for each name and test process; making one is slow."""
    return IdentityKey.generate()


def facts(name: str, *networks: SharedNetwork) -> PeerFacts:
    return PeerFacts(key(name).public, networks or (SharedNetwork(FRIENDS, SECRET),))


Mangle = Callable[[bytes], list[bytes]]


class Wire:
    """Anna and Ben; `mangle` says what becomes of each datagram."""

    def __init__(self, anna_knows: PeerFacts | None, ben_knows: PeerFacts | None) -> None:
        self.ben_knows = ben_knows
        self.anna = PeerHandshakes(key("anna"), ANNA, lambda peer: anna_knows if peer == BEN else None, 1)
        self.ben = PeerHandshakes(key("ben"), BEN, lambda peer: self.ben_knows if peer == ANNA else None, 1)
        self.anna_events: list[Event] = []
        self.ben_events: list[Event] = []
        self.bytes_to_ben = self.bytes_to_anna = 0
        self.now = 0.0

    def carry(self, mangle: Mangle = lambda data: [data]) -> None:
        """One exchange: what Anna has to say, then what Ben has to say."""
        for _, data in self.anna.datagrams_to_send(self.now):
            for each in mangle(data):
                self.bytes_to_ben += len(each)
                self.ben.receive_datagram(each, ANNA_AT, self.now)
        for _, data in self.ben.datagrams_to_send(self.now):
            for each in mangle(data):
                self.bytes_to_anna += len(each)
                self.anna.receive_datagram(each, BEN_AT, self.now)
        while (event := self.anna.next_event()) is not None:
            self.anna_events.append(event)
        while (event := self.ben.next_event()) is not None:
            self.ben_events.append(event)

    def run(self, seconds: float, mangle: Mangle = lambda data: [data]) -> None:
        """Carry and repeat until the time is over or nothing is under way."""
        end = self.now + seconds
        self.carry(mangle)
        while self.now < end:
            self.carry(mangle)
            deadline = self.anna.next_deadline()
            if deadline is None:
                break
            self.now = max(self.now, deadline)
            self.anna.handle_deadline(self.now)


@pytest.mark.parametrize("suite", [1, 2])
def test_two_peers_agree_in_two_round_trips(suite: int) -> None:
    wire = Wire(facts("ben"), facts("anna"))
    index = wire.anna.start(BEN, [BEN_AT], suite, 0.0)
    wire.carry()
    wire.carry()
    (anna,), (ben,) = wire.anna_events, wire.ben_events
    assert isinstance(anna, SessionEstablished)
    assert isinstance(ben, SessionEstablished)
    assert (anna.initiator, ben.initiator) == (True, False)
    assert anna.local_index == ben.remote_index == index
    assert anna.remote_index == ben.local_index
    assert anna.key_material == ben.key_material
    assert (anna.peer, anna.endpoint, ben.peer, ben.endpoint) == (BEN, BEN_AT, ANNA, ANNA_AT)
    assert anna.proven == ben.proven == {FRIENDS}
    assert not anna.failed | ben.failed | anna.unprotected | ben.unprotected
    assert anna.capabilities == 1
    assert wire.bytes_to_anna <= wire.bytes_to_ben
    assert wire.anna.next_deadline() is None


def test_every_handshake_has_keys_of_its_own() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    for _ in range(2):
        wire.anna.start(BEN, [BEN_AT], 2, wire.now)
        wire.run(1.0)
    first, second = (event for event in wire.anna_events if isinstance(event, SessionEstablished))
    assert first.key_material != second.key_material
    assert first.local_index != second.local_index


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_loss_doubles_and_forgeries_never_harm(seed: int) -> None:
    """A third is lost, a third doubled; each datagram may be preceded by a mangled copy of it."""
    random = Random(seed)

    def mangle(data: bytes) -> list[bytes]:
        position = random.randrange(len(data))
        forged = data[:position] + bytes([data[position] ^ 0x20]) + data[position + 1 :]
        true = [data] * random.choice((0, 1, 1, 2))
        return [forged, *true] if random.random() < 0.3 else true

    wire = Wire(facts("ben"), facts("anna"))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    for _ in range(4):
        wire.run(20.0, mangle)
        if any(isinstance(event, SessionEstablished) for event in wire.anna_events):
            break
        wire.anna.start(BEN, [BEN_AT], 2, wire.now)
    sessions = [event for event in wire.anna_events if isinstance(event, SessionEstablished)]
    assert len(sessions) == 1
    assert sessions[0].key_material in [
        event.key_material for event in wire.ben_events if isinstance(event, SessionEstablished)
    ]


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(0, 6), st.integers(0, 3))
def test_any_bytes_change_nothing(chunks: list[bytes], kind: int, number: int) -> None:
    wire = Wire(facts("ben"), facts("anna"))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    hello = wire.anna.datagrams_to_send(0.0)
    for chunk in chunks:
        for machine in (wire.anna, wire.ben):
            machine.receive_datagram(chunk, BEN_AT, 0.0)
            machine.receive_datagram(bytes([0x80, kind, number, 1]) + chunk, BEN_AT, 0.0)
    for _, data in hello:
        wire.ben.receive_datagram(data, ANNA_AT, 0.0)
    wire.run(1.0)
    assert [type(event) for event in wire.anna_events] == [SessionEstablished]


def test_a_forged_hello_ok_does_not_win() -> None:
    """Somebody on the way answers first, with an exchange of his own."""
    wire = Wire(facts("ben"), facts("anna"))
    stranger = PeerHandshakes(key("ben"), BEN, lambda _: None, 0)
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    hello = wire.anna.datagrams_to_send(0.0)
    for _, data in hello:
        stranger.receive_datagram(data, ANNA_AT, 0.0)
    for _, data in stranger.datagrams_to_send(0.0):
        wire.anna.receive_datagram(data, BEN_AT, 0.0)
    for _, data in hello:
        wire.ben.receive_datagram(data, ANNA_AT, 0.0)
    wire.run(1.0)
    assert [type(event) for event in wire.anna_events] == [SessionEstablished]


def test_a_peer_with_another_key_gets_no_session() -> None:
    """The server swapped Ben's key: Anna pinned the true one, the impostor holds another."""
    wire = Wire(facts("ben"), facts("anna"))
    wire.ben = PeerHandshakes(key("impostor"), BEN, lambda _: facts("anna"), 1)
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.run(20.0)
    assert wire.anna_events == [HandshakeFailed(BEN, "no answer")]
    assert wire.ben_events == []
    assert wire.now >= GIVE_UP_AFTER


def test_an_initiator_with_another_key_gets_no_session() -> None:
    wire = Wire(facts("ben"), facts("somebody"))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.run(20.0)
    assert wire.ben_events == []
    assert wire.anna_events == [HandshakeFailed(BEN, "no answer")]
    assert wire.ben.counters["signature"] > 0


def test_an_unknown_peer_is_looked_up_while_it_repeats() -> None:
    wire = Wire(facts("ben"), None)
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.carry()
    wire.carry()
    assert wire.ben_events == [PeerUnknown(ANNA, ANNA_AT)]
    wire.ben_knows = facts("anna")
    wire.run(3.0)
    assert [type(event) for event in wire.anna_events] == [SessionEstablished]
    assert sum(isinstance(event, SessionEstablished) for event in wire.ben_events) == 1


def test_each_network_needs_its_own_proof() -> None:
    open_network, hidden = SharedNetwork(NetworkId(3), None), SharedNetwork(NetworkId(4), SECRET)
    wire = Wire(
        facts("ben", SharedNetwork(FRIENDS, SECRET), SharedNetwork(GAMES, SECRET), open_network, hidden),
        facts("anna", SharedNetwork(FRIENDS, SECRET), SharedNetwork(GAMES, bytes(32)), open_network),
    )
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.run(1.0)
    for event in (*wire.anna_events, *wire.ben_events):
        assert isinstance(event, SessionEstablished)
        assert event.proven == {FRIENDS}
        assert event.failed == {GAMES}
        assert event.unprotected == {NetworkId(3)}


def test_a_network_with_a_secret_is_not_shared_with_one_who_has_none() -> None:
    """The server told the stranger that the network has no password."""
    wire = Wire(facts("ben", SharedNetwork(FRIENDS, SECRET)), facts("anna", SharedNetwork(FRIENDS, None)))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.run(1.0)
    for event in (*wire.anna_events, *wire.ben_events):
        assert isinstance(event, SessionEstablished)
        assert (event.proven, event.unprotected, event.failed) == (frozenset(), frozenset(), frozenset({FRIENDS}))


def flood(ben: PeerHandshakes, count: int) -> None:
    """HELOs of `count` strangers."""
    for number in range(count):
        stranger = PeerHandshakes(key("anna"), ANNA, lambda _: facts("ben"), 0)
        stranger.start(BEN, [BEN_AT], 2, 0.0)
        for _, data in stranger.datagrams_to_send(0.0):
            ben.receive_datagram(data, Endpoint("203.0.113.9", 1 + number), 0.0)


def test_under_load_a_hello_needs_a_cookie_and_an_honest_peer_brings_it() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    flood(wire.ben, BUSY_HALF_OPEN)
    wire.ben.datagrams_to_send(0.0)
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    for _, data in wire.anna.datagrams_to_send(0.0):
        wire.ben.receive_datagram(data, ANNA_AT, 0.0)
    answers = wire.ben.datagrams_to_send(0.0)
    assert [data[1] for _, data in answers] == [Kind.COOKIE]
    assert len(answers[0][1]) < 40
    for _, data in answers:
        wire.anna.receive_datagram(data, BEN_AT, 0.0)
    wire.run(1.0)
    assert [type(event) for event in wire.anna_events] == [SessionEstablished]


def test_a_flood_leaves_bounded_state_that_goes_away() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    flood(wire.ben, BUSY_HALF_OPEN + 20)
    assert len(wire.ben._half_open) == BUSY_HALF_OPEN <= MAX_HALF_OPEN
    wire.ben.handle_deadline(60.0)
    assert not wire.ben._half_open
    assert not wire.ben._by_hello


def test_a_hello_over_several_ways_makes_one_session() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    wire.anna.start(BEN, [BEN_AT, Endpoint("192.0.2.200", 5)], 2, 0.0)
    wire.anna.add_endpoint(BEN, Endpoint("192.0.2.201", 6), 0.0)
    wire.run(1.0)
    assert len(wire.anna_events) == len(wire.ben_events) == 1


def test_nothing_starts_without_facts_and_a_cancelled_handshake_is_over() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    with pytest.raises(LocalProtocolError):
        wire.anna.start(Address(9), [BEN_AT], 2, 0.0)
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    assert wire.anna.running(BEN)
    wire.anna.cancel(BEN)
    wire.run(1.0)
    assert not wire.anna.running(BEN)
    assert wire.anna_events == wire.ben_events == []
