"""The engine's socket, with a real engine that is logged out: who may ask, what is answered, and what garbage does."""

import asyncio
import socket
import stat
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.engine.control_requests import STREAMS, VALUES
from app.engine.control_server import MAX_CLIENTS, MAX_MISTAKES, MAX_REQUESTS, ControlServer, SocketUnusable
from app.engine.engine import Engine
from app.engine.helper_client import HelperClient, HelperUnavailable
from app.engine.settings import Profile, ServerAddress
from app.engine.state import EngineState, Finding, ServerStatus
from app.ipc import control
from app.ipc.channel import Channel, ChannelClosed, ChannelError
from app.ipc.schema import Notification, all_subclasses
from app.protocol.keys import IdentityKey

Value = TypeVar("Value")
FINGERPRINT = "SHA256:" + "A" * 43


@pytest.fixture(scope="module")
def identity() -> IdentityKey:
    return IdentityKey.generate()


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """Of a person who has logged out, so that the engine asks no server."""
    profile = Profile(tmp_path, tmp_path)
    profile.change(server=ServerAddress(host="buri.example", fingerprint=FINGERPRINT), logged_in=False, nickname="uma")
    return profile


async def no_helper(_: Callable[[Notification], None]) -> HelperClient:
    raise HelperUnavailable("There is none here.", "None is needed.")


class Client:
    """A client that speaks the schema, or anything else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.channel = Channel(reader, writer, control.ANSWERS, write_deadline=60.0)

    async def ask(self, request: control.ControlRequest) -> control.ControlAnswer:
        await self.channel.send(request)
        return await self.answer()

    async def answer(self) -> control.ControlAnswer:
        answer = await self.channel.receive()
        assert isinstance(answer, control.ControlAnswer)
        return answer

    async def value(self, request: control.ControlRequest, kind: type[Value]) -> Value:
        await self.channel.send(request)
        return await self.next_value(kind)

    async def next_value(self, kind: type[Value]) -> Value:
        data = b""
        while True:
            part = await self.answer()
            assert isinstance(part, control.Part)
            data += part.data
            if part.last:
                return msgspec.json.decode(data, type=kind)

    async def rest(self) -> list[control.ControlAnswer]:
        """All answers until the engine closes."""
        answers = []
        while True:
            try:
                answers.append(await self.answer())
            except ChannelError:
                return answers


class Desk:
    """Where clients come to a running engine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clients: list[Client] = []

    async def connect(self, *, opened: bool = True) -> Client:
        client = Client(*await asyncio.open_unix_connection(str(self.path)))
        self._clients.append(client)
        if opened:
            assert isinstance(await client.ask(control.Open(version=control.CONTROL_VERSION)), control.Opened)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.channel.close()


@asynccontextmanager
async def running(identity: IdentityKey, profile: Profile) -> AsyncIterator[Desk]:
    """An engine and its socket."""
    engine = Engine(identity, profile, no_helper)
    server = ControlServer(engine, profile.state_folder / "run" / "engine.sock", write_deadline=0.2)
    desk = Desk(profile.state_folder / "run" / "engine.sock")
    await server.start()
    await engine.start()
    try:
        yield desk
    finally:
        await desk.close()
        await server.stop()
        await engine.stop()


def test_every_request_of_the_schema_is_carried_out_by_exactly_one_table() -> None:
    expected = set(all_subclasses(control.ControlRequest)) - {control.Open}
    assert set(VALUES) | set(STREAMS) == expected
    assert not set(VALUES) & set(STREAMS)


def test_the_state_and_the_findings_arrive_as_they_are(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            client = await desk.connect()
            state = await client.value(control.ReadState(request=1), EngineState)
            assert (state.server.status, state.server.host) == (ServerStatus.LOGGED_OUT, "buri.example")
            findings = await client.value(control.Diagnose(request=2), tuple[Finding, ...])
            assert findings[0] == Finding("server", False, "Logged out.", "Connect with `buri login`.")
            link = await client.value(control.MakeInvite(request=3), str)
            assert link.startswith("buri://buri.example:12975/?fp=")

    asyncio.run(story())


def test_an_error_of_the_engine_arrives_with_its_remedy(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            client = await desk.connect()
            answer = await client.ask(control.CreateNetwork(name="lan", request=9))
            assert isinstance(answer, control.Failed)
            assert (answer.request, answer.code) == (9, "not-logged-in")
            assert "buri login" in answer.remedy

    asyncio.run(story())


def test_whoever_watches_gets_the_state_now(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            watcher = await desk.connect()
            await watcher.channel.send(control.WatchState(request=4))
            state = await watcher.next_value(EngineState)
            assert not state.power

    asyncio.run(story())


def test_socket_and_folder_are_for_their_user_alone(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600
            assert stat.S_IMODE(desk.path.parent.stat().st_mode) == 0o700
        assert not desk.path.exists()

    asyncio.run(story())


@pytest.mark.privileged
def test_another_user_is_turned_away_even_if_the_socket_lets_it_in(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            desk.path.chmod(0o666)
            desk.path.parent.chmod(0o711)
            program = (
                "import os, socket, sys\nos.chdir(sys.argv[1])\nos.setuid(65534)\n"
                "client = socket.socket(socket.AF_UNIX)\nclient.connect('engine.sock')\nsys.exit(len(client.recv(1)))"
            )
            asked = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(desk.path.parent))
            assert await asked.wait() == 0

    asyncio.run(story())


def test_a_socket_that_a_killed_engine_left_is_replaced(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        folder = profile.state_folder / "run"
        folder.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as left_over:
            left_over.bind(str(folder / "engine.sock"))
        async with running(identity, profile) as desk:
            await desk.connect()

    asyncio.run(story())


def test_a_path_that_is_no_place_for_a_socket_is_an_error(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        engine = Engine(identity, profile, no_helper)
        with pytest.raises(SocketUnusable, match="too long"):
            await ControlServer(engine, profile.state_folder / ("x" * 120)).start()

    asyncio.run(story())


def test_another_version_is_refused_with_a_remedy(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            client = await desk.connect(opened=False)
            await client.channel.send(control.Open(version=2, request=1))
            (answer,) = await client.rest()
            assert isinstance(answer, control.Failed)
            assert answer.code == "other-version"

    asyncio.run(story())


def test_nothing_is_answered_before_open(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            client = await desk.connect(opened=False)
            await client.channel.send(control.ReadState(request=1))
            (answer,) = await client.rest()
            assert isinstance(answer, control.Failed)

    asyncio.run(story())


def test_one_client_has_so_many_requests_under_way_and_no_more(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            client = await desk.connect()
            for number in range(MAX_REQUESTS):
                await client.channel.send(control.FollowChat(peer=1, request=number))
            answer = await client.ask(control.ReadState(request=999))
            assert isinstance(answer, control.Failed)
            assert (answer.request, answer.code) == (999, "busy")

    asyncio.run(story())


def test_clients_are_limited_and_the_first_ones_stay(identity: IdentityKey, profile: Profile) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            first = await desk.connect()
            for _ in range(MAX_CLIENTS - 1):
                await desk.connect()
            late = await desk.connect(opened=False)
            assert await late.rest() == []
            await first.value(control.ReadState(), EngineState)

    asyncio.run(story())


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_served(
    identity: IdentityKey, profile: Profile
) -> None:
    async def ask_without_end(deaf: Client) -> None:
        while True:
            await deaf.channel.send(control.ReadState())

    async def story() -> None:
        async with running(identity, profile) as desk:
            deaf = await desk.connect()
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
            with pytest.raises(ChannelClosed):
                await ask_without_end(deaf)
            await (await desk.connect()).value(control.ReadState(), EngineState)

    asyncio.run(story())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_any_bytes_are_a_named_error_and_the_others_are_served(
    identity: IdentityKey, profile: Profile, frames: list[bytes], opened: bool
) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            other = await desk.connect()
            client = await desk.connect(opened=opened)
            client.writer.write(b"".join(struct.pack("!I", len(frame)) + frame for frame in frames))
            client.writer.write_eof()
            answers = await client.rest()
            assert all(isinstance(answer, control.Failed) for answer in answers)
            assert len(answers) == min(len(frames), MAX_MISTAKES if opened else 1)
            await other.value(control.ReadState(), EngineState)

    asyncio.run(story())


@pytest.mark.parametrize(("data", "code"), [(b"\xff\xff\xff\xff", "frame-too-long"), (b"\x00\x00\x00\x10abc", "")])
def test_a_frame_that_is_too_long_or_cut_off_ends_only_its_connection(
    identity: IdentityKey, profile: Profile, data: bytes, code: str
) -> None:
    async def story() -> None:
        async with running(identity, profile) as desk:
            client = await desk.connect()
            client.writer.write(data)
            client.writer.write_eof()
            answers = await client.rest()
            assert [answer.code for answer in answers if isinstance(answer, control.Failed)] == ([code] if code else [])
            await desk.connect()

    asyncio.run(story())
