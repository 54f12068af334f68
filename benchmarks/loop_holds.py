"""How long the engine keeps to itself the event loop that a window shares with it.

    python -m benchmarks.loop_holds [--peers 500] [--networks 20] [--json FILE]

Needs no privileges. Real engines, a real server and the stand-ins of tests/engine/world.py live in one loop, so what is
measured is the work of all of them; then one of them is told of a crowd. A heart that beats every millisecond sees the
longest time for which nobody else could run. Figures only: what is asserted is in the tests.
"""

import argparse
import asyncio
import gc
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.base.tasks import Tasks
from app.engine.engine import Engine
from app.engine.networks import JoinedNetwork
from app.protocol.messages import (
    Candidate,
    CandidateKind,
    Introduced,
    Member,
    MemberChanged,
    MemberStatus,
    NetworkState,
    Roster,
)
from app.protocol.wire import Address, NetworkId
from benchmarks.process_usage import machine
from tests.engine.world import World, meet

BEAT = 0.001
PAGE = 256
FIRST_PEER = 0x0A4D0100
OWN_CANDIDATES = tuple(Candidate(CandidateKind.HOST, f"192.168.9.{number}", 4_000) for number in range(1, 6))


class Heart:
    """Beats in the running loop, and remembers by the name of what went on how long it stood still."""

    def __init__(self) -> None:
        self.held: dict[str, float] = {}
        """Milliseconds, the longest of each."""
        self._longest = 0.0
        self._tasks = Tasks()
        self._tasks.start("heart", self._beat())

    async def _beat(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(BEAT)
            now = time.perf_counter()
            self._longest, last = max(self._longest, now - last - BEAT), now

    @asynccontextmanager
    async def watch(self, name: str) -> AsyncIterator[None]:
        """Tell the longest hold of what happens inside."""
        await asyncio.sleep(5 * BEAT)
        self._longest = 0.0
        yield
        await asyncio.sleep(5 * BEAT)
        self.held[name] = round(max(self.held.get(name, 0.0), self._longest * 1_000), 2)

    async def stop(self) -> None:
        """Beat no more."""
        await self._tasks.close()


async def with_few(world: World, heart: Heart, suite: int) -> Engine:
    """Two people meet, and one of them does what a person may do."""
    async with heart.watch(f"two meet, suite {suite}, with Argon2id and a login each"):
        anna, ben, _ = await meet(world, suite=suite)
    async with heart.watch("chat and ping"):
        await anna.engine.wait_chat(await anna.engine.send_chat(ben.address, "hello " * 500))
        assert [each async for each in anna.engine.ping(ben.address, 5, interval=0.01)]
    async with heart.watch("twenty settings and aliases written"):
        for number in range(20):
            await anna.engine.set_nickname(f"anna {number}")
            await anna.engine.set_alias(ben.address, f"friend {number}")
    async with heart.watch("details, doctor and report"):
        anna.engine.peer_details(ben.address)
        await anna.engine.report()
    async with heart.watch("logout and login"):
        await anna.engine.logout()
        await anna.engine.login()
    await ben.engine.stop()
    return anna.engine


async def with_a_crowd(engine: Engine, heart: Heart, peers: int, networks: int) -> None:
    """One engine hears of many; the words are the server's, handed in where they come out of the connection."""
    end = engine.subscribe(lambda _: None)
    key = engine._identity.public  # everybody's, so that each is trusted and paths are sought
    for number in range(peers):
        engine._contacts._keys[Address(FIRST_PEER + number)] = key
    async with heart.watch(f"{networks} rosters of {peers}"):
        for number in range(networks):
            for word in roster(engine, NetworkId(1_000 + number), peers):
                engine._word(word)
                await asyncio.sleep(0)
        await asyncio.sleep(0.5)
    async with heart.watch("50 changes a second"):
        for number in range(100):
            engine._word(MemberChanged(1_000, member(engine, FIRST_PEER + number, online=bool(number % 2))))
            await asyncio.sleep(0.02)
    async with heart.watch(f"{peers} introductions"):
        for number in range(peers):
            name, password = secrets.token_hex(8).encode(), secrets.token_bytes(16)
            engine._word(Introduced(FIRST_PEER + number, name, password, OWN_CANDIDATES, True))
            await asyncio.sleep(0)
    async with heart.watch("awake after sleep"):
        engine._woke()
        await asyncio.sleep(0.5)
    end()


def roster(engine: Engine, network: NetworkId, peers: int) -> list[NetworkState | Roster]:
    """A network as the server tells it at login."""
    own = engine._account.address
    assert own is not None
    engine._networks.joined[network] = JoinedNetwork(f"network {network}", own)
    state = NetworkState(
        network, f"network {network}", own, MemberStatus.MEMBER, True, False, False, 0, None, None, True
    )
    members = tuple(member(engine, FIRST_PEER + number, online=True) for number in range(peers))
    pages = [members[start : start + PAGE] for start in range(0, peers, PAGE)]
    return [state, *(Roster(network, page is pages[0], page is pages[-1], page) for page in pages)]


def member(engine: Engine, address: int, *, online: bool) -> Member:
    """Somebody whose key is known already."""
    fingerprint = engine._identity.public.fingerprint
    return Member(Address(address), fingerprint, f"person {address & 0xFFFF:05}", online, MemberStatus.MEMBER)


async def measure(peers: int, networks: int) -> dict[str, float]:
    """The longest holds, in milliseconds, by what went on."""
    heart = Heart()
    for suite in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            async with World(Path(folder)) as world:
                engine = await with_few(world, heart, suite)
                if suite == 2:
                    await with_a_crowd(engine, heart, peers, networks)
    await heart.stop()
    return heart.held


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="benchmarks.loop_holds", description="How long the engine holds its loop.")
    parser.add_argument("--peers", type=int, default=500)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    arguments = parser.parse_args()
    gc.freeze()  # as the app does: what the program is made of is not looked through
    held = asyncio.run(measure(arguments.peers, arguments.networks))
    for name, milliseconds in held.items():
        print(f"{milliseconds:8.1f} ms  {name}")
    if arguments.json is not None:
        record = {"held_milliseconds": held, "machine": machine()}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
