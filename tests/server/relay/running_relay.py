"""A relay in the loop of a test: streams and UDP on loopback, with the real entrance."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.base.tasks import Tasks
from app.server.entrance import Entrance
from app.server.limits import RateLimits, RelayLimits
from app.server.metrics import Counters
from app.server.reflector import Reflections
from app.server.relay.bindings import Bindings
from app.server.relay.forwarder import Forwarder
from app.server.relay.streams import RelayStreams
from tests.server.relay.party import SECRET

LIMITS = RateLimits(handshakes_per_minute=10_000)


class RunningRelay:
    """A relay on a TCP and a UDP port of 127.0.0.1."""

    def __init__(self, tasks: Tasks, limits: RelayLimits, port: int = 0) -> None:
        self.bindings = Bindings(SECRET, limits)
        self.streams = RelayStreams(self.bindings)
        self.entrance = Entrance(LIMITS, Counters(), tasks, None, self.streams.serve)
        self.forwarder = Forwarder(self.bindings, Reflections(50, Counters()))
        self.port = self.entrance.open("127.0.0.1", port)
        self.udp_port = self.forwarder.open("127.0.0.1", 0)

    async def until(self, name: str, count: int = 1) -> None:
        """Wait until so much was counted under this name."""
        turn = 0.001
        while self.bindings.counts[name] < count:
            await asyncio.sleep(turn)
            turn = min(2 * turn, 0.05)


@asynccontextmanager
async def running_relay(limits: RelayLimits | None = None, port: int = 0) -> AsyncIterator[RunningRelay]:
    """One that ends with the block, with all its streams."""
    tasks = Tasks()
    relay = RunningRelay(tasks, limits or RelayLimits(), port)
    try:
        yield relay
    finally:
        relay.entrance.close()
        relay.forwarder.stop()
        await tasks.close()
        assert relay.streams.gauges() == {"relay_streams": 0}
