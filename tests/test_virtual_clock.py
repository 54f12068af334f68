"""An hour of the virtual clock takes no hour, and what is real is waited for."""

import asyncio
import time

from tests.virtual_clock import run


def test_an_hour_passes_on_all_clocks_at_once() -> None:
    async def story() -> tuple[float, float, float]:
        loop, began, unix, monotonic = asyncio.get_running_loop(), time.perf_counter(), time.time(), time.monotonic()
        await asyncio.sleep(3_600)
        assert time.perf_counter() - began < 3_600
        return loop.time(), time.time() - unix, time.monotonic() - monotonic

    assert [round(each) for each in run(story())] == [3_600, 3_600, 3_600]


def test_timers_come_in_their_order() -> None:
    async def story() -> list[int]:
        seen: list[int] = []

        async def wake(seconds: int) -> None:
            await asyncio.sleep(seconds)
            seen.append(seconds)

        await asyncio.gather(*(wake(seconds) for seconds in (30, 10, 20)))
        return seen

    assert run(story()) == [10, 20, 30]


def test_the_clock_stands_still_while_a_thread_works() -> None:
    async def story() -> float:
        held = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(1_000, held.set)
        await asyncio.to_thread(sum, range(1_000_000))
        assert not held.is_set()
        return loop.time()

    assert run(story()) < 1


def test_a_failure_gets_out_and_the_real_clocks_are_back() -> None:
    async def story() -> None:
        await asyncio.sleep(1e6)
        raise LookupError

    before = time.time()
    try:
        run(story())
    except LookupError:
        assert time.time() - before < 1e6
    else:
        raise AssertionError("it ended well")
