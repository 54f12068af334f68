"""Streams by every route to a real entrance; and whenever one is cancelled, nothing is left over."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from app.base.tasks import Tasks
from app.server.certificate import own_certificate, server_context
from app.server.entrance import Entrance, Visitor
from app.server.limits import RateLimits
from app.server.metrics import Counters
from app.transport.http_connect import Proxy
from app.transport.routes import Dialler, Route, Target, Way
from tests.transport.doors import HOST
from tests.transport.small_proxy import SmallProxy

LARGE = bytes(range(256)) * 20_000
GENEROUS = RateLimits(handshakes_per_minute=100_000, half_open_per_source=10_000, half_open=10_000, connections=10_000)


async def echo(visitor: Visitor) -> None:
    while data := await visitor.stream.read(65_536):
        visitor.stream.write(data)
        await visitor.stream.drain()


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Target]:
    """An entrance at which everything is said again."""
    tasks = Tasks()
    entrance = Entrance(GENEROUS, Counters(), tasks, None, echo)
    file = own_certificate(folder / "web.pem", "server.example")
    context = server_context(file, file)
    try:
        yield Target(HOST, entrance.open(HOST, 0), entrance.open_web(HOST, 0, context))
    finally:
        entrance.close()
        await tasks.close()


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("through_proxy", [False, True])
def test_every_route_carries_bytes_there_and_back(tmp_path: Path, way: Way, through_proxy: bool) -> None:
    async def story() -> None:
        async with server(tmp_path) as target, SmallProxy("anna", "secret") as small:
            proxy = Proxy(HOST, small.port, "anna", "secret") if through_proxy else None
            stream = await Dialler().open(target, Route(way, proxy))
            assert stream.own_host == HOST
            stream.write(b"\xb5" + LARGE)
            received = bytearray()
            while len(received) <= len(LARGE):
                received += await stream.read(100_000)
            assert received[1:] == LARGE
            assert bool(small.led) is through_proxy
            stream.abort()

    asyncio.run(story())


def test_routes_say_in_plain_words_what_they_are() -> None:
    proxy = Proxy("2001:db8::1", 3_128, "anna", "secret")
    assert str(Route(Way.TCP)) == "TCP"
    assert str(Route(Way.WEB, proxy)) == "WebSocket through the proxy [2001:db8::1]:3128"


def test_whenever_it_is_cancelled_no_stream_is_left(tmp_path: Path) -> None:
    async def story() -> int:
        tasks = Tasks()
        async with server(tmp_path) as target, SmallProxy("anna", "secret") as small:
            route = Route(Way.WEB, Proxy(HOST, small.port, "anna", "secret"))
            for turns in range(5_000):
                opening = tasks.start("opening", Dialler().open(target, route))
                for _turn in range(turns):
                    await asyncio.sleep(0)
                if not opening.cancel():
                    break
                with suppress(asyncio.CancelledError):
                    await opening
            opening.result().abort()
        await tasks.close()
        return turns

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert asyncio.run(asyncio.wait_for(story(), 100)) > 10
        gc.collect()
    assert not [str(each.message) for each in told]
