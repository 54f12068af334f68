"""Changes of the computer's network are told once they have settled, and so is sleep."""

import asyncio
import sys
import time

import pytest

from app.engine import surroundings
from app.engine.surroundings import Surroundings


def test_a_burst_of_changes_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "SETTLE", 0.01)

    async def story() -> None:
        told: asyncio.Queue[bool] = asyncio.Queue()
        watch = Surroundings(lambda: told.put_nowait(True), lambda: None)
        watch.start()
        for _change in range(10):
            watch._settle()
        await told.get()
        assert told.empty()
        watch.stop()
        watch.stop()

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_clock_that_counts_sleep_and_ran_ahead_means_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "LOOK_INTERVAL", 0.01)

    async def story() -> None:
        told: asyncio.Queue[bool] = asyncio.Queue()
        watch = Surroundings(lambda: None, lambda: told.put_nowait(True))
        watch.start()
        awake = surroundings.waking_and_sleeping
        monkeypatch.setattr(surroundings, "waking_and_sleeping", lambda: awake() + 3_600)
        await told.get()
        watch.stop()

    asyncio.run(asyncio.wait_for(story(), 20))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the wall clock is the only one that counts sleep")
def test_a_wall_clock_that_is_set_is_no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    before = surroundings.waking_and_sleeping()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    assert before <= surroundings.waking_and_sleeping() < before + 60
