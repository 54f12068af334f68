"""Routes race each other: who answers first wins, and of the others nothing is left."""

import asyncio
import gc
import socket
import warnings
from contextlib import suppress

import pytest

from app.base.tasks import Tasks
from app.transport.http_connect import Proxy, ProxyError
from app.transport.race import RoutesFailedError, race
from app.transport.routes import Dialler, Route, Target, Way
from app.transport.stream import Stream, StreamError
from tests.transport.doors import HOST, Door, Serve, door

TCP, WEB = Route(Way.TCP), Route(Way.WEB)
PATIENCE = 20.0


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(5)
    writer.write(b"welcome")


async def lies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(5)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def swallows(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """As a firewall does that lets TCP connect and nothing more."""


async def greet(stream: Stream) -> bytes:
    stream.write(b"hello")
    answer = await stream.read(100)
    if not answer.startswith(b"welcome"):
        raise StreamError("who is this?")
    return answer


class Plain(Dialler):
    """Takes the web port for a second one of TCP, and tells when nobody listens."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = asyncio.Event()

    async def open(self, target: Target, route: Route) -> Stream:
        port = target.port if route.way is Way.TCP else target.web_port
        try:
            return await super().open(Target(target.host, port), TCP)
        except ConnectionRefusedError:
            self.refused.set()
            raise


def test_the_first_route_that_answers_wins() -> None:
    async def story() -> None:
        async with door(answers) as first, door(answers) as second:
            won = await race(Plain(), Target(HOST, first.port, second.port), [TCP, WEB], greet, PATIENCE)
            assert (won.route, won.greeting) == (TCP, b"welcome")
            won.stream.close()
            await won.stream.wait_closed()

    asyncio.run(story())


@pytest.mark.parametrize("worse", [swallows, lies])
def test_a_route_that_connects_and_does_not_answer_as_it_should_loses(worse: Serve) -> None:
    async def story() -> None:
        async with door(worse) as first, door(answers) as second:
            won = await race(Plain(), Target(HOST, first.port, second.port), [TCP, WEB], greet, PATIENCE)
            assert won.route == WEB
            won.stream.abort()

    asyncio.run(story())


def test_where_no_route_is_through_each_says_why() -> None:
    async def story() -> None:
        async with door(lies) as first, door(swallows) as second:
            with pytest.raises(RoutesFailedError) as caught:
                await race(Plain(), Target(HOST, first.port, second.port), [TCP, WEB], greet, 2.0)
        failures = caught.value.failures
        assert isinstance(failures[TCP], StreamError)
        assert isinstance(failures[WEB], TimeoutError)
        with pytest.raises(RoutesFailedError):
            await race(Plain(), Target(HOST, first.port), [], greet, PATIENCE)

    asyncio.run(story())


def test_a_server_that_restarts_is_tried_again_while_other_routes_are_silent() -> None:
    async def story() -> None:
        dialler = Plain()
        with socket.socket() as place:
            place.bind((HOST, 0))
            async with door(swallows) as silent, asyncio.TaskGroup() as group:
                target = Target(HOST, place.getsockname()[1], silent.port)
                racing = group.create_task(race(dialler, target, [TCP, WEB], greet, PATIENCE))
                await dialler.refused.wait()
                restarted = Door(answers)
                async with await asyncio.start_server(restarted.accept, sock=place):
                    won = await racing
                    assert won.route == TCP
                    won.stream.abort()
                    await restarted.until_alone()

    asyncio.run(story())


def test_a_proxy_that_forbids_is_asked_once() -> None:
    asked = []

    async def forbids(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    async def story() -> None:
        async with door(forbids) as proxy, door(swallows) as silent:
            through = Route(Way.TCP, Proxy(HOST, proxy.port))
            with pytest.raises(RoutesFailedError) as caught:
                await race(Dialler(), Target(HOST, silent.port), [through, TCP], greet, 1.5)
            assert isinstance(caught.value.failures[through], ProxyError)

    asyncio.run(story())
    assert len(asked) == 1


def test_whenever_it_is_cancelled_no_stream_is_left() -> None:
    async def story() -> int:
        tasks = Tasks()
        async with door(answers) as first, door(answers) as second:
            target = Target(HOST, first.port, second.port)
            for turns in range(1_000):
                racing = tasks.start("race", race(Plain(), target, [TCP, WEB], greet, PATIENCE))
                for _turn in range(turns):
                    await asyncio.sleep(0)
                if not racing.cancel():
                    break
                with suppress(asyncio.CancelledError):
                    await racing
            racing.result().stream.abort()
        await tasks.close()
        return turns

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert asyncio.run(asyncio.wait_for(story(), 60)) > 5
        gc.collect()
    assert not [str(each.message) for each in told]
