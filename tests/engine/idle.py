"""An hour in which nobody does anything, in virtual time: what an engine and its peers send for it.

One engine has a tunnel to each of its peers, directly or over the server's relay; no two peers share a network as long
as an account may be in so many. Used by test_idle_hour.py and benchmarks/idle_hour.py.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.base.tasks import Tasks
from app.engine.timing import Timing
from app.protocol.wire import DatagramType
from tests import virtual_clock
from tests.engine.world import Person, World

SETTLE = 300.0
"""Seconds from the last meeting until the hour begins: searches for better paths have ended."""
HOUR = 3_600.0
MAX_NETWORKS = 25
"""Of one account; more peers than that are several in a network, and have tunnels to each other."""
JOIN_PAUSE = 5.0
"""Seconds between two joins: the server lets one source join so often."""
NAMES = {
    0x00: "STUN request",
    0x01: "STUN answer",
    DatagramType.HANDSHAKE: "handshake",
    DatagramType.RELAY: "word to a relay",
}


@dataclass(frozen=True)
class IdleHour:
    """What was sent in the hour."""

    peers: int
    tunnels: int
    """Of all, those of the peers among each other included."""
    one: Counter[str]
    """Datagrams by kind that the one engine sent."""
    all: Counter[str]
    """Datagrams by kind that all engines sent."""
    server: Counter[str]
    """Pieces of the TCP streams between all engines and the server, by direction."""


def idle_hour(folder: Path, peers: int, relayed: bool) -> IdleHour:
    """Spend it."""
    return virtual_clock.run(_idle_hour(folder, peers, relayed))


async def _idle_hour(folder: Path, peers: int, relayed: bool) -> IdleHour:
    async with World(folder) as world, _counted_server(world) as pieces:
        people = [
            await world.person(f"person{number}", world.router(symmetric=relayed), Timing())
            for number in range(peers + 1)
        ]
        one, others = people[0], people[1:]
        for number in range(min(peers, MAX_NETWORKS)):
            await one.engine.create_network(f"network{number}", "secret words")
        for number, other in enumerate(others):
            await asyncio.sleep(JOIN_PAUSE)
            await other.engine.join_network(f"network{number % MAX_NETWORKS}", "secret words")
        for other in others:
            await (one.until_relayed(other) if relayed else one.until_connected(other))
        await asyncio.sleep(SETTLE)
        before, all_before, server_before = sent_by([one]), sent_by(people), Counter(pieces)
        await asyncio.sleep(HOUR)
        tunnels = sum(len(person.state.peers) for person in people) // 2
        return IdleHour(
            peers, tunnels, sent_by([one]) - before, sent_by(people) - all_before, Counter(pieces) - server_before
        )


def sent_by(people: Iterable[Person]) -> Counter[str]:
    """Datagrams that their computers sent so far, by kind."""
    total: Counter[str] = Counter()
    for person in people:
        total.update(person.helper.messages)
        total.update({name: person.helper.sent[first] for first, name in NAMES.items()})
    return total


@asynccontextmanager
async def _counted_server(world: World) -> AsyncIterator[Counter[str]]:
    """Engines that are made from now on reach the server through a forwarder which counts what passes."""
    pieces: Counter[str] = Counter()
    tasks, port = Tasks(), world.port

    async def carry(direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                pieces[direction] += 1
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_connection("127.0.0.1", port)
        tasks.start("to the server", carry("to the server", reader, to_server[1]))
        tasks.start("from the server", carry("from the server", to_server[0], writer))

    forwarder = await asyncio.start_server(forward, "127.0.0.1")
    world.port = forwarder.sockets[0].getsockname()[1]
    try:
        yield pieces
    finally:
        world.port = port
        forwarder.close()
        await tasks.close()
