"""Chat with one peer over a lossy tunnel: reliable, in order, acknowledged, each message shown once.

A message of up to 16 KiB travels in fragments, one message at a time: the next starts when the last one has arrived or
failed. So the receiver never holds more than one unfinished message, whatever is sent to it, and order needs no
buffer. Lost fragments are sent again at growing intervals until the message is too old; then it has failed, which is
told, and it may be sent anew under the same lasting id.

A message's lasting id is the sender's epoch (random, new with each start of its engine) and its number in it: an id
never comes twice, over sessions, rekeys and restarts. A message is acknowledged only when the engine says that it is
kept, and until then the next one is not taken: what a peer writes faster than it can be kept, it must send again. A
receiver that restarts carries on from its `ReceivedMark`, if the engine kept it; without one it may show the last
message before its restart again, but loses none.

Called by the engine, one instance per peer. No I/O, no clock: `now` is in seconds, `sent_at` in milliseconds since
1970.
"""

import secrets
import unicodedata
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, structs

from app.protocol.tunnel_message import (
    FRAGMENT_SIZE,
    ChatAcknowledge,
    ChatFragment,
    TunnelMessage,
    encode,
)
from app.protocol.wire import MAX_CHAT, LocalProtocolError

MAX_WAITING = 256
"""Messages of ours that may wait to be sent."""
RECENT_MESSAGES = 256
"""Messages whose ids are remembered, so that one that is sent anew is not shown twice."""
MESSAGES_AT_ONCE = 256
"""Messages of a peer that are taken as fast as they come: all that may have waited for us."""
MESSAGES_PER_SECOND = 5.0
"""Beyond that. What comes faster is not acknowledged: the peer sends it again later."""
MAX_MARKS_IN_A_ROW = 8
"""Combining marks on one letter; written languages need fewer, and more of them cover the lines around."""
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
_LINE_ENDS: Final = ("\r\n", "\r", "\u2028", "\u2029")
_MARKS: Final = ("Mn", "Me")
_INVISIBLE: Final = "Cf"
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
    network: int = 0
    """It was written to all members of this network; 0: to us alone."""


@dataclass(frozen=True, slots=True)
class ChatDelivered:
    """The peer has the message."""

    message_id: ChatId


@dataclass(frozen=True, slots=True)
class ChatFailed:
    """No acknowledgement came in time. The peer may still have it; sent anew under its id it is not shown twice."""

    message_id: ChatId


ChatEvent = ChatReceived | ChatDelivered | ChatFailed


@dataclass(frozen=True, slots=True)
class ReceivedMark:
    """What a receiver must remember over a restart to show nothing twice."""

    epoch: int
    sequence: int
    """The last message of the epoch that was taken."""
    shown: Annotated[tuple[ChatId, ...], Meta(max_length=RECENT_MESSAGES)]
    """The messages shown last."""


@dataclass(slots=True)
class _Outgoing:
    message_id: ChatId
    fragments: list[bytes]
    sent_at: int
    network: int
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
        return full and structs.replace(fragment, index=first.index, data=first.data) == first

    def arrived(self) -> int:
        return sum(1 << index for index in self.parts)


class ChatConversation:
    """Both directions of the chat with one peer. `counters` names everything that was ignored."""

    def __init__(self, received: ReceivedMark | None = None, give_up_after: float = GIVE_UP_AFTER) -> None:
        self.epoch = secrets.randbits(64) or 1
        self.counters: Counter[str] = Counter()
        self._give_up_after = give_up_after
        self._numbers = 0
        self._sequence = 0
        self._waiting: deque[_Outgoing] = deque()
        self._active: _Outgoing | None = None
        self._outbox: deque[TunnelMessage] = deque()
        self._events: deque[ChatEvent] = deque()
        self._incoming: _Incoming | None = None
        self._not_kept: ChatFragment | None = None
        """Of the complete message that the engine has not kept yet."""
        self._allowance = float(MESSAGES_AT_ONCE)
        self._allowed_at = 0.0
        self._acknowledge_at: float | None = None
        self._peer_epoch = received.epoch if received else None
        self._taken = received.sequence if received else 0
        self._shown: deque[ChatId] = deque(received.shown if received else (), RECENT_MESSAGES)
        self._old_epochs: deque[int] = deque(maxlen=_OLD_EPOCHS)

    def send(self, text: str, sent_at: int, now: float, network: int = 0, message_id: ChatId | None = None) -> ChatId:
        """Queue a message and give its id; ChatDelivered or ChatFailed follows. `message_id`: it is sent anew.

        Raises LocalProtocolError if nothing is left without control characters, if it is over MAX_CHAT bytes of
        UTF-8, or if MAX_WAITING messages wait already.
        """
        data = shown_text(text).encode()
        if not 0 < len(data) <= MAX_CHAT:
            raise LocalProtocolError(f"chat: a message has 1 to {MAX_CHAT} bytes")
        if len(self._waiting) >= MAX_WAITING:
            raise LocalProtocolError("chat: too many messages wait for the peer")
        if message_id is None:
            self._numbers += 1
            message_id = ChatId(self.epoch, self._numbers)
        fragments = [data[at : at + FRAGMENT_SIZE] for at in range(0, len(data), FRAGMENT_SIZE)]
        self._waiting.append(_Outgoing(message_id, fragments, sent_at, network, now + self._give_up_after))
        self._start_next(now)
        return message_id

    def send_now(self, now: float) -> None:
        """The tunnel came (back) up: do not wait for the next retry, and let the time to give up begin anew."""
        self._renew_waiting(now)
        if self._active is not None:
            self._active.expires = now + self._give_up_after
            self._active.interval = FIRST_RETRY
            self._transmit(self._active, now)

    def received_mark(self) -> ReceivedMark | None:
        """What to give the next instance for this peer after a restart; None before the first message."""
        if self._peer_epoch is None:
            return None
        return ReceivedMark(self._peer_epoch, self._taken, tuple(self._shown))

    def received_is_kept(self) -> None:
        """The message of the last ChatReceived will not be lost: acknowledge it, and take the next."""
        kept, self._not_kept = self._not_kept, None
        if kept is not None:
            self._acknowledge(kept, (1 << kept.count) - 1)

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

    def _renew_waiting(self, now: float) -> None:
        for message in self._waiting:
            message.expires = now + self._give_up_after

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
        sequence, sent_at, network = message.sequence, message.sent_at, message.network
        first_epoch = epoch if epoch != self.epoch else 0
        self._outbox.extend(
            ChatFragment(self.epoch, sequence, number, sent_at, index, count, data, network, first_epoch)
            for index, data in enumerate(message.fragments)
            if not message.arrived >> index & 1
        )

    def _fail_expired(self, now: float) -> None:
        """The active message and those behind it for which nothing was heard as long: an absent peer holds up none."""
        expired = [] if self._active is None else [self._active]
        expired += [message for message in self._waiting if message.expires <= now]
        self._waiting = deque(message for message in self._waiting if message.expires > now)
        self._active = None
        self._events.extend(ChatFailed(message.message_id) for message in expired)
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
            self._renew_waiting(now)
            self._start_next(now)
            return
        # Replaced, not joined: a receiver that restarted has less than it said before.
        active.arrived = message.fragments

    # --- receiving

    def _take_fragment(self, fragment: ChatFragment, now: float) -> None:
        if self._not_kept is not None:
            self.counters["chat-before-kept"] += 1
            return
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
        if incoming is not self._incoming and not self._may_begin(now):
            self.counters["chat-too-many"] += 1
            return
        self._incoming = incoming
        incoming.parts[fragment.index] = fragment.data
        if len(incoming.parts) == fragment.count:
            self._finish(incoming)
        elif self._acknowledge_at is None:
            self._acknowledge_at = now + ACKNOWLEDGE_DELAY

    def _may_begin(self, now: float) -> bool:
        """Whether the peer may begin another message now."""
        passed, self._allowed_at = max(now - self._allowed_at, 0.0), now
        self._allowance = min(self._allowance + passed * MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

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
        return True

    def _finish(self, incoming: _Incoming) -> None:
        first = incoming.first
        message_id = ChatId(first.first_epoch or first.epoch, first.number)
        self._incoming, self._acknowledge_at = None, None
        self._taken = first.sequence
        text = None if message_id in self._shown else _text_in(incoming)
        if text is None:
            self.counters["chat-duplicate" if message_id in self._shown else "chat-malformed"] += 1
            self._acknowledge(first, (1 << first.count) - 1)
            return
        self._shown.append(message_id)
        self._not_kept = first
        self._events.append(ChatReceived(message_id, text, first.sent_at, first.network))

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
    """Text as it may be shown: without control characters, except newline and tab, without direction overrides, and
    with no more than MAX_MARKS_IN_A_ROW combining marks on a letter."""
    for line_end in _LINE_ENDS:
        text = text.replace(line_end, "\n")
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        if not _may_be_shown(character, category):
            continue
        if category in _MARKS:
            marks += 1
        elif category != _INVISIBLE:  # which does not end a row of marks
            marks = 0
        if category not in _MARKS or marks <= MAX_MARKS_IN_A_ROW:
            shown.append(character)
    return "".join(shown)


def _may_be_shown(character: str, category: str) -> bool:
    if character in _DIRECTION_OVERRIDES:
        return False
    return character in _KEPT_CONTROLS or category not in ("Cc", "Cs")


def _text_in(incoming: _Incoming) -> str | None:
    """The text of a complete message, None if it is none that may be shown."""
    data = b"".join(incoming.parts[index] for index in range(incoming.first.count))
    try:
        text = shown_text(data.decode())
    except UnicodeDecodeError:
        return None
    return text if len(data) <= MAX_CHAT and text else None
