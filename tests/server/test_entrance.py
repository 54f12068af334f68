"""Strangers at the doors: TCP and WebSocket, those who want something else, and those who say nothing."""

import asyncio
import logging
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from app.base.tasks import Tasks
from app.server import entrance as entrance_module
from app.server.certificate import own_certificate, server_context
from app.server.entrance import Entrance, Visitor
from app.server.limits import RateLimits
from app.server.metrics import Counters
from app.server.web import CERTIFICATE_FILE, WebTable, open_web
from app.transport.routes import Dialler, Route, Target, Way
from app.transport.stream import Stream
from app.transport.websocket import PATH
from tests.transport.doors import HOST

TCP, WEB = Route(Way.TCP), Route(Way.WEB)


class House:
    """An entrance, and who came in by it."""

    def __init__(self, limits: RateLimits | None = None) -> None:
        self.tasks = Tasks()
        self.counters = Counters()
        self.visitors: list[tuple[str, Visitor]] = []
        self.entrance = Entrance(
            limits or RateLimits(),
            self.counters,
            self.tasks,
            lambda visitor: self._serve("mediation", visitor),
            lambda visitor: self._serve("relay", visitor),
            lambda: b"busy",
        )

    async def _serve(self, kind: str, visitor: Visitor) -> None:
        """Say everything again that is said."""
        self.visitors.append((kind, visitor))
        while data := await visitor.stream.read(1_000):
            visitor.stream.write(data)
            await visitor.stream.drain()

    async def close(self) -> None:
        self.entrance.close()
        await self.tasks.close()

    async def until(self, name: str, count: int) -> None:
        """Until a gauge shows this."""
        for _turn in range(200_000):
            if self.entrance.gauges()[name] == count:
                return
            await asyncio.sleep(0)
        raise AssertionError(f"{name} are not {count}: {self.entrance.gauges()}")


@asynccontextmanager
async def house(limits: RateLimits | None = None) -> AsyncIterator[House]:
    new = House(limits)
    try:
        yield new
    finally:
        await new.close()


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(60):
            await story()

    asyncio.run(whole())


async def answer_to(stream: Stream, words: bytes) -> bytes:
    stream.write(words)
    answer = await stream.read(1_000)
    stream.abort()
    return answer


@pytest.mark.parametrize("route", [TCP, WEB])
def test_the_first_byte_says_what_a_visitor_wants(tmp_path: Path, route: Route) -> None:
    async def story() -> None:
        async with house() as home:
            file = own_certificate(tmp_path / "web.pem", "server.example")
            port = home.entrance.open(HOST, 0)
            target = Target(HOST, port, home.entrance.open_web(HOST, 0, server_context(file, file)))
            for words, kind in ((b"\x00\x10hello", "mediation"), (b"\xb5hello", "relay")):
                assert await answer_to(await Dialler().open(target, route), words) == words
                assert home.visitors[-1][0] == kind
                assert home.visitors[-1][1].peer.host == HOST
            for words in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\xff", b"\x80"):
                assert await answer_to(await Dialler().open(target, route), words) == b""
            assert len(home.visitors) == 2
            await home.until("connections", 0)

    play(story)


def test_a_visitor_is_half_open_until_it_is_greeted() -> None:
    async def story() -> None:
        async with house() as home:
            stream = await Dialler().open(Target(HOST, home.entrance.open(HOST, 0)), TCP)
            stream.write(b"\xb5")
            await stream.read(10)
            assert home.entrance.gauges() == {"connections": 1, "half_open": 1}
            home.visitors[0][1].greeted()
            assert home.entrance.gauges() == {"connections": 1, "half_open": 0}
            stream.abort()
            await home.until("connections", 0)

    play(story)


@pytest.mark.parametrize("web", [True, False])
def test_who_says_nothing_is_shown_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, web: bool) -> None:
    monkeypatch.setattr(entrance_module, "OPENING_TIMEOUT", 0.05)

    async def story() -> None:
        async with house() as home:
            file = own_certificate(tmp_path / "web.pem", "server.example")
            context = server_context(file, file)
            port = home.entrance.open_web(HOST, 0, context) if web else home.entrance.open(HOST, 0)
            stream = await Dialler().open(Target(HOST, port), TCP)
            assert await stream.read(10) == b""
            stream.abort()
            await home.until("connections", 0)
            assert home.counters.read()["connections_cut"] == 1

    play(story)


def test_for_whom_there_is_no_room_hears_so_on_tcp_and_nothing_on_the_web() -> None:
    async def story() -> None:
        async with house(RateLimits(half_open_per_source=1)) as home:
            target = Target(HOST, home.entrance.open(HOST, 0), home.entrance.open_web(HOST, 0, None))
            first = await Dialler().open(target, TCP)
            await home.until("half_open", 1)
            second = await Dialler().open(target, TCP)
            assert await second.read(100) == b"busy"
            assert home.counters.read()["connections_refused_half_open_source"] == 1
            for stream in (first, second):
                stream.abort()

    play(story)


def test_streams_to_the_relay_leave_room_for_those_who_log_in() -> None:
    async def story() -> None:
        async with house(RateLimits(connections=4)) as home:
            target = Target(HOST, home.entrance.open(HOST, 0))
            streams = [await Dialler().open(target, TCP) for _ in range(4)]
            for stream in streams[:2]:
                stream.write(b"\xb5")
                assert await stream.read(10) == b"\xb5"
            streams[2].write(b"\xb5")
            assert await streams[2].read(10) == b""
            assert home.counters.read()["connections_refused_relayed"] == 1
            streams[3].write(b"\x00")
            assert await streams[3].read(10) == b"\x00"
            streams[0].abort()
            await home.until("connections", 2)
            streams.append(await Dialler().open(target, TCP))
            streams[4].write(b"\xb5")
            assert await streams[4].read(10) == b"\xb5"
            for stream in streams:
                stream.abort()

    play(story)


def test_behind_a_web_server_each_of_its_visitors_counts_for_itself() -> None:
    async def story() -> None:
        async with house(RateLimits(connections_per_source=1)) as home:
            port = home.entrance.open_web(HOST, 0, None)
            first, second, again = [await forwarded(port, host) for host in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]
            for reader, writer in (first, second):
                writer.write(Frame(Opcode.BINARY, b"\xb5").serialize(mask=True))
                assert (await reader.readexactly(3))[2:] == b"\xb5"
            assert {visitor.peer.source for _, visitor in home.visitors} == {"192.0.2.1", "192.0.2.2"}
            again[1].write(Frame(Opcode.BINARY, b"\xb5").serialize(mask=True))
            assert await again[0].read() == b"", "two of one source are too many"
            assert home.counters.read()["connections_refused_source"] == 1
            for _, writer in (first, second, again):
                writer.transport.abort()

    play(story)


async def forwarded(port: int, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What a web server does for one of its visitors; returns when the WebSocket is open."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(
        f"GET {PATH} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: {host}\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


def test_a_server_without_the_right_to_the_port_says_what_to_do_and_runs_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with house() as home:
            with socket.create_server((HOST, 0)) as taken:
                table = WebTable(port=taken.getsockname()[1])
                assert open_web(home.entrance, table, tmp_path, (HOST,), "") == 0
            table = WebTable(port=0, certificate=str(tmp_path / "none.pem"), key=str(tmp_path / "none.key"))
            assert open_web(home.entrance, table, tmp_path, (HOST,), "") == 0
            assert open_web(home.entrance, WebTable(enabled=False), tmp_path, (HOST,), "") == 0

    with caplog.at_level(logging.WARNING):
        play(story)
    assert "another program listens there" in caplog.text
    assert "the certificate can't be used" in caplog.text


def test_a_server_makes_its_certificate_once_for_itself_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with house() as home:
            ports = {open_web(home.entrance, WebTable(port=0), tmp_path, (HOST,), "server.example") for _ in range(2)}
            assert 0 not in ports
            assert open_web(home.entrance, WebTable(port=0, public_port=8_443), tmp_path, (HOST,), "") == 8_443

    play(story)
    file = tmp_path / CERTIFICATE_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert own_certificate(file, "other.example").read_bytes() == before


def test_tables_that_contradict_themselves_are_refused() -> None:
    for table in (WebTable(certificate="a.pem"), WebTable(key="a.key"), WebTable(listen=("everywhere",))):
        with pytest.raises(ValueError, match=r"."):
            table.check(12_975)
