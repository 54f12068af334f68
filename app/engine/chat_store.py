"""Where chat is kept: on disk, or, if the person does not want that, in memory with the disk holding what must go out.

With the history switched off the file still has, sealed, the messages that wait for somebody absent, until they are
delivered, and which message of each peer came last. A file that is damaged is put aside and another one begun; one
that can't be used at all leaves chat in memory. Both are told. Waits for the disk; used by engine/chat_recorder.py in
one worker thread at a time.
"""

import logging
import sqlite3
import time
from pathlib import Path
from typing import Final

from app.base.put_aside import put_aside
from app.engine.chat_database import ChatDatabase, Limits, UnknownVersionError
from app.engine.chat_record import ChatChanges, ChatRecord, KeptChat
from app.engine.errors import EngineError, engine_error
from app.engine.state import Conversation
from app.protocol.keys import IdentityKey

logger = logging.getLogger(__name__)

ON_DISK: Final = Limits(messages=5_000, bytes=256 << 20)
IN_MEMORY: Final = Limits(messages=500, bytes=32 << 20)
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY: Final = 0xFF
"""The part of an SQLite error code that is the same for all errors of one kind."""


class ChatStore:
    """The messages of one account. Every method may raise sqlite3.Error; `recover` says what then."""

    def __init__(self, path: Path, identity: IdentityKey, *, keep_history: bool) -> None:
        self.problem: EngineError | None = None
        """What was found when the file was opened, or damage since."""
        self._path, self._identity, self._keep_history = path, identity, keep_history
        self._disk: ChatDatabase
        self._history: ChatDatabase
        """The same, unless the history is switched off."""

    def _in_memory(self) -> ChatDatabase:
        return ChatDatabase(None, self._identity, IN_MEMORY)

    @property
    def unreadable(self) -> int:
        """Messages that could not be opened, one by one."""
        return sum(each.unreadable for each in {self._disk, self._history})

    def open(self) -> KeptChat:
        """Open the file, or make one; before anything else. Never fails: without the file everything is in memory."""
        self._disk = self._history = self._in_memory()
        try:
            self._begin(0)
            return self._disk.kept()
        except (sqlite3.Error, ValueError, OSError, UnknownVersionError) as error:
            self._recover_at_start(error)
        return self._disk.kept()

    def _begin(self, first_id: int) -> None:
        before, self._disk = self._disk, ChatDatabase(self._path, self._identity, ON_DISK, first_id)
        if self._history is not before:
            return
        before.close()
        self._history = self._disk
        if not self._keep_history:
            self._forget_unwanted()

    def _forget_unwanted(self) -> None:
        """Without a history only what waits is on the disk: also after a crash amid the deletion."""
        if self._disk.has_history:
            self._disk.forget(None)
        self._history = self._in_memory()
        self._disk.copy_to(self._history)

    def _recover_at_start(self, error: Exception) -> None:
        if isinstance(error, ValueError) or _is_damage(error):
            self._put_aside()
        else:
            self._use_memory(error)

    def recover(self, error: sqlite3.Error) -> EngineError:
        """After an error: what to tell. With the code chat-history-damaged there is another, empty file now."""
        if not _is_damage(error):
            return engine_error("file-not-written", place=self._path, reason=error)
        self._put_aside()
        assert self.problem is not None
        return self.problem

    def _put_aside(self) -> None:
        """Rename the damaged file, and begin another."""
        self._disk.close()
        try:
            aside = put_aside(self._path, ("-wal", "-shm"))
            self._begin(int(time.time()))  # above all ids there were
        except (sqlite3.Error, OSError) as error:
            self._use_memory(error)
            return
        logger.error("the chat history was damaged: it is %s now", aside)
        self.problem = engine_error("chat-history-damaged", place=aside)

    def _use_memory(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        logger.error("the chat history can't be used: %s", reason)
        self._disk = self._history = self._in_memory()
        self._disk.write(ChatChanges(), int(time.time()))
        self.problem = engine_error("chat-history-unusable", place=self._path, reason=reason)

    def write(self, changes: ChatChanges, last_id: int) -> None:
        """Keep what changed; it is on the disk when this returns, as far as the person wants it there."""
        if self._history is not self._disk:
            self._history.write(changes, last_id)
            self._disk.write(changes, last_id, only_waiting=True)
        else:
            self._disk.write(changes, last_id)

    def messages(self, conversation: Conversation, before: int | None, limit: int) -> tuple[ChatRecord, ...]:
        """The last messages of a conversation, oldest first; with `before` those older than this id."""
        return self._history.messages(conversation, before, limit)

    def find(self, number: int) -> ChatRecord | None:
        """The message with this id."""
        return self._history.find(number)

    def forget(self, conversation: Conversation | None) -> None:
        """Delete what was said, in one conversation or in all, but for what is on its way."""
        self._history.forget(conversation)

    def keep_history(self, keep: bool) -> None:
        """Keep what was and is said on disk, or delete it there and remember the newest until the engine stops."""
        if keep == self._keep_history:
            return
        before, self._keep_history = self._history, keep
        self._history = self._disk if keep else self._in_memory()
        if before is not self._history:
            before.copy_to(self._history)
        if keep:
            if before is not self._disk:
                before.close()
        else:
            self._disk.forget(None)

    def close(self) -> None:
        """Nothing is kept after this."""
        self._disk.close()
        self._history.close()


def _is_damage(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGE
