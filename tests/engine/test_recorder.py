"""What must survive is written once for a burst, and again after a failure."""

import asyncio
from pathlib import Path

from app.base.tasks import Tasks
from app.engine.contacts import Contact
from app.engine.recorder import Recorder
from app.engine.settings import Memory, Profile, ServerMemory
from app.protocol.keys import IdentityKey
from app.protocol.wire import Address

FINGERPRINT = "SHA256:" + "A" * 43
MEMORY = ServerMemory(contacts={Address(1): Contact(alias="ben")})


def test_marks_are_gathered_and_written(tmp_path: Path) -> None:
    async def story() -> None:
        identity, profile, tasks = IdentityKey.generate(), Profile(tmp_path, tmp_path), Tasks()
        asked = 0

        def current() -> ServerMemory:
            nonlocal asked
            asked += 1
            return MEMORY

        recorder = Recorder(Memory(profile, identity), FINGERPRINT, current, tasks)
        for _mark in range(10):
            recorder.mark()
        assert len(tasks) == 1
        await recorder.flush()
        await recorder.flush()
        assert asked == 1
        assert Memory(profile, identity).server(FINGERPRINT) == MEMORY
        await tasks.close()

    asyncio.run(story())


def test_a_write_that_fails_is_told_and_done_again(tmp_path: Path) -> None:
    async def story() -> None:
        folder = tmp_path / "state"
        folder.mkdir()
        identity, profile, tasks = IdentityKey.generate(), Profile(tmp_path, folder), Tasks()
        recorder = Recorder(Memory(profile, identity), FINGERPRINT, lambda: MEMORY, tasks)
        folder.rmdir()
        recorder.mark()
        await recorder.flush()
        problem = recorder.problem
        assert problem is not None
        assert problem.code == "file-not-written"
        folder.mkdir()
        await recorder.flush()
        after = recorder.problem
        assert after is None
        assert Memory(profile, identity).server(FINGERPRINT) == MEMORY
        await tasks.close()

    asyncio.run(story())
