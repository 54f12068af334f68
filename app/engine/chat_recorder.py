"""Keeps chat off the loop: what changes is gathered and written in a worker thread, one job after the other.

A message of a peer is acknowledged when it is written (`done`). While the disk takes nothing, what is not written
stays here, bounded, is shown, and is tried again with the next change; chat goes on. Owned by engine/conversations.py.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from app.base.tasks import Tasks
from app.engine.chat_record import ChatChanges, ChatRecord, KeptChat
from app.engine.chat_store import ChatStore
from app.engine.errors import EngineError
from app.engine.state import Conversation

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
MAX_NOT_WRITTEN = 2_000
"""Messages that stay here while the disk takes nothing; the oldest give way."""


class ChatRecorder:
    """The store of one account, from the loop.

    `everything` gives what must be in a store that was begun anew; `on_change` is called when `problems` changed.
    """

    def __init__(
        self,
        store: ChatStore,
        tasks: Tasks,
        everything: Callable[[], ChatChanges],
        on_change: Callable[[], None],
    ) -> None:
        self._store, self._tasks = store, tasks
        self._everything, self._on_change = everything, on_change
        self._not_written = ChatChanges()
        self._done: list[Callable[[], None]] = []
        self._last_id = 0
        self._busy = asyncio.Lock()
        """Held while a thread uses the store."""
        self._scheduled, self._closed = False, True
        self._write_problem: EngineError | None = None

    @property
    def problems(self) -> tuple[EngineError, ...]:
        """What a person should know."""
        return tuple(each for each in (self._store.problem, self._write_problem) if each is not None)

    @property
    def unreadable(self) -> int:
        """Kept messages that could not be opened."""
        return 0 if self._closed else self._store.unreadable

    def dismiss(self, code: str) -> None:
        """The person has read of damage that is over."""
        if self._store.problem is not None and self._store.problem.code == code == "chat-history-damaged":
            self._store.problem = None

    async def open(self) -> KeptChat:
        """What is known at the start. Never fails; see `problems`."""
        async with self._busy:
            kept = await asyncio.to_thread(self._store.open)
            self._closed = False
        self._last_id = kept.last_id
        return kept

    def keep(self, changes: ChatChanges, done: Callable[[], None] | None = None) -> None:
        """Write soon, and call `done` once it is written, or can't be."""
        self._not_written.update(changes)
        self._last_id = max(self._last_id, *changes.records, 0)
        if done is not None:
            self._done.append(done)
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._tasks.start("keep chat", self._write_soon())

    async def _write_soon(self) -> None:
        async with self._busy:
            self._scheduled = False
            await self._write()

    async def _write(self) -> None:
        changes, self._not_written = self._not_written, ChatChanges()
        done, self._done = self._done, []
        if changes and not self._closed:
            try:
                await self._do(lambda: self._store.write(changes, self._last_id))
                self._tell(None)
            except EngineError as error:
                logger.error("%s", error)
                self._tell(error)
                self._put_back(changes)
        for each in done:
            each()

    def _tell(self, problem: EngineError | None) -> None:
        before, self._write_problem = self._write_problem, problem
        if str(problem) != str(before):
            self._on_change()

    def _put_back(self, changes: ChatChanges) -> None:
        changes.update(self._not_written)
        self._not_written = changes
        for number in sorted(changes.records)[:-MAX_NOT_WRITTEN]:
            del changes.records[number]

    async def _do(self, job: Callable[[], Result]) -> Result:
        """Let a thread do it; after damage once more, with a store begun anew. Raises EngineError."""
        try:
            return await asyncio.to_thread(job)
        except sqlite3.Error as error:
            problem = await asyncio.to_thread(self._store.recover, error)
        if problem is not self._store.problem:
            raise problem
        self._on_change()
        everything = self._everything()
        try:
            await asyncio.to_thread(self._store.write, everything, self._last_id)
            return await asyncio.to_thread(job)
        except sqlite3.Error as error:
            raise await asyncio.to_thread(self._store.recover, error) from None

    async def _ask(self, job: Callable[[], Result]) -> Result:
        """After all that was to be kept. Who asks may go away meanwhile: the thread's work is awaited all the same."""
        answer = await asyncio.shield(self._tasks.start("ask chat", self._answer(job)))
        if isinstance(answer, EngineError):
            raise answer
        return answer

    async def _answer(self, job: Callable[[], Result]) -> Result | EngineError:
        async with self._busy:
            await self._write()
            try:
                return await self._do(job)
            except EngineError as error:
                return error

    async def messages(self, conversation: Conversation, before: int | None, limit: int) -> tuple[ChatRecord, ...]:
        """The last messages of a conversation, oldest first; with `before` those older than this id."""
        if self._closed:
            return ()
        kept = await self._ask(lambda: self._store.messages(conversation, before, limit))
        found = {each.id: each for each in kept}
        for each in self._not_written.records.values():
            if each.conversation == conversation and (before is None or each.id < before):
                found[each.id] = each
        return tuple(found[number] for number in sorted(found)[-limit:])

    async def find(self, number: int) -> ChatRecord | None:
        """The message with this id."""
        if self._closed:
            return None
        kept = await self._ask(lambda: self._store.find(number))
        return self._not_written.records.get(number) or kept

    async def forget(self, conversation: Conversation | None) -> None:
        """Delete what was said, in one conversation or in all, but for what is on its way."""
        if self._closed:
            return
        await self._ask(lambda: self._store.forget(conversation))
        for each in tuple(self._not_written.records.values()):
            if conversation in (None, each.conversation) and not each.waits:
                del self._not_written.records[each.id]

    async def keep_history(self, keep: bool) -> None:
        """Keep what was and is said on disk, or delete it there."""
        if not self._closed:
            await self._ask(lambda: self._store.keep_history(keep))

    async def close(self) -> None:
        """Write what is not written yet."""
        async with self._busy:
            if not self._closed:
                await self._write()
                self._closed = True
                await asyncio.to_thread(self._store.close)
