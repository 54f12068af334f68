"""Start named asyncio tasks that cannot vanish or fail silently.

asyncio keeps only weak references to tasks and reports their failures when they are collected, if ever. `Tasks` holds
them, logs every failure with its traceback at once and tells its owner. The only module that may create a task; used
by everything that runs in an asyncio loop.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
CLOSE_GRACE = 10.0
"""Seconds that `close` waits for cancelled tasks to end."""


class Tasks:
    """The tasks of one owner.

    `on_failure` is called in the loop with the task's name and its exception, after the traceback was logged. A task
    that is cancelled has not failed.
    """

    def __init__(self, on_failure: Callable[[str, BaseException], None] | None = None) -> None:
        self._on_failure = on_failure
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        """How many tasks have not ended."""
        return len(self._running)

    def start(self, name: str, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run `coroutine` as a task of the running loop until it ends or `close` is called.

        The task may be awaited or cancelled, and needs not be kept. Raises RuntimeError after `close`.
        """
        if self._closed:
            coroutine.close()
            raise RuntimeError(f"task {name!r} started after close")
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel all tasks but the one that calls, and wait until they have ended; idempotent."""
        self._closed = True
        others = self._running - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if not others:
            return
        _, stuck = await asyncio.wait(others, timeout=CLOSE_GRACE)
        for task in stuck:
            logger.error("task %s does not end", task.get_name())

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None:
            return
        logger.error("task %s failed", task.get_name(), exc_info=failure)
        if self._on_failure is not None:
            self._on_failure(task.get_name(), failure)
