"""Chat with all peers as it happens: one conversation on the wire each, and what waits for absent peers.

Messages travel only inside tunnels, one to a network as well: once to each member. What could not be delivered because
there is no tunnel waits and is sent when there is one; what fails although there is a tunnel has failed, and may be
sent anew under its lasting id. A message of a peer is shown and acknowledged once it is kept. Owned by
engine/conversations.py; no I/O.
"""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Collection

from app.engine.chat_record import ChatChanges, ChatRecord, Delivery, KeptChat
from app.engine.errors import engine_error
from app.engine.state import ChatMessage, ChatStatus, Conversation
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

MAX_QUEUED = 200
"""Messages that wait for one absent peer."""
MAX_WAITING = 1_000
"""Messages that are on their way to anybody."""

Subscriber = Callable[[ChatMessage], None]
Keep = Callable[[ChatChanges, Callable[[], None] | None], None]


class _PeerChat:
    """What belongs to one peer."""

    def __init__(self, mark: ReceivedMark | None = None) -> None:
        self.conversation = ChatConversation(mark)
        self.queued: deque[int] = deque()
        """The numbers of our messages that wait for a tunnel."""
        self.under_way: dict[ChatId, int] = {}
        """The numbers of those that were sent."""
        self.held = False
        """The tunnel went while messages were under way: they wait for it, and no time runs out."""


class Chat:
    """All conversations.

    `send` seals a message to a peer; `may_pass` tells whether one for a network, or for the peer alone if that is 0,
    can be sent to it now; `rests_on` whether the tunnel to a peer rests on a network; `on_deadline` is called when a
    deadline may have moved, `on_unread` when `unread` changed. `keep` keeps changes over a restart, and calls back when
    they are kept.
    """

    def __init__(
        self,
        send: Callable[[Address, bytes], None],
        may_pass: Callable[[Address, int], bool],
        rests_on: Callable[[Address, int], bool],
        on_deadline: Callable[[], None],
        on_unread: Callable[[], None],
        keep: Keep,
    ) -> None:
        self.unread: dict[Conversation, int] = {}
        """How many messages of others came that nobody has read; never 0."""
        self._send_message, self._may_pass, self._rests_on = send, may_pass, rests_on
        self._on_deadline, self._on_unread, self._keep = on_deadline, on_unread, keep
        self._peers: dict[Address, _PeerChat] = {}
        self._marks: dict[Address, ReceivedMark] = {}
        self._waiting: dict[int, ChatRecord] = {}
        """Messages of ours that are on their way to anybody, by number."""
        self._counters: Counter[str] = Counter()
        self._last_number = 0
        self._subscribers: list[Subscriber] = []

    @property
    def counters(self) -> Counter[str]:
        """What was ignored or refused, by name."""
        return sum((each.conversation.counters for each in self._peers.values()), Counter(self._counters))

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call back with every new message and every change of one. Gives the function that ends it."""
        self._subscribers.append(callback)

        def end() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return end

    # --- what was kept

    def restore(self, kept: KeptChat) -> None:
        """What was known when the engine stopped last."""
        self._last_number, self._marks = kept.last_id, dict(kept.marks)
        self.unread.update(kept.unread)
        for record in kept.waiting:
            waiting = record
            for peer in record.outstanding():
                self._queue(record.id, peer)
                waiting = waiting.with_status(peer, ChatStatus.QUEUED)
            self._waiting[record.id] = waiting
            if waiting != record:
                self._keep(ChatChanges({record.id: waiting}), None)

    def everything(self) -> ChatChanges:
        """What must survive a restart."""
        return ChatChanges(dict(self._waiting), dict(self._marks), dict(self.unread))

    def waiting(self, number: int) -> ChatRecord | None:
        """A message of ours that is on its way, as it is now."""
        return self._waiting.get(number)

    # --- what the person does

    def send(self, recipients: Collection[Address], network: int, text: str, now: float) -> ChatMessage:
        """Take a message to one peer, or to the members of a network. Raises EngineError if it can't be taken."""
        text = shown_text(text)
        if not 0 < len(text.encode()) <= MAX_CHAT:
            raise engine_error("chat-too-long", limit=MAX_CHAT)
        reachable = [peer for peer in recipients if self._has_room(peer)]
        if not (network or reachable) or not self._make_room():
            raise engine_error("chat-queue-full", name=", ".join(map(format_address, recipients)))
        self._last_number += 1
        deliveries = tuple(
            Delivery(peer, ChatStatus.QUEUED if peer in reachable else ChatStatus.FAILED) for peer in recipients
        )
        record = ChatRecord(self._last_number, text, time.time(), 0, network, deliveries)
        self._begin(record, now)
        return (self._waiting.get(record.id) or record).message

    def retry(self, record: ChatRecord, recipients: Collection[Address], now: float) -> None:
        """Try a failed message again with those who do not have it. Raises EngineError if that is nobody."""
        for each in record.deliveries:
            if each.status is ChatStatus.FAILED and each.peer in recipients and self._has_room(each.peer):
                record = record.with_status(each.peer, ChatStatus.QUEUED)
        if record.id in self._waiting or not record.waits or not self._make_room():
            raise engine_error("chat-message-unknown")
        self._begin(record, now)

    def _begin(self, record: ChatRecord, now: float) -> None:
        self._change(record)
        for peer in record.outstanding():
            chat = self._queue(record.id, peer)
            self._send_queued(peer, chat, now)

    def mark_read(self, conversation: Conversation | None) -> None:
        """Nothing is unread in a conversation; None: in all."""
        read = [conversation] if conversation is not None else list(self.unread)
        read = [each for each in read if self.unread.pop(each, 0)]
        if read:
            self._keep(ChatChanges(unread=dict.fromkeys(read, 0)), None)
            self._on_unread()

    # --- what happens to peers

    def tunnel_up(self, peer: Address, now: float) -> None:
        """There is a tunnel: send what waits."""
        chat = self._peers.get(peer)
        if chat is None:
            return
        if chat.held:
            chat.held = False
            self._change_under_way(peer, chat, ChatStatus.SENT)
        chat.conversation.send_now(now)
        self._send_queued(peer, chat, now)

    def send_waiting(self, now: float) -> None:
        """More may pass than before."""
        for peer, chat in tuple(self._peers.items()):
            if chat.queued and not chat.held:
                self._send_queued(peer, chat, now)

    def networks_waiting(self) -> set[int]:
        """Networks with messages that are on their way."""
        return {each.network for each in self._waiting.values() if each.network}

    def keep_to(self, network: int, members: Collection[Address]) -> None:
        """Only these are to get what is for a network: who has left or is blocked holds nothing up."""
        for record in [each for each in self._waiting.values() if each.network == network]:
            gone = {peer for peer in record.outstanding() if peer not in members}
            for peer in gone:
                self._take_back(record.id, peer)
            if gone:
                self._change(record.without(gone))

    def receive(self, peer: Address, message: ChatFragment | ChatAcknowledge, now: float) -> None:
        """Take a chat message that came through the peer's tunnel."""
        if isinstance(message, ChatFragment) and message.network and not self._rests_on(peer, message.network):
            self._counters["chat-network-not-shared"] += 1
            return
        chat = self._chat(peer)
        chat.conversation.receive_message(message, now)
        self._flush(peer, chat, now)

    # --- time

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        deadlines = (each.conversation.next_deadline() for each in self._peers.values() if not each.held)
        return min((each for each in deadlines if each is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Retry, acknowledge and give up what is due."""
        for peer, chat in tuple(self._peers.items()):
            if chat.held or (chat.conversation.next_deadline() or math.inf) > now:
                continue
            if self._may_pass(peer, 0):
                chat.conversation.handle_deadline(now)
                self._flush(peer, chat, now)
            else:
                chat.held = True
                self._change_under_way(peer, chat, ChatStatus.QUEUED)

    # --- messages of ours

    def _has_room(self, peer: Address) -> bool:
        """Whether one more may wait for a peer; the oldest to a network, which others have, gives way."""
        chat = self._peers.get(peer)
        if chat is None or len(chat.queued) < MAX_QUEUED:
            return True
        oldest = next((number for number in chat.queued if self._waiting[number].network), None)
        if oldest is None:
            return False
        self._end(oldest, peer, ChatStatus.FAILED)
        return True

    def _make_room(self) -> bool:
        """Whether one more may be on its way; the oldest to a network gives way."""
        if len(self._waiting) < MAX_WAITING:
            return True
        oldest = next((each for each in self._waiting.values() if each.network), None)
        if oldest is None:
            return False
        for peer in oldest.outstanding():
            self._end(oldest.id, peer, ChatStatus.FAILED)
        return True

    def _chat(self, peer: Address) -> _PeerChat:
        chat = self._peers.get(peer)
        if chat is None:
            chat = self._peers[peer] = _PeerChat(self._marks.get(peer))
        return chat

    def _queue(self, number: int, peer: Address) -> _PeerChat:
        chat = self._chat(peer)
        chat.queued.append(number)
        return chat

    def _send_queued(self, peer: Address, chat: _PeerChat, now: float) -> None:
        for number in tuple(chat.queued):
            record = self._waiting[number]
            delivery = record.delivery(peer)
            if delivery is None or not self._may_pass(peer, record.network):
                continue
            written_at = int(record.time * 1000)
            try:
                message_id = chat.conversation.send(record.text, written_at, now, record.network, delivery.message_id)
            except LocalProtocolError:
                break  # the conversation is full; what is delivered makes room
            chat.queued.remove(number)
            chat.under_way[message_id] = number
            self._change(record.with_delivery(Delivery(peer, ChatStatus.SENT, message_id)))
        self._flush(peer, chat, now)

    def _change_under_way(self, peer: Address, chat: _PeerChat, status: ChatStatus) -> None:
        for number in chat.under_way.values():
            self._set_status(number, peer, status)

    def _end(self, number: int, peer: Address, status: ChatStatus) -> None:
        self._take_back(number, peer)
        self._set_status(number, peer, status)

    def _take_back(self, number: int, peer: Address) -> None:
        """It is not on its way to this peer any more."""
        chat = self._chat(peer)
        if number in chat.queued:
            chat.queued.remove(number)
        chat.under_way = {each: other for each, other in chat.under_way.items() if other != number}

    def _set_status(self, number: int, peer: Address, status: ChatStatus) -> None:
        record = self._waiting.get(number)
        changed = None if record is None else record.with_status(peer, status)
        if changed is not None and changed != record:
            self._change(changed)

    def _change(self, record: ChatRecord) -> None:
        before = self._waiting.pop(record.id, None)
        if record.waits:
            self._waiting[record.id] = record
        self._keep(ChatChanges({record.id: record}), None)
        if before is None or before.message != record.message:
            self._tell(record.message)

    # --- what the wire says

    def _flush(self, peer: Address, chat: _PeerChat, now: float) -> None:
        ended = False
        while (event := chat.conversation.next_event()) is not None:
            self._handle(peer, chat, event, now)
            ended = ended or not isinstance(event, ChatReceived)
        for payload in chat.conversation.messages_to_send(now):
            if self._may_pass(peer, 0):
                self._send_message(peer, payload)
        self._on_deadline()
        if ended and chat.queued:
            self._send_queued(peer, chat, now)

    def _handle(self, peer: Address, chat: _PeerChat, event: ChatEvent, now: float) -> None:
        match event:
            case ChatReceived():
                self._take(peer, chat, event, now)
            case ChatDelivered():
                self._set_status(chat.under_way.pop(event.message_id, 0), peer, ChatStatus.DELIVERED)
            case ChatFailed():
                self._failed(peer, chat, chat.under_way.pop(event.message_id, 0))

    def _failed(self, peer: Address, chat: _PeerChat, number: int) -> None:
        """If the peer went offline in the network meanwhile, it waits like any other."""
        record = self._waiting.get(number)
        if record is not None and not self._may_pass(peer, record.network):
            chat.queued.append(number)
            self._set_status(number, peer, ChatStatus.QUEUED)
        else:
            self._set_status(number, peer, ChatStatus.FAILED)

    def _take(self, peer: Address, chat: _PeerChat, event: ChatReceived, now: float) -> None:
        self._last_number += 1
        record = ChatRecord(self._last_number, event.text, time.time(), peer, event.network)
        conversation = record.conversation
        self.unread[conversation] = self.unread.get(conversation, 0) + 1
        changes = ChatChanges({record.id: record}, unread={conversation: self.unread[conversation]})
        mark = chat.conversation.received_mark()
        if mark is not None:
            self._marks[peer] = changes.marks[peer] = mark

        def kept() -> None:
            self._tell(record.message)
            self._on_unread()
            chat.conversation.received_is_kept()
            self._flush(peer, chat, now)

        self._keep(changes, kept)

    def _tell(self, message: ChatMessage) -> None:
        """A boundary: whoever fails to show a message keeps none from being acknowledged."""
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(message)
            except Exception:
                logger.exception("a chat message could not be shown")
