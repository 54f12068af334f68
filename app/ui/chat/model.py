"""The messages of one conversation as rows: who, when, which day, what became of them. Used by window.py.

A row knows everything that is painted for it, so that painting decides nothing. The model holds a part of the
conversation, at most MAX_ROWS in a row of it, whatever comes in: those who read at the end see the newest, those who
scrolled up keep what they read. Rows are made anew only where something about them or their neighbours changed.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QDate,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)

from app.engine.state import ChatMessage, ChatStatus, Conversation
from app.protocol.conversation import shown_text
from app.protocol.names import shown_name
from app.ui.chat.text import Link, find_links, shortened
from app.ui.words.times import clock, local_time, stamp
from app.ui.words.translations import _

MAX_ROWS: Final = 400
"""All of them are laid out anew when the width changes."""
GROUP_SECONDS: Final = 300
"""Messages of one person within this time have one heading."""

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX: Final = QModelIndex()


class Reach(Enum):
    """Whether what is written now gets there now."""

    NOW = auto()
    WHEN_ONLINE = auto()
    WHEN_CONNECTED = auto()
    """The peer is online, but there is no tunnel yet, or none can be had."""


@dataclass(frozen=True, slots=True)
class People:
    """Who takes part."""

    name: str = ""
    """What the peer or the network is called."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What this computer calls each peer, by address."""
    reach: Reach = Reach.NOW


@dataclass(frozen=True, slots=True)
class Row:
    """One message and all that is painted for it."""

    message: ChatMessage
    text: str
    is_shortened: bool
    links: tuple[Link, ...]
    author: str = ""
    """Who speaks, where that is to be said."""
    time: str = ""
    day: str = ""
    is_first_unread: bool = False
    status: str = ""
    """What became of an own message, where that is to be said."""

    @property
    def is_own(self) -> bool:
        """Whether it was written here."""
        return self.message.status is not ChatStatus.RECEIVED

    @property
    def has_failed(self) -> bool:
        """Whether it can be tried again."""
        return self.message.status is ChatStatus.FAILED


class ChatModel(QAbstractListModel):
    """A part of a conversation, oldest first."""

    def __init__(self, conversation: Conversation, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.conversation = conversation
        self.rows: list[Row] = []
        self.people = People()
        self.has_newest = True
        """Whether the last row is the conversation's last message."""
        self._first_unread: int | None = None

    # --- what Qt asks

    def rowCount(self, parent: Index = _NO_INDEX) -> int:
        """How many messages are shown."""
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The text, and the sentence of a screen reader."""
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self.spoken(row)
        return None

    # --- changes

    def show(self, messages: Iterable[ChatMessage]) -> None:
        """Show these, the conversation's newest, instead of all before."""
        self.beginResetModel()
        self.rows = [_new_row(each) for each in sorted(messages, key=lambda each: each.id)[-MAX_ROWS:]]
        self.has_newest = True
        self._decorate(0, len(self.rows))
        self.endResetModel()

    def show_older(self, messages: Iterable[ChatMessage]) -> None:
        """Put older messages before the first; if that becomes too much, the newest go."""
        first = self.rows[0].message.id if self.rows else None
        older = [_new_row(each) for each in messages if first is None or each.id < first]
        if not older:
            return
        self.beginInsertRows(_NO_INDEX, 0, len(older) - 1)
        self.rows[:0] = older
        self._decorate(0, len(older))
        self.endInsertRows()
        self._redecorate(len(older), len(older) + 1)
        if len(self.rows) > MAX_ROWS:
            self.has_newest = False
            self._remove(MAX_ROWS, len(self.rows))

    def take(self, messages: Iterable[ChatMessage], follow: bool) -> list[ChatMessage]:
        """New messages and changed ones; gives those that are new here.

        `follow`: the reader is at the end, so the oldest rows make room; else what has no room is left out.
        """
        changed, new = self._sorted_out(messages)
        for at, message in changed:
            old = self.rows[at]
            self.rows[at] = Row(message, old.text, old.is_shortened, old.links)
            self._redecorate(at - 1, at + 2, changed=at)
        if not self.has_newest:
            return new
        if not follow and len(self.rows) + len(new) > MAX_ROWS:
            self.has_newest = False
            self._append(new[: max(0, MAX_ROWS - len(self.rows))])
            return new
        self._append(new[-MAX_ROWS:])
        if len(self.rows) > MAX_ROWS:
            self._remove(0, len(self.rows) - MAX_ROWS)
            self._redecorate(0, 1)
        return new

    def _sorted_out(self, messages: Iterable[ChatMessage]) -> tuple[list[tuple[int, ChatMessage]], list[ChatMessage]]:
        changed: list[tuple[int, ChatMessage]] = []
        new: list[ChatMessage] = []
        last = self.rows[-1].message.id if self.rows else -1
        for message in sorted(messages, key=lambda each: each.id):
            at = self.place(message.id)
            if at is not None:
                changed.append((at, message))
            elif message.id > last:
                new.append(message)
        return changed, new

    def place(self, number: int) -> int | None:
        """The row of the message with this id."""
        at = bisect_left(self.rows, number, key=lambda row: row.message.id)
        return at if at < len(self.rows) and self.rows[at].message.id == number else None

    def set_people(self, people: People) -> None:
        """Others are called otherwise, or come and go."""
        if people != self.people:
            self.people = people
            self._redecorate(0, len(self.rows))

    def set_first_unread(self, number: int | None) -> None:
        """Draw the line that says what is new before the message with this id, or nowhere."""
        places = [self.place(each) for each in (self._first_unread, number) if each is not None]
        self._first_unread = number
        for at in places:
            if at is not None:
                self._redecorate(at - 1, at + 1)

    def set_unread(self, count: int) -> None:
        """Draw that line before the last `count` messages of others."""
        received = [row.message.id for row in self.rows if not row.is_own]
        self.set_first_unread(received[-count:][0] if count and received else None)

    def _append(self, messages: Sequence[ChatMessage]) -> None:
        if not messages:
            return
        start = len(self.rows)
        self.beginInsertRows(_NO_INDEX, start, start + len(messages) - 1)
        self.rows.extend(_new_row(each) for each in messages)
        self._decorate(start, len(self.rows))
        self.endInsertRows()
        self._redecorate(start - 1, start)

    def _remove(self, start: int, end: int) -> None:
        self.beginRemoveRows(_NO_INDEX, start, end - 1)
        del self.rows[start:end]
        self.endRemoveRows()

    # --- what is said around a message

    def _decorate(self, start: int, end: int) -> list[int]:
        """Make rows anew whose surroundings changed; gives where something did."""
        touched = []
        for at in range(max(0, start), min(end, len(self.rows))):
            row = self._decorated(at)
            if row != self.rows[at]:
                self.rows[at] = row
                touched.append(at)
        return touched

    def _redecorate(self, start: int, end: int, changed: int | None = None) -> None:
        touched = self._decorate(start, end)
        if changed is not None:
            touched.append(changed)
        if touched:
            self.dataChanged.emit(self.index(min(touched), 0), self.index(max(touched), 0))

    def _decorated(self, at: int) -> Row:
        row = self.rows[at]
        before = self.rows[at - 1] if at else None
        after = self.rows[at + 1] if at + 1 < len(self.rows) else None
        day = local_time(row.message.time).date()
        is_new_day = before is None or local_time(before.message.time).date() != day
        starts = is_new_day or self._starts_group(before, row)
        status = self.status(row.message) if row.is_own else ""
        if after is not None and status and not row.has_failed and not self._starts_group(row, after):
            status = "" if self.status(after.message) == status else status
        return Row(
            row.message,
            row.text,
            row.is_shortened,
            row.links,
            author=self.author(row.message) if starts and not row.is_own and self.conversation.network else "",
            time=clock(row.message.time) if starts else "",
            day=day_words(day) if is_new_day else "",
            is_first_unread=row.message.id == self._first_unread,
            status=status,
        )

    def _starts_group(self, before: Row | None, row: Row) -> bool:
        return (
            before is None
            or before.is_own is not row.is_own
            or before.message.peer != row.message.peer
            or row.message.time - before.message.time > GROUP_SECONDS
            or row.message.id == self._first_unread
        )

    def author(self, message: ChatMessage) -> str:
        """Who wrote it."""
        if message.status is not ChatStatus.RECEIVED:
            return _("You")
        return self.people.names.get(message.peer) or shown_name(message.peer)

    def status(self, message: ChatMessage) -> str:
        """What became of an own message."""
        return self._network_status(message) if message.network else self._peer_status(message)

    def _peer_status(self, message: ChatMessage) -> str:
        match message.status:
            case ChatStatus.QUEUED if self.people.reach is Reach.WHEN_ONLINE:
                return _("Goes out when {name} is online").format(name=self.people.name)
            case ChatStatus.QUEUED:
                return _("Goes out when {name} is connected").format(name=self.people.name)
            case ChatStatus.SENT:
                return _("Sending…")
            case ChatStatus.DELIVERED:
                return _("Delivered")
            case ChatStatus.FAILED:
                return _("Not delivered")
            case _:
                return ""

    def _network_status(self, message: ChatMessage) -> str:
        some = _("{delivered} of {recipients} have it").format(
            delivered=message.delivered, recipients=message.recipients
        )
        match message.status:
            case ChatStatus.DELIVERED:
                return _("Delivered to all") if message.recipients > 1 else _("Delivered")
            case ChatStatus.FAILED:
                return some if message.delivered else _("Not delivered")
            case ChatStatus.QUEUED if not message.delivered:
                return _("Goes out when others are online")
            case ChatStatus.SENT if not message.delivered:
                return _("Sending…")
            case ChatStatus.RECEIVED:
                return ""
            case _:
                return some

    def spoken(self, row: Row) -> str:
        """The whole message in one sentence."""
        words = _("{author}, {time}: {text}").format(
            author=self.author(row.message), time=clock(row.message.time), text=row.text
        )
        status = self.status(row.message)
        return f"{words}, {status}" if status else words

    def transcript(self, rows: Iterable[Row]) -> str:
        """Messages as plain text, one under the other."""
        return "\n".join(
            f"[{stamp(row.message.time)}] {self.author(row.message)}: {shown_text(row.message.text)}" for row in rows
        )


def _new_row(message: ChatMessage) -> Row:
    text, more = shortened(message.text)
    return Row(message, text, more, find_links(text))


def day_words(day: QDate) -> str:
    """The day as people say it."""
    distance = day.daysTo(QDate.currentDate())
    if distance == 0:
        return _("Today")
    if distance == 1:
        return _("Yesterday")
    return QLocale().toString(day, QLocale.FormatType.LongFormat)
