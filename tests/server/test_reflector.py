"""The reflector on loopback, asked as clients ask, and rudely."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.protocol.stun import CHANGE_PORT, MessageClass, decode, question
from app.server.metrics import Counters
from app.server.reflector import Reflections, Reflector

PLAIN_REQUEST = bytes.fromhex("00010000 2112a442") + b"transaction!"
QUESTION = question(b"transaction!")
PATIENCE = 20.0


def play(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(story)


@asynccontextmanager
async def reflecting(host: str, answers_per_second: int = 100, ports: int = 1) -> AsyncIterator[tuple[int, Counters]]:
    counters = Counters()
    reflector = Reflector(Reflections(answers_per_second, counters))
    first, *_ = [await reflector.open(host, 0) for _ in range(ports)]
    try:
        yield first, counters
    finally:
        reflector.stop()


class Asker(asyncio.DatagramProtocol):
    """Keeps what arrives, and from which port."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._received.put_nowait((data, addr[1]))

    async def hear(self) -> tuple[bytes, int]:
        """The next datagram."""
        async with asyncio.timeout(PATIENCE):
            return await self._received.get()


@asynccontextmanager
async def asking(host: str) -> AsyncIterator[tuple[asyncio.DatagramTransport, Asker]]:
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(Asker, local_addr=(host, 0))
    try:
        yield transport, asker
    finally:
        transport.close()


async def until(counters: Counters, name: str, count: int) -> None:
    """Until something was counted so often."""
    async with asyncio.timeout(PATIENCE):
        while counters[name] < count:  # noqa: ASYNC110 - the counter has no event
            await asyncio.sleep(0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_client_learns_its_endpoint_and_gets_no_more_bytes_than_it_sent(host: str) -> None:
    async def story() -> None:
        async with reflecting(host) as (port, _), asking(host) as (transport, asker):
            transport.sendto(QUESTION, (host, port))
            answer, origin = await asker.hear()
            assert origin == port
            assert len(answer) <= len(QUESTION)
            reflection = decode(answer)
            assert reflection.message_class is MessageClass.SUCCESS
            assert reflection.mapped_address == (*transport.get_extra_info("sockname")[:2], 0, 0)

    play(story())


def test_the_other_port_answers_when_it_is_asked_for() -> None:
    """What gets through the asker's router from there tells how it filters (RFC 5780)."""

    async def story() -> None:
        host = "127.0.0.1"
        async with reflecting(host, ports=2) as (port, _), asking(host) as (transport, asker):
            transport.sendto(question(b"transaction!", CHANGE_PORT), (host, port))
            answer, origin = await asker.hear()
            assert decode(answer).message_class is MessageClass.SUCCESS
            assert origin != port
        async with reflecting(host, ports=1) as (port, _), asking(host) as (transport, asker):
            transport.sendto(question(b"transaction!", CHANGE_PORT), (host, port))
            answer, origin = await asker.hear()
            assert decode(answer).message_class is MessageClass.ERROR, "there is no other port"
            assert origin == port

    play(story())


def test_garbage_and_short_requests_get_no_answer_and_a_flood_few() -> None:
    async def story() -> None:
        host = "127.0.0.1"
        async with reflecting(host, answers_per_second=6) as (port, counters), asking(host) as (transport, asker):
            for rude in (b"\x00", b"\xff" * 100, PLAIN_REQUEST[:-1], QUESTION + bytes(1_000), PLAIN_REQUEST):
                transport.sendto(rude, (host, port))
            transport.sendto(QUESTION, (host, port))
            await asker.hear()
            assert counters["reflector_answered"] == 1
            assert counters["reflector_dropped_malformed"] + counters["reflector_dropped_size"] == 4
            assert counters["reflector_dropped_short"] == 1
            for _ in range(50):
                transport.sendto(QUESTION, (host, port))
            await until(counters, "reflector_dropped_rate", 30)
            assert counters["reflector_answered"] < 20

    play(story())
