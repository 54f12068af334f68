"""The engine tests' small world inside Qt's loop: real engines, a real server on loopback, and windows over them."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import qasync
from PySide6.QtWidgets import QApplication

from app.ui.actions import Actions
from app.ui.engine_bridge import EngineBridge
from app.ui.garbage import GarbageCollection
from app.ui.preferences import Preferences
from app.ui.session import Launch, Session
from tests.engine.world import PATIENCE, Person, World

GIVE_UP = 100.0
"""Seconds until a story that hangs has failed: Qt's loop, asleep, does not hear the test runner's own alarm."""
WindowStory = Callable[[World], Coroutine[Any, Any, None]]


def tell(application: QApplication, folder: Path, story: WindowStory) -> None:
    """Run a story in a fresh world, in Qt's loop."""

    async def run() -> None:
        async with World(folder) as world:
            await story(world)

    run_in_qt(application, run())


def run_in_qt(application: QApplication, story: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end while windows live."""
    application.setQuitOnLastWindowClosed(False)  # else closing a window would end the loop under the story
    loop = qasync.QEventLoop(application, already_running=False)
    asyncio.set_event_loop(loop)
    garbage = GarbageCollection()
    try:
        loop.run_until_complete(asyncio.wait_for(story, GIVE_UP))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        asyncio.set_event_loop(None)
        garbage.end()


async def until(holds: Callable[[], bool], what: str = "it") -> None:
    """Let windows and engines go on until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - a window has no event for what it shows
            await asyncio.sleep(0.005)


class Desk:
    """What a window of one person needs: bridge, actions and preferences, over that person's real engine."""

    def __init__(self, folder: Path, person: Person | None = None) -> None:
        self.bridge = EngineBridge()
        self.preferences = Preferences(folder)
        self.session = Session(self.bridge, Launch())
        self.actions = Actions(self.bridge, self.session, self.preferences)
        if person is not None:
            self.bridge.attach(person.engine)

    async def close(self) -> None:
        """Before the person's engine stops."""
        await self.bridge.close()
