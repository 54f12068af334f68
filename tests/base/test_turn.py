"""Work in turns: whoever shares the loop comes to its own."""

import asyncio
import time

from app.base.turn import TURN, Turn


def test_others_come_first_once_a_turn_is_over() -> None:
    async def story() -> None:
        happened: list[str] = []
        turn = Turn()
        asyncio.get_running_loop().call_soon(happened.append, "another")
        await turn.breathe()
        assert happened == []
        time.sleep(1.5 * TURN)  # noqa: ASYNC251 - work that holds the loop
        assert turn.over
        await turn.breathe()
        assert happened == ["another"]
        assert not turn.over

    asyncio.run(story())
