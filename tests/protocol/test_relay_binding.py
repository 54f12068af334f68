"""The client's side of a relay: measured, bound, bound anew, whatever the relay or somebody in its name says."""

import secrets
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from app.protocol.relay import (
    Grant,
    RelayBind,
    RelayBound,
    RelayPing,
    RelayPong,
    RelayRefusal,
    RelayRefused,
    RelayUnknown,
    RelayWord,
    bound_mac,
    decode,
    encode,
    seal_token,
    token_key,
)
from app.protocol.relay_binding import (
    COOKIE_LASTS,
    INTERVALS,
    REBIND_PAUSE,
    Bound,
    Measured,
    Mute,
    RelayClient,
    RelayEvent,
    Ticket,
    TokenRefused,
)
from app.protocol.wire import MIN_RELAY_ID, Address
from app.server.limits import RelayLimits
from app.server.relay.bindings import Bindings

PEER, OTHER_PEER = Address(7), Address(8)
SECRET = bytes(range(32))
PAIR = bytes(16)
START = 1_000.0
WALL = 1_700_000_000.0


def ticket(side: int, pair: bytes = PAIR, secret: bytes = SECRET) -> Ticket:
    token = seal_token(secret, Grant(pair, side, int(WALL) + 3_600, 0))
    return Ticket(token, token_key(secret, token))


class Way:
    """How the relay reaches one client."""

    def __init__(self, number: int) -> None:
        self.origin = ("udp", number)
        self.source = f"192.0.2.{number}"
        self.inbox: list[bytes] = []

    def send_train(self, train: memoryview, slot: int) -> None:
        self.inbox.append(bytes(train))


class Side:
    """A client of the relay at one place of the internet."""

    def __init__(self, relay: "Relay", number: int) -> None:
        self.client = RelayClient()
        self.way = Way(number)
        self.events: list[RelayEvent] = []
        self.relay = relay
        relay.sides.append(self)

    def bound(self) -> list[int]:
        return [event.relay for event in self.events if isinstance(event, Bound)]


def relay_of(client: RelayClient, peer: Address) -> int:
    """The relay id by which the peer was last reached, 0 if it was not."""
    binding = client._bindings.get(peer)
    return 0 if binding is None else binding.relay


class Relay:
    """A real relay's rules, with the clients' datagrams brought to it and back after some time, or lost."""

    def __init__(self) -> None:
        self.sides: list[Side] = []
        self.now = START
        self.reachable = True
        self.words: list[RelayWord] = []
        self.restart()

    def restart(self) -> None:
        self.bindings = Bindings(SECRET, RelayLimits())

    def carry(self) -> None:
        """Let everything that is under way arrive."""
        for _ in range(8):
            for side in self.sides:
                for data in side.client.datagrams_to_send():
                    self.words.append(decode(data))
                    answer = self.bindings.take_word(data, side.way, self.now, WALL) if self.reachable else None
                    if answer is not None:
                        side.way.inbox.append(answer)
            self.now += 0.01
            for side in self.sides:
                for data in side.way.inbox:
                    side.client.receive_datagram(data, self.now)
                side.way.inbox.clear()
                while (event := side.client.next_event()) is not None:
                    side.events.append(event)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        self.carry()
        while self.now < end:
            due = [each for side in self.sides if (each := side.client.next_deadline()) is not None]
            self.now = max(self.now, min([*due, end]))
            for side in self.sides:
                side.client.handle_deadline(self.now)
            self.carry()


def bound_pair() -> tuple[Relay, Side, Side]:
    relay = Relay()
    one, other = Side(relay, 1), Side(relay, 2)
    one.client.bind(PEER, ticket(0), START)
    other.client.bind(PEER, ticket(1), START)
    relay.run(0.5)
    return relay, one, other


def test_both_sides_learn_one_relay_id() -> None:
    _, one, other = bound_pair()
    assert set(one.bound()) == set(other.bound()) == {relay_of(one.client, PEER)}
    assert relay_of(one.client, PEER) >= MIN_RELAY_ID
    assert any(isinstance(event, Measured) for event in one.events)
    assert one.client.next_deadline() is None, "nothing is sent while nothing is to be done"


def test_the_first_side_waits_for_the_second() -> None:
    relay = Relay()
    one, other = Side(relay, 1), Side(relay, 2)
    one.client.bind(PEER, ticket(0), START)
    relay.run(3)
    assert one.bound() == []
    other.client.bind(PEER, ticket(1), relay.now)
    relay.run(0.2)
    assert one.bound() == other.bound() != []
    assert not any(isinstance(event, Mute) for event in one.events)


def test_a_mute_relay_is_told_once_and_left_in_peace_after_a_while() -> None:
    relay = Relay()
    relay.reachable = False
    one = Side(relay, 1)
    one.client.measure(START)
    relay.run(INTERVALS[0] + 0.1)
    assert one.events == [Mute()]
    relay.run(60)
    assert one.events == [Mute()]
    assert len(relay.words) == len(INTERVALS)
    relay.reachable = True
    one.client.measure(relay.now)
    relay.run(0.1)
    assert isinstance(one.events[-1], Measured)


def test_after_a_restart_of_the_relay_both_are_bound_anew() -> None:
    relay, one, other = bound_pair()
    before = relay_of(one.client, PEER)
    relay.run(REBIND_PAUSE)
    relay.restart()
    for side in (one, other):
        side.way.inbox.append(encode(RelayUnknown(before)))
    relay.run(0.5)
    assert relay_of(one.client, PEER) == relay_of(other.client, PEER) != before
    assert one.bound()[-1] == relay_of(one.client, PEER)


def test_a_relay_that_restarts_slowly_is_found_within_a_second_of_its_return() -> None:
    relay, one, other = bound_pair()
    relay.reachable = False
    relay.restart()
    for side, number in ((one, 0), (other, 1)):
        side.client.bind(PEER, ticket(number), relay.now)
    relay.run(3)
    relay.reachable = True
    count = len(one.bound())
    relay.run(1.2)
    assert len(one.bound()) > count


def test_hints_of_somebody_else_make_no_more_than_one_new_binding_a_second() -> None:
    relay, one, _ = bound_pair()
    relay.run(REBIND_PAUSE)
    relay.words.clear()
    for _ in range(100):
        one.way.inbox.append(encode(RelayUnknown(relay_of(one.client, PEER))))
        one.way.inbox.append(encode(RelayUnknown(MIN_RELAY_ID + 5)))
        one.way.inbox.append(encode(RelayRefused(secrets.token_bytes(8), RelayRefusal.WRONG_TOKEN)))
    relay.run(0.5)
    assert len(relay.words) == 1
    assert one.client.counters["relay-word-unexpected"] >= 298
    assert relay_of(one.client, PEER)


def test_an_old_cookie_is_replaced_before_it_is_refused() -> None:
    relay, one, _ = bound_pair()
    relay.now += COOKIE_LASTS + 1
    relay.words.clear()
    one.client.bind(PEER, ticket(0), relay.now)
    relay.run(0.2)
    assert [type(word) for word in relay.words] == [RelayPing, RelayBind]
    assert len(one.bound()) >= 2


def test_a_token_of_another_server_is_told_and_tried_no_more() -> None:
    relay = Relay()
    one = Side(relay, 1)
    one.client.bind(PEER, ticket(0, secret=bytes(32)), START)
    relay.run(30)
    assert one.events[-1] == TokenRefused(PEER)
    assert one.client.next_deadline() is None
    assert sum(isinstance(word, RelayBind) for word in relay.words) == 1


def test_peers_are_bound_apart_from_each_other() -> None:
    relay, one, _ = bound_pair()
    first = relay_of(one.client, PEER)
    third = Side(relay, 3)
    one.client.bind(OTHER_PEER, ticket(0, bytes([1] * 16)), relay.now)
    third.client.bind(PEER, ticket(1, bytes([1] * 16)), relay.now)
    relay.run(0.5)
    assert relay_of(one.client, OTHER_PEER) == relay_of(third.client, PEER) != first
    one.client.release(PEER)
    assert relay_of(one.client, PEER) == 0
    assert relay_of(one.client, OTHER_PEER)


def test_a_forged_answer_binds_nothing() -> None:
    relay = Relay()
    relay.reachable = False
    one = Side(relay, 1)
    one.client.measure(START)
    ping = decode(one.client.datagrams_to_send()[0])
    assert isinstance(ping, RelayPing)
    one.client.receive_datagram(encode(RelayPong(ping.probe, bytes(16))), START)
    one.client.bind(PEER, ticket(0), START)
    bind = decode(one.client.datagrams_to_send()[0])
    assert isinstance(bind, RelayBind)
    forged = RelayBound(bind.nonce, MIN_RELAY_ID, True, bound_mac(bytes(32), bind.nonce, MIN_RELAY_ID, True))
    one.client.receive_datagram(encode(forged), START)
    assert one.client.counters["relay-word-not-authentic"] == 1
    assert relay_of(one.client, PEER) == 0


Step = Callable[[RelayClient, float], object]
numbers = st.binary(min_size=8, max_size=8)
ids = st.integers(MIN_RELAY_ID, 0xFFFFFFFF)
words: st.SearchStrategy[RelayWord] = st.one_of(
    st.builds(RelayPong, numbers, st.binary(min_size=16, max_size=16)),
    st.builds(RelayBound, numbers, ids, st.booleans(), st.binary(min_size=32, max_size=32)),
    st.builds(RelayRefused, numbers, st.sampled_from(RelayRefusal)),
    st.builds(RelayUnknown, ids),
    st.builds(RelayPing, numbers),
)


@given(st.lists(st.one_of(words.map(encode), st.binary(max_size=300)), max_size=40), st.floats(0, 5))
def test_whatever_comes_it_stays_quiet_and_bound_to_nothing(datagrams: list[bytes], wait: float) -> None:
    client, now, sent = RelayClient(), START, 0
    client.bind(PEER, ticket(0), now)
    for data in datagrams:
        client.receive_datagram(data, now)
        now += wait
        client.handle_deadline(now)
        sent += len(client.datagrams_to_send())
    assert relay_of(client, PEER) == 0
    assert sent <= 2 * len(INTERVALS)
    assert not any(isinstance(event, Bound | Measured) for event in iter(client.next_event, None))
