"""Tasks that cannot vanish or fail silently."""

import asyncio
import gc
import logging

import pytest

from app.base.tasks import Tasks


async def wait_forever() -> None:
    await asyncio.get_running_loop().create_future()


async def fail() -> None:
    raise ValueError("broken part")


def test_a_task_nobody_holds_survives_the_garbage_collector() -> None:
    async def story() -> bool:
        tasks = Tasks()
        start = asyncio.Event()
        done = asyncio.Event()

        async def work() -> None:
            await start.wait()
            done.set()

        tasks.start("work", work())
        await asyncio.sleep(0)
        gc.collect()
        start.set()
        await done.wait()
        await asyncio.sleep(0)
        return len(tasks) == 0

    assert asyncio.run(story())


def test_a_failure_is_logged_with_its_traceback_and_told_to_the_owner(caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[str, BaseException]] = []

    async def story() -> None:
        tasks = Tasks(on_failure=lambda name, failure: told.append((name, failure)))
        task = tasks.start("doomed", fail())
        await asyncio.wait([task])
        await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR):
        asyncio.run(story())
    assert [(name, str(failure)) for name, failure in told] == [("doomed", "broken part")]
    assert "task doomed failed" in caplog.text
    assert "Traceback" in caplog.text


def test_close_cancels_all_and_tells_no_failure() -> None:
    told: list[str] = []

    async def story() -> list[bool]:
        tasks = Tasks(on_failure=lambda name, failure: told.append(name))
        started = [tasks.start(str(number), wait_forever()) for number in range(3)]
        await asyncio.sleep(0)
        await tasks.close()
        await tasks.close()
        return [task.cancelled() for task in started]

    assert asyncio.run(story()) == [True, True, True]
    assert told == []


def test_a_task_may_close_its_own_group() -> None:
    async def story() -> str:
        tasks = Tasks()
        tasks.start("other", wait_forever())

        async def closer() -> str:
            await tasks.close()
            return "closed"

        return await tasks.start("closer", closer())

    assert asyncio.run(story()) == "closed"


def test_nothing_starts_after_close() -> None:
    async def story() -> None:
        tasks = Tasks()
        await tasks.close()
        with pytest.raises(RuntimeError, match="after close"):
            tasks.start("late", wait_forever())

    asyncio.run(story())


def test_the_result_of_a_task_can_be_awaited() -> None:
    async def story() -> int:
        async def answer() -> int:
            return 42

        return await Tasks().start("answer", answer())

    assert asyncio.run(story()) == 42
