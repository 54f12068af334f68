"""Sides of the relay on streams: each with the real entrance, over real TCP, beside a side on UDP."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.relay import RelayPong, RelayUnknown, decode
from app.protocol.relay_stream import MAX_TRAIN, frame_header
from app.protocol.train_queue import MAX_WAITING
from app.server.limits import RelayLimits
from tests.server.relay.party import Party
from tests.server.relay.running_relay import RunningRelay, running_relay
from tests.server.relay.stream_client import StreamClient


def tell(story: Callable[[RunningRelay], Awaitable[None]], limits: RelayLimits | None = None) -> None:
    """Play a story with a relay, within ten seconds."""

    async def play() -> None:
        async with asyncio.timeout(10), running_relay(limits) as relay:
            await story(relay)

    asyncio.run(play())


def relayed(relay: int, slot: int, count: int) -> bytes:
    """A train of so many datagrams."""
    return b"".join(relay.to_bytes(4) + bytes([index % 256]) * (slot - 4) for index in range(count))


def test_two_streams_reach_each_other_and_trains_stay_trains() -> None:
    async def story(relay: RunningRelay) -> None:
        anna, ben = await StreamClient.open(relay.port), await StreamClient.open(relay.port)
        number = await anna.bind(Party(0))
        assert await ben.bind(Party(1)) == number
        assert decode((await anna.receive())[0]).both  # type: ignore[attr-defined]
        train = relayed(number, 1_400, 45) + relayed(number, 900, 1)
        anna.send(train, 1_400)
        assert await ben.receive() == (train, 1_400)
        ben.send(train[:1_400])
        assert await anna.receive() == (train[:1_400], 1_400)
        await anna.close()
        await ben.close()

    tell(story)


def test_one_side_on_a_stream_and_one_on_udp() -> None:
    async def story(relay: RunningRelay) -> None:
        anna = await StreamClient.open(relay.port)
        number = await anna.bind(Party(0))
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", relay.udp_port))
            sock.setsockopt(socket.IPPROTO_UDP, 104, 1)
            ben = Party(1)
            sock.send(ben.ping())
            sock.send(ben.bind(await loop.sock_recv(sock, 2_000)))
            ben.bound(await loop.sock_recv(sock, 2_000))
            await anna.receive()
            train = relayed(number, 1_200, 20)
            anna.send(train, 1_200)
            assert await loop.sock_recv(sock, 65_536) == train
            sock.sendmsg([train], [(socket.IPPROTO_UDP, 103, (1_200).to_bytes(2, "little"))])
            assert await anna.receive() == (train, 1_200)
        await anna.close()

    tell(story)


def test_a_stream_that_is_not_bound_is_told_and_one_that_ended_is_forgotten() -> None:
    async def story(relay: RunningRelay) -> None:
        anna = await StreamClient.open(relay.port)
        anna.send(relayed(0xC1020304, 100, 1))
        assert decode((await anna.receive())[0]) == RelayUnknown(0xC1020304)
        await anna.bind(Party(0))
        assert relay.bindings.gauges()["relay_endpoints"] == 1
        await anna.close()
        await relay.until("relay_streams_ended")
        assert relay.bindings.gauges() == {"relay_pairs": 0, "relay_endpoints": 0}

    tell(story)


def test_who_is_not_bound_is_read_slowly_and_others_are_served_meanwhile() -> None:
    async def story(relay: RunningRelay) -> None:
        eve, anna = await StreamClient.open(relay.port), await StreamClient.open(relay.port)
        for _ in range(5_000):
            eve.send(relayed(0xC1020304, 5, 1))
        await anna.bind(Party(0))
        assert relay.bindings.counts["relay_dropped_not_bound"] < 5_000
        await eve.close()
        await anna.close()

    tell(story)


def test_a_cookie_of_one_stream_is_of_no_use_on_another() -> None:
    async def story(relay: RunningRelay) -> None:
        anna, eve = await StreamClient.open(relay.port), await StreamClient.open(relay.port)
        party = Party(0)
        pong = await anna.say(party.ping())
        assert isinstance(decode(pong), RelayPong)
        eve.send(party.bind(pong))
        await relay.until("relay_binds_refused_stale_cookie")
        await anna.close()
        await eve.close()

    tell(story)


def test_who_does_not_read_loses_trains_and_costs_no_memory() -> None:
    async def story(relay: RunningRelay) -> None:
        anna, mute = await StreamClient.open(relay.port), await StreamClient.open(relay.port)
        number = await anna.bind(Party(0))
        await mute.bind(Party(1))
        mute.writer.transport.pause_reading()  # type: ignore[attr-defined]
        train = relayed(number, 1_400, 46)
        while not relay.bindings.counts["relay_dropped_stream_full"]:
            anna.send(train, 1_400)
            await anna.writer.drain()
        assert relay.bindings.counts["relay_bytes"] < 100 * MAX_WAITING
        await anna.close()
        await mute.close()

    tell(story, RelayLimits(pair_rate=0xFFFFFFFF))


def test_who_sends_more_than_the_pair_may_is_slowed_down_and_loses_nothing() -> None:
    async def story(relay: RunningRelay) -> None:
        anna, ben = await StreamClient.open(relay.port), await StreamClient.open(relay.port)
        number = await anna.bind(Party(0))
        await ben.bind(Party(1))
        train = relayed(number, 1_000, 60)
        clock = asyncio.get_running_loop().time
        began = clock()
        for _ in range(15):
            anna.send(train, 1_000)
        for _ in range(15):
            assert await ben.receive() == (train, 1_000)
        assert clock() - began >= (15 * len(train) - 300_000) / 1_000_000 * 0.9  # the burst is free
        assert not relay.bindings.counts["relay_dropped_rate"]
        await anna.close()
        await ben.close()

    tell(story, RelayLimits(pair_rate=1_000_000))


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", frame_header(b"GET /", 5) + b"GET /", (MAX_TRAIN + 1).to_bytes(2) * 2],
)
def test_nonsense_ends_the_stream(nonsense: bytes) -> None:
    async def story(relay: RunningRelay) -> None:
        eve = await StreamClient.open(relay.port)
        eve.writer.write(nonsense)
        await eve.ended()
        await eve.close()
        await relay.until("relay_streams_ended")

    tell(story)


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=80), max_size=8))
def test_a_stranger_gets_no_more_than_it_sends(pieces: list[bytes]) -> None:
    async def story(relay: RunningRelay) -> None:
        eve = await StreamClient.open(relay.port)
        for each in pieces:
            eve.writer.write(frame_header(each, len(each)) + each)
        eve.writer.write_eof()
        assert await eve.ended() <= 1 + sum(4 + len(each) for each in pieces)
        await eve.close()

    tell(story)
