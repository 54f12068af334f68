"""Two peers agree on a session over a wire that loses, doubles, reorders and forges."""

import hmac
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from random import Random

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.fragment import COOKIE_LENGTH, FRAGMENT_HEADER, Kind, cut_message
from app.protocol.keys import IdentityKey
from app.protocol.messages import PeerHello, encode
from app.protocol.peer_handshake import (
    BUSY_HALF_OPEN,
    GIVE_UP_AFTER,
    MAX_ANSWERS,
    MAX_HALF_OPEN,
    MAX_HALF_OPEN_OF_HOST,
    Event,
    HandshakeFailed,
    PeerFacts,
    PeerHandshakes,
    PeerUnknown,
    SessionEstablished,
    SharedNetwork,
)
from app.protocol.suites import SUITES
from app.protocol.wire import (
    MIN_RELAY_ID,
    PROTOCOL_VERSION,
    Address,
    DatagramType,
    Endpoint,
    LocalProtocolError,
    NetworkId,
)

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
        self.anna_knows, self.ben_knows = anna_knows, ben_knows
        self.anna = PeerHandshakes(key("anna"), ANNA, lambda peer: self.anna_knows if peer == BEN else None, 1)
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
    """HELOs of `count` strangers, each at a host of its own."""
    for number in range(count):
        stranger = PeerHandshakes(key("anna"), ANNA, lambda _: facts("ben"), 0)
        stranger.start(BEN, [BEN_AT], 2, 0.0)
        for _, data in stranger.datagrams_to_send(0.0):
            ben.receive_datagram(data, Endpoint(f"203.0.113.{number}", 1), 0.0)


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


def test_peers_that_share_a_relay_are_not_one_host() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    for number in range(2 * MAX_HALF_OPEN_OF_HOST):
        stranger = PeerHandshakes(key("anna"), ANNA, lambda _: facts("ben"), 0)
        stranger.start(BEN, [BEN_AT], 2, 0.0)
        for _, data in stranger.datagrams_to_send(0.0):
            wire.ben.receive_datagram(data, Endpoint("203.0.113.9", 1, MIN_RELAY_ID + number), 0.0)
    assert len(wire.ben._half_open) == 2 * MAX_HALF_OPEN_OF_HOST


def test_one_host_cannot_take_all_places() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    for port in range(1, 2 * MAX_HALF_OPEN_OF_HOST):
        stranger = PeerHandshakes(key("anna"), ANNA, lambda _: facts("ben"), 0)
        stranger.start(BEN, [BEN_AT], 2, 0.0)
        for _, data in stranger.datagrams_to_send(0.0):
            wire.ben.receive_datagram(data, Endpoint("203.0.113.9", port), 0.0)
    assert len(wire.ben._half_open) <= MAX_HALF_OPEN_OF_HOST
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.run(1.0)
    assert [type(event) for event in wire.anna_events] == [SessionEstablished]


def test_a_copied_hello_ok_under_another_index_gets_an_auth_under_other_keys() -> None:
    """Nobody may bring an initiator to seal two messages with one key and id."""
    wire = Wire(facts("ben"), facts("anna"))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    for _, data in wire.anna.datagrams_to_send(0.0):
        wire.ben.receive_datagram(data, ANNA_AT, 0.0)
    for _, data in wire.ben.datagrams_to_send(0.0):
        wire.anna.receive_datagram(data, BEN_AT, 0.0)
        wire.anna.receive_datagram(data[:4] + bytes([data[4] ^ 1]) + data[5:], BEN_AT, 0.0)
    auths = [data for _, data in wire.anna.datagrams_to_send(0.0) if data[1] == Kind.AUTH]
    assert len(auths) == 2
    first, second = (data[FRAGMENT_HEADER.size :] for data in auths)
    sealed_address = slice(0, 8)  # the same plaintext in both
    assert first[sealed_address] != second[sealed_address]


def test_an_initiator_follows_a_bounded_number_of_answers() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    for _, data in wire.anna.datagrams_to_send(0.0):
        wire.ben.receive_datagram(data, ANNA_AT, 0.0)
    answer = [data for _, data in wire.ben.datagrams_to_send(0.0)]
    for number in range(MAX_ANSWERS + 5):
        for data in answer:
            wire.anna.receive_datagram(data[:4] + number.to_bytes(4, "big") + data[8:], BEN_AT, 0.0)
    assert sum(data[1] == Kind.AUTH for _, data in wire.anna.datagrams_to_send(0.0)) <= MAX_ANSWERS


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


def test_a_hello_of_another_version_gets_no_answer() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    hello = PeerHello(PROTOCOL_VERSION + 1, 2, key("ben").public.fingerprint, bytes(128), bytes(1_216))
    for datagram in cut_message(Kind.HELO, 7, 0, encode(hello), bytes(COOKIE_LENGTH)):
        wire.ben.receive_datagram(datagram, ANNA_AT, 0.0)
    assert wire.ben.datagrams_to_send(0.0) == []
    assert wire.ben.counters["hello of another version"] == 1


def test_an_auth_belongs_to_the_index_that_said_hello() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.carry()

    def from_another_index(data: bytes) -> list[bytes]:
        _, kind, number, count, sender, receiver = FRAGMENT_HEADER.unpack_from(data)
        header = FRAGMENT_HEADER.pack(DatagramType.HANDSHAKE, kind, number, count, sender ^ 1, receiver)
        return [header + data[FRAGMENT_HEADER.size :]] if kind == Kind.AUTH else []

    wire.carry(from_another_index)
    assert wire.ben_events == []
    assert wire.ben.counters["auth of another index"] == 1
    wire.run(3.0)
    assert [type(event) for event in wire.anna_events] == [SessionEstablished]


def test_a_cookie_counts_only_from_where_a_hello_went() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    index = wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.anna.datagrams_to_send(0.0)
    for endpoint, cookie in ((Endpoint("203.0.113.9", 9), bytes(COOKIE_LENGTH)), (BEN_AT, bytes(COOKIE_LENGTH + 1))):
        for datagram in cut_message(Kind.COOKIE, 1, index, cookie):
            wire.anna.receive_datagram(datagram, endpoint, 0.0)
    assert wire.anna.datagrams_to_send(0.0) == []
    assert wire.anna.counters["cookie unexpected"] == 2


@pytest.mark.parametrize(("steps", "counted"), [(0, "hello ok"), (1, "auth ok of no peer")])
def test_a_peer_that_is_forgotten_under_way_gets_no_session(steps: int, counted: str) -> None:
    """It was evicted, or its key turned out to be another, between two datagrams."""
    wire = Wire(facts("ben"), facts("anna"))
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    for _ in range(steps):
        wire.carry()
    wire.anna_knows = None
    wire.carry()
    assert wire.anna_events == []
    assert wire.anna.counters[counted] == 1


class WrittenFromTheDocument:
    """Ben's side of a handshake with Anna, suite 2, as docs/protocol.md section 10 tells it; it is `address`."""

    index = 0x01020304

    def __init__(self, address: Address) -> None:
        self._address = address
        self.key_material = b""

    def answer_hello(self, datagrams: list[bytes]) -> list[bytes]:
        """HELO OK."""
        self._remote = int.from_bytes(datagrams[0][4:8], "big")
        hello = msgspec.msgpack.decode(b"".join(each[12 + 16 :] for each in datagrams))
        assert hello[:4] == [8, 1, 2, key("ben").public.fingerprint]
        self._nonce, self._public = hello[4:]
        public, secret = SUITES[2].answer_exchange(self._public)
        self._answer = (bytes(range(128)), public)
        indexes = datagrams[0][4:8] + self.index.to_bytes(4, "big")
        self.key_material = SUITES[2].keymat(secret, self._nonce, self._answer[0], 64)
        self._auth_keys = SUITES[2].keymat(secret, b"AUTH" + indexes + self._nonce, self._answer[0], 64)
        return self._fragments(2, msgspec.msgpack.encode([9, *self._answer]))

    def answer_auth(self, datagrams: list[bytes]) -> list[bytes]:
        """AUTH OK, after a look at what the document says of AUTH."""
        indexes = self._remote.to_bytes(4, "big") + self.index.to_bytes(4, "big")
        sealed = b"".join(each[12:] for each in datagrams)
        auth = AESGCM(self._auth_keys[:32]).decrypt(bytes(12), sealed, b"AUTH" + indexes)
        tag, address, capabilities, ((network, proof),), signature = msgspec.msgpack.decode(auth)
        assert (tag, address, network) == (10, ANNA, FRIENDS)
        digest = sha256(self._signed(b"I")).digest()
        number = FRIENDS.to_bytes(4, "big")
        assert proof == hmac.digest(SECRET, b"buri network proof 1initiator" + number + digest, "sha256")
        pairs = (ANNA.to_bytes(4, "big") + BEN.to_bytes(4, "big"), self._address.to_bytes(4, "big"))
        tail = key("anna").public.fingerprint + indexes + capabilities.to_bytes(4, "big") + number + b"\x01"
        padding = SUITES[2].signature_padding
        key("anna").public.verify(signature, self._signed(b"I") + b"PEER" + pairs[0] + tail + proof, padding)

        own_proof = hmac.digest(SECRET, b"buri network proof 1responder" + number + digest, "sha256")
        claims = b"PEER" + pairs[1] + ANNA.to_bytes(4, "big") + tail + own_proof
        own = key("ben").sign(self._signed(b"R") + claims, padding)
        message = msgspec.msgpack.encode([10, self._address, capabilities, [[FRIENDS, own_proof]], own])
        return self._fragments(4, AESGCM(self._auth_keys[32:]).encrypt(bytes(12), message, b"AUTH OK" + indexes))

    def _signed(self, role: bytes) -> bytes:
        initiator, responder = (self._nonce, self._public), self._answer
        first, second = (initiator, responder) if role == b"I" else (responder, initiator)
        publics = b"".join(len(each[1]).to_bytes(2, "big") + each[1] for each in (first, second))
        fingerprint = key("ben").public.fingerprint
        return b"buri peer 1\x00" + role + b"\x02" + fingerprint + first[0] + second[0] + publics

    def _fragments(self, kind: int, message: bytes) -> list[bytes]:
        parts = [message[start : start + 1_160] for start in range(0, len(message), 1_160)]
        ends = self.index.to_bytes(4, "big") + self._remote.to_bytes(4, "big")
        return [bytes([0x80, kind, number, len(parts)]) + ends + part for number, part in enumerate(parts)]


@pytest.mark.parametrize("address", [BEN, Address(BEN + 1)])
def test_a_peer_written_from_the_document_gets_a_session_if_it_is_the_one_that_was_asked(address: Address) -> None:
    anna = PeerHandshakes(key("anna"), ANNA, lambda _: facts("ben"), 1)
    ben = WrittenFromTheDocument(address)
    index = anna.start(BEN, [BEN_AT], 2, 0.0)
    for answer in (ben.answer_hello, ben.answer_auth):
        for datagram in answer([data for _, data in anna.datagrams_to_send(0.0)]):
            anna.receive_datagram(datagram, BEN_AT, 0.0)
    event = anna.next_event()
    if address != BEN:
        assert event is None
        assert anna.counters["auth ok of another peer"] == 1
        return
    assert isinstance(event, SessionEstablished)
    assert (event.local_index, event.remote_index) == (index, ben.index)
    assert event.proven == {FRIENDS}
    assert event.key_material == ben.key_material


def test_an_auth_for_another_account_of_the_same_key_proves_nothing() -> None:
    wire = Wire(facts("ben"), facts("anna"))
    wire.ben = PeerHandshakes(key("ben"), Address(BEN + 1), lambda _: facts("anna"), 1)
    wire.anna.start(BEN, [BEN_AT], 2, 0.0)
    wire.run(3.0)
    assert wire.ben_events == []


def test_an_index_is_never_zero_nor_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([7, 0, 7, 8])
    monkeypatch.setattr("secrets.randbits", lambda bits: next(drawn))
    anna = PeerHandshakes(key("anna"), ANNA, lambda _: facts("ben"), 1)
    assert anna.start(BEN, [BEN_AT], 2, 0.0) == 7
    assert anna.start(Address(BEN + 1), [BEN_AT], 2, 0.0) == 8
