"""Streams to relays that UDP does not reach: one carrier process for each, kept running while it is wanted.

A carrier looks like its relay at an endpoint of this computer (`app/carrier`). It ends with the pipe that its orders
come from, so none outlives the engine, even one that is killed. Which relay needs a stream is `relays.py`'s to say,
which routes there are `app/transport`'s. Made by engine.py.
"""

import asyncio
import logging
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from app.base.backoff import Backoff
from app.base.program import environment, program
from app.base.tasks import Tasks
from app.carrier.words import (
    MAX_LINE,
    MAX_ROUTES,
    Connected,
    Counted,
    Failed,
    Listening,
    Lost,
    Order,
    Report,
    line_of,
    read_report,
)
from app.protocol.messages import Relay
from app.protocol.wire import Endpoint
from app.transport.http_connect import ProxyFailure
from app.transport.routes import Route, Target

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
BACKOFF: Final = Backoff(first=0.5, limit=30.0)
STEADY: Final = 60.0
"""Seconds after which a process that ran is no failing one."""
END_DEADLINE: Final = 5.0
"""Seconds in which it must have ended."""


class CarrierView(NamedTuple):
    """Where one stream stands."""

    relay: int
    """The relay's number on its server."""
    route: str
    """The route it takes, in plain words; empty while there is none."""
    reason: str
    """Why there is none, as far as it is known."""
    failure: ProxyFailure | None
    """If a proxy is the reason."""


@dataclass(eq=False, slots=True)
class _Carrier:
    """One relay's stream."""

    number: int
    target: Target
    process: asyncio.subprocess.Process | None = None
    keeping: asyncio.Task[None] | None = None
    port: int = 0
    routes: dict[str, Route] = field(default_factory=dict)
    """Those of the last order, by their words."""
    route: str = ""
    reason: str = ""
    failure: ProxyFailure | None = None
    counters: dict[str, int] = field(default_factory=dict)
    """Of the process that runs."""


class Carriers:
    """All carriers of this engine.

    `routes` finds the ways to a target, the best first; `on_through` hears which one led there. `on_stream(number,
    endpoint)` tells where a relay is reached, each time anew, or None: it is lost; `on_change()`, that a view changed.
    """

    def __init__(
        self,
        tasks: Tasks,
        pump_port: Callable[[], int | None],
        routes: Callable[[Target], Awaitable[Sequence[Route]]],
        on_through: Callable[[Route], Coroutine[Any, Any, None]],
        on_stream: Callable[[int, Endpoint | None], None],
        on_change: Callable[[], None],
    ) -> None:
        self._tasks, self._pump_port, self._routes = tasks, pump_port, routes
        self._on_through, self._on_stream, self._on_change = on_through, on_stream, on_change
        self._carriers: dict[int, _Carrier] = {}
        self._ending: set[asyncio.Task[None]] = set()

    # --- what is wanted

    def want(self, relay: Relay, host: str) -> None:
        """Keep a stream to this relay from now on; does nothing if there is one."""
        target = Target(host, relay.port, relay.web_port)
        known = self._carriers.get(relay.number)
        if known is not None and known.target == target:
            return
        self.unwanted(relay.number)
        carrier = self._carriers[relay.number] = _Carrier(relay.number, target)
        carrier.keeping = self._tasks.start(f"carrier {relay.number}", self._keep(carrier))

    def unwanted(self, number: int) -> None:
        """End the stream to the relay of this number, if there is one."""
        carrier = self._carriers.pop(number, None)
        if carrier is not None and carrier.keeping is not None:
            carrier.keeping.cancel()
            self._ending.add(carrier.keeping)
            carrier.keeping.add_done_callback(self._ending.discard)

    def network_changed(self) -> None:
        """There may be other routes: of another network, or another proxy. Streams that still work stay."""
        for carrier in self._carriers.values():
            self._tasks.start("order", self._order(carrier))

    async def close(self) -> None:
        """End all and wait until they have ended; idempotent."""
        for number in list(self._carriers):
            self.unwanted(number)
        if self._ending:
            await asyncio.wait(self._ending)

    def views(self) -> tuple[CarrierView, ...]:
        """All streams that are wanted."""
        return tuple(
            CarrierView(each.number, each.route, each.reason, each.failure) for each in self._carriers.values()
        )

    @property
    def counters(self) -> Counter[str]:
        """What the carriers that run have counted together; drops are named `drop-...`."""
        return sum((Counter(each.counters) for each in self._carriers.values()), Counter[str]())

    def route_of(self, access: Endpoint) -> str:
        """The route of the stream behind an endpoint of this computer, in plain words; empty if there is none."""
        return next((each.route for each in self._carriers.values() if Endpoint(HOST, each.port) == access), "")

    # --- one process after the other

    async def _keep(self, carrier: _Carrier) -> None:
        attempt = 0
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await self._try_run(carrier)
            self._lost(carrier)
            attempt = 0 if clock() - began > STEADY else attempt
            await asyncio.sleep(BACKOFF.delay(attempt, random.random()))
            attempt += 1

    async def _try_run(self, carrier: _Carrier) -> None:
        """A boundary: whatever one process runs into, the next one is tried."""
        try:
            await self._run(carrier)
            carrier.reason = carrier.reason or "the carrier ended"
        except Exception:
            logger.exception("the carrier failed")
            carrier.reason = "the carrier does not run"

    async def _run(self, carrier: _Carrier) -> None:
        """One process, from its start to its end. Raises OSError if it can't be started, ValueError at nonsense."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(*program(), "carrier"),
            stdin=pipe,
            stdout=pipe,
            limit=MAX_LINE,
            env={**os.environ, **environment()},
            start_new_session=True,  # a Ctrl-C in the terminal is the engine's to hear
        )
        try:
            assert process.stdout is not None
            carrier.process = process
            await self._order(carrier)
            while line := await process.stdout.readline():
                self._take(carrier, read_report(line))
        finally:
            carrier.process = None
            await _end(process)

    async def _order(self, carrier: _Carrier) -> None:
        routes = await self._routes(carrier.target)
        process, pump_port = carrier.process, self._pump_port()
        if process is None or process.stdin is None or pump_port is None or not routes:
            return
        carrier.routes = {str(each): each for each in routes[:MAX_ROUTES]}
        process.stdin.write(line_of(Order(carrier.target, tuple(carrier.routes.values()), pump_port)))

    def _take(self, carrier: _Carrier, report: Report) -> None:
        match report:
            case Listening():
                carrier.port = report.port
            case Connected():
                carrier.route, carrier.reason, carrier.failure = report.route, "", None
                logger.info("relay %d: reached by %s", carrier.number, report.route)
                if report.route in carrier.routes:
                    self._tasks.start("route", self._on_through(carrier.routes[report.route]))
                self._on_stream(carrier.number, Endpoint(HOST, carrier.port))
                self._on_change()
            case Lost() | Failed():
                carrier.reason = report.reason
                carrier.failure = report.failure if isinstance(report, Failed) else None
                logger.info("relay %d: %s", carrier.number, report.reason)
                self._lost(carrier)
            case Counted():
                carrier.counters = report.counters

    def _lost(self, carrier: _Carrier) -> None:
        if carrier.route:
            carrier.route = ""
            self._on_stream(carrier.number, None)
        self._on_change()


async def _end(process: asyncio.subprocess.Process) -> None:
    """It ends with its standard input; one that does not is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        # Not asyncio.timeout: in a task that is being cancelled, Python 3.11's never raises TimeoutError.
        await asyncio.wait_for(process.wait(), END_DEADLINE)
    except TimeoutError:
        process.kill()
        await process.wait()
