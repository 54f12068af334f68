"""A real carrier process between a stand-in for the pump and a real relay: what a tunnel would see of it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from app.base.program import environment, program
from app.carrier.words import Connected, Counted, Failed, Listening, Lost, Order, Report, line_of, read_report
from app.platform.linux.tun import open_udp_socket
from app.protocol.relay import RelayPing, RelayPong, RelayUnknown, decode, encode
from app.protocol.relay_stream import TrainReader, frame_header
from app.transport.http_connect import Proxy, ProxyFailure
from app.transport.routes import Route, Target, Way
from tests.server.relay.party import Party
from tests.server.relay.running_relay import RunningRelay, running_relay
from tests.server.relay.stream_client import StreamClient

DIRECT = (Route(Way.TCP),)


class Side:
    """A pump's socket, and the carrier that it takes for the relay."""

    def __init__(self, process: asyncio.subprocess.Process, sock: socket.socket) -> None:
        self.process = process
        self.sock = sock
        self.port = 0

    async def report(self, kind: type[Report]) -> Report:
        """The next report of this kind; counters may come at any time."""
        assert self.process.stdout is not None
        while True:
            line = await self.process.stdout.readline()
            assert line, "the carrier has ended"
            report = read_report(line)
            if isinstance(report, kind):
                return report
            assert isinstance(report, Counted), report

    async def counted(self, name: str) -> None:
        """Wait until the carrier has reported something of this name."""
        while True:
            report = await self.report(Counted)
            if isinstance(report, Counted) and report.counters.get(name):
                return

    def order(self, port: int, routes: Sequence[Route] = DIRECT) -> None:
        """Let it carry to a relay of this computer."""
        assert self.process.stdin is not None
        target = Target("127.0.0.1", port, 0)
        self.process.stdin.write(line_of(Order(target, tuple(routes), self.sock.getsockname()[1])))

    def send(self, train: bytes, slot: int = 0) -> None:
        """As the pump does."""
        option = [(socket.IPPROTO_UDP, 103, slot.to_bytes(2, "little"))] if slot else []
        self.sock.sendmsg([train], option, 0, ("::ffff:127.0.0.1", self.port))

    async def receive(self) -> bytes:
        """What comes from the relay."""
        return await asyncio.get_running_loop().sock_recv(self.sock, 65_536)

    async def bind(self, party: Party) -> int:
        """Become the party's endpoint; gives the relay id."""
        self.send(party.ping())
        self.send(party.bind(await self.receive()))
        return party.bound(await self.receive()).relay


@asynccontextmanager
async def carrier() -> AsyncIterator[Side]:
    """A carrier that listens; it is killed at the end if it still runs."""
    pipe = asyncio.subprocess.PIPE
    variables = {**os.environ, **environment()}
    process = await asyncio.create_subprocess_exec(*program(), "carrier", stdin=pipe, stdout=pipe, env=variables)
    with open_udp_socket(0, offload=True) as sock:
        side = Side(process, sock)
        try:
            listening = await side.report(Listening)
            assert isinstance(listening, Listening)
            side.port = listening.port
            yield side
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


def tell(story: Callable[[], Awaitable[None]]) -> None:
    """Play a story, within 30 seconds."""

    async def play() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(play())


async def connected(side: Side, relay: RunningRelay) -> None:
    side.order(relay.port)
    assert await side.report(Connected) == Connected("TCP")


def test_a_pump_reaches_a_peer_over_the_stream_and_trains_stay_trains() -> None:
    async def story() -> None:
        async with running_relay() as relay, carrier() as anna:
            await connected(anna, relay)
            number = await anna.bind(Party(0))
            ben = await StreamClient.open(relay.port)
            await ben.bind(Party(1))
            await anna.receive()
            train = b"".join(number.to_bytes(4) + bytes([index]) * 1_200 for index in range(40))
            anna.send(train, 1_204)
            assert await ben.receive() == (train, 1_204)
            ben.send(train, 1_204)
            assert await anna.receive() == train
            await ben.close()

    tell(story)


def test_it_comes_back_to_a_relay_that_was_restarted_at_the_same_socket() -> None:
    async def story() -> None:
        async with carrier() as anna:
            async with running_relay() as relay:
                await connected(anna, relay)
                await anna.bind(Party(0))
            assert isinstance(await anna.report(Lost), Lost)
            async with running_relay(port=relay.port):
                while not isinstance(await next_of(anna, Failed, Connected), Connected):
                    pass
                anna.send(b"\xc1\x02\x03\x04" + bytes(50))
                assert decode(await anna.receive()) == RelayUnknown(0xC1020304)

    tell(story)


async def next_of(side: Side, *kinds: type[Report]) -> Report:
    """The next report that is of one of these kinds."""
    while True:
        report = await side.report(Report)
        if isinstance(report, kinds):
            return report


def test_a_new_order_makes_a_new_stream() -> None:
    async def story() -> None:
        async with running_relay() as first, running_relay() as second, carrier() as anna:
            await connected(anna, first)
            await connected(anna, second)
            await first.until("relay_streams_ended")
            await anna.bind(Party(0))
            assert second.bindings.gauges()["relay_endpoints"] == 1

    tell(story)


def test_the_same_order_again_leaves_a_living_stream_alone_and_a_dead_one_at_once() -> None:
    async def story() -> None:
        async with running_relay() as relay, carrier() as anna:
            line = await Deaf.between(relay.port)
            anna.order(line.port)
            await anna.report(Connected)
            await anna.bind(Party(0))
            anna.order(line.port)
            await relay.until("relay_pings", 3)
            assert relay.bindings.gauges()["relay_endpoints"] == 1
            line.deaf = True
            anna.order(line.port)
            assert await anna.report(Lost) == Lost("the relay does not answer")
            await line.close()

    tell(story)


def test_a_relay_that_falls_silent_is_left_within_seconds() -> None:
    async def story() -> None:
        async with running_relay() as relay, carrier() as anna:
            silent = await Deaf.between(relay.port)
            anna.order(silent.port)
            await anna.report(Connected)
            silent.deaf = True
            anna.send(b"\xc1\x02\x03\x04" + bytes(50))
            lost = await anna.report(Lost)
            assert lost == Lost("the relay does not answer")
            await silent.close()

    tell(story)


class Deaf:
    """Something on the way that passes everything on, until it does not any more."""

    def __init__(self, target: int) -> None:
        self.deaf = False
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []

    @classmethod
    async def between(cls, target: int) -> "Deaf":
        """Listen, and lead to this port."""
        deaf = cls(target)
        deaf.server = await asyncio.start_server(deaf._accept, "127.0.0.1", 0)
        return deaf

    server: asyncio.Server

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """End all connections."""
        self.server.close()
        for each in self._writers:
            each.transport.abort()
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]
        with suppress(ConnectionError):
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if not self.deaf:
                writer.write(data)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x10" + bytes(40)])
def test_what_is_no_relay_is_told_as_a_failure(answer: bytes) -> None:
    async def story() -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server, carrier() as anna:
            anna.order(server.sockets[0].getsockname()[1])
            assert isinstance(await anna.report(Failed), Failed)

    tell(story)


@pytest.mark.parametrize("datagram", [b"\x81" + bytes(40), b"\x00\x01" + bytes(30), b"GET / HTTP/1.1\r\n"])
def test_a_hostile_relay_reaches_the_pump_with_nothing_but_what_relays_say(datagram: bytes) -> None:
    async def story() -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            ((word, _),) = TrainReader().feed(await reader.read(1_000))
            ping = decode(bytes(word))
            assert isinstance(ping, RelayPing)
            pong = encode(RelayPong(ping.probe, bytes(16)))
            for each in (pong, datagram):
                writer.write(frame_header(each, len(each)) + each)
            await reader.read(1)
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server, carrier() as anna:
            anna.order(server.sockets[0].getsockname()[1])
            await next_of(anna, Lost, Failed)
            with pytest.raises(BlockingIOError):
                anna.sock.recv(2_000)

    tell(story)


def test_why_a_proxy_refused_is_told_without_credentials() -> None:
    async def story() -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        async with server, carrier() as anna:
            proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1], "anna", "correct horse")
            anna.order(9, (Route(Way.TCP, proxy),))
            failed = await anna.report(Failed)
            assert isinstance(failed, Failed)
            assert failed.failure is ProxyFailure.FORBIDDEN
            assert "horse" not in failed.reason

    tell(story)


def test_what_the_pump_should_not_send_is_dropped_and_counted() -> None:
    async def story() -> None:
        async with running_relay() as relay, carrier() as anna:
            await connected(anna, relay)
            anna.send(b"\x81" + bytes(40))
            anna.send(Party(0).ping())
            await anna.receive()
            await anna.counted("drop-not-for-relay")

    tell(story)


def test_it_ends_with_its_input_and_prints_nothing_else() -> None:
    async def story() -> None:
        async with running_relay() as relay, carrier() as anna:
            await connected(anna, relay)
            assert anna.process.stdin is not None
            anna.process.stdin.close()
            assert await anna.process.wait() == 0

    tell(story)


def test_it_ends_with_the_engine_that_was_killed() -> None:
    """The pipe's other end goes with its owner."""
    words = [*program(), "carrier"]
    code = f"import subprocess, sys; subprocess.Popen({words!r}, stdin=subprocess.PIPE); sys.stdin.read()"

    async def story() -> None:
        pipe = asyncio.subprocess.PIPE
        variables = {**os.environ, **environment()}
        engine = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=pipe, stdout=pipe, env=variables
        )
        assert engine.stdout is not None
        assert isinstance(read_report(await engine.stdout.readline()), Listening)
        engine.send_signal(signal.SIGKILL)
        assert await engine.stdout.read() == b""  # which ends when the carrier has
        await engine.communicate()

    tell(story)


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"target": 1}\n', b"x" * 200_000])
def test_what_is_no_order_ends_it_with_an_error_that_shows_nothing(line: bytes) -> None:
    async def story() -> None:
        pipe = asyncio.subprocess.PIPE
        variables = {**os.environ, **environment()}
        process = await asyncio.create_subprocess_exec(
            *program(), "carrier", stdin=pipe, stdout=pipe, stderr=pipe, env=variables
        )
        assert process.stdin is not None
        process.stdin.write(line)
        assert await process.wait() == 2
        _, said = await process.communicate()
        assert said.startswith(b"buri carrier: ")
        assert b"nonsense" not in said

    tell(story)
