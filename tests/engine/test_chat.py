"""Chat of people whose tunnels come and go: what waits, what fails, what is for a whole network, what floods."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.chat import MAX_QUEUED, MAX_WAITING, Chat
from app.engine.chat_record import ChatChanges, KeptChat
from app.engine.errors import EngineError
from app.engine.state import ChatMessage, ChatStatus, Conversation
from app.protocol import tunnel_message
from app.protocol.conversation import GIVE_UP_AFTER, MESSAGES_AT_ONCE
from app.protocol.tunnel_message import FRAGMENT_SIZE, MAX_FRAGMENTS, ChatAcknowledge, ChatFragment
from app.protocol.wire import MAX_CHAT, Address, format_address

ANNA, BEN, CARL = Address(1), Address(2), Address(3)
FAMILY = 7
WITH_ANNA, WITH_BEN, WITH_FAMILY = (
    Conversation(format_address(ANNA)),
    Conversation(format_address(BEN)),
    Conversation(network=FAMILY),
)


class Side:
    """One person: a chat, and all that it wanted to be kept."""

    def __init__(self, company: "Company", own: Address, kept: KeptChat | None = None) -> None:
        self.keeps = True
        """Whether the disk takes anything now."""
        self.kept = ChatChanges()
        self.changes: list[ChatMessage] = []
        self.unread_told = 0
        self._done: list[object] = []
        self.chat = Chat(
            lambda peer, payload: company.send(own, peer, payload),
            lambda peer, network: company.may_pass(own, peer, network),
            lambda peer, network: company.may_pass(own, peer, network),
            lambda: None,
            self._unread,
            self._keep,
        )
        self.chat.restore(kept or KeptChat())
        self.chat.subscribe(self.changes.append)

    def _unread(self) -> None:
        self.unread_told += 1

    def _keep(self, changes: ChatChanges, done: object) -> None:
        if self.keeps:
            self.kept.update(changes)
            if callable(done):
                done()

    def said(self, conversation: Conversation) -> list[str]:
        return [each.text for each in self.kept.records.values() if each.conversation == conversation]

    def status(self, number: int) -> ChatStatus:
        return self.kept.records[number].status

    def restarted(self) -> KeptChat:
        """What the next start would find."""
        records = self.kept.records.values()
        return KeptChat(
            max((each.id for each in records), default=0),
            tuple(each for each in records if each.waits),
            dict(self.kept.marks),
            {each: count for each, count in self.kept.unread.items() if count},
        )


class Company:
    """People with tunnels that can be down or swallow everything, and a clock of their own."""

    def __init__(self, *people: Address) -> None:
        self.now, self.mute = 0.0, False
        self.down: set[Address] = set()
        """Who has no tunnel to anybody."""
        self.out: set[Address] = set()
        """On whose tunnels the network does not rest."""
        self.wire: list[tuple[Address, Address, bytes]] = []
        self.sides = {own: Side(self, own) for own in people or (ANNA, BEN)}

    def may_pass(self, own: Address, peer: Address, network: int) -> bool:
        return not {own, peer} & self.down and (not network or not {own, peer} & self.out)

    def send(self, own: Address, peer: Address, payload: bytes) -> None:
        if not self.mute:
            self.wire.append((own, peer, payload))

    def restart(self, own: Address) -> None:
        self.sides[own] = Side(self, own, self.sides[own].restarted())

    def write(self, own: Address, text: str, *recipients: Address, network: int = 0) -> ChatMessage:
        return self.sides[own].chat.send(recipients, network, text, self.now)

    def connect(self, *people: Address) -> None:
        self.down -= set(people)
        self.out -= set(people)
        for own, peer in itertools.permutations(self.sides, 2):
            self.sides[own].chat.tunnel_up(peer, self.now)

    def settle(self, seconds: float = 0.0) -> None:
        """Let time pass and everything arrive."""
        end = self.now + seconds
        while True:
            while self.wire:
                sender, receiver, payload = self.wire.pop(0)
                message = tunnel_message.decode(payload)
                assert isinstance(message, ChatFragment | ChatAcknowledge)
                if self.may_pass(sender, receiver, 0):
                    self.sides[receiver].chat.receive(sender, message, self.now)
            chats = [each.chat for each in self.sides.values()]
            deadlines = [each for chat in chats if (each := chat.next_deadline()) is not None]
            if not deadlines or min(deadlines) > end:
                break
            self.now = max(self.now, min(deadlines))
            for chat in chats:
                chat.handle_deadline(self.now)
        self.now = end


def test_a_message_is_delivered_and_says_so() -> None:
    pair = Company()
    message = pair.write(ANNA, "hello", BEN)
    pair.settle()
    assert pair.sides[BEN].said(WITH_ANNA) == ["hello"]
    statuses = [each.status for each in pair.sides[ANNA].changes]
    assert statuses == [ChatStatus.QUEUED, ChatStatus.SENT, ChatStatus.DELIVERED]
    assert pair.sides[ANNA].changes[-1] == replace(message, status=ChatStatus.DELIVERED)


def test_without_a_tunnel_messages_wait_in_order() -> None:
    pair = Company()
    pair.down = {BEN}
    for number in range(3):
        assert pair.write(ANNA, str(number), BEN).status is ChatStatus.QUEUED
    pair.settle(1_000)
    pair.connect(BEN)
    pair.settle()
    assert pair.sides[BEN].said(WITH_ANNA) == ["0", "1", "2"]


def test_a_tunnel_that_goes_while_a_message_is_under_way_delivers_it_later_and_once() -> None:
    pair = Company()
    pair.mute = True
    message = pair.write(ANNA, "hello", BEN)
    pair.down = {BEN}
    pair.settle(GIVE_UP_AFTER + 1)
    assert pair.sides[ANNA].status(message.id) is ChatStatus.QUEUED
    pair.mute = False
    pair.connect(BEN)
    pair.settle()
    assert pair.sides[BEN].said(WITH_ANNA) == ["hello"]
    assert pair.sides[ANNA].status(message.id) is ChatStatus.DELIVERED


def test_messages_under_way_when_the_tunnel_goes_stay_in_order() -> None:
    pair = Company()
    pair.mute = True
    pair.write(ANNA, "first", BEN)
    pair.settle(10)
    pair.write(ANNA, "second", BEN)
    pair.down = {BEN}
    pair.settle(GIVE_UP_AFTER - 5)
    pair.write(ANNA, "third", BEN)
    pair.mute = False
    pair.connect(BEN)
    pair.settle()
    assert pair.sides[BEN].said(WITH_ANNA) == ["first", "second", "third"]


def test_a_long_absence_fails_none_of_many_messages() -> None:
    pair = Company()
    pair.mute = True
    for number in range(MAX_QUEUED):
        pair.write(ANNA, str(number), BEN)
    pair.down = {BEN}
    pair.settle(10 * GIVE_UP_AFTER)
    pair.mute = False
    pair.connect(BEN)
    pair.settle()
    assert pair.sides[BEN].said(WITH_ANNA) == [str(each) for each in range(MAX_QUEUED)]
    assert {each.status for each in pair.sides[ANNA].kept.records.values()} == {ChatStatus.DELIVERED}


@pytest.mark.parametrize("who", [ANNA, BEN])
def test_whoever_restarts_nothing_is_shown_twice(who: Address) -> None:
    pair = Company()
    message = pair.write(ANNA, "once", BEN)
    sender, receiver, payload = pair.wire.pop()
    fragment = tunnel_message.decode(payload)
    assert isinstance(fragment, ChatFragment)
    pair.sides[receiver].chat.receive(sender, fragment, pair.now)
    pair.wire.clear()  # the acknowledgement is lost
    pair.restart(who)
    pair.connect()
    pair.settle(5)
    assert pair.sides[ANNA].status(message.id) is ChatStatus.DELIVERED
    assert sum(each.status is ChatStatus.RECEIVED for each in pair.sides[BEN].changes) == (who is ANNA)
    assert pair.sides[BEN].chat.counters["chat-duplicate"] == 1


def test_a_message_is_shown_and_acknowledged_only_when_it_is_kept() -> None:
    pair = Company()
    pair.sides[BEN].keeps = False
    message = pair.write(ANNA, "not yet", BEN)
    pair.settle(5)
    assert pair.sides[BEN].changes == []
    assert pair.sides[ANNA].status(message.id) is ChatStatus.SENT
    pair.restart(BEN)  # a crash before it was kept: it comes again
    pair.settle(20)
    assert [each.text for each in pair.sides[BEN].changes] == ["not yet"]
    assert pair.sides[ANNA].status(message.id) is ChatStatus.DELIVERED


def test_a_failed_message_is_tried_again_under_its_own_number_also_after_a_restart() -> None:
    pair = Company()
    pair.mute = True
    message = pair.write(ANNA, "hello", BEN)
    pair.settle(GIVE_UP_AFTER + 1)
    failed = pair.sides[ANNA].kept.records[message.id]
    pair.restart(ANNA)
    pair.mute = False
    pair.write(ANNA, "another", BEN)
    pair.sides[ANNA].chat.retry(failed, [BEN], pair.now)
    pair.settle()
    assert pair.sides[BEN].said(WITH_ANNA) == ["another", "hello"]
    assert pair.sides[ANNA].changes[-1] == replace(message, status=ChatStatus.DELIVERED)


def test_retry_reaches_only_those_who_do_not_have_it() -> None:
    three = Company(ANNA, BEN, CARL)
    message = three.write(ANNA, "dinner?", BEN, CARL, network=FAMILY)
    three.wire = [each for each in three.wire if each[1] == BEN]
    three.settle()
    three.mute = True
    three.settle(GIVE_UP_AFTER + 1)
    three.mute = False
    anna = three.sides[ANNA]
    assert anna.changes[-1] == replace(message, status=ChatStatus.FAILED, delivered=1)
    anna.chat.retry(anna.kept.records[message.id], [BEN, CARL], three.now)
    three.settle()
    assert anna.changes[-1] == replace(message, status=ChatStatus.DELIVERED, delivered=2)
    assert three.sides[BEN].said(WITH_FAMILY) == three.sides[CARL].said(WITH_FAMILY) == ["dinner?"]
    with pytest.raises(EngineError, match="chat-message-unknown"):
        anna.chat.retry(anna.kept.records[message.id], [BEN, CARL], three.now)


def test_a_message_to_a_network_goes_to_each_member_and_waits_for_the_absent() -> None:
    three = Company(ANNA, BEN, CARL)
    three.down = {CARL}
    message = three.write(ANNA, "dinner?", BEN, CARL, network=FAMILY)
    assert (message.peer, message.network, message.recipients, message.delivered) == ("", FAMILY, 2, 0)
    three.settle(1_000)
    anna = three.sides[ANNA]
    assert anna.changes[-1] == replace(message, status=ChatStatus.SENT, delivered=1)
    three.restart(ANNA)
    three.connect(CARL)
    three.settle()
    anna = three.sides[ANNA]
    assert anna.changes[-1] == replace(message, status=ChatStatus.DELIVERED, delivered=2)
    for each in (BEN, CARL):
        (received,) = three.sides[each].changes
        assert (received.text, received.peer, received.network) == ("dinner?", format_address(ANNA), FAMILY)
        assert three.sides[each].chat.unread == {WITH_FAMILY: 1}


def test_who_leaves_or_is_blocked_holds_nothing_up() -> None:
    three = Company(ANNA, BEN, CARL)
    three.down = {CARL}
    message = three.write(ANNA, "dinner?", BEN, CARL, network=FAMILY)
    three.settle()
    anna = three.sides[ANNA]
    assert anna.chat.networks_waiting() == {FAMILY}
    anna.chat.keep_to(FAMILY, [BEN])
    assert anna.changes[-1] == replace(message, status=ChatStatus.DELIVERED, recipients=1, delivered=1)
    assert anna.chat.networks_waiting() == set()
    alone = three.write(ANNA, "carl?", CARL, network=FAMILY)
    anna.chat.keep_to(FAMILY, [])
    assert anna.status(alone.id) is ChatStatus.FAILED
    three.connect(CARL)
    three.settle()
    assert three.sides[CARL].changes == []


def test_a_member_who_is_offline_in_the_network_alone_still_gets_what_is_for_him_alone() -> None:
    pair = Company()
    pair.out = {BEN}
    message = pair.write(ANNA, "to the family", BEN, network=FAMILY)
    pair.write(ANNA, "to you", BEN)
    pair.settle()
    assert [each.text for each in pair.sides[BEN].changes] == ["to you"]
    assert pair.sides[ANNA].status(message.id) is ChatStatus.QUEUED
    pair.out = set()
    pair.sides[ANNA].chat.send_waiting(pair.now)
    pair.settle()
    assert pair.sides[BEN].said(WITH_FAMILY) == ["to the family"]


def test_a_member_who_goes_offline_in_the_network_while_a_message_is_under_way_gets_it_later() -> None:
    pair = Company()
    message = pair.write(ANNA, "to the family", BEN, network=FAMILY)
    pair.out = {BEN}
    pair.settle(GIVE_UP_AFTER + 1)
    assert pair.sides[ANNA].status(message.id) is ChatStatus.QUEUED
    assert pair.sides[BEN].chat.counters["chat-network-not-shared"] > 0
    assert pair.sides[BEN].changes == []
    pair.connect(BEN)
    pair.settle()
    assert pair.sides[BEN].said(WITH_FAMILY) == ["to the family"]
    assert pair.sides[ANNA].status(message.id) is ChatStatus.DELIVERED


def test_a_peer_that_answers_nothing_over_a_live_tunnel_has_not_got_it() -> None:
    pair = Company()
    pair.mute = True
    pair.write(ANNA, "hello", BEN)
    pair.settle(GIVE_UP_AFTER + 1)
    assert pair.sides[ANNA].changes[-1].status is ChatStatus.FAILED


def test_what_is_too_long_empty_or_too_much_is_refused() -> None:
    pair = Company()
    for text in ("", "\x00", "x" * (MAX_CHAT + 1)):
        with pytest.raises(EngineError, match="chat-too-long"):
            pair.write(ANNA, text, BEN)
    pair.down = {BEN}
    for _number in range(MAX_QUEUED):
        pair.write(ANNA, "x", BEN)
    with pytest.raises(EngineError, match="chat-queue-full"):
        pair.write(ANNA, "x", BEN)


def test_of_what_waits_the_oldest_for_a_network_gives_way() -> None:
    pair = Company()
    pair.down = {BEN}
    oldest = pair.write(ANNA, "oldest", BEN, CARL, network=FAMILY)
    for _number in range(MAX_QUEUED - 1):
        pair.write(ANNA, "x", BEN)
    newest = pair.write(ANNA, "newest", BEN, network=FAMILY)
    record = pair.sides[ANNA].kept.records[oldest.id]
    assert [each.status for each in record.deliveries] == [ChatStatus.FAILED, ChatStatus.SENT]
    pair.write(ANNA, "to you", BEN)
    assert pair.sides[ANNA].status(newest.id) is ChatStatus.FAILED
    with pytest.raises(EngineError, match="chat-queue-full"):
        pair.write(ANNA, "no more", BEN)


def test_all_that_waits_together_is_bounded() -> None:
    company = Company()
    company.down = {ANNA}
    peers = [Address(100 + number) for number in range(MAX_WAITING // MAX_QUEUED)]
    first = company.write(ANNA, "first", *peers, network=FAMILY)
    for number in range(MAX_WAITING - 1):
        company.write(ANNA, "x", peers[number // MAX_QUEUED])
    company.write(ANNA, "one more", Address(99))
    assert company.sides[ANNA].status(first.id) is ChatStatus.FAILED
    with pytest.raises(EngineError, match="chat-queue-full"):
        company.write(ANNA, "too many", Address(98))


def test_unread_messages_are_counted_until_they_are_read_also_over_a_restart() -> None:
    pair = Company()
    for text in ("one", "two"):
        pair.write(ANNA, text, BEN)
    pair.write(ANNA, "to all", BEN, network=FAMILY)
    pair.settle()
    assert pair.sides[BEN].unread_told == 3
    pair.restart(BEN)
    ben = pair.sides[BEN]
    assert ben.chat.unread == {WITH_ANNA: 2, WITH_FAMILY: 1}
    ben.chat.mark_read(WITH_ANNA)
    ben.chat.mark_read(WITH_ANNA)
    assert ben.chat.unread == {WITH_FAMILY: 1}
    assert ben.unread_told == 1
    assert ben.kept.unread == {WITH_ANNA: 0}
    ben.chat.mark_read(None)
    assert ben.chat.unread == {}


def test_numbers_grow_over_a_restart() -> None:
    pair = Company()
    last = pair.write(ANNA, "before", BEN)
    pair.settle()
    pair.restart(ANNA)
    assert pair.write(ANNA, "after", BEN).id > last.id


def test_what_waits_outlives_a_restart() -> None:
    pair = Company()
    pair.down = {BEN}
    message = pair.write(ANNA, "waits", BEN)
    pair.restart(ANNA)
    assert pair.sides[ANNA].chat.waiting(message.id) is not None
    assert pair.sides[ANNA].chat.everything().records.keys() == {message.id}
    pair.connect(BEN)
    pair.settle()
    assert pair.sides[BEN].said(WITH_ANNA) == ["waits"]
    assert pair.sides[ANNA].status(message.id) is ChatStatus.DELIVERED
    assert pair.sides[ANNA].chat.everything().records == {}


def test_what_was_under_way_at_a_restart_waits_like_any_other() -> None:
    pair = Company()
    pair.mute = True
    message = pair.write(ANNA, "under way", BEN)
    assert message.status is ChatStatus.SENT
    pair.down = {BEN}
    pair.restart(ANNA)
    assert pair.sides[ANNA].status(message.id) is ChatStatus.QUEUED


def test_a_subscription_ends() -> None:
    pair = Company()
    end = pair.sides[ANNA].chat.subscribe(lambda _: pytest.fail("ended"))
    end()
    end()
    pair.write(ANNA, "hello", BEN)


def test_whoever_fails_to_show_a_message_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    pair = Company()

    def fail(message: ChatMessage) -> None:
        raise ZeroDivisionError(message.text)

    pair.sides[BEN].chat.subscribe(fail)
    messages = [pair.write(ANNA, text, BEN) for text in ("one", "two")]
    pair.settle()
    assert [pair.sides[ANNA].status(each.id) for each in messages] == [ChatStatus.DELIVERED] * 2
    assert "ZeroDivisionError: two" in caplog.text


def test_a_flood_is_slowed_down_and_counted() -> None:
    pair = Company()
    ben = pair.sides[BEN]
    for number in range(1, 3 * MESSAGES_AT_ONCE):
        ben.chat.receive(ANNA, ChatFragment(9, number, number, 0, 0, 1, b"spam"), 0.0)
    assert len(ben.changes) == MESSAGES_AT_ONCE
    assert ben.chat.counters["chat-too-many"] > 0


fragments = st.builds(
    ChatFragment,
    st.integers(0, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2**63),
    st.integers(0, MAX_FRAGMENTS - 1),
    st.integers(1, MAX_FRAGMENTS),
    st.sampled_from([b"x", bytes(FRAGMENT_SIZE), "Z͋͋".encode() * 100, b"\xff", "\u202e!".encode()]),
    st.sampled_from([0, FAMILY, 8]),
    st.integers(0, 3),
)
acknowledges = st.builds(ChatAcknowledge, st.integers(0, 3), st.integers(1, 4), st.integers(0, 3))


@settings(max_examples=100, deadline=None)
@given(st.lists(fragments | acknowledges, max_size=60), st.booleans())
def test_whatever_a_hostile_peer_sends_is_taken_clean_or_counted(
    messages: list[ChatFragment | ChatAcknowledge], out: bool
) -> None:
    pair = Company()
    pair.write(ANNA, "hello", BEN)
    pair.out = {BEN} if out else set()
    for number, message in enumerate(messages):
        pair.sides[ANNA].chat.receive(BEN, message, number * 0.01)
        pair.sides[ANNA].chat.handle_deadline(number * 0.01)
    for each in pair.sides[ANNA].changes:
        assert 0 < len(each.text.encode()) <= MAX_CHAT
        assert "\u202e" not in each.text
        assert each.network == 0 or not out
    assert pair.sides[ANNA].changes[0].text == "hello"
