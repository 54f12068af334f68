"""The thread of the rules: order is kept, failures reach who asked, nothing is lost when nobody waits."""

import asyncio
import threading

import pytest

from app.server.decisions import Decisions


def test_decisions_are_made_elsewhere_and_applied_here_in_their_order() -> None:
    async def story() -> None:
        decisions, applied = Decisions(), []
        here = threading.get_ident()
        places = [
            decisions.decide(threading.get_ident, lambda _, number=number: applied.append(number))  # type: ignore[misc]
            for number in range(100)
        ]
        assert decisions.undecided == 100
        elsewhere = set(await asyncio.gather(*places))
        assert len(elsewhere) == 1
        assert here not in elsewhere
        assert applied == list(range(100))
        assert decisions.undecided == 0
        await decisions.close()

    asyncio.run(story())


def test_a_failure_reaches_who_asked_and_the_next_decision_goes_on() -> None:
    async def story() -> None:
        decisions = Decisions()
        failing = decisions.decide(lambda: 1 // 0)
        good = decisions.decide(lambda: "fine")
        with pytest.raises(ZeroDivisionError):
            await failing
        assert await good == "fine"
        await decisions.close()

    asyncio.run(story())


def test_what_follows_is_applied_even_if_nobody_waits_any_more() -> None:
    async def story() -> None:
        decisions = Decisions()
        applied: list[str] = []
        decisions.decide(lambda: "told", applied.append).cancel()
        await decisions.decide(lambda: None)
        assert applied == ["told"]
        await decisions.close()

    asyncio.run(story())
