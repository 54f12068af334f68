"""Keeping chat off the loop: in order, gathered, told when it is written, and going on when the disk does not."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

from app.base.tasks import Tasks
from app.engine.chat_record import ChatChanges
from app.engine.chat_recorder import MAX_NOT_WRITTEN, ChatRecorder
from app.engine.chat_store import ChatStore
from app.engine.state import ChatStatus
from tests.engine.chat_files import IDENTITY, WITH_BEN, changes, damage, received, sent


class Desk:
    """A recorder over a real file, and what it must write into a new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.everything = ChatChanges()
        self.tasks = Tasks()
        store = ChatStore(path, IDENTITY, keep_history=True)
        self.told: list[str] = []
        """The problems, at each change."""
        self.recorder = ChatRecorder(store, self.tasks, lambda: self.everything, self._tell)

    def _tell(self) -> None:
        self.told.append(" ".join(each.code for each in self.recorder.problems))

    async def texts(self) -> list[str]:
        return [each.text for each in await self.recorder.messages(WITH_BEN, None, 100)]

    def on_disk(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as other:
            return [number for (number,) in other.execute("SELECT id FROM message ORDER BY id")]

    def break_disk(self) -> None:
        with closing(sqlite3.connect(self.path)) as other:
            other.execute("CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'disk full'); END")

    def mend_disk(self) -> None:
        with closing(sqlite3.connect(self.path)) as other:
            other.execute("DROP TRIGGER full")

    async def kept(self, changed: ChatChanges) -> None:
        """Until the recorder says that it is done with it."""
        done = asyncio.Event()
        self.recorder.keep(changed, done.set)
        await done.wait()


def tell(folder: Path, story: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        desk = Desk(folder / "chat.sqlite")
        await desk.recorder.open()
        await story(desk)
        await desk.recorder.close()
        await desk.tasks.close()

    asyncio.run(run())


def test_what_is_kept_is_on_the_disk_when_it_is_said_to_be(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        for number in range(1, 4):
            desk.recorder.keep(changes(received(number, str(number))), None)
        await desk.kept(changes(received(4, "4")))
        assert desk.on_disk() == [1, 2, 3, 4]
        assert await desk.texts() == ["1", "2", "3", "4"]
        found = await desk.recorder.find(4)
        assert found is not None
        assert found.text == "4"
        await desk.recorder.forget(WITH_BEN)
        assert await desk.texts() == []

    tell(tmp_path, story)


def test_who_reads_sees_what_was_just_said(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.recorder.keep(changes(received(1, "just now")), None)
        assert await desk.texts() == ["just now"]

    tell(tmp_path, story)


def test_a_full_disk_is_told_and_chat_goes_on_until_it_is_mended(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.kept(changes(received(1, "before")))
        desk.break_disk()
        await desk.kept(changes(received(2, "meanwhile")))
        (problem,) = desk.recorder.problems
        assert problem.code == "file-not-written"
        assert await desk.texts() == ["before", "meanwhile"]
        assert await desk.recorder.find(2) == received(2, "meanwhile")
        assert await desk.recorder.messages(WITH_BEN, 2, 10) == (received(1, "before"),)
        desk.mend_disk()
        await desk.kept(changes(received(3, "after")))
        assert desk.told == ["file-not-written", ""]
        assert desk.on_disk() == [1, 2, 3]

    tell(tmp_path, story)


def test_what_a_full_disk_does_not_take_is_bounded_and_can_be_forgotten(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.break_disk()
        await desk.kept(changes(*(received(number, str(number)) for number in range(1, MAX_NOT_WRITTEN + 3))))
        assert (await desk.texts())[-1] == str(MAX_NOT_WRITTEN + 2)
        assert await desk.recorder.find(2) is None
        assert await desk.recorder.find(3) is not None
        await desk.recorder.forget(None)
        assert await desk.texts() == []
        desk.mend_disk()

    tell(tmp_path, story)


def test_after_damage_the_new_file_has_all_that_must_not_be_lost(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        waits = sent(1, ChatStatus.QUEUED, "waits")
        desk.everything = changes(waits)
        await desk.kept(changes(received(2)))
        await desk.recorder.close()
        damage(desk.path)
        await desk.recorder.open()
        await desk.kept(changes(received(3, "new")))
        assert await desk.texts() == ["waits", "new"]
        assert desk.told == ["chat-history-damaged"]
        desk.recorder.dismiss("chat-history-unusable")
        assert [each.code for each in desk.recorder.problems] == ["chat-history-damaged"]
        desk.recorder.dismiss("chat-history-damaged")
        assert [each.code for each in desk.recorder.problems] == []

    tell(tmp_path, story)


def test_a_reader_that_goes_away_leaves_the_file_to_one_at_a_time(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        for number in range(1, 30):
            desk.recorder.keep(changes(received(number, str(number))), None)
            reader = desk.tasks.start("reader", desk.texts())
            await asyncio.sleep(0)
            reader.cancel()
        assert len(await desk.texts()) == 29

    tell(tmp_path, story)


def test_after_the_end_nothing_is_asked_and_nothing_breaks(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.recorder.close()
        desk.recorder.keep(changes(received(1)), None)
        assert await desk.texts() == []
        assert await desk.recorder.find(1) is None
        await desk.recorder.forget(None)
        await desk.recorder.keep_history(False)
        assert desk.recorder.unreadable == 0

    tell(tmp_path, story)
