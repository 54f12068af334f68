"""How long one piece of work may keep an event loop to itself: a window that shares the loop must not seem stuck.

Whoever works through what has already arrived never waits by itself, and would hold the loop until all of it is done.
Used by everything that reads from a stream, and by whoever has many small things due at once.
"""

import asyncio

TURN = 0.01
"""Seconds of work after which others come first."""


class Turn:
    """One turn of work in the running loop; it begins now."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    @property
    def over(self) -> bool:
        """Whether it has lasted long enough."""
        return self._loop.time() >= self._began + TURN

    async def breathe(self) -> None:
        """If the turn is over, let others come first and begin a new one."""
        if self.over:
            await asyncio.sleep(0)
            self._began = self._loop.time()
