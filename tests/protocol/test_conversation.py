"""Chat over a bad wire: whatever is lost, doubled or overtaken, messages arrive once and in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol import conversation, tunnel_message
from app.protocol.conversation import (
    FIRST_RETRY,
    GIVE_UP_AFTER,
    MAX_MARKS_IN_A_ROW,
    MAX_WAITING,
    MESSAGES_AT_ONCE,
    MESSAGES_PER_SECOND,
    ChatConversation,
    ChatDelivered,
    ChatEvent,
    ChatFailed,
    ChatId,
    ChatReceived,
    shown_text,
)
from app.protocol.tunnel_message import FRAGMENT_SIZE, MAX_FRAGMENTS, ChatAcknowledge, ChatFragment
from app.protocol.wire import MAX_CHAT, Endpoint, LocalProtocolError
from tests.machine_pair import FIRST, MachinePair, Weather

SENT_AT = 1_700_000_000_000


class Chatter:
    """A conversation as the harness drives it; the tunnel around the payloads is left out."""

    def __init__(self, chat: ChatConversation | None = None) -> None:
        self.chat = chat or ChatConversation()
        self.events: list[ChatEvent] = []

    def receive_datagram(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        message = tunnel_message.decode(data)
        assert isinstance(message, ChatFragment | ChatAcknowledge)
        self.chat.receive_message(message, now)
        self.take_events()

    def datagrams_to_send(self, now: float) -> list[tuple[Endpoint, bytes]]:
        return [(FIRST, payload) for payload in self.chat.messages_to_send(now)]

    def next_deadline(self) -> float | None:
        return self.chat.next_deadline()

    def handle_deadline(self, now: float) -> None:
        self.chat.handle_deadline(now)
        self.take_events()

    def take_events(self) -> None:
        while (event := self.chat.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, ChatReceived):
                self.chat.received_is_kept()

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, ChatReceived)]


def meet(weather: Weather | None = None, seed: int = 0) -> tuple[Chatter, Chatter, MachinePair]:
    alice, bob = Chatter(), Chatter()
    return alice, bob, MachinePair(alice, bob, weather, seed)


def test_a_message_arrives_and_is_acknowledged() -> None:
    alice, bob, pair = meet()
    message_id = alice.chat.send("Hello 鰤\n\tthere", SENT_AT, pair.now)
    assert pair.run_until(lambda: bool(alice.events), 1.0)
    assert bob.events == [ChatReceived(message_id, "Hello 鰤\n\tthere", SENT_AT)]
    assert alice.events == [ChatDelivered(message_id)]
    assert pair.sent == [1, 1]
    assert (alice.chat.next_deadline(), bob.chat.next_deadline()) == (None, None)


def test_the_longest_message_takes_fourteen_packets_and_two_answers_at_most() -> None:
    alice, bob, pair = meet(Weather(jitter=0.02))
    text = "鰤" * (MAX_CHAT // 3) + "x"
    alice.chat.send(text, SENT_AT, pair.now)
    assert pair.run_until(lambda: bool(alice.events), 1.0)
    assert bob.texts == [text]
    assert pair.sent[0] == MAX_FRAGMENTS
    assert pair.sent[1] <= 2


def test_only_what_was_lost_is_sent_again() -> None:
    alice, bob, pair = meet()
    alice.chat.send("x" * MAX_CHAT, SENT_AT, pair.now)
    payloads = alice.chat.messages_to_send(pair.now)
    for payload in payloads[1:]:
        pair.inject(1, payload, FIRST)
    assert pair.run_until(lambda: bool(alice.events), FIRST_RETRY + 1)
    assert pair.sent[0] == 1
    assert bob.texts == ["x" * MAX_CHAT]


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1, max_size=40).filter(shown_text), min_size=1, max_size=6),
    long=st.integers(1, MAX_CHAT),
    loss=st.floats(0, 0.6),
    duplication=st.floats(0, 0.6),
    jitter=st.floats(0, 3),
    seed=st.integers(0, 2**32),
)
def test_in_any_weather_messages_arrive_once_and_in_order(
    texts: list[str], long: int, loss: float, duplication: float, jitter: float, seed: int
) -> None:
    alice, bob = (Chatter(ChatConversation(give_up_after=1e6)) for _ in range(2))
    pair = MachinePair(alice, bob, Weather(loss, duplication, 0.02, jitter), seed)
    to_bob, to_alice = [*texts, "x" * long], texts[::-1]
    for text in to_bob:
        alice.chat.send(text, SENT_AT, pair.now)
    for text in to_alice:
        bob.chat.send(text, SENT_AT, pair.now)
    expected = len(to_bob) + len(to_alice)
    assert pair.run_until(lambda: len(alice.events) == len(bob.events) == expected, 1e5)
    pair.run(60)
    assert bob.texts == [shown_text(text) for text in to_bob]
    assert alice.texts == [shown_text(text) for text in to_alice]


def test_an_absent_peer_fails_all_that_waits_at_its_time_and_no_later() -> None:
    alice, _, pair = meet(Weather(loss=1.0))
    ids = [alice.chat.send(f"message {number}", SENT_AT, pair.now) for number in range(5)]
    pair.run(GIVE_UP_AFTER + 1)
    assert alice.events == [ChatFailed(message_id) for message_id in ids]
    assert alice.chat.next_deadline() is None
    assert pair.sent[0] < 12, "retries grow apart"


def test_a_failed_message_can_be_sent_anew_under_its_own_id() -> None:
    alice, bob, pair = meet(Weather(loss=1.0))
    first = alice.chat.send("first", SENT_AT, pair.now)
    pair.run(GIVE_UP_AFTER + 1)
    pair.weather.loss = 0.0
    alice.chat.send("second", SENT_AT, pair.now)
    assert alice.chat.send("first", SENT_AT, pair.now, message_id=first) == first
    pair.run(5)
    assert bob.texts == ["second", "first"]
    assert bob.events[1] == ChatReceived(first, "first", SENT_AT)


@pytest.mark.parametrize("sender_restarts", [False, True])
@pytest.mark.parametrize("receiver_restarts", [False, True])
def test_a_message_that_arrived_without_the_sender_learning_it_is_not_shown_twice(
    sender_restarts: bool, receiver_restarts: bool
) -> None:
    alice, bob, pair = meet()
    message_id = alice.chat.send("are you there?", SENT_AT, pair.now)
    for payload in alice.chat.messages_to_send(pair.now):
        bob.receive_datagram(payload, FIRST, pair.now)
    bob.chat.messages_to_send(pair.now)
    pair.weather.loss = 1.0
    pair.run(GIVE_UP_AFTER + 1)
    pair.weather.loss = 0.0
    if sender_restarts:
        alice.chat = ChatConversation()
        alice.chat.send("it is me", SENT_AT, pair.now)
    if receiver_restarts:
        bob.chat = ChatConversation(bob.chat.received_mark())
    alice.chat.send("are you there?", SENT_AT, pair.now, message_id=message_id)
    pair.run(5)
    assert bob.texts == ["are you there?", *(["it is me"] if sender_restarts else [])]
    assert alice.events[-1] == ChatDelivered(message_id)
    assert bob.chat.counters["chat-duplicate"] == 1


def test_a_message_is_acknowledged_only_when_it_is_kept() -> None:
    alice, bob = ChatConversation(), ChatConversation()
    message_id = alice.send("first", SENT_AT, 0.0)
    alice.send("second", SENT_AT, 0.0)
    (payload,) = alice.messages_to_send(0.0)
    first = tunnel_message.decode(payload)
    assert isinstance(first, ChatFragment)
    bob.receive_message(first, 0.0)
    bob.receive_message(first, 0.1)
    bob.receive_message(fragment(sequence=2, number=2), 0.1)
    assert bob.messages_to_send(0.1) == []
    assert bob.counters["chat-before-kept"] == 2
    bob.received_is_kept()
    bob.received_is_kept()
    assert [tunnel_message.decode(each) for each in bob.messages_to_send(0.2)] == [
        ChatAcknowledge(message_id.epoch, 1, 1)
    ]
    assert bob.next_event() == ChatReceived(message_id, "first", SENT_AT)
    assert bob.next_event() is None


def test_a_message_to_a_network_says_so() -> None:
    alice, bob, pair = meet()
    text = "x" * (2 * FRAGMENT_SIZE)
    message_id = alice.chat.send(text, SENT_AT, pair.now, network=7)
    pair.run(5)
    assert bob.events == [ChatReceived(message_id, text, SENT_AT, 7)]


def test_a_flood_is_slowed_down_and_loses_nothing() -> None:
    chat, now, taken = ChatConversation(), 0.0, 0
    for sequence in range(1, MESSAGES_AT_ONCE + 2):
        chat.receive_message(fragment(sequence=sequence, number=sequence), now)
        chat.received_is_kept()
    last = fragment(sequence=MESSAGES_AT_ONCE + 1, number=MESSAGES_AT_ONCE + 1)
    assert chat.counters["chat-too-many"] == 1
    chat.receive_message(last, now + 2 / MESSAGES_PER_SECOND)
    while (event := chat.next_event()) is not None:
        assert isinstance(event, ChatReceived)
        taken += 1
    assert taken == MESSAGES_AT_ONCE + 1


def test_a_new_tunnel_does_not_wait_for_the_next_retry() -> None:
    alice, bob, pair = meet(Weather(loss=1.0))
    alice.chat.send_now(pair.now)
    alice.chat.send("hello", SENT_AT, pair.now)
    pair.run(40)
    pair.weather.loss = 0.0
    alice.chat.send_now(pair.now)
    assert pair.run_until(lambda: bool(alice.events), 0.1)
    assert bob.texts == ["hello"]


def test_the_sender_restarts_and_its_old_packets_straggle_in() -> None:
    alice, bob, pair = meet()
    alice.chat.send("before", SENT_AT, pair.now)
    old = alice.chat.messages_to_send(pair.now)
    alice.chat = ChatConversation()
    again = alice.chat.send("after", SENT_AT, pair.now)
    pair.inject(1, old[0], FIRST)
    pair.run(5)
    pair.inject(1, old[0], FIRST)
    pair.run(5)
    assert bob.texts == ["before", "after"]
    assert again.number == 1
    assert bob.chat.counters["chat-old-epoch"] == 1


@pytest.mark.parametrize("mark_was_kept", [True, False])
def test_the_receiver_restarts(mark_was_kept: bool) -> None:
    alice, bob, pair = meet()
    for text in ("one", "two"):
        alice.chat.send(text, SENT_AT, pair.now)
    assert pair.run_until(lambda: bob.texts == ["one", "two"], 5)
    pair.flush()
    pair.weather.loss = 1.0
    pair.run(0.5)
    bob.chat = ChatConversation(bob.chat.received_mark() if mark_was_kept else None)
    pair.weather.loss = 0.0
    alice.chat.send("three", SENT_AT, pair.now)
    pair.run(5)
    assert bob.texts == ["one", "two", "three"]


def test_a_receiver_that_kept_its_mark_shows_nothing_twice() -> None:
    alice, bob, pair = meet()
    assert bob.chat.received_mark() is None
    alice.chat.send("once", SENT_AT, pair.now)
    payloads = alice.chat.messages_to_send(pair.now)
    pair.inject(1, payloads[0], FIRST)
    bob.chat = ChatConversation(bob.chat.received_mark())
    pair.inject(1, payloads[0], FIRST)
    pair.run(5)
    assert bob.texts == ["once"]
    assert len([event for event in alice.events if isinstance(event, ChatDelivered)]) == 1


def test_a_receiver_that_restarts_amid_a_long_message_gets_it_whole() -> None:
    alice, bob, pair = meet()
    text = "".join(chr(97 + number % 26) * 100 for number in range(100))
    alice.chat.send(text, SENT_AT, pair.now)
    for payload in alice.chat.messages_to_send(pair.now)[::2]:
        pair.inject(1, payload, FIRST)
    pair.run(0.2)
    bob.chat = ChatConversation()
    assert pair.run_until(lambda: bool(alice.events), 20)
    assert bob.texts == [text]


def fragment(sequence: int = 1, number: int = 1, index: int = 0, count: int = 1, data: bytes = b"text") -> ChatFragment:
    return ChatFragment(1, sequence, number, SENT_AT, index, count, data)


def fragments() -> st.SearchStrategy[ChatFragment]:
    return st.builds(
        ChatFragment,
        st.integers(0, 3),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(0, 1),
        st.integers(0, MAX_FRAGMENTS - 1),
        st.integers(1, MAX_FRAGMENTS),
        st.sampled_from([b"x", bytes(FRAGMENT_SIZE), b"x" * FRAGMENT_SIZE, b"\xff"]),
        st.integers(0, 1),
        st.integers(0, 1),
    )


def acknowledges(epoch: int) -> st.SearchStrategy[ChatAcknowledge]:
    return st.builds(
        ChatAcknowledge, st.sampled_from([epoch, 1]), st.integers(1, 4), st.integers(0, (1 << MAX_FRAGMENTS) - 1)
    )


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_hostile_peer_gets_no_more_than_one_unfinished_message_kept(data: st.DataObject) -> None:
    chat = ChatConversation()
    chat.send("y" * 3_000, SENT_AT, 0.0)
    now = 0.0
    for message in data.draw(st.lists(fragments() | acknowledges(chat.epoch), max_size=60)):
        now += 0.01
        chat.receive_message(message, now)
        if data.draw(st.booleans()):
            chat.received_is_kept()
        if (deadline := chat.next_deadline()) is not None and deadline <= now:
            chat.handle_deadline(now)
    assert len(chat.messages_to_send(now)) <= 64 + MAX_FRAGMENTS
    while (event := chat.next_event()) is not None:
        assert not isinstance(event, ChatReceived) or 0 < len(event.text.encode()) <= MAX_CHAT


@pytest.mark.parametrize(
    "messages",
    [
        [fragment(index=1)],
        [fragment(count=2)],
        [fragment(count=2, index=1), fragment(count=3, index=0, data=bytes(FRAGMENT_SIZE))],
        [fragment(data=b"\xff")],
        [fragment(data=b"\x00\x1b")],
        [fragment(count=MAX_FRAGMENTS, index=index, data=b"x" * FRAGMENT_SIZE) for index in range(MAX_FRAGMENTS)],
    ],
)
def test_malformed_messages_are_counted_and_not_shown(messages: list[ChatFragment]) -> None:
    chat = ChatConversation()
    for message in messages:
        chat.receive_message(message, 0.0)
    assert chat.counters["chat-malformed"] == 1
    assert chat.next_event() is None


def test_a_newer_message_replaces_an_unfinished_one_that_its_sender_gave_up() -> None:
    chat = ChatConversation()
    part = fragment(sequence=1, count=2, data=b"x" * FRAGMENT_SIZE)
    chat.receive_message(part, 0.0)
    chat.receive_message(fragment(sequence=2, number=2, count=2, data=b"y" * FRAGMENT_SIZE), 0.0)
    chat.receive_message(part, 0.0)
    assert chat.counters["chat-stale"] == 1
    chat.receive_message(fragment(sequence=2, number=2, count=2, index=1), 0.0)
    assert chat.next_event() == ChatReceived(ChatId(1, 2), "y" * FRAGMENT_SIZE + "text", SENT_AT)


def test_acknowledgements_of_nothing_are_counted() -> None:
    chat = ChatConversation()
    chat.receive_message(ChatAcknowledge(chat.epoch, 1, 1), 0.0)
    assert chat.counters["chat-acknowledge-stale"] == 1
    chat.send("text", SENT_AT, 0.0)
    chat.receive_message(ChatAcknowledge(chat.epoch, 1, 3), 0.0)
    assert chat.counters["chat-acknowledge-wrong"] == 1
    assert chat.next_event() is None


def test_a_flood_of_duplicates_is_answered_within_bounds() -> None:
    chat = ChatConversation()
    for sequence in range(1, 200):
        chat.receive_message(fragment(sequence=sequence, number=sequence), 0.0)
        chat.received_is_kept()
    assert len(chat.messages_to_send(0.0)) == 64
    assert chat.counters["chat-outbox-full"] == 199 - 64


def test_our_own_limits_are_told_to_the_caller() -> None:
    chat = ChatConversation()
    for text in ("", "\x00\x07", "x" * (MAX_CHAT + 1)):
        with pytest.raises(LocalProtocolError, match="1 to 16384 bytes"):
            chat.send(text, SENT_AT, 0.0)
    for _ in range(MAX_WAITING + 1):
        chat.send("text", SENT_AT, 0.0)
    with pytest.raises(LocalProtocolError, match="too many"):
        chat.send("text", SENT_AT, 0.0)


def test_those_that_wait_behind_a_slow_message_have_time_while_the_peer_answers() -> None:
    alice = ChatConversation()
    for _ in range(3):
        alice.send("text", SENT_AT, 0.0)
    alice.receive_message(ChatAcknowledge(alice.epoch, 1, 1), GIVE_UP_AFTER - 1)
    alice.handle_deadline(GIVE_UP_AFTER + 1)
    alice.receive_message(ChatAcknowledge(alice.epoch, 2, 1), GIVE_UP_AFTER + 2)
    assert [alice.next_event(), alice.next_event()] == [ChatDelivered(ChatId(alice.epoch, n)) for n in (1, 2)]
    assert alice.next_event() is None


def test_text_is_cleaned_of_what_could_deceive() -> None:
    assert shown_text("a\r\nb\rc\x1b[31m\x00\x85\u202egnp.exe\u2069\td") == "a\nb\nc[31mgnp.exe\td"
    assert shown_text("שלום 👩\u200d💻 鰤") == "שלום 👩\u200d💻 鰤"
    assert conversation.shown_text("\ud800x") == "x"
    assert shown_text("one\u2028two\u2029three") == "one\ntwo\nthree"


def test_marks_do_not_pile_up_over_the_lines_around() -> None:
    assert shown_text("Z\u0351\u034b e\u0301") == "Z\u0351\u034b e\u0301"
    assert shown_text("Z" + "\u0351" * 10_000) == "Z" + "\u0351" * MAX_MARKS_IN_A_ROW
    assert shown_text("Z" + "\u0351\u200d\x00" * 1_000).count("\u0351") == MAX_MARKS_IN_A_ROW


@given(st.text(st.characters() | st.sampled_from("\u0301\u20dd\u200d\u202e\r\n\x00\u2028a"), max_size=200))
def test_cleaned_text_is_clean_for_good_and_never_longer(text: str) -> None:
    shown = shown_text(text)
    assert shown_text(shown) == shown
    assert len(shown) <= len(text)
    assert len(shown.encode()) <= len(text.encode(errors="surrogatepass"))
    assert not set(shown) & set("\x00\x1b\r\u202e\u2028")
