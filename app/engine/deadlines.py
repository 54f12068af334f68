"""One loop timer for the earliest deadline of many machines, instead of one task or timer for each.

Owned by engine/engine.py; the machines are whatever has `next_deadline` and `handle_deadline`.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol


class Machine(Protocol):
    """Something that wants to be called at a time of its own."""

    def next_deadline(self) -> float | None:
        """The loop time at which `handle_deadline` wants to be called, None for never."""
        ...

    def handle_deadline(self, now: float) -> None:
        """Do what is due."""
        ...


class Deadlines:
    """Calls each machine when it is due. Tell it with `changed` after anything that may have moved a deadline."""

    def __init__(self) -> None:
        self._machines: Sequence[Machine] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Handle | None = None
        self._closed = False

    def watch(self, machines: Sequence[Machine]) -> None:
        """The machines to call."""
        self._machines = machines

    def changed(self) -> None:
        """Look at the deadlines anew, once for all calls of this turn of the loop."""
        if self._check is None and not self._closed:
            self._check = asyncio.get_running_loop().call_soon(self._arm)

    def close(self) -> None:
        """Call nobody any more."""
        self._closed = True
        for handle in (self._timer, self._check):
            if handle is not None:
                handle.cancel()

    def _arm(self) -> None:
        self._check = None
        deadlines = (each.next_deadline() for each in self._machines)
        earliest = min((each for each in deadlines if each is not None), default=math.inf)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if earliest < math.inf and not self._closed:
            self._timer = asyncio.get_running_loop().call_at(earliest, self._fire)

    def _fire(self) -> None:
        now = asyncio.get_running_loop().time()
        for machine in self._machines:
            due = machine.next_deadline()
            if due is not None and due <= now:
                machine.handle_deadline(now)
        self.changed()
