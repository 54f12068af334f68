"""Qt objects in cycles are destroyed in Qt's thread, whoever allocates."""

import asyncio
import gc
import threading

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from app.ui.garbage import GarbageCollection
from tests.ui.world import run_in_qt, until


class Knot:
    """A cycle that tells in which thread it is taken apart."""

    def __init__(self, taken_apart_in: list[int]) -> None:
        self.itself = self
        self.window = QObject()
        self._taken_apart_in = taken_apart_in

    def __del__(self) -> None:
        self._taken_apart_in.append(threading.get_ident())


def allocate_much() -> list[list[int]]:
    """Enough for a collection to be due."""
    return [[] for _ in range(100_000)]


def test_cycles_end_in_the_thread_of_the_windows(qapp: QApplication) -> None:
    taken_apart_in: list[int] = []

    async def story() -> None:
        for _ in range(50):
            Knot(taken_apart_in)
        kept = await asyncio.to_thread(allocate_much)
        await until(lambda: len(taken_apart_in) == 50)
        assert kept

    run_in_qt(qapp, story())
    assert set(taken_apart_in) == {threading.get_ident()}


def test_afterwards_python_collects_by_itself_again(qapp: QApplication) -> None:
    GarbageCollection().end()
    assert gc.isenabled()
    assert not gc.get_freeze_count()
