"""Streams of the engine's socket: what a slow reader of a chat is told."""

import asyncio
from pathlib import Path

import pytest

from app.engine.control_requests import MAX_CHAT_WAITING, STREAMS
from app.engine.errors import EngineError
from app.engine.state import PeerStatus
from app.ipc import control
from tests.engine.world import World, meet, tell


def test_who_falls_far_behind_in_a_chat_is_told_so(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet(world)
        await ben.engine.stop()
        await anna.until(lambda: anna.sees(ben, PeerStatus.OFFLINE))
        messages = STREAMS[control.FollowChat](anna.engine, control.FollowChat(peer=ben.address))
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(anext(messages))
            await asyncio.sleep(0)  # so that it follows before anything is said
            for number in range(MAX_CHAT_WAITING + 10):
                await anna.engine.send_chat(ben.address, str(number))
        assert getattr(first.result(), "text", "") == "0"
        for number in range(1, MAX_CHAT_WAITING - 1):
            assert getattr(await anext(messages), "text", "") == str(number)
        with pytest.raises(EngineError, match="too-slow"):
            await anext(messages)

    tell(tmp_path, story)
