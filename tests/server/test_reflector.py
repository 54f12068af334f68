"""The reflector on loopback, asked by a client that is not ours, and by rude ones."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.server.metrics import Counters
from app.server.reflector import Reflections, Reflector

BINDING_REQUEST = bytes.fromhex("00010000 2112a442") + b"transaction!"


def play(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(story)


@asynccontextmanager
async def reflecting(host: str, answers_per_second: int = 100) -> AsyncIterator[tuple[int, Counters]]:
    counters = Counters()
    reflector = Reflector(Reflections(answers_per_second, counters))
    port = await reflector.open(host, 0)
    try:
        yield port, counters
    finally:
        reflector.stop()


class Collector(asyncio.DatagramProtocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.put_nowait(data)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_coturns_client_learns_its_endpoint(host: str) -> None:
    tool = shutil.which("turnutils_stunclient")
    assert tool, "install coturn: the test wants a STUN client that is not ours"

    async def story() -> None:
        async with reflecting(host) as (port, counters):
            run = await asyncio.to_thread(
                subprocess.run, [tool, "-p", str(port), host], capture_output=True, text=True, timeout=20, check=True
            )
            assert re.search(rf"UDP reflexive addr: {re.escape(host)}:\d+", run.stdout), run.stdout
            assert counters["reflector_answered"] > 0

    play(story())


def test_garbage_gets_no_answer_and_a_flood_few() -> None:
    async def story() -> None:
        async with reflecting("127.0.0.1", answers_per_second=5) as (port, counters):
            transport, collector = await asyncio.get_running_loop().create_datagram_endpoint(
                Collector, remote_addr=("127.0.0.1", port)
            )
            for rude in (b"\x00", b"\xff" * 100, BINDING_REQUEST[:-1], BINDING_REQUEST + bytes(1_000)):
                transport.sendto(rude)
            transport.sendto(BINDING_REQUEST)
            async with asyncio.timeout(10):
                answer = await collector.received.get()
            assert answer[:2] == b"\x01\x01"
            assert len(answer) <= 32
            assert counters["reflector_dropped_malformed"] + counters["reflector_dropped_size"] == 4
            for _ in range(50):
                transport.sendto(BINDING_REQUEST)
            async with asyncio.timeout(10):
                while counters["reflector_dropped_rate"] < 30:  # noqa: ASYNC110 - the counter has no event
                    await asyncio.sleep(0)
            assert counters["reflector_answered"] < 20
            transport.close()

    play(story())
