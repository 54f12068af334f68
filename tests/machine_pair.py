"""Two datagram machines, a fake clock and a wire with bad weather between them.

A machine is anything with `receive_datagram`, `datagrams_to_send`, `next_deadline` and `handle_deadline`; `now` is a
plain float that only this harness moves, so a test of an hour takes no time. Where a datagram goes, and whom it seems
to come from, is the business of a `Route`: the default joins the two machines directly; a test may put routers there.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from app.protocol.wire import Endpoint

FIRST = Endpoint("192.0.2.1", 1_000)
SECOND = Endpoint("192.0.2.2", 2_000)


class DatagramMachine(Protocol):
    """What the harness drives."""

    def receive_datagram(self, data: bytes, endpoint: Endpoint, now: float) -> object: ...
    def datagrams_to_send(self, now: float) -> list[tuple[Endpoint, bytes]]: ...
    def next_deadline(self) -> float | None: ...
    def handle_deadline(self, now: float) -> object: ...


@dataclass
class Weather:
    """What happens to datagrams on the way. Probabilities are 0 to 1, times are seconds."""

    loss: float = 0.0
    duplication: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0
    """Up to this much is added to the delay: datagrams overtake each other."""


@dataclass(frozen=True)
class Arrival:
    """Where a datagram comes out: at machine 0 or 1, seeming to come from `source`."""

    machine: int
    source: Endpoint


Route = Callable[[int, Endpoint, float], Arrival | None]
"""(sending machine, destination, now) -> arrival, or None if it goes nowhere. `SimulatedNetwork`s in tests are such."""


def direct_route(sender: int, destination: Endpoint, now: float) -> Arrival | None:
    """Each machine is reached at its own endpoint, or at any: only the other one is there."""
    return Arrival(1 - sender, (FIRST, SECOND)[sender])


@dataclass(order=True)
class _InFlight:
    time: float
    order: int
    machine: int = field(compare=False)
    source: Endpoint = field(compare=False)
    data: bytes = field(compare=False)


class MachinePair:
    """Drives two machines until something has happened or a time has come. `now` starts at `start`."""

    def __init__(
        self,
        first: DatagramMachine,
        second: DatagramMachine,
        weather: Weather | None = None,
        seed: int = 0,
        route: Route = direct_route,
        start: float = 1_000.0,
    ) -> None:
        self.machines = [first, second]
        self.weather = weather or Weather()
        self.now = start
        self.sent = [0, 0]
        """Datagrams that each machine has sent."""
        self.sent_bytes = [0, 0]
        self._route = route
        self._random = Random(seed)
        self._in_flight: list[_InFlight] = []
        self._order = 0

    def run(self, seconds: float) -> None:
        """Let this much time pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, done: Callable[[], bool], limit: float) -> bool:
        """Run until `done()` or `limit` seconds have passed; says whether it was done. Nothing to do ends it early
        only if `done()`, else the clock moves to the limit."""
        end = self.now + limit
        self.flush()
        while not done():
            moment = self._next_moment()
            if moment is None or moment > end:
                self.now = end
                return False
            self.now = max(self.now, moment)
            self._step()
        return True

    def flush(self) -> None:
        """Take what the machines want to send now."""
        for sender, machine in enumerate(self.machines):
            for destination, data in machine.datagrams_to_send(self.now):
                self.sent[sender] += 1
                self.sent_bytes[sender] += len(data)
                self._launch(sender, destination, data)

    def inject(self, machine: int, data: bytes, source: Endpoint) -> None:
        """Hand a datagram to a machine now, as an attacker would."""
        self.machines[machine].receive_datagram(data, source, self.now)
        self.flush()

    def _next_moment(self) -> float | None:
        moments = [deadline for machine in self.machines if (deadline := machine.next_deadline()) is not None]
        if self._in_flight:
            moments.append(self._in_flight[0].time)
        return min(moments, default=None)

    def _step(self) -> None:
        while self._in_flight and self._in_flight[0].time <= self.now:
            arrived = heapq.heappop(self._in_flight)
            self.machines[arrived.machine].receive_datagram(arrived.data, arrived.source, self.now)
            self.flush()
        for machine in self.machines:
            deadline = machine.next_deadline()
            if deadline is not None and deadline <= self.now:
                machine.handle_deadline(self.now)
                after = machine.next_deadline()
                self.flush()
                assert after is None or after > self.now or machine.next_deadline() != deadline, "deadline stands still"

    def _launch(self, sender: int, destination: Endpoint, data: bytes) -> None:
        arrival = self._route(sender, destination, self.now)
        if arrival is None or self._random.random() < self.weather.loss:
            return
        copies = 2 if self._random.random() < self.weather.duplication else 1
        for _ in range(copies):
            time = self.now + self.weather.delay + self._random.random() * self.weather.jitter
            self._order += 1
            heapq.heappush(self._in_flight, _InFlight(time, self._order, arrival.machine, arrival.source, data))
