"""One SQLite file, or one in memory, with chat messages: what they say is sealed, how many there are is bounded.

Texts, authors, times and whom a conversation is with are sealed under a key derived from the identity key: who has the
disk sees how many messages there are in how many conversations, how long they are, and which ones wait. One
transaction for each call that changes something, on the disk when it returns. Used by engine/chat_store.py, by one
thread at a time.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from app.engine.chat_record import ChatChanges, ChatRecord, KeptChat
from app.engine.state import Conversation
from app.protocol.conversation import ReceivedMark
from app.protocol.keys import IdentityKey
from app.protocol.wire import Address, format_address, parse_address

Kind = TypeVar("Kind")

VERSION: Final = 1
MAX_CONVERSATIONS: Final = 4_096
"""Beyond that the one that is silent longest is forgotten."""
_NO_ID: Final = (1 << 63) - 1
_MESSAGE, _CONVERSATION = b"chat message", b"chat conversation"
_SCHEMA: Final = f"""
CREATE TABLE numbering (last INTEGER NOT NULL);
CREATE TABLE conversation (number INTEGER PRIMARY KEY, unread INTEGER NOT NULL, sealed BLOB NOT NULL);
CREATE TABLE message (
    id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, waits INTEGER NOT NULL, sealed BLOB NOT NULL
);
CREATE INDEX message_in_conversation ON message (conversation, id);
CREATE INDEX message_that_waits ON message (id) WHERE waits;
INSERT INTO numbering VALUES (0);
PRAGMA user_version = {VERSION};
"""


class UnknownVersionError(Exception):
    """The file was made by another version of this program."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; messages that are on their way are not counted."""

    messages: int
    """In one conversation; the newest stay."""
    bytes: int
    """In all; the longest conversation gives way first, so that nobody can push out what others said."""


class _Sealed(Struct, frozen=True):
    peer: int
    network: int
    mark: ReceivedMark | None


@dataclass(slots=True)
class _Row:
    number: int
    unread: int
    mark: ReceivedMark | None


class ChatDatabase:
    """An open database. Whatever SQLite can't do is an sqlite3.Error; nothing is half done then."""

    def __init__(self, path: Path | None, identity: IdentityKey, limits: Limits, first_id: int = 0) -> None:
        """Open the file, made if there is none; None: in memory. `first_id`: no message has one up to this."""
        self._identity, self._limits = identity, limits
        self.unreadable = 0
        """Messages that could not be opened."""
        if path is not None:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        # Not bound to a thread, as one worker thread after the other uses it.
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        try:
            self._prepare(first_id)
            self._rows = self._read_rows()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, first_id: int) -> None:
        for pragma in ("secure_delete = ON", "journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        version = self._number("PRAGMA user_version")
        if version == 0 and self._number("SELECT count(*) FROM sqlite_schema") == 0:
            self._connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        elif version != VERSION:
            raise UnknownVersionError(f"version {version} is not known")
        with self._transaction():
            self._connection.execute("UPDATE numbering SET last = max(last, ?)", (first_id,))

    def close(self) -> None:
        """Nothing is written after this."""
        self._connection.close()

    def _number(self, query: str, *values: object) -> int:
        with closing(self._connection.execute(query, values)) as cursor:
            row = cursor.fetchone()
        return 0 if row is None or row[0] is None else int(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._rows = self._read_rows()
            raise

    # --- reading

    def _read_rows(self) -> dict[Conversation, _Row]:
        """In the order in which the conversations were last spoken in."""
        query = """
            SELECT number, unread, conversation.sealed FROM conversation
            LEFT JOIN message ON message.conversation = number GROUP BY number ORDER BY max(message.id)
        """
        rows = {}
        for number, unread, sealed in self._connection.execute(query):
            known = self._open(sealed, _CONVERSATION, _Sealed)
            rows[_conversation(known.peer, known.network)] = _Row(number, unread, known.mark)
        return rows

    def _open(self, sealed: bytes, purpose: bytes, kind: type[Kind]) -> Kind:
        """Raises ValueError."""
        return msgspec.msgpack.decode(self._identity.open_from_storage(sealed, purpose), type=kind)

    def _records(
        self, rows: Iterable[tuple[int, bytes]], conversation: Conversation | None = None
    ) -> tuple[ChatRecord, ...]:
        """Those that are what their row says, of `conversation` if one is named; others are left out and counted."""
        records = []
        for number, sealed in rows:
            try:
                record = self._open(sealed, _MESSAGE, ChatRecord)
            except ValueError:
                record = None
            if record is None or record.id != number or conversation not in (None, record.conversation):
                self.unreadable += 1  # damaged, or somebody moved what is sealed
            else:
                records.append(record)
        return tuple(records)

    def kept(self) -> KeptChat:
        """What is known of all conversations."""
        waiting = self._connection.execute("SELECT id, sealed FROM message WHERE waits ORDER BY id")
        return KeptChat(
            self._number("SELECT last FROM numbering"),
            self._records(waiting),
            {_peer(each): row.mark for each, row in self._rows.items() if row.mark is not None},
            {each: row.unread for each, row in self._rows.items() if row.unread},
        )

    @property
    def has_history(self) -> bool:
        """Whether it holds any message that is not on its way."""
        return bool(self._number("SELECT EXISTS (SELECT 1 FROM message WHERE NOT waits)"))

    def messages(self, conversation: Conversation, before: int | None, limit: int) -> tuple[ChatRecord, ...]:
        """The last messages, oldest first; with `before` those older than this id."""
        row = self._rows.get(conversation)
        if row is None:
            return ()
        query = "SELECT id, sealed FROM message WHERE conversation = ? AND id < ? ORDER BY id DESC LIMIT ?"
        found = self._connection.execute(query, (row.number, before or _NO_ID, limit))
        return self._records(found, conversation)[::-1]

    def find(self, number: int) -> ChatRecord | None:
        """The message with this id."""
        found = self._records(self._connection.execute("SELECT id, sealed FROM message WHERE id = ?", (number,)))
        return found[0] if found else None

    # --- writing

    def write(self, changes: ChatChanges, last_id: int, *, only_waiting: bool = False) -> None:
        """Keep what changed; with `only_waiting` of the messages only those that are on their way, and no unread."""
        with self._transaction():
            for record in changes.records.values():
                if record.waits or not only_waiting:
                    self._put(record)
                else:
                    self._connection.execute("DELETE FROM message WHERE id = ?", (record.id,))
            for peer, mark in changes.marks.items():
                row = self._row(Conversation(format_address(peer)))
                row.mark = mark
                self._write_row(Conversation(format_address(peer)), row)
            for conversation, unread in ({} if only_waiting else changes.unread).items():
                row = self._row(conversation)
                row.unread = unread
                self._write_row(conversation, row)
            self._connection.execute("UPDATE numbering SET last = max(last, ?)", (last_id,))
            self._forget_beyond_limits({each.conversation for each in changes.records.values()})

    def _put(self, record: ChatRecord) -> None:
        row = self._row(record.conversation)
        sealed = self._identity.seal_for_storage(msgspec.msgpack.encode(record), _MESSAGE)
        values = (record.id, row.number, record.waits, sealed)
        self._connection.execute("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?)", values)
        self._rows[record.conversation] = self._rows.pop(record.conversation)  # the last one spoken in

    def _row(self, conversation: Conversation) -> _Row:
        row = self._rows.get(conversation)
        if row is None:
            number = 1 + self._number("SELECT max(number) FROM conversation")
            row = self._rows[conversation] = _Row(number, 0, None)
            self._write_row(conversation, row)
        return row

    def _write_row(self, conversation: Conversation, row: _Row) -> None:
        peer = _peer(conversation) if conversation.peer else 0
        known = msgspec.msgpack.encode(_Sealed(peer, conversation.network, row.mark))
        sealed = self._identity.seal_for_storage(known, _CONVERSATION)
        values = (row.number, row.unread, sealed)
        self._connection.execute("INSERT OR REPLACE INTO conversation VALUES (?, ?, ?)", values)

    def forget(self, conversation: Conversation | None) -> None:
        """Delete what was said, in one conversation or in all, but for what is on its way; the disk keeps no copy."""
        known = list(self._rows) if conversation is None else [conversation]
        with self._transaction():
            for each in known:
                if (row := self._rows.get(each)) is not None:
                    self._connection.execute("DELETE FROM message WHERE conversation = ? AND NOT waits", (row.number,))
                    row.unread = 0
                    self._write_row(each, row)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if conversation is None:
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy_to(self, other: "ChatDatabase") -> None:
        """Write all messages and unread counts into another database."""
        for conversation, row in self._rows.items():
            changes = ChatChanges(unread={conversation: row.unread})
            changes.records = {each.id: each for each in self.messages(conversation, None, other._limits.messages)}
            other.write(changes, 0)

    # --- limits

    def _forget_beyond_limits(self, conversations: set[Conversation]) -> None:
        for conversation in self._rows.keys() & conversations:
            self._forget_beyond(self._rows[conversation].number, self._limits.messages)
        while self._used_bytes() > self._limits.bytes and self._forget_half_of_the_longest():
            pass
        while len(self._rows) > MAX_CONVERSATIONS and self._forget_silent():
            pass

    def _forget_beyond(self, number: int, messages: int) -> None:
        """Delete all but the newest messages of a conversation."""
        query = "SELECT id FROM message WHERE conversation = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
        newest = self._number(query, number, messages)
        self._connection.execute(
            "DELETE FROM message WHERE conversation = ? AND id <= ? AND NOT waits", (number, newest)
        )

    def _used_bytes(self) -> int:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def _forget_half_of_the_longest(self) -> bool:
        """False if there is nothing to forget."""
        longest = self._connection.execute(
            "SELECT conversation, count(*) FROM message WHERE NOT waits GROUP BY conversation "
            "ORDER BY sum(length(sealed)) DESC LIMIT 1"
        ).fetchone()
        if longest is None:
            return False
        self._forget_beyond(longest[0], longest[1] // 2)
        return True

    def _forget_silent(self) -> bool:
        """Forget the conversation that is silent longest, with the mark; False if something waits in each."""
        for conversation, row in self._rows.items():
            if not self._number("SELECT count(*) FROM message WHERE conversation = ? AND waits", row.number):
                self._connection.execute("DELETE FROM message WHERE conversation = ?", (row.number,))
                self._connection.execute("DELETE FROM conversation WHERE number = ?", (row.number,))
                del self._rows[conversation]
                return True
        return False


def _conversation(peer: int, network: int) -> Conversation:
    return Conversation(network=network) if network else Conversation(format_address(Address(peer)))


def _peer(conversation: Conversation) -> Address:
    return parse_address(conversation.peer)
