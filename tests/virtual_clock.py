"""An event loop whose clock jumps to the next timer as soon as nothing else is to be done: an hour takes seconds.

Sockets, files and threads are real, and the clock stands still while any of them has work. All clocks of the process
follow the loop's while it runs, so that whoever compares them sees neither sleep nor a clock that was set.
"""

import asyncio
import fcntl
import selectors
import termios
import time
from array import array
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar
from unittest.mock import patch

SETTLE = 0.005
"""Real seconds that the clock stands still after a thread's job: its result may be on the way."""

Result = TypeVar("Result")


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """The loop; use `run`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.working = 0
        """Jobs that threads have not finished."""
        self.worked_at = 0.0
        """When the last one was, in real seconds."""
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Virtual seconds."""
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for events in no time: where there are none, the clock jumps to the end of the wait."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if timeout is None or self._is_something_under_way():
            return super().select(SETTLE)
        self._loop.now += timeout
        return []

    def _is_something_under_way(self) -> bool:
        """A thread works or has just finished, a connection is being made, or bytes have not reached the other end."""
        loop, keys = self._loop, self.get_map().values()
        if loop.working or time.perf_counter() < loop.worked_at + SETTLE:
            return True
        return any(key.events & selectors.EVENT_WRITE or _is_under_way(key.fd) for key in keys)


def _is_under_way(fd: int) -> bool:
    """Linux tells it of connected sockets alone."""
    unacknowledged = array("i", [0])
    with suppress(OSError):
        fcntl.ioctl(fd, termios.TIOCOUTQ, unacknowledged)
    return unacknowledged[0] > 0


def run(story: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`, in virtual time."""
    loop = VirtualClockLoop()
    began = time.time()
    submit = ThreadPoolExecutor.submit

    def count(pool: ThreadPoolExecutor, job: Callable[..., Any], *arguments: Any, **named: Any) -> Future[Any]:
        loop.working += 1
        future = submit(pool, job, *arguments, **named)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(finished))
        return future

    def finished() -> None:
        loop.working -= 1
        loop.worked_at = time.perf_counter()

    with (
        patch.object(ThreadPoolExecutor, "submit", count),
        patch.object(time, "time", lambda: began + loop.now),
        patch.object(time, "monotonic", lambda: loop.now),
        patch.object(time, "clock_gettime", lambda _: loop.now),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        return runner.run(story)
