"""Notices what happens to this computer's network: changed addresses and routes, and sleep.

Owned by engine/engine.py, which is called back once things have settled.
"""

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Callable

from app.platform.addresses import open_change_socket

logger = logging.getLogger(__name__)

SETTLE = 0.5
"""Seconds without a further change before it is told."""
LOOK_INTERVAL = 10.0
"""Seconds between two looks at the clocks."""
SLEPT = 10.0
"""Seconds by which a clock that counts sleep must have run ahead of the loop's, which does not."""
_READ_SIZE = 65_536


def waking_and_sleeping() -> float:
    """Seconds by a clock that goes on while the computer sleeps.

    Linux has one that nobody sets. Elsewhere it is the wall clock, and one that was set looks like sleep: then
    everything is looked after once in vain.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


class Surroundings:
    """Calls `on_change()` after addresses or routes changed, and `on_wake()` after the computer slept."""

    def __init__(self, on_change: Callable[[], None], on_wake: Callable[[], None]) -> None:
        self._on_change, self._on_wake = on_change, on_wake
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._ahead = 0.0

    def start(self) -> None:
        """Begin to watch, in the running loop."""
        loop = asyncio.get_running_loop()
        try:
            self._socket = open_change_socket()
        except OSError as error:
            logger.warning("changes of the network can't be watched: %s", error)
        if self._socket is not None:
            loop.add_reader(self._socket.fileno(), self._read)
        self._ahead = waking_and_sleeping() - loop.time()
        self._look = loop.call_later(LOOK_INTERVAL, self._look_at_clocks)

    def stop(self) -> None:
        """Stop watching; idempotent."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        for timer in (self._timer, self._look):
            if timer is not None:
                timer.cancel()

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            self._socket.recv(_READ_SIZE)
        except OSError as error:
            logger.debug("changes of the network were missed: %s", error)  # too many at once: that is a change too
        self._settle()

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(SETTLE, self._on_change)

    def _look_at_clocks(self) -> None:
        loop = asyncio.get_running_loop()
        ahead = waking_and_sleeping() - loop.time()
        if abs(ahead - self._ahead) > SLEPT:
            self._on_wake()
        self._ahead = ahead
        self._look = loop.call_later(LOOK_INTERVAL, self._look_at_clocks)
