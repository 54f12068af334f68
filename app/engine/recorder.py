"""Writes what must survive a restart, bursts gathered, off the loop. Owned by engine/engine.py."""

import asyncio
import logging
from collections.abc import Callable

from app.base.tasks import Tasks
from app.engine.errors import EngineError
from app.engine.settings import Memory, ServerMemory

logger = logging.getLogger(__name__)

GATHER = 0.05
"""Seconds for which changes are gathered before one write."""


class Recorder:
    """Writes `current()` about one server after each `mark`."""

    def __init__(self, memory: Memory, fingerprint: str, current: Callable[[], ServerMemory], tasks: Tasks) -> None:
        self.problem: EngineError | None = None
        """Why the last write failed."""
        self._memory, self._fingerprint, self._current, self._tasks = memory, fingerprint, current, tasks
        self._dirty = False
        self._writing = asyncio.Lock()
        self._scheduled = False

    def mark(self) -> None:
        """Something changed that must survive."""
        self._dirty = True
        if not self._scheduled:
            self._scheduled = True
            self._tasks.start("remember", self._write_soon())

    async def flush(self) -> None:
        """Write now what is not written yet; a failure is kept in `problem` and tried again at the next change."""
        async with self._writing:
            if not self._dirty:
                return
            self._dirty = False
            current = self._current()
            try:
                await asyncio.to_thread(self._memory.remember, self._fingerprint, current)
                self.problem = None
            except EngineError as error:
                logger.error("%s", error)
                self.problem, self._dirty = error, True

    async def _write_soon(self) -> None:
        await asyncio.sleep(GATHER)
        self._scheduled = False
        await self.flush()
