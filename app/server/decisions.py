"""One thread that makes all decisions: rules and store run here, one after the other, while the sockets go on.

A commit waits for the disk: 0.3 ms on a quiet SSD, where a read takes 0.02 ms, but tens of milliseconds on a rented
or busy disk; on the event loop that would stall every client, one after the other. What follows
from a decision is applied in the loop in the order in which the decisions were made, so that nobody hears of a later
change before an earlier one. The only thread of the server beside the loop; used by `connection.py` and `service.py`.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Decisions:
    """Runs rules on their thread. Made inside the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules")
        self._undecided = 0

    @property
    def undecided(self) -> int:
        """How many decisions are not applied yet."""
        return self._undecided

    def decide(
        self, rule: Callable[[], Result], apply: Callable[[Result], None] | None = None
    ) -> asyncio.Future[Result]:
        """Run `rule` on the thread, then `apply` in the loop; the future has its result, or its exception.

        `apply` is called even if nobody waits for the future any more.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self._undecided += 1
        self._thread.submit(self._run, rule, apply, future)
        return future

    def _run(
        self, rule: Callable[[], Result], apply: Callable[[Result], None] | None, future: "asyncio.Future[Result]"
    ) -> None:
        try:
            result = rule()
        except Exception as error:  # a request boundary: whoever asked gets it, and logs it
            self._loop.call_soon_threadsafe(self._failed, error, future)
        else:
            self._loop.call_soon_threadsafe(self._finished, result, apply, future)

    def _failed(self, error: Exception, future: "asyncio.Future[Result]") -> None:
        self._undecided -= 1
        if not future.done():
            future.set_exception(error)

    def _finished(
        self, result: Result, apply: Callable[[Result], None] | None, future: "asyncio.Future[Result]"
    ) -> None:
        self._undecided -= 1
        try:
            if apply is not None:
                apply(result)
        finally:
            if not future.done():
                future.set_result(result)

    async def close(self) -> None:
        """Wait until everything is decided, and end the thread."""
        await asyncio.to_thread(self._thread.shutdown)
