"""Framing, limits and reply matching over real socket pairs."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.base.tasks import Tasks
from app.ipc.channel import (
    Caller,
    Channel,
    ChannelClosed,
    ChannelError,
    FrameTooLong,
    FrameTruncated,
    MalformedMessage,
    ReplyTimeout,
    WriteStalled,
)
from app.ipc.schema import (
    ANSWERS,
    MAX_IPC_FRAME,
    REQUESTS,
    Done,
    Failed,
    Hello,
    IpcMessage,
    MessageCodec,
    Notification,
    PeerWanted,
    ReadStatistics,
    RemoveInterface,
    Reply,
    Request,
)

Result = TypeVar("Result")
FRAME = struct.Struct("!I")


def frame(data: bytes) -> bytes:
    return FRAME.pack(len(data)) + data


async def open_channel(end: socket.socket, codec: MessageCodec, write_deadline: float = 5.0) -> Channel:
    reader, writer = await asyncio.open_connection(sock=end)
    return Channel(reader, writer, codec, write_deadline=write_deadline)


@asynccontextmanager
async def channel_pair(write_deadline: float = 5.0) -> AsyncIterator[tuple[Channel, Channel]]:
    """The engine's end and the helper's end."""
    left, right = socket.socketpair()
    engine = await open_channel(left, ANSWERS, write_deadline)
    helper = await open_channel(right, REQUESTS, write_deadline)
    try:
        yield engine, helper
    finally:
        await engine.close()
        await helper.close()


async def receive_from_bytes(data: bytes) -> list[IpcMessage | ChannelError]:
    """What a helper's channel makes of `data` and the end of the stream."""
    left, right = socket.socketpair()
    helper = await open_channel(right, REQUESTS)
    left.sendall(data)
    left.close()
    seen: list[IpcMessage | ChannelError] = []
    try:
        while True:
            try:
                seen.append(await helper.receive())
            except MalformedMessage as error:
                seen.append(error)
    except ChannelError as error:
        seen.append(error)
    await helper.close()
    return seen


def test_messages_arrive_whole_and_in_order() -> None:
    async def story() -> list[IpcMessage]:
        async with channel_pair() as (engine, helper):
            await engine.send(Hello(request=1, version=1))
            await engine.send(RemoveInterface(request=2))
            return [await helper.receive(), await helper.receive()]

    assert asyncio.run(story()) == [Hello(request=1, version=1), RemoveInterface(request=2)]


@given(cuts=st.lists(st.integers(0, 200), max_size=6), numbers=st.lists(st.integers(0, 2**32 - 1), max_size=5))
@settings(deadline=None)
def test_a_stream_may_be_split_anywhere(cuts: list[int], numbers: list[int]) -> None:
    messages = [ReadStatistics(request=number) for number in numbers]
    stream = b"".join(frame(REQUESTS.encode(message)) for message in messages)

    async def story() -> list[IpcMessage]:
        reader = asyncio.StreamReader()
        left, right = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=left)
        channel = Channel(reader, writer, REQUESTS)
        tasks = Tasks()

        async def receive_all() -> list[IpcMessage]:
            return [await channel.receive() for _ in messages]

        received = tasks.start("receive", receive_all())
        start = 0
        for cut in [*sorted(cuts), len(stream)]:
            await asyncio.sleep(0)  # lets the reader see each part on its own
            reader.feed_data(stream[start:cut])
            start = max(start, cut)
        result = await received
        await channel.close()
        right.close()
        return result

    assert asyncio.run(story()) == messages


@given(data=st.one_of(st.binary(max_size=300), st.lists(st.binary(max_size=60)).map(lambda b: b"".join(map(frame, b)))))
@settings(deadline=None)
def test_any_bytes_give_messages_or_named_errors(data: bytes) -> None:
    seen = asyncio.run(receive_from_bytes(data))
    assert isinstance(seen[-1], ChannelClosed | FrameTooLong | FrameTruncated)
    assert all(isinstance(each, Request | MalformedMessage) for each in seen[:-1])


def test_a_malformed_message_leaves_the_channel_usable() -> None:
    good = REQUESTS.encode(RemoveInterface(request=9))
    seen = asyncio.run(receive_from_bytes(frame(b"\xc1") + frame(b"") + frame(good)))
    assert isinstance(seen[0], MalformedMessage)
    assert isinstance(seen[1], MalformedMessage)
    assert seen[2] == RemoveInterface(request=9)


def test_a_reply_is_no_request() -> None:
    seen = asyncio.run(receive_from_bytes(frame(ANSWERS.encode(Done(request=1)))))
    assert isinstance(seen[0], MalformedMessage)


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0", frame(b"abcd")[:-1], FRAME.pack(4)])
def test_an_end_inside_a_frame_is_named(data: bytes) -> None:
    assert isinstance(asyncio.run(receive_from_bytes(data))[-1], FrameTruncated)


def test_a_frame_over_the_limit_is_refused_by_its_length_alone() -> None:
    seen = asyncio.run(receive_from_bytes(FRAME.pack(MAX_IPC_FRAME + 1)))
    assert isinstance(seen[0], FrameTooLong)


def test_a_frame_of_the_limit_passes_and_a_longer_one_is_not_sent() -> None:
    async def story() -> bytes:
        async with channel_pair() as (engine, helper):
            with pytest.raises(FrameTooLong):
                await engine.send_frame(bytes(MAX_IPC_FRAME + 1))
            tasks = Tasks()
            sending = tasks.start("send", engine.send_frame(bytes(MAX_IPC_FRAME)))
            data = await helper.receive_frame()
            await sending
            return data

    assert asyncio.run(story()) == bytes(MAX_IPC_FRAME)


async def send_without_end(channel: Channel) -> None:
    while True:
        await channel.send_frame(bytes(MAX_IPC_FRAME))


async def receive_without_end(channel: Channel) -> None:
    while True:
        await channel.receive_frame()


def test_a_reader_that_stalls_is_disconnected() -> None:
    async def story() -> None:
        async with channel_pair(write_deadline=0.01) as (engine, helper):
            with pytest.raises(WriteStalled):
                await send_without_end(helper)
            with pytest.raises(WriteStalled):
                await helper.send_frame(b"x")
            with pytest.raises((ChannelClosed, FrameTruncated)):
                await receive_without_end(engine)

    asyncio.run(story())


async def try_to_send(channel: Channel, data: bytes) -> ChannelError | None:
    try:
        await channel.send_frame(data)
    except ChannelError as error:
        return error
    return None


def test_many_senders_take_turns_and_none_is_lost() -> None:
    frames = [bytes([number]) * MAX_IPC_FRAME for number in range(20)]

    async def story() -> list[bytes]:
        async with channel_pair() as (engine, helper):
            tasks = Tasks()
            sending = [tasks.start("send", helper.send_frame(frame)) for frame in frames]
            received = [await engine.receive_frame() for _ in frames]
            await asyncio.gather(*sending)
            return received

    assert asyncio.run(story()) == frames


def test_many_senders_to_a_stalled_reader_all_learn_it() -> None:
    async def story() -> list[ChannelError | None]:
        async with channel_pair(write_deadline=0.01) as (_engine, helper):
            tasks = Tasks()
            sending = [tasks.start("send", try_to_send(helper, bytes(MAX_IPC_FRAME))) for _ in range(20)]
            return await asyncio.gather(*sending)

    ended = asyncio.run(story())
    assert isinstance(ended[-1], WriteStalled)
    assert sum(isinstance(each, WriteStalled) for each in ended) > 15


def test_both_sides_learn_that_the_channel_was_closed() -> None:
    async def story() -> None:
        async with channel_pair() as (engine, helper):
            await engine.close()
            with pytest.raises(ChannelClosed):
                await helper.receive()
            with pytest.raises(ChannelClosed):
                await engine.send(Hello(request=1, version=1))

    asyncio.run(story())


# --- the calling side


async def with_caller(
    serve: Callable[[Channel], Coroutine[Any, Any, None]], story: Callable[[Caller[Notification]], Awaitable[Result]]
) -> tuple[Result, list[Notification]]:
    """Run `story` against a helper that behaves as `serve` says; give its result and the notifications seen."""
    notifications: list[Notification] = []
    tasks = Tasks()
    async with channel_pair() as (engine, helper):
        caller = Caller(engine, Notification, notifications.append)
        tasks.start("serve", serve(helper))
        tasks.start("run", caller.run())
        try:
            return await story(caller), notifications
        finally:
            await tasks.close()


async def answer_in_pairs_backwards(helper: Channel) -> None:
    while True:
        try:
            first, second = await helper.receive(), await helper.receive()
        except ChannelClosed:
            return
        for request in (second, first):
            assert isinstance(request, Hello)
            await helper.send(Failed(request=request.request, code=str(request.version), message=""))


async def read_and_say_nothing(helper: Channel) -> None:
    while True:
        await helper.receive()


def test_replies_find_their_requests_in_any_order() -> None:
    async def story(caller: Caller[Notification]) -> list[Reply]:
        return await asyncio.gather(*(caller.call(Hello(request=0, version=version)) for version in range(10)))

    replies, _ = asyncio.run(with_caller(answer_in_pairs_backwards, story))
    assert [reply.code for reply in replies if isinstance(reply, Failed)] == [str(version) for version in range(10)]


def test_notifications_reach_the_callback_between_replies() -> None:
    async def serve(helper: Channel) -> None:
        request = await helper.receive()
        assert isinstance(request, Request)
        await helper.send(PeerWanted(peer=5))
        await helper.send(Done(request=77))  # answers nothing that was asked
        await helper.send(Done(request=request.request))

    async def story(caller: Caller[Notification]) -> Reply:
        return await caller.call(RemoveInterface(request=0))

    reply, notifications = asyncio.run(with_caller(serve, story))
    assert isinstance(reply, Done)
    assert notifications == [PeerWanted(peer=5)]


def test_a_request_without_reply_ends_at_its_deadline() -> None:
    async def story(caller: Caller[Notification]) -> None:
        with pytest.raises(ReplyTimeout, match="ReadStatistics"):
            await caller.call(ReadStatistics(request=0), deadline=0.01)

    asyncio.run(with_caller(read_and_say_nothing, story))


def test_every_waiting_call_ends_when_the_far_side_goes_away() -> None:
    async def serve(helper: Channel) -> None:
        for _ in range(3):
            await helper.receive()
        helper.abort()

    async def story(caller: Caller[Notification]) -> list[Reply | BaseException]:
        waiting = (caller.call(ReadStatistics(request=0)) for _ in range(3))
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(ChannelError):
            await caller.call(ReadStatistics(request=0))
        return ended

    ended, _ = asyncio.run(with_caller(serve, story))
    assert len(ended) == 3
    assert all(isinstance(error, ChannelClosed) for error in ended)


def test_an_answer_outside_the_schema_ends_the_conversation() -> None:
    async def serve(helper: Channel) -> None:
        await helper.receive()
        await helper.send_frame(b"\xc1")

    async def story(caller: Caller[Notification]) -> None:
        with pytest.raises(MalformedMessage):
            await caller.call(RemoveInterface(request=0))

    asyncio.run(with_caller(serve, story))
