"""Chat with one peer over a lossy tunnel: reliable, in order, acknowledged, each message shown once.

A message of up to 16 KiB travels in fragments, one message at a time: the next starts when the last one has arrived or
failed. So the receiver never holds more than one unfinished message, whatever is sent to it, and order needs no
buffer. Lost fragments are sent again at growing intervals until the message is too old; then it has failed, which is
told, and it may be tried anew under the same lasting id.

A message's id is the sender's epoch (random, new with each start of its engine) and its number in it: an id never
comes twice, over sessions, rekeys and restarts. A receiver that restarts carries on from its `ReceivedMark`, if the
engine kept it; without one it may show the last message before its restart again, but loses none.

Called by the engine, one instance per peer. No I/O, no clock: `now` is in seconds, `sent_at` in milliseconds since
1970.
"""

import secrets
import unicodedata
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from app.protocol.tunnel_message import (
    FRAGMENT_SIZE,
    ChatAcknowledge,
    ChatFragment,
    TunnelMessage,
    encode,
)
from app.protocol.wire import MAX_CHAT, LocalProtocolError, RemoteProtocolError

MAX_WAITING = 256
"""Messages of ours that may wait to be sent."""
MAX_FAILED = 64
"""Failed messages kept to be tried anew; the oldest are forgotten."""
RECENT_NUMBERS = 256
"""Delivered numbers remembered, so that a message tried anew is not shown twice."""
FIRST_RETRY = 1.0
LONGEST_RETRY = 15.0
GIVE_UP_AFTER = 60.0
"""Seconds from `send` to ChatFailed."""
ACKNOWLEDGE_DELAY = 0.05
"""Seconds that the acknowledgement of an unfinished message waits for more of it."""

_OLD_EPOCHS: Final = 8
_MAX_OUTBOX: Final = 64
"""From here on no acknowledgement is added: the peer will ask again."""
_KEPT_CONTROLS: Final = "\n\t"
_DIRECTION_OVERRIDES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class ChatId(NamedTuple):
    """A message's lasting id."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class ChatReceived:
    """A message of the peer, once and in order."""

    message_id: ChatId
    text: str
    sent_at: int
    """Milliseconds since 1970 by the peer's clock, which may be wrong."""


@dataclass(frozen=True, slots=True)
class ChatDelivered:
    """The peer has the message."""

    message_id: ChatId


@dataclass(frozen=True, slots=True)
class ChatFailed:
    """No acknowledgement came in time. The peer may still have the message; `retry` does not show it twice."""

    message_id: ChatId


ChatEvent = ChatReceived | ChatDelivered | ChatFailed


@dataclass(frozen=True, slots=True)
class ReceivedMark:
    """What a receiver must remember over a restart to show nothing twice."""

    epoch: int
    sequence: int
    """The last message of the epoch that was taken."""
    numbers: tuple[int, ...]
    """The numbers shown last."""


@dataclass(slots=True)
class _Outgoing:
    message_id: ChatId
    fragments: list[bytes]
    sent_at: int
    expires: float
    sequence: int = 0
    arrived: int = 0
    retry_at: float = 0.0
    interval: float = FIRST_RETRY

    @property
    def complete(self) -> int:
        return (1 << len(self.fragments)) - 1


@dataclass(slots=True)
class _Incoming:
    """The one unfinished message of the peer."""

    first: ChatFragment
    parts: dict[int, bytes] = field(default_factory=dict)

    def fits(self, fragment: ChatFragment) -> bool:
        full = fragment.index == fragment.count - 1 or len(fragment.data) == FRAGMENT_SIZE
        first = self.first
        return full and (fragment.number, fragment.count, fragment.sent_at) == (
            first.number,
            first.count,
            first.sent_at,
        )

    def arrived(self) -> int:
        return sum(1 << index for index in self.parts)


class ChatConversation:
    """Both directions of the chat with one peer. `counters` names everything that was ignored."""

    def __init__(self, received: ReceivedMark | None = None, give_up_after: float = GIVE_UP_AFTER) -> None:
        self.epoch = secrets.randbits(64)
        self.counters: Counter[str] = Counter()
        self._give_up_after = give_up_after
        self._numbers = 0
        self._sequence = 0
        self._waiting: deque[_Outgoing] = deque()
        self._active: _Outgoing | None = None
        self._failed: dict[ChatId, _Outgoing] = {}
        self._outbox: deque[TunnelMessage] = deque()
        self._events: deque[ChatEvent] = deque()
        self._incoming: _Incoming | None = None
        self._acknowledge_at: float | None = None
        self._peer_epoch = received.epoch if received else None
        self._taken = received.sequence if received else 0
        self._shown: deque[int] = deque(received.numbers if received else (), RECENT_NUMBERS)
        self._old_epochs: deque[int] = deque(maxlen=_OLD_EPOCHS)

    def send(self, text: str, sent_at: int, now: float) -> ChatId:
        """Queue a message and give its id; ChatDelivered or ChatFailed follows.

        Raises LocalProtocolError if nothing is left without control characters, if it is over MAX_CHAT bytes of
        UTF-8, or if MAX_WAITING messages wait already.
        """
        data = shown_text(text).encode()
        if not 0 < len(data) <= MAX_CHAT:
            raise LocalProtocolError(f"chat: a message has 1 to {MAX_CHAT} bytes")
        if len(self._waiting) >= MAX_WAITING:
            raise LocalProtocolError("chat: too many messages wait for the peer")
        self._numbers += 1
        message_id = ChatId(self.epoch, self._numbers)
        fragments = [data[at : at + FRAGMENT_SIZE] for at in range(0, len(data), FRAGMENT_SIZE)]
        self._waiting.append(_Outgoing(message_id, fragments, sent_at, now + self._give_up_after))
        self._start_next(now)
        return message_id

    def retry(self, message_id: ChatId, now: float) -> None:
        """Try a failed message anew, after those that wait. Raises LocalProtocolError if it is not known as failed."""
        message = self._failed.pop(message_id, None)
        if message is None:
            raise LocalProtocolError("chat: not a failed message")
        message.expires = now + self._give_up_after
        self._waiting.append(message)
        self._start_next(now)

    def send_now(self, now: float) -> None:
        """The tunnel came (back) up: do not wait for the next retry, and let the time to give up begin anew."""
        for message in self._waiting:
            message.expires = now + self._give_up_after
        if self._active is not None:
            self._active.expires = now + self._give_up_after
            self._active.interval = FIRST_RETRY
            self._transmit(self._active, now)

    def received_mark(self) -> ReceivedMark | None:
        """What to give the next instance for this peer after a restart; None before the first message."""
        if self._peer_epoch is None:
            return None
        return ReceivedMark(self._peer_epoch, self._taken, tuple(self._shown))

    def receive_message(self, message: ChatFragment | ChatAcknowledge, now: float) -> None:
        """Take an authenticated message of the peer. What makes no sense is counted and ignored."""
        if isinstance(message, ChatAcknowledge):
            self._acknowledged(message, now)
        else:
            self._take_fragment(message, now)

    def messages_to_send(self, now: float) -> list[bytes]:
        """Tunnel plaintexts to send to the peer, each at most 1,400 bytes."""
        payloads = [encode(message) for message in self._outbox]
        self._outbox.clear()
        return payloads

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called, None if nothing is pending."""
        deadlines = [] if self._acknowledge_at is None else [self._acknowledge_at]
        if self._active is not None:
            deadlines.append(min(self._active.retry_at, self._active.expires))
        return min(deadlines, default=None)

    def handle_deadline(self, now: float) -> None:
        """Retry, give up and acknowledge what is due."""
        if self._acknowledge_at is not None and now >= self._acknowledge_at:
            self._acknowledge_incoming()
        active = self._active
        if active is None:
            return
        if now >= active.expires:
            self._fail_expired(now)
        elif now >= active.retry_at:
            active.interval = min(active.interval * 2, LONGEST_RETRY)
            self._transmit(active, now)

    def next_event(self) -> ChatEvent | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # --- sending

    def _start_next(self, now: float) -> None:
        if self._active is None and self._waiting:
            self._active = self._waiting.popleft()
            self._sequence += 1
            self._active.sequence = self._sequence
            self._active.arrived = 0
            self._active.interval = FIRST_RETRY
            self._transmit(self._active, now)

    def _transmit(self, message: _Outgoing, now: float) -> None:
        message.retry_at = now + message.interval
        count = len(message.fragments)
        epoch, number = message.message_id
        for index, data in enumerate(message.fragments):
            if not message.arrived >> index & 1:
                fragment = ChatFragment(epoch, message.sequence, number, message.sent_at, index, count, data)
                self._outbox.append(fragment)

    def _fail_expired(self, now: float) -> None:
        """The active message and those behind it whose time is up as well: an absent peer holds up nothing."""
        expired = [] if self._active is None else [self._active]
        expired += [message for message in self._waiting if message.expires <= now]
        self._waiting = deque(message for message in self._waiting if message.expires > now)
        self._active = None
        for message in expired:
            self._failed[message.message_id] = message
            self._events.append(ChatFailed(message.message_id))
        while len(self._failed) > MAX_FAILED:
            del self._failed[next(iter(self._failed))]
        self._start_next(now)

    def _acknowledged(self, message: ChatAcknowledge, now: float) -> None:
        active = self._active
        if active is None or (message.epoch, message.sequence) != (self.epoch, active.sequence):
            self.counters["chat-acknowledge-stale"] += 1
            return
        if message.fragments > active.complete:
            self.counters["chat-acknowledge-wrong"] += 1
            return
        if message.fragments == active.complete:
            self._active = None
            self._events.append(ChatDelivered(active.message_id))
            self._start_next(now)
            return
        # Replaced, not joined: a receiver that restarted has less than it said before.
        active.arrived = message.fragments

    # --- receiving

    def _take_fragment(self, fragment: ChatFragment, now: float) -> None:
        if not self._enter_epoch(fragment.epoch):
            return
        if fragment.sequence <= self._taken:
            self.counters["chat-duplicate"] += 1
            self._acknowledge(fragment, (1 << fragment.count) - 1)
            return
        incoming = self._incoming
        if incoming is not None and fragment.sequence < incoming.first.sequence:
            self.counters["chat-stale"] += 1
            return
        if incoming is None or fragment.sequence > incoming.first.sequence:
            incoming = _Incoming(fragment)
        if fragment.index >= fragment.count or not incoming.fits(fragment):
            self.counters["chat-malformed"] += 1
            return
        self._incoming = incoming
        incoming.parts[fragment.index] = fragment.data
        if len(incoming.parts) == fragment.count:
            self._finish(incoming)
        elif self._acknowledge_at is None:
            self._acknowledge_at = now + ACKNOWLEDGE_DELAY

    def _enter_epoch(self, epoch: int) -> bool:
        """Follow the peer into a new epoch; False for one that it has left."""
        if epoch in self._old_epochs:
            self.counters["chat-old-epoch"] += 1
            return False
        if epoch != self._peer_epoch:
            if self._peer_epoch is not None:
                self._old_epochs.append(self._peer_epoch)
            self._peer_epoch, self._taken = epoch, 0
            self._incoming, self._acknowledge_at = None, None
            self._shown.clear()
        return True

    def _finish(self, incoming: _Incoming) -> None:
        first = incoming.first
        self._incoming, self._acknowledge_at = None, None
        self._taken = first.sequence
        self._acknowledge(first, (1 << first.count) - 1)
        if first.number in self._shown:
            self.counters["chat-duplicate"] += 1
            return
        try:
            text = _decoded(b"".join(incoming.parts[index] for index in range(first.count)))
        except RemoteProtocolError:
            self.counters["chat-malformed"] += 1
            return
        self._shown.append(first.number)
        self._events.append(ChatReceived(ChatId(first.epoch, first.number), text, first.sent_at))

    def _acknowledge_incoming(self) -> None:
        self._acknowledge_at = None
        if self._incoming is not None:
            self._acknowledge(self._incoming.first, self._incoming.arrived())

    def _acknowledge(self, fragment: ChatFragment, arrived: int) -> None:
        acknowledge = ChatAcknowledge(fragment.epoch, fragment.sequence, arrived)
        if len(self._outbox) >= _MAX_OUTBOX:
            self.counters["chat-outbox-full"] += 1
        elif acknowledge not in self._outbox:
            self._outbox.append(acknowledge)


def shown_text(text: str) -> str:
    """Text as it may be shown: without control characters, except newline and tab, and direction overrides."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(character for character in text if _may_be_shown(character))


def _may_be_shown(character: str) -> bool:
    if character in _DIRECTION_OVERRIDES:
        return False
    return character in _KEPT_CONTROLS or unicodedata.category(character) not in ("Cc", "Cs")


def _decoded(data: bytes) -> str:
    try:
        text = shown_text(data.decode())
    except UnicodeDecodeError:
        raise RemoteProtocolError("chat: not UTF-8") from None
    if len(data) > MAX_CHAT or not text:
        raise RemoteProtocolError("chat: empty or too long")
    return text
