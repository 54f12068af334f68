"""A mediation server on this computer, for friends: a process of its own that lives as long as the app.

It is the very `buri server` that operators run, in the folder `hosted-server` of this home. This process only starts it
and keeps it: when it dies it is started again with back-off, its log goes to ours, and as it ends with its standard
input it never outlives the app, even one that is killed. Made by application.py; the welcome and the preferences
switch it on and off.
"""

import asyncio
import logging
import os
import random
import time
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from PySide6.QtCore import QObject, Signal

from app.base.backoff import Backoff
from app.base.program import environment, program
from app.base.tasks import Tasks
from app.engine.errors import EngineError, engine_error
from app.protocol.invite import Invite, InviteError, parse_invite
from app.protocol.wire import SERVER_PORT

logger = logging.getLogger(__name__)

BACKOFF: Final = Backoff(first=1.0, limit=60.0)
STEADY: Final = 60.0
"""Seconds after which a server that ran is no failing one."""
END_DEADLINE: Final = 5.0
"""Seconds in which it must have ended."""
MAX_LINE: Final = 8_192
"""Bytes of one line of its log."""
LOCAL_HOST: Final = "127.0.0.1"


class HostStatus(StrEnum):
    """Where the hosted server stands."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    """It ended, or never came up; it is tried again."""


class HostedServer(QObject):
    """Keeps the server of `folder` running between `start` and `stop`."""

    changed = Signal()
    """`status` or `problem` changed."""

    def __init__(self, folder: Path, backoff: Backoff = BACKOFF) -> None:
        super().__init__()
        self.folder = folder
        self.status = HostStatus.OFF
        self.problem: EngineError | None = None
        """Why it does not run, if the status is FAILED."""
        self._backoff = backoff
        self._tasks = Tasks()
        self._keeping: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._last_words = ""

    async def exists(self) -> bool:
        """Whether there is a server in the folder."""
        return await asyncio.to_thread((self.folder / "server.toml").exists)

    async def create(self, name: str, port: int = SERVER_PORT) -> None:
        """Make one, if there is none yet: key, configuration, a pool of addresses. Raises EngineError."""
        if not await self.exists():
            await self._ask("init", f"--name={name}", f"--port={port}")

    async def invite(self, host: str) -> Invite:
        """What a link to it says, if others reach it as `host`. Raises EngineError."""
        answer = await self._ask("invite", f"--host={host}")
        try:
            return parse_invite(msgspec.json.decode(answer, type=dict[str, str])["invite"])
        except (msgspec.MsgspecError, KeyError, InviteError) as error:
            raise engine_error("hosted-server-failed", reason=f"it answered with something else: {error}") from error

    async def start(self) -> None:
        """Keep it running from now on. Raises EngineError if it does not come up at once; it is tried again then."""
        if self._keeping is None:
            self._settled.clear()
            self._keeping = self._tasks.start("hosted server", self._keep())
        await self._settled.wait()
        if self.problem is not None:
            raise self.problem

    async def stop(self) -> None:
        """End it and wait until it has ended; idempotent."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.wait([keeping])
        self._tell(HostStatus.OFF)

    async def close(self) -> None:
        """At the end of the app."""
        await self.stop()
        await self._tasks.close()

    async def _keep(self) -> None:
        attempt = 0
        while True:
            self._tell(HostStatus.STARTING)
            began = time.monotonic()
            await self._run()
            attempt = 0 if time.monotonic() - began > STEADY else attempt + 1
            reason = self._last_words or "it ended without a word"
            self._tell(HostStatus.FAILED, engine_error("hosted-server-failed", reason=reason))
            await asyncio.sleep(self._backoff.delay(attempt - 1 if attempt else 0, random.random()))

    async def _run(self) -> None:
        """One process, from its start to its end."""
        self._last_words = ""
        try:
            process = await self._start_process("run", "--attached")
        except OSError as error:
            self._last_words = error.strerror or str(error)
            return
        log = self._tasks.start("log of the hosted server", self._read_log(process))
        try:
            assert process.stdout is not None
            if await process.stdout.readline():
                self._tell(HostStatus.RUNNING)
            await process.wait()
            await log
        finally:
            await _end(process)

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than MAX_LINE: left out
                continue
            if not line:
                return
            self._last_words = _plain(line) or self._last_words
            logger.info("hosted server: %s", _plain(line))

    async def _ask(self, command: str, *words: str) -> bytes:
        """The answer of one short command. Raises EngineError with what it says instead."""
        try:
            process = await self._start_process(command, "--json", *words)
            answer, complaint = await process.communicate()
        except OSError as error:
            raise engine_error("hosted-server-failed", reason=error.strerror or error) from error
        if process.returncode:
            raise engine_error("hosted-server-failed", reason=_plain(complaint))
        return answer

    async def _start_process(self, command: str, *words: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        arguments = [*program(), "server", command, "--folder", str(self.folder), *words]
        # A session of its own: Ctrl-C in the terminal is for us, who then end it in order.
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            limit=MAX_LINE,
            cwd="/",
            env={**os.environ, **environment()},
            start_new_session=True,
        )

    def _tell(self, status: HostStatus, problem: EngineError | None = None) -> None:
        self.status, self.problem = status, problem
        if status is not HostStatus.STARTING:
            self._settled.set()
        self.changed.emit()


async def _end(process: asyncio.subprocess.Process) -> None:
    """It ends with its standard input; one that does not is killed."""
    if process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        # Not asyncio.timeout: in a task that is being cancelled, Python 3.11's never raises TimeoutError.
        await asyncio.wait_for(process.wait(), END_DEADLINE)
    except TimeoutError:
        logger.error("the hosted server does not end and is killed")
        process.kill()
        await process.wait()


def _plain(line: bytes) -> str:
    """What it said, without the prefix that names the program."""
    text = " ".join(line.decode("utf-8", "replace").split())
    if "address already in use" in text.lower():
        return "another program on this computer uses its ports"
    return text.removeprefix("buri server: ").rstrip(".")
