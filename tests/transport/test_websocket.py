"""A byte stream inside a WebSocket: whatever is written comes out, whoever talks nonsense is shown out."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from app.base.tasks import Tasks
from app.transport.stream import Stream, StreamError
from app.transport.websocket import (
    MAX_FRAME,
    MAX_OPENING,
    PATH,
    WebSocketStream,
    accept_websocket,
    open_websocket,
)
from tests.transport.pipes import Pipe, pipe

PAGE = "Nothing here.\n"
UPGRADE = (
    f"GET {PATH} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
).encode()


async def opened() -> tuple[WebSocketStream, WebSocketStream]:
    """Both ends of a WebSocket, client first."""
    near, far = pipe()
    tasks = Tasks()
    accepting = tasks.start("server", accept_websocket(far, PAGE))
    client = await open_websocket(near, "server.example", 443)
    accepted = await accepting
    assert accepted is not None
    return client, accepted[0]


async def read_all(stream: Stream, limit: int = 65_536) -> bytes:
    received = b""
    while data := await stream.read(limit):
        received += data
    return received


@given(st.lists(st.binary(max_size=3_000), max_size=8), st.integers(1, 5_000), st.booleans())
def test_the_bytes_come_out_as_they_went_in(pieces: list[bytes], limit: int, server_speaks: bool) -> None:
    async def story() -> None:
        client, server = await opened()
        speaker, listener = (server, client) if server_speaks else (client, server)
        for piece in pieces:
            speaker.write(piece)
        speaker.close()
        assert await read_all(listener, limit) == b"".join(pieces)

    asyncio.run(story())


def test_more_than_a_message_holds_is_several() -> None:
    async def story() -> None:
        client, server = await opened()
        large = bytes(range(256)) * (MAX_FRAME // 128)
        client.write(large)
        client.close()
        assert await read_all(server) == large

    asyncio.run(story())


def test_what_was_read_too_far_is_read_again() -> None:
    async def story() -> None:
        client, server = await opened()
        client.write(b"hello")
        first = await server.read(1)
        server.unread(first)
        assert await server.read(100) == b"hello"

    asyncio.run(story())


def test_others_have_their_turn_however_small_the_messages_are() -> None:
    async def story() -> None:
        client, server = await opened()
        for _ in range(20_000):
            client.write(b"8 bytes!")
        client.close()
        reading = Tasks().start("reading", read_all(server))
        turns = 0
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        assert reading.result() == b"8 bytes!" * 20_000
        assert turns >= 14 * 20_000 // 16_384  # each message has 14 bytes on its way

    asyncio.run(story())


def test_after_the_good_bye_nothing_is_written_and_the_other_side_sees_the_end() -> None:
    async def story() -> None:
        client, server = await opened()
        server.write(b"last words")
        server.write_eof()
        server.write(b"too late")
        assert await read_all(client) == b"last words"
        assert server.is_closing()

    asyncio.run(story())


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /buri/../etc HTTP/1.1\r\nHost: a\r\n\r\n",
        UPGRADE.replace(PATH.encode(), b"/other") + b"\r\n",
        UPGRADE.replace(b"websocket", b"h2c") + b"\r\n",
        UPGRADE + b"Origin: https://www.example\r\n\r\n",
    ],
)
def test_who_asks_for_something_else_is_given_a_small_page(request_text: bytes) -> None:
    async def story() -> None:
        near, far = pipe()
        near.write(request_text)
        assert await accept_websocket(far, PAGE) is None
        far.close()
        assert (await read_all(near)).startswith(b"HTTP/1.1 4")

    asyncio.run(story())


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
        b"POST /buri HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /buri HTTP/1.1\r\nX: " + b"x" * MAX_OPENING + b"\r\n\r\n",
        b"GET /buri HTTP/1.1\r\n" + b"X: y\r\n" * 200,
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
    ],
)
def test_strangers_who_speak_something_else_end(nonsense: bytes) -> None:
    async def story() -> None:
        near, far = pipe()
        near.write(nonsense)
        near.close()
        with suppress(StreamError):
            assert await accept_websocket(far, PAGE) is None

    asyncio.run(story())


@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_break_either_end(noise: bytes, before_the_opening: bool) -> None:
    async def story() -> None:
        near, far = pipe()
        near.write(noise if before_the_opening else UPGRADE + b"\r\n" + noise)
        near.close()
        await survives(lambda: serve(far))
        near, far = pipe()
        far.write(noise)
        far.close()
        await survives(lambda: open_websocket(near, "server.example", 443))

    asyncio.run(story())


async def serve(carrier: Pipe) -> None:
    accepted = await accept_websocket(carrier, PAGE)
    if accepted is not None:
        await read_all(accepted[0])


async def survives(action: Callable[[], Awaitable[object]]) -> None:
    with suppress(StreamError):
        await action()


@pytest.mark.parametrize(
    "frame", [Frame(Opcode.TEXT, b"hello"), Frame(Opcode.BINARY, bytes(MAX_FRAME + 1)), Frame(Opcode.CONT, b"hello")]
)
def test_frames_that_nobody_of_ours_sends_end_the_stream(frame: Frame) -> None:
    async def story() -> None:
        near, far = pipe()
        near.write(UPGRADE + b"\r\n" + frame.serialize(mask=True))
        with pytest.raises(StreamError):
            await serve(far)

    asyncio.run(story())


def test_pings_are_answered_and_a_flood_of_them_ends_the_stream() -> None:
    async def story() -> None:
        near, far = pipe()
        ping = Frame(Opcode.PING, b"are you there").serialize(mask=True)
        near.write(UPGRADE + b"\r\n" + ping + Frame(Opcode.BINARY, b"yes").serialize(mask=True))
        accepted = await accept_websocket(far, PAGE)
        assert accepted is not None
        assert await accepted[0].read(10) == b"yes"
        near.write(ping * 1_000)
        with pytest.raises(StreamError):
            await accepted[0].read(65_536)
        far.close()
        assert b"are you there" in await read_all(near)

    asyncio.run(story())


def test_many_messages_with_hardly_a_byte_end_the_stream() -> None:
    async def story() -> None:
        client, server = await opened()
        for _ in range(1_000):
            client.write(b"!")
        with pytest.raises(StreamError, match="hardly a byte"):
            await server.read(65_536)

    asyncio.run(story())


def test_a_web_server_in_front_says_for_whom_it_speaks() -> None:
    async def story() -> None:
        near, far = pipe()
        near.write(UPGRADE + b"X-Forwarded-For: 192.0.2.1, 198.51.100.7\r\n\r\n")
        accepted = await accept_websocket(far, PAGE)
        assert accepted is not None
        assert accepted[1] == "198.51.100.7", "the last is the one that it added itself"

    asyncio.run(story())


def test_cancelled_reads_lose_nothing() -> None:
    async def story() -> None:
        client, server = await opened()
        tasks = Tasks()
        received = b""
        for start, end in pairwise(range(0, 101, 10)):
            reading = tasks.start("reading", server.read(1_000))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            client.write(bytes(range(start, end)))
            received += await server.read(1_000)
        assert received == bytes(range(100))

    asyncio.run(story())
