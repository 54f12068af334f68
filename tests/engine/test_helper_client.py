"""The engine's side of the helper, against helpers that behave, misbehave and go away.

The helpers here speak through the real channel; the real helper is met in tests/helper.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.base.tasks import Tasks
from app.engine.helper_client import HelperClient, HelperFailed, HelperUnavailable, connect_helper
from app.ipc.channel import Channel
from app.ipc.schema import (
    IPC_VERSION,
    REQUESTS,
    ConfigureInterface,
    Done,
    Failed,
    Hello,
    HelloReply,
    InterfaceDown,
    Notification,
    PeerWanted,
    ReadStatistics,
    RemoveInterface,
    Request,
)

Result = TypeVar("Result")
Serve = Callable[[Channel], Coroutine[Any, Any, None]]
WELCOME = HelloReply(request=1, version=IPC_VERSION, helper_version="1.2.3", partial_checksums=True)


async def next_request(channel: Channel) -> Request:
    request = await channel.receive()
    assert isinstance(request, Request)
    return request


def with_helper(folder: Path, serve: Serve, story: Callable[[Path], Coroutine[Any, Any, Result]]) -> Result:
    """Run a story while a helper that behaves as `serve` says listens at the given path."""
    path = folder / "h.sock"

    async def whole() -> Result:
        tasks = Tasks()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.start("helper", conversation(Channel(reader, writer, REQUESTS)))

        async def conversation(channel: Channel) -> None:
            try:
                await serve(channel)
            finally:
                channel.abort()

        server = await asyncio.start_unix_server(accept, str(path))
        try:
            return await story(path)
        finally:
            server.close()
            await tasks.close()

    return asyncio.run(whole())


def with_client(
    folder: Path, serve: Serve, story: Callable[[HelperClient], Coroutine[Any, Any, Result]]
) -> tuple[Result, list[Notification]]:
    """Run a story with a client whose helper says hello first; give the notifications as well."""
    notifications: list[Notification] = []

    async def greet_and_serve(channel: Channel) -> None:
        assert await next_request(channel) == Hello(request=1, version=IPC_VERSION)
        await channel.send(WELCOME)
        await serve(channel)

    async def connected(path: Path) -> Result:
        client = await connect_helper(notifications.append, path)
        try:
            return await story(client)
        finally:
            await client.close()

    return with_helper(folder, greet_and_serve, connected), notifications


async def connect_only(path: Path) -> None:
    client = await connect_helper(lambda notification: None, path)
    await client.close()


async def end_at_once(channel: Channel) -> None:
    pass


def test_the_welcome_tells_what_the_helper_is(tmp_path: Path) -> None:
    async def story(client: HelperClient) -> tuple[str, bool]:
        return client.helper_version, client.partial_checksums

    assert with_client(tmp_path, end_at_once, story)[0] == ("1.2.3", True)


def test_requests_are_answered_and_notifications_arrive(tmp_path: Path) -> None:
    async def serve(channel: Channel) -> None:
        request = await next_request(channel)
        await channel.send(PeerWanted(peer=7))
        await channel.send(Done(request=request.request))

    async def story(client: HelperClient) -> bool:
        return isinstance(await client.request(RemoveInterface(request=0)), Done)

    assert with_client(tmp_path, serve, story) == (True, [PeerWanted(peer=7)])


def test_a_refusal_is_raised_with_its_code_and_sentence(tmp_path: Path) -> None:
    async def serve(channel: Channel) -> None:
        request = await next_request(channel)
        await channel.send(Failed(request=request.request, code="address-clash", message="It overlaps."))

    async def story(client: HelperClient) -> tuple[str, str]:
        with pytest.raises(HelperFailed) as refused:
            await client.request(ConfigureInterface(request=0, address=1, prefix_length=16))
        return refused.value.code, refused.value.message

    assert with_client(tmp_path, serve, story)[0] == ("address-clash", "It overlaps.")


def test_a_silent_helper_fails_the_request_but_not_the_connection(tmp_path: Path) -> None:
    async def serve(channel: Channel) -> None:
        await next_request(channel)
        second = await next_request(channel)
        await channel.send(Done(request=second.request))

    async def story(client: HelperClient) -> str:
        with pytest.raises(HelperFailed) as refused:
            await client.request(RemoveInterface(request=0), deadline=0.01)
        await client.request(RemoveInterface(request=0))
        return refused.value.code

    assert with_client(tmp_path, serve, story)[0] == "no-reply"


def test_when_the_helper_goes_away_every_request_ends_and_lost_is_set(tmp_path: Path) -> None:
    async def serve(channel: Channel) -> None:
        for _ in range(3):
            await next_request(channel)

    async def story(client: HelperClient) -> list[str]:
        waiting = (client.request(ReadStatistics(request=0)) for _ in range(3))
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        await client.lost.wait()
        assert client.lost_reason
        with pytest.raises(HelperFailed):
            await client.request(RemoveInterface(request=0))
        return [error.code for error in ended if isinstance(error, HelperFailed)]

    assert with_client(tmp_path, serve, story)[0] == ["helper-lost"] * 3


def test_when_the_adapter_is_down_the_pumps_requests_end_and_the_others_go_on(tmp_path: Path) -> None:
    async def serve(channel: Channel) -> None:
        by_type = {}
        for _ in range(2):
            request = await next_request(channel)
            by_type[type(request)] = request.request
        await channel.send(InterfaceDown(message="The pump ended."))
        await channel.send(Done(request=by_type[RemoveInterface]))

    async def story(client: HelperClient) -> tuple[str, bool]:
        pump, other = await asyncio.gather(
            client.request(ReadStatistics(request=0)),
            client.request(RemoveInterface(request=0)),
            return_exceptions=True,
        )
        assert isinstance(pump, HelperFailed)
        return pump.code, isinstance(other, Done)

    assert with_client(tmp_path, serve, story) == (
        ("interface-down", True),
        [InterfaceDown(message="The pump ended.")],
    )


def test_closing_twice_is_fine_and_counts_as_lost(tmp_path: Path) -> None:
    async def story(client: HelperClient) -> bool:
        await client.close()
        await client.close()
        return client.lost.is_set()

    async def patient(channel: Channel) -> None:
        await asyncio.get_running_loop().create_future()

    assert with_client(tmp_path, patient, story)[0]


# --- connecting


def test_no_helper_is_said_with_the_command_that_starts_one(tmp_path: Path) -> None:
    with pytest.raises(HelperUnavailable) as refused:
        asyncio.run(connect_only(tmp_path / "none.sock"))
    assert "none.sock" in str(refused.value)
    assert f"sudo buri helper --user {os.getuid()}" in refused.value.remedy


def test_a_helper_that_refuses_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    async def serve(channel: Channel) -> None:
        await channel.send(Failed(request=0, code="not-allowed", message="You may not use this helper."))
        await channel.receive_frame()

    with pytest.raises(HelperFailed) as refused:
        with_helper(tmp_path, serve, connect_only)
    assert refused.value.code == "not-allowed"


@pytest.mark.parametrize("answer", [b"\xc1", b"", REQUESTS.encode(Done(request=1)), b"\0" * 100])
def test_an_odd_welcome_is_no_helper(tmp_path: Path, answer: bytes) -> None:
    async def serve(channel: Channel) -> None:
        await channel.receive()
        await channel.send_frame(answer)

    with pytest.raises(HelperUnavailable):
        with_helper(tmp_path, serve, connect_only)


def test_a_helper_that_hangs_up_is_no_helper(tmp_path: Path) -> None:
    with pytest.raises(HelperUnavailable):
        with_helper(tmp_path, end_at_once, connect_only)
