"""What the helper answers, to whatever is asked: the conversation over a socket pair, without privileges."""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import __version__
from app.base.tasks import Tasks
from app.helper.requests import EngineConnection
from app.ipc.channel import Channel, ChannelError
from app.ipc.schema import (
    ANSWERS,
    IPC_VERSION,
    MAX_IPC_FRAME,
    REQUESTS,
    ConfigureInterface,
    Done,
    DropSession,
    Failed,
    Hello,
    HelloReply,
    InstallSession,
    IpcMessage,
    PumpRequest,
    ReadStatistics,
    RemoveInterface,
    RemovePeer,
    Reply,
    Request,
    SendDatagram,
    SendMessage,
    SetPeerBroadcast,
    SetPeerPath,
    UdpEndpoint,
    UseSockets,
    all_subclasses,
)

Result = TypeVar("Result")
HELLO = Hello(request=1, version=IPC_VERSION)
ENDPOINT = UdpEndpoint("192.0.2.1", 4000)
PUMP_REQUESTS: list[PumpRequest] = [
    InstallSession(
        request=7,
        peer=1,
        local_index=2,
        remote_index=3,
        suite=2,
        initiator=True,
        key_material=bytes(64),
        endpoint=ENDPOINT,
        confirmed=True,
        partial_checksums=False,
    ),
    DropSession(request=7, local_index=2),
    SetPeerPath(request=7, peer=1, endpoint=ENDPOINT),
    SetPeerBroadcast(request=7, peer=1, broadcast=False),
    RemovePeer(request=7, peer=1),
    SendDatagram(request=7, endpoint=ENDPOINT, data=b"\x80"),
    SendMessage(request=7, peer=1, payload=b"\0hello"),
    UseSockets(request=7, numbers=(1, 2)),
    ReadStatistics(request=7),
]


def talk(story: Callable[[Channel], Coroutine[Any, Any, Result]], write_deadline: float = 5.0) -> Result:
    """Run a story at the engine's end of a connection; the helper must end when the engine has."""

    async def whole() -> Result:
        left, right = socket.socketpair()
        engine = Channel(*await asyncio.open_connection(sock=left), ANSWERS)
        reader, writer = await asyncio.open_connection(sock=right)
        helper = EngineConnection(Channel(reader, writer, REQUESTS, write_deadline=write_deadline), "buri")
        tasks = Tasks()
        serving = tasks.start("helper", helper.serve())
        try:
            return await story(engine)
        finally:
            await engine.close()
            await serving

    return asyncio.run(whole())


async def ask(engine: Channel, *requests: Request) -> list[IpcMessage]:
    """The answers to requests, asked one after the other."""
    answers = []
    for request in requests:
        await engine.send(request)
        answers.append(await engine.receive())
    return answers


def test_hello_is_answered_with_versions() -> None:
    (welcome,) = talk(lambda engine: ask(engine, HELLO))
    assert welcome == HelloReply(request=1, version=IPC_VERSION, helper_version=__version__, partial_checksums=True)


def test_nothing_is_done_before_hello() -> None:
    async def story(engine: Channel) -> IpcMessage:
        (refusal,) = await ask(engine, RemoveInterface(request=5))
        with pytest.raises(ChannelError):
            await engine.receive()
        return refusal

    refusal = talk(story)
    assert isinstance(refusal, Failed)
    assert (refusal.request, refusal.code) == (5, "hello-first")


def test_another_version_is_refused_in_words_and_ends_the_connection() -> None:
    async def story(engine: Channel) -> IpcMessage:
        (refusal,) = await ask(engine, Hello(request=1, version=IPC_VERSION + 1))
        with pytest.raises(ChannelError):
            await engine.receive()
        return refusal

    refusal = talk(story)
    assert isinstance(refusal, Failed)
    assert refusal.code == "other-version"
    assert "update" in refusal.message


def test_the_pumps_requests_above_are_all_there_are() -> None:
    assert {type(request) for request in PUMP_REQUESTS} == set(all_subclasses(PumpRequest))


@pytest.mark.parametrize("request_", PUMP_REQUESTS, ids=lambda request: type(request).__name__)
def test_without_an_adapter_the_pumps_requests_fail(request_: PumpRequest) -> None:
    _, refusal = talk(lambda engine: ask(engine, HELLO, request_))
    assert isinstance(refusal, Failed)
    assert (refusal.request, refusal.code) == (7, "no-interface")


def test_removing_what_is_not_there_is_done() -> None:
    _, answer = talk(lambda engine: ask(engine, HELLO, RemoveInterface(request=3)))
    assert answer == Done(request=3)


@pytest.mark.parametrize(
    ("address", "prefix_length"),
    [(0x7F000001, 8), (0xE0000001, 16), (0xFFFFFFFE, 8), (0xA9FE0001, 16), (0x0A070000, 16), (0x0A07FFFF, 16), (5, 8)],
)
def test_an_address_no_computer_can_have_is_refused(address: int, prefix_length: int) -> None:
    request = ConfigureInterface(request=4, address=address, prefix_length=prefix_length)
    _, refusal = talk(lambda engine: ask(engine, HELLO, request))
    assert isinstance(refusal, Failed)
    assert (refusal.request, refusal.code) == (4, "bad-address")


@pytest.mark.parametrize(("address", "prefix_length"), [(0x08080801, 24), (0xAC100001, 8), (0x64400001, 9)])
def test_a_virtual_lan_cannot_take_over_a_part_of_the_internet(address: int, prefix_length: int) -> None:
    request = ConfigureInterface(request=4, address=address, prefix_length=prefix_length)
    _, refusal = talk(lambda engine: ask(engine, HELLO, request))
    assert isinstance(refusal, Failed)
    assert refusal.code == "bad-address"
    assert "private" in refusal.message


# --- malformed requests


def encoded(request: Request, /, **changes: object) -> bytes:
    """A request's bytes with some fields set to what the schema does not allow."""
    fields: dict[str, object] = msgspec.msgpack.decode(REQUESTS.encode(request))
    return msgspec.msgpack.encode({**fields, **changes})


CONFIGURE = ConfigureInterface(request=9, address=0x0A070102, prefix_length=16)
MALFORMED = {
    "no message": b"\xc1",
    "empty": b"",
    "not a map": msgspec.msgpack.encode([1, 2]),
    "no tag": msgspec.msgpack.encode({"request": 9}),
    "unknown verb": msgspec.msgpack.encode({"type": "RunCommand", "request": 9, "command": "id"}),
    "a reply": ANSWERS.encode(Done(request=9)),
    "a field too many": encoded(CONFIGURE, name="eth0"),
    "address 0": encoded(CONFIGURE, address=0),
    "address too large": encoded(CONFIGURE, address=2**32),
    "address in text": encoded(CONFIGURE, address="10.7.1.2"),
    "prefix too long": encoded(CONFIGURE, prefix_length=31),
    "prefix too short": encoded(CONFIGURE, prefix_length=7),
    "mtu too small": encoded(CONFIGURE, mtu=575),
    "mtu too large": encoded(CONFIGURE, mtu=1_401),
    "port too large": encoded(CONFIGURE, udp_port=65_536),
    "number too large": encoded(CONFIGURE, request=2**32),
    "key too short": encoded(PUMP_REQUESTS[0], key_material=bytes(63)),
    "key too long": encoded(PUMP_REQUESTS[0], key_material=bytes(257)),
    "suite 3": encoded(PUMP_REQUESTS[0], suite=3),
    "host too long": encoded(PUMP_REQUESTS[2], endpoint=["1" * 46, 1]),
    "half an endpoint": encoded(PUMP_REQUESTS[2], endpoint=["192.0.2.1"]),
    "no datagram": encoded(PUMP_REQUESTS[5], data=b""),
    "datagram too long": encoded(PUMP_REQUESTS[5], data=bytes(1_473)),
    "message too long": encoded(PUMP_REQUESTS[6], payload=bytes(1_401)),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_named_and_the_conversation_goes_on(data: bytes) -> None:
    async def story(engine: Channel) -> tuple[IpcMessage, list[IpcMessage]]:
        await ask(engine, HELLO)
        await engine.send_frame(data)
        return await engine.receive(), await ask(engine, RemoveInterface(request=3))

    refusal, after = talk(story)
    assert isinstance(refusal, Failed)
    assert refusal.code == "malformed"
    assert refusal.request in (0, 9, 7)
    assert after == [Done(request=3)]


@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(st.text(max_size=8), st.integers(-(2**63), 2**64 - 1)).map(msgspec.msgpack.encode),
    )
)
def test_any_bytes_get_exactly_one_answer(data: bytes) -> None:
    async def story(engine: Channel) -> tuple[IpcMessage, list[IpcMessage]]:
        await ask(engine, HELLO)
        await engine.send_frame(data)
        return await engine.receive(), await ask(engine, RemoveInterface(request=3))

    answer, after = talk(story)
    assert isinstance(answer, Reply)
    assert after == [Done(request=3)]


@given(st.binary(max_size=100))
def test_any_bytes_instead_of_hello_end_the_connection(data: bytes) -> None:
    async def story(engine: Channel) -> None:
        await engine.send_frame(data)
        answer = await engine.receive()
        assert isinstance(answer, Failed)
        with pytest.raises(ChannelError):
            await engine.receive()

    talk(story)


def test_a_frame_over_the_limit_ends_only_this_conversation() -> None:
    async def whole() -> IpcMessage | None:
        left, right = socket.socketpair()
        helper = EngineConnection(Channel(*await asyncio.open_connection(sock=right), REQUESTS), "buri")
        serving = Tasks().start("helper", helper.serve())
        left.sendall(struct.pack("!I", MAX_IPC_FRAME + 1))
        await serving
        left.close()
        return None

    asyncio.run(whole())


def test_an_engine_that_floods_without_reading_is_disconnected() -> None:
    async def story(engine: Channel) -> None:
        data = REQUESTS.encode(HELLO)
        with pytest.raises(ChannelError):
            await flood(engine, data)

    async def flood(engine: Channel, data: bytes) -> None:
        while True:
            await engine.send_frame(data)
            await asyncio.sleep(0)

    talk(story, write_deadline=0.05)
