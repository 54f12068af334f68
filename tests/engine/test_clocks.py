"""Clocks that are set, by hours or by years, on all computers at once: tunnels, relays, chat and logins go on."""

import time
from pathlib import Path

import pytest

from app.engine.state import ChatStatus, ServerStatus
from tests.engine.test_relays import meet_relayed, until_it_carries
from tests.engine.world import World, tell

HOUR = 3_600.0
JUMPS = {"an hour back": -HOUR, "twenty hours on": 20 * HOUR, "ten years back": -87_600 * HOUR}
"""Tokens of relays last for twelve hours."""


@pytest.mark.parametrize("jump", JUMPS)
def test_everything_goes_on_after_a_clock_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: str) -> None:
    async def story(world: World) -> None:
        anna, ben, _ = await meet_relayed(world)
        clock = time.time
        monkeypatch.setattr(time, "time", lambda: clock() + JUMPS[jump])
        await until_it_carries(anna, ben)
        await until_it_carries(ben, anna)

        await world.stop_server()
        await world.start_server()
        for person in (anna, ben):
            await person.until(lambda person=person: person.state.server.status is ServerStatus.ONLINE)  # type: ignore[misc]
        await until_it_carries(anna, ben)
        await until_it_carries(ben, anna)

        await ben.engine.create_network("friends", "other words")
        await anna.engine.join_network("friends", "other words")
        message = await anna.engine.send_chat(ben.address, "still there?")
        assert (await anna.engine.wait_chat(message)).status is ChatStatus.DELIVERED
        assert [each.text for each in await ben.chat_with(anna)] == [message.text]

    tell(tmp_path, story)
