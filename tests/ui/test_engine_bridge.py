"""Calls to the engine: who is told how they end, and who is not any more."""

import asyncio
import gc
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication
from shiboken6 import delete

from app.engine.errors import engine_error
from app.engine.state import Problem
from app.ui.engine_bridge import EngineBridge
from tests.ui.world import run_in_qt, until


class Asker(QObject):
    """Somebody who asks, and what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[object] = []
        self.problems: list[str] = []

    def fail(self, problem: Problem) -> None:
        self.problems.append(problem.code)


async def answer() -> str:
    return "fine"


async def refuse() -> str:
    raise engine_error("server-busy")


async def stumble() -> str:
    raise ZeroDivisionError("a mistake of ours")


def test_answers_refusals_and_mistakes_reach_the_asker(qapp: QApplication, tmp_path: Path) -> None:
    async def story() -> None:
        bridge, asker = EngineBridge(), Asker()
        for action in (answer, refuse, stumble):
            bridge.run(asker, action, asker.answers.append, asker.fail)
        await until(lambda: len(asker.problems) == 2)
        assert asker.answers == ["fine"]
        assert asker.problems == ["server-busy", "program-error"]
        await bridge.close()

    run_in_qt(qapp, story())


def test_what_nobody_waits_for_is_told_by_the_bridge(qapp: QApplication) -> None:
    async def story() -> None:
        bridge, asker = EngineBridge(), Asker()
        bridge.problem_met.connect(asker.fail)
        bridge.run(asker, refuse)
        bridge.call(asker, lambda engine: engine.login())
        await until(lambda: len(asker.problems) == 2)
        await bridge.close()

    run_in_qt(qapp, story())


def test_an_asker_that_is_gone_is_told_nothing_and_the_work_goes_on(qapp: QApplication) -> None:
    async def story() -> None:
        bridge, asker, go_on, told = EngineBridge(), Asker(), asyncio.Event(), list[str]()
        done: list[str] = []

        async def work() -> str:
            await go_on.wait()
            done.append("work")
            return "fine"

        bridge.run(asker, work, told.append)
        await asyncio.sleep(0)
        delete(asker)
        go_on.set()
        await until(lambda: done == ["work"])
        await bridge.close()
        assert told == []

    run_in_qt(qapp, story())


def test_an_asker_that_lives_long_holds_nothing_of_what_is_over(qapp: QApplication) -> None:
    async def story() -> None:
        bridge, asker = EngineBridge(), Asker()
        calls = [bridge.run(asker, answer, asker.answers.append) for _ in range(50)]
        await until(lambda: len(asker.answers) == 50)
        first = calls[0]
        del calls
        await bridge.close()
        gc.collect()
        assert len(gc.get_referrers(first)) <= 1

    run_in_qt(qapp, story())
