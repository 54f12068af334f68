"""Chat of two people whose tunnel comes and goes."""

from dataclasses import replace

import pytest

from app.engine.chat import MAX_HISTORY, MAX_QUEUED, Chat
from app.engine.errors import EngineError
from app.engine.state import ChatMessage, ChatStatus
from app.protocol import tunnel_message
from app.protocol.conversation import GIVE_UP_AFTER
from app.protocol.tunnel_message import ChatAcknowledge, ChatFragment
from app.protocol.wire import MAX_CHAT, Address

ANNA, BEN = Address(1), Address(2)


class Pair:
    """Two chats with a tunnel that can be down or swallow everything, and a clock of their own."""

    def __init__(self) -> None:
        self.up, self.mute, self.now = True, False, 0.0
        self.chats: dict[Address, Chat] = {}
        self.changes: list[ChatMessage] = []
        for own, other in ((ANNA, BEN), (BEN, ANNA)):
            self.chats[own] = Chat(self.sender(own, other), lambda _: self.up, lambda: None, lambda: None)
        self.chats[ANNA].subscribe(self.changes.append)
        self.wire: list[tuple[Address, Address, bytes]] = []

    def sender(self, own: Address, other: Address):  # type: ignore[no-untyped-def]
        def send(_: Address, payload: bytes) -> None:
            if self.up and not self.mute:
                self.wire.append((own, other, payload))

        return send

    def settle(self, seconds: float = 0.0) -> None:
        """Let time pass and everything arrive."""
        end = self.now + seconds
        while True:
            while self.wire:
                sender, receiver, payload = self.wire.pop(0)
                message = tunnel_message.decode(payload)
                assert isinstance(message, ChatFragment | ChatAcknowledge)
                self.chats[receiver].receive(sender, message, self.now)
            deadlines = [each for chat in self.chats.values() if (each := chat.next_deadline()) is not None]
            if not deadlines or min(deadlines) > end:
                break
            self.now = max(self.now, min(deadlines))
            for chat in self.chats.values():
                chat.handle_deadline(self.now)
        self.now = end

    def texts(self, own: Address, other: Address) -> list[str]:
        return [each.text for each in self.chats[own].history(other, 100)]


def test_a_message_is_delivered_and_says_so() -> None:
    pair = Pair()
    message = pair.chats[ANNA].send(BEN, "hello", pair.now)
    pair.settle()
    assert pair.texts(BEN, ANNA) == ["hello"]
    assert [each.status for each in pair.changes] == [ChatStatus.QUEUED, ChatStatus.SENT, ChatStatus.DELIVERED]
    assert pair.chats[ANNA].find(BEN, message.id) == replace(message, status=ChatStatus.DELIVERED)


def test_without_a_tunnel_messages_wait_in_order() -> None:
    pair = Pair()
    pair.up = False
    for number in range(3):
        assert pair.chats[ANNA].send(BEN, str(number), pair.now).status is ChatStatus.QUEUED
    pair.settle(1_000)
    pair.up = True
    pair.chats[ANNA].tunnel_up(BEN, pair.now)
    pair.settle()
    assert pair.texts(BEN, ANNA) == ["0", "1", "2"]


def test_a_tunnel_that_goes_while_a_message_is_under_way_delivers_it_later_and_once() -> None:
    pair = Pair()
    pair.mute = True
    message = pair.chats[ANNA].send(BEN, "hello", pair.now)
    pair.up = False
    pair.settle(GIVE_UP_AFTER + 1)
    assert pair.chats[ANNA].find(BEN, message.id) == replace(message, status=ChatStatus.QUEUED)
    pair.up, pair.mute = True, False
    pair.chats[ANNA].tunnel_up(BEN, pair.now)
    pair.settle()
    assert pair.texts(BEN, ANNA) == ["hello"]
    assert pair.changes[-1].status is ChatStatus.DELIVERED


def test_messages_under_way_when_the_tunnel_goes_stay_in_order() -> None:
    pair = Pair()
    pair.mute = True
    pair.chats[ANNA].send(BEN, "first", pair.now)
    pair.settle(10)
    pair.chats[ANNA].send(BEN, "second", pair.now)
    pair.up = False
    pair.settle(GIVE_UP_AFTER - 5)
    pair.chats[ANNA].send(BEN, "third", pair.now)
    pair.up, pair.mute = True, False
    pair.chats[ANNA].tunnel_up(BEN, pair.now)
    pair.settle()
    assert pair.texts(BEN, ANNA) == ["first", "second", "third"]


def test_a_long_absence_fails_none_of_many_messages() -> None:
    pair = Pair()
    pair.mute = True
    for number in range(MAX_QUEUED):
        pair.chats[ANNA].send(BEN, str(number), pair.now)
    pair.up = False
    pair.settle(10 * GIVE_UP_AFTER)
    pair.up, pair.mute = True, False
    pair.chats[ANNA].tunnel_up(BEN, pair.now)
    pair.settle()
    assert [each.text for each in pair.chats[BEN].history(ANNA, 1_000)] == [str(each) for each in range(MAX_QUEUED)]
    assert {each.status for each in pair.chats[ANNA].history(BEN, 1_000)} == {ChatStatus.DELIVERED}


def test_a_receiver_that_restarts_shows_nothing_twice() -> None:
    pair = Pair()
    message = pair.chats[ANNA].send(BEN, "once", pair.now)
    (sender, receiver, payload), pair.wire = pair.wire[0], []
    fragment = tunnel_message.decode(payload)
    assert isinstance(fragment, ChatFragment)
    pair.chats[receiver].receive(sender, fragment, pair.now)
    pair.wire.clear()  # the acknowledgement is lost, and Ben's engine starts anew
    marks = pair.chats[BEN].marks()
    pair.chats[BEN] = Chat(pair.sender(BEN, ANNA), lambda _: pair.up, lambda: None, lambda: None)
    pair.chats[BEN].restore((), marks)
    pair.settle(5)
    assert pair.texts(BEN, ANNA) == []
    assert pair.chats[ANNA].find(BEN, message.id) == replace(message, status=ChatStatus.DELIVERED)


def test_a_peer_that_answers_nothing_over_a_live_tunnel_has_not_got_it() -> None:
    pair = Pair()
    pair.mute = True
    pair.chats[ANNA].send(BEN, "hello", pair.now)
    pair.settle(GIVE_UP_AFTER + 1)
    assert pair.changes[-1].status is ChatStatus.FAILED


def test_what_is_too_long_empty_or_too_much_is_refused() -> None:
    pair = Pair()
    for text in ("", "\x00", "x" * (MAX_CHAT + 1)):
        with pytest.raises(EngineError, match="chat-too-long"):
            pair.chats[ANNA].send(BEN, text, pair.now)
    pair.up = False
    for _number in range(MAX_QUEUED):
        pair.chats[ANNA].send(BEN, "x", pair.now)
    with pytest.raises(EngineError, match="chat-queue-full"):
        pair.chats[ANNA].send(BEN, "x", pair.now)


def test_the_history_is_bounded_and_the_subscription_ends() -> None:
    pair = Pair()
    end = pair.chats[ANNA].subscribe(lambda _: pytest.fail("ended"))
    end()
    end()
    for number in range(MAX_HISTORY + 5):
        pair.chats[BEN].send(ANNA, str(number), pair.now)
        pair.settle()
    assert len(pair.chats[ANNA].history(BEN, 1_000)) == MAX_HISTORY
    assert pair.chats[ANNA].history(BEN, 1)[0].text == str(MAX_HISTORY + 4)
    assert pair.chats[ANNA].history(Address(9), 5) == ()
    assert pair.chats[ANNA].find(Address(9), 5) is None


def test_what_waits_outlives_a_restart_and_a_long_talk() -> None:
    pair = Pair()
    pair.up = False
    pair.chats[ANNA].send(BEN, "waits", pair.now)
    pair.up = True
    for number in range(MAX_HISTORY):
        pair.chats[BEN].send(ANNA, str(number), pair.now)
        pair.settle()
    kept = pair.chats[ANNA].undelivered()
    assert [each.text for each in kept] == ["waits"]
    anew = Pair()
    anew.chats[ANNA].restore(kept, {})
    anew.chats[ANNA].tunnel_up(BEN, anew.now)
    anew.settle()
    assert anew.texts(BEN, ANNA) == ["waits"]
    assert anew.chats[ANNA].undelivered() == ()
