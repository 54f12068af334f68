"""Pings with answers, without, and without a tunnel."""

import asyncio

import pytest

from app.engine.errors import EngineError, engine_error
from app.engine.pings import Pings
from app.engine.state import PathKind, RoundTrip
from app.protocol import tunnel_message
from app.protocol.tunnel_message import ProbeReply, ProbeRequest
from app.protocol.wire import Address

BEN = Address(2)


class Line:
    """A tunnel that answers, swallows or is not there."""

    def __init__(self) -> None:
        self.there = self.answers = True
        self.pings = Pings(self.send, lambda _: (PathKind.DIRECT, "203.0.113.1:5"))
        self.sizes: list[int] = []

    def send(self, peer: Address, payload: bytes) -> None:
        if not self.there:
            raise engine_error("no-tunnel", name="ben", status="offline")
        request = tunnel_message.decode(payload)
        assert isinstance(request, ProbeRequest)
        self.sizes.append(len(request.padding))
        if self.answers:
            loop = asyncio.get_running_loop()
            reply = ProbeReply(request.token, request.padding)
            loop.call_soon(lambda: self.pings.receive(peer, reply, loop.time()))

    async def ping(self, count: int, size: int = 56) -> list[RoundTrip]:
        return [each async for each in self.pings.ping(BEN, count, 0.0, size, 0.02)]


def test_each_ping_tells_its_time_size_and_path() -> None:
    async def story() -> None:
        line = Line()
        trips = await line.ping(3, 5_000)
        assert [each.sequence for each in trips] == [1, 2, 3]
        assert all(each.seconds is not None and each.seconds >= 0 for each in trips)
        assert {(each.size, each.path, each.endpoint) for each in trips} == {(1_385, PathKind.DIRECT, "203.0.113.1:5")}
        assert line.sizes == [1_385] * 3

    asyncio.run(story())


def test_a_lost_ping_is_one_without_a_time() -> None:
    async def story() -> None:
        line = Line()
        line.answers = False
        assert [each.seconds for each in await line.ping(2)] == [None, None]

    asyncio.run(story())


def test_without_a_tunnel_there_is_an_error_at_once_and_a_gap_later() -> None:
    async def story() -> None:
        line = Line()
        line.there = False
        with pytest.raises(EngineError, match="no-tunnel"):
            await line.ping(1)
        line.there = True
        seen = []
        async for trip in line.pings.ping(BEN, 3, 0.0, 8, 0.02):
            seen.append(trip.seconds is not None)
            line.there = len(seen) != 1
        assert seen == [True, False, True]

    asyncio.run(story())


def test_a_reply_to_nobodys_ping_is_not_taken() -> None:
    assert not Line().pings.receive(BEN, ProbeReply(1), 0.0)
