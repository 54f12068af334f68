"""One timer serves many machines."""

import asyncio

from app.engine.deadlines import Deadlines


class Bell:
    """A machine that rings at its times."""

    def __init__(self, *times: float) -> None:
        self.times = list(times)
        self.rung = 0
        self.done = asyncio.Event()

    def next_deadline(self) -> float | None:
        return self.times[0] if self.times else None

    def handle_deadline(self, now: float) -> None:
        self.times.pop(0)
        self.rung += 1
        if not self.times:
            self.done.set()


def test_each_machine_is_called_when_it_is_due_also_for_times_long_past() -> None:
    async def story() -> None:
        now = asyncio.get_running_loop().time()
        early, late, never = Bell(float("-inf"), now + 0.01), Bell(now + 0.02), Bell()
        deadlines = Deadlines()
        deadlines.watch((early, late, never))
        deadlines.changed()
        deadlines.changed()
        await asyncio.gather(early.done.wait(), late.done.wait())
        assert (early.rung, late.rung, never.rung) == (2, 1, 0)

    asyncio.run(asyncio.wait_for(story(), 10))


def test_after_close_nobody_is_called() -> None:
    async def story() -> None:
        bell = Bell(float("-inf"))
        deadlines = Deadlines()
        deadlines.watch((bell,))
        deadlines.changed()
        deadlines.close()
        deadlines.changed()
        for _turn in range(5):
            await asyncio.sleep(0)
        assert bell.rung == 0

    asyncio.run(story())


def test_a_deadline_of_zero_is_one() -> None:
    async def story() -> int:
        bell = Bell(0.0)
        deadlines = Deadlines()
        deadlines.watch([bell])
        deadlines.changed()
        await asyncio.wait_for(bell.done.wait(), 20)
        deadlines.close()
        return bell.rung

    assert asyncio.run(story()) == 1
