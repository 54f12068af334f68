"""Several routes to one place, one after another with a head start each: the first whose greeting succeeds wins.

That is RFC 8305 in spirit. A route is through only when the other side has answered in its own protocol, which `greet`
finds out: firewalls let TCP connect and then swallow everything, and proxies answer in the server's place. A route at
whose end nobody listens just now is tried again as long as others have not said a word: the server may be restarting.
Used by the engine and the carrier.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.base.backoff import Backoff
from app.base.streams import reason_of
from app.transport.http_connect import ProxyError, ProxyFailure
from app.transport.routes import Dialler, Route, Target
from app.transport.stream import Stream

HEAD_START = 0.3
"""Seconds that a route has before the next one is tried beside it."""
MAX_ROUTES = 12
AGAIN = Backoff(first=0.25, limit=3.0, factor=1.15)
"""Between the tries of one route."""

Greeting = TypeVar("Greeting")
Greet = Callable[[Stream], Awaitable[Greeting]]
"""Speaks first on a new stream. Raises OSError if what answers is not who was sought."""


@dataclass(frozen=True, slots=True)
class Winner(Generic[Greeting]):
    """The route that is through, its stream, and what `greet` made of it."""

    stream: Stream
    route: Route
    greeting: Greeting


class RoutesFailedError(OSError):
    """No route is through; `failures` says why not, in the order of the routes."""

    def __init__(self, failures: dict[Route, OSError]) -> None:
        super().__init__("; ".join(f"{route}: {reason_of(error)}" for route, error in failures.items()) or "no route")
        self.failures = failures


async def race(
    dialler: Dialler, target: Target, routes: Sequence[Route], greet: Greet[Greeting], patience: float
) -> Winner[Greeting]:
    """The winner; all other streams, and its own if this is cancelled, are closed when it ends.

    Raises RoutesFailedError, after `patience` seconds at the latest.
    """
    runners = [_Runner(dialler, target, route, greet) for route in routes[:MAX_ROUTES]]
    first: Winner[Greeting] | None = None
    kept: Winner[Greeting] | None = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience), asyncio.TaskGroup() as group:
                first = await _first_through(group, runners)
        if first is None:
            late = TimeoutError("no answer in time")
            raise RoutesFailedError({each.route: each.failure or late for each in runners})
        kept = first
        return kept
    finally:
        for each in runners:
            if kept is None or each.winner is not kept:
                each.end()


async def _first_through(group: asyncio.TaskGroup, runners: "Sequence[_Runner[Greeting]]") -> Winner[Greeting] | None:
    waiting, first_tries, further_tries = list(runners), set[_Try[Greeting]](), set[_Try[Greeting]]()
    while waiting or first_tries:
        if waiting:
            first_tries.add(group.create_task(waiting.pop(0).run()))
        tries, head_start = first_tries | further_tries, HEAD_START if waiting else None
        ended, running = await asyncio.wait(tries, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
        through = next((winner for each in ended if (winner := each.result().winner) is not None), None)
        if through is not None:
            _cancel(running)
            return through
        first_tries &= running
        again = [runner for each in ended if (runner := each.result()).may_do_better]
        further_tries = (further_tries & running) | {group.create_task(each.run_again()) for each in again}
    _cancel(further_tries)
    return None


def _cancel(tries: "set[_Try[Greeting]]") -> None:
    for each in tries:
        each.cancel()


class _Runner(Generic[Greeting]):
    """One route in the race, and whatever it has opened."""

    def __init__(self, dialler: Dialler, target: Target, route: Route, greet: Greet[Greeting]) -> None:
        self.route = route
        self.winner: Winner[Greeting] | None = None
        self.failure: OSError | None = None
        self._dialler, self._target, self._greet = dialler, target, greet
        self._stream: Stream | None = None
        self._tries = 0

    async def run(self) -> "_Runner[Greeting]":
        self._tries += 1
        try:
            self._stream = await self._dialler.open(self._target, self.route)
            self.winner = Winner(self._stream, self.route, await self._greet(self._stream))
        except OSError as error:
            self.failure = error
        return self

    async def run_again(self) -> "_Runner[Greeting]":
        """After a pause."""
        await asyncio.sleep(AGAIN.delay(self._tries - 1, random.random()))
        self.end()
        return await self.run()

    @property
    def may_do_better(self) -> bool:
        """It failed because nobody listens there just now."""
        if isinstance(self.failure, ProxyError):
            return self.failure.failure is ProxyFailure.NO_WAY
        return isinstance(self.failure, ConnectionRefusedError)

    def end(self) -> None:
        """Close what it has opened."""
        if self._stream is not None:
            self._stream.abort()


_Try = asyncio.Task[_Runner[Greeting]]
