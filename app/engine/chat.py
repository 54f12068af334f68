"""Chat with all peers: one conversation each, a bounded history in memory, and what waits for absent peers.

Messages travel only inside tunnels. What could not be delivered because the peer has no tunnel waits and is sent when
there is one; what fails although there is a tunnel has failed. Owned by engine/engine.py.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated

from msgspec import Meta, Struct

from app.engine.errors import engine_error
from app.engine.state import ChatMessage, ChatStatus
from app.protocol.conversation import (
    ChatConversation,
    ChatDelivered,
    ChatEvent,
    ChatFailed,
    ChatId,
    ChatReceived,
    ReceivedMark,
    shown_text,
)
from app.protocol.tunnel_message import ChatAcknowledge, ChatFragment
from app.protocol.wire import MAX_CHAT, Address, LocalProtocolError, format_address

logger = logging.getLogger(__name__)

MAX_HISTORY = 200
"""Messages remembered for each peer."""
MAX_QUEUED = 200
"""Messages that wait for one absent peer."""
MAX_UNDELIVERED = 1_000
"""Messages that wait for all absent peers together: what is written at each change stays small."""
MAX_MARKS = 1_024
"""Peers of whom it is remembered over a restart which message came last."""

Subscriber = Callable[[ChatMessage], None]


class UndeliveredChat(Struct, frozen=True):
    """A message that waits for its peer, as it is remembered over a restart."""

    peer: Address
    text: Annotated[str, Meta(max_length=MAX_CHAT)]
    time: float


class _PeerChat:
    """What belongs to one peer."""

    def __init__(self, mark: ReceivedMark | None = None) -> None:
        self.conversation = ChatConversation(mark)
        self.history: deque[ChatMessage] = deque(maxlen=MAX_HISTORY)
        self.undelivered: dict[int, ChatMessage] = {}
        """Ours that are not delivered and have not failed, by number: they outlive the history and a restart."""
        self.queued: deque[int] = deque()
        """The numbers of those that wait for a tunnel."""
        self.numbers: dict[ChatId, int] = {}
        """Our numbers of messages that are on their way."""
        self.held = False
        """The tunnel went while messages were on their way: they wait for it, and no time runs out."""

    def find(self, number: int) -> ChatMessage | None:
        return self.undelivered.get(number) or next(
            (each for each in reversed(self.history) if each.id == number), None
        )


class Chat:
    """All conversations.

    `send` seals a message to a peer, `is_up` tells whether there is a tunnel to it, `on_deadline` is called when a
    deadline may have moved, `on_remember` when `undelivered` or `marks` changed and should be written.
    """

    def __init__(
        self,
        send: Callable[[Address, bytes], None],
        is_up: Callable[[Address], bool],
        on_deadline: Callable[[], None],
        on_remember: Callable[[], None],
    ) -> None:
        self._send_message = send
        self._is_up = is_up
        self._on_deadline, self._on_remember = on_deadline, on_remember
        self._peers: dict[Address, _PeerChat] = {}
        self._marks: dict[Address, ReceivedMark] = {}
        """Of the peers that wrote, who wrote last at the end."""
        self._last_number = 0
        self._subscribers: list[Subscriber] = []

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call back with every new message and every change of one. Gives the function that ends it."""
        self._subscribers.append(callback)

        def end() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return end

    def history(self, peer: Address, limit: int) -> tuple[ChatMessage, ...]:
        """The last messages with a peer, oldest first."""
        chat = self._peers.get(peer)
        return tuple(chat.history)[-limit:] if chat is not None and limit > 0 else ()

    def find(self, peer: Address, number: int) -> ChatMessage | None:
        """A remembered message as it is now."""
        chat = self._peers.get(peer)
        return None if chat is None else chat.find(number)

    def send(self, peer: Address, text: str, now: float) -> ChatMessage:
        """Take a message. Raises EngineError if it can't be sent or too many wait."""
        text = shown_text(text)
        if not 0 < len(text.encode()) <= MAX_CHAT:
            raise engine_error("chat-too-long", limit=MAX_CHAT)
        chat = self._chat(peer)
        undelivered = sum(len(each.undelivered) for each in self._peers.values())
        if len(chat.queued) >= MAX_QUEUED or undelivered >= MAX_UNDELIVERED:
            raise engine_error("chat-queue-full", name=format_address(peer))
        message = self._queue(peer, chat, text, time.time())
        self._tell(message)
        self._send_queued(peer, chat, now)
        self._on_remember()
        return chat.find(message.id) or message

    def _queue(self, peer: Address, chat: _PeerChat, text: str, written: float) -> ChatMessage:
        self._last_number += 1
        message = ChatMessage(self._last_number, format_address(peer), text, written, ChatStatus.QUEUED)
        chat.history.append(message)
        chat.undelivered[message.id] = message
        chat.queued.append(message.id)
        return message

    def restore(self, messages: Iterable[UndeliveredChat], marks: Mapping[Address, ReceivedMark]) -> None:
        """What `undelivered` and `marks` gave when the engine stopped last."""
        self._marks = dict(marks)
        for each in messages:
            self._queue(each.peer, self._chat(each.peer), each.text, each.time)

    def undelivered(self) -> tuple[UndeliveredChat, ...]:
        """What must survive a restart. One that is under way may reach the peer twice then, rather than not at all."""
        return tuple(
            UndeliveredChat(peer, message.text, message.time)
            for peer, chat in self._peers.items()
            for message in chat.undelivered.values()
        )

    def marks(self) -> dict[Address, ReceivedMark]:
        """What must survive a restart so that no message is shown twice."""
        return dict(self._marks)

    def tunnel_up(self, peer: Address, now: float) -> None:
        """There is a tunnel: send what waits."""
        chat = self._peers.get(peer)
        if chat is None:
            return
        if chat.held:
            chat.held = False
            self._change_all_under_way(chat, ChatStatus.SENT)
        chat.conversation.send_now(now)
        self._send_queued(peer, chat, now)

    def receive(self, peer: Address, message: ChatFragment | ChatAcknowledge, now: float) -> None:
        """Take a chat message that came through the peer's tunnel."""
        chat = self._chat(peer)
        chat.conversation.receive_message(message, now)
        self._flush(peer, chat, now)

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        deadlines = (each.conversation.next_deadline() for each in self._peers.values() if not each.held)
        return min((each for each in deadlines if each is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Retry, acknowledge and give up what is due."""
        for peer, chat in self._peers.items():
            if chat.held or (chat.conversation.next_deadline() or math.inf) > now:
                continue
            if self._is_up(peer):
                chat.conversation.handle_deadline(now)
                self._flush(peer, chat, now)
            else:
                chat.held = True
                self._change_all_under_way(chat, ChatStatus.QUEUED)

    def _change_all_under_way(self, chat: _PeerChat, status: ChatStatus) -> None:
        for number in tuple(chat.numbers.values()):
            self._change(chat, number, status)

    def _chat(self, peer: Address) -> _PeerChat:
        chat = self._peers.get(peer)
        if chat is None:
            chat = self._peers[peer] = _PeerChat(self._marks.get(peer))
        return chat

    def _send_queued(self, peer: Address, chat: _PeerChat, now: float) -> None:
        while chat.queued and self._is_up(peer):
            message = chat.find(chat.queued[0])
            if message is not None:
                try:
                    chat_id = chat.conversation.send(message.text, int(message.time * 1000), now)
                except LocalProtocolError:
                    break  # the conversation is full; what is delivered makes room
                chat.numbers[chat_id] = message.id
                self._change(chat, message.id, ChatStatus.SENT)
            chat.queued.popleft()
        self._flush(peer, chat, now)

    def _flush(self, peer: Address, chat: _PeerChat, now: float) -> None:
        delivered = False
        while (event := chat.conversation.next_event()) is not None:
            self._handle(peer, chat, event)
            delivered = delivered or isinstance(event, ChatDelivered)
        for payload in chat.conversation.messages_to_send(now):
            if self._is_up(peer):
                self._send_message(peer, payload)
        self._on_deadline()
        if delivered and chat.queued:
            self._send_queued(peer, chat, now)

    def _handle(self, peer: Address, chat: _PeerChat, event: ChatEvent) -> None:
        match event:
            case ChatReceived():
                self._last_number += 1
                message = ChatMessage(
                    self._last_number, format_address(peer), event.text, time.time(), ChatStatus.RECEIVED
                )
                chat.history.append(message)
                self._keep_mark(peer, chat)
                chat.conversation.received_is_kept()
                self._tell(message)
            case ChatDelivered():
                self._change(chat, chat.numbers.pop(event.message_id, 0), ChatStatus.DELIVERED)
            case ChatFailed():
                self._change(chat, chat.numbers.pop(event.message_id, 0), ChatStatus.FAILED)

    def _keep_mark(self, peer: Address, chat: _PeerChat) -> None:
        mark = chat.conversation.received_mark()
        if mark is not None:
            self._marks.pop(peer, None)
            self._marks[peer] = mark
        while len(self._marks) > MAX_MARKS:
            del self._marks[next(iter(self._marks))]
        self._on_remember()

    def _change(self, chat: _PeerChat, number: int, status: ChatStatus) -> None:
        message = chat.find(number)
        if message is None or message.status is status:
            return
        changed = replace(message, status=status)
        if status in (ChatStatus.DELIVERED, ChatStatus.FAILED):
            chat.undelivered.pop(number, None)
            self._on_remember()
        elif number in chat.undelivered:
            chat.undelivered[number] = changed
        for at, each in enumerate(chat.history):
            if each.id == number:
                chat.history[at] = changed
        self._tell(changed)

    def _tell(self, message: ChatMessage) -> None:
        for subscriber in tuple(self._subscribers):
            subscriber(message)
