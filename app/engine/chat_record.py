"""One chat message as this computer keeps it: with everybody it goes to, and how far it came to each of them.

Plain data between engine/chat.py, which changes it, and engine/chat_store.py, which keeps it; shown as the ChatMessage
of engine/state.py.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta, Struct, structs

from app.engine.state import ChatMessage, ChatStatus, Conversation
from app.protocol.conversation import ChatId, ReceivedMark
from app.protocol.wire import MAX_CHAT, Address, format_address

OUTSTANDING = (ChatStatus.QUEUED, ChatStatus.SENT)


class Delivery(Struct, frozen=True, array_like=True):
    """How far a message of ours has come to one peer."""

    peer: Address
    status: ChatStatus
    message_id: ChatId | None = None
    """Its lasting id with this peer, once it was sent for the first time."""


class ChatRecord(Struct, frozen=True):
    """A message of a peer, or of ours to one peer or to a network."""

    id: int
    text: Annotated[str, Meta(max_length=MAX_CHAT)]
    time: float
    author: int = 0
    """The peer that wrote it; 0: this account."""
    network: int = 0
    """It is for all members of this network; 0: for one alone."""
    deliveries: tuple[Delivery, ...] = ()
    """Of a message of ours: to whom it goes."""

    @property
    def peer(self) -> str:
        """The address of the author, or of the only one whom it is for; empty for our own to a network."""
        if self.author:
            return format_address(Address(self.author))
        return "" if self.network else format_address(self.deliveries[0].peer)

    @property
    def conversation(self) -> Conversation:
        """Where it belongs."""
        return Conversation(network=self.network) if self.network else Conversation(self.peer)

    @property
    def waits(self) -> bool:
        """Whether it is on its way to anybody."""
        return any(each.status in OUTSTANDING for each in self.deliveries)

    @property
    def status(self) -> ChatStatus:
        """One word for all deliveries: failed, if nothing is under way and somebody does not have it."""
        if self.author:
            return ChatStatus.RECEIVED
        statuses = {each.status for each in self.deliveries}
        if statuses == {ChatStatus.DELIVERED}:
            return ChatStatus.DELIVERED
        if not self.waits:
            return ChatStatus.FAILED
        return ChatStatus.SENT if statuses & {ChatStatus.SENT, ChatStatus.DELIVERED} else ChatStatus.QUEUED

    @property
    def message(self) -> ChatMessage:
        """As it is shown."""
        to_network = self.network and not self.author
        return ChatMessage(
            self.id,
            self.peer,
            self.text,
            self.time,
            self.status,
            self.network,
            len(self.deliveries) if to_network else 0,
            sum(each.status is ChatStatus.DELIVERED for each in self.deliveries) if to_network else 0,
        )

    def delivery(self, peer: Address) -> Delivery | None:
        """How far it has come to a peer."""
        return next((each for each in self.deliveries if each.peer == peer), None)

    def outstanding(self) -> tuple[Address, ...]:
        """To whom it is on its way."""
        return tuple(each.peer for each in self.deliveries if each.status in OUTSTANDING)

    def with_delivery(self, changed: Delivery) -> "ChatRecord":
        """The record after one delivery has come further."""
        deliveries = tuple(changed if each.peer == changed.peer else each for each in self.deliveries)
        return structs.replace(self, deliveries=deliveries)

    def with_status(self, peer: Address, status: ChatStatus) -> "ChatRecord":
        """The record after it has come as far as this to one peer."""
        delivery = self.delivery(peer)
        return self if delivery is None else self.with_delivery(structs.replace(delivery, status=status))

    def without(self, peers: Collection[Address]) -> "ChatRecord":
        """The record without peers that it needs not reach any more."""
        return structs.replace(self, deliveries=tuple(each for each in self.deliveries if each.peer not in peers))


@dataclass(slots=True)
class ChatChanges:
    """What changed and must be kept; the last state of each thing."""

    records: dict[int, ChatRecord] = field(default_factory=dict)
    marks: dict[Address, ReceivedMark] = field(default_factory=dict)
    """Which message of each peer came last."""
    unread: dict[Conversation, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.records or self.marks or self.unread)

    def update(self, later: "ChatChanges") -> None:
        """Take in what changed after this."""
        self.records.update(later.records)
        self.marks.update(later.marks)
        self.unread.update(later.unread)


@dataclass(frozen=True, slots=True)
class KeptChat:
    """What is known of all conversations at the start."""

    last_id: int = 0
    """Of the newest message there ever was."""
    waiting: tuple[ChatRecord, ...] = ()
    """Messages of ours that are on their way, oldest first."""
    marks: dict[Address, ReceivedMark] = field(default_factory=dict)
    unread: dict[Conversation, int] = field(default_factory=dict)
