"""Start the privileged helper when it does not run: by the system's service, or with the system's own question.

Nothing here has privileges or a password: systemd and pkexec ask an administrator themselves. Where there is neither,
the person gets the command to type. Used by app/ui/actions.py.
"""

import asyncio
import logging
import os
import shlex
import shutil
from typing import Final

from app.base.program import start_command
from app.base.tasks import Tasks
from app.engine.errors import engine_error
from app.platform import paths

logger = logging.getLogger(__name__)

UNIT: Final = "buri-helper.service"
MAX_WORDS: Final = 400
"""Characters of what a failed command said."""
_SETTLE: Final = 3.0
"""Seconds after which a helper that was started and has not ended is taken to run."""


class HelperStarter:
    """Starts the helper, and keeps one that pkexec runs until it ends by itself."""

    def __init__(self) -> None:
        self._tasks = Tasks()

    async def start(self) -> None:
        """Returns once it was started. Raises EngineError `helper-missing` with what stands in the way.

        Where only a person can start it, that is `helper-by-hand` with the command.
        """
        if await _has_unit():
            await self._run("systemctl", "start", UNIT)
        elif shutil.which("pkexec") is not None:
            await self._run("pkexec", *helper_command())
        else:
            raise engine_error("helper-by-hand", command=terminal_command())

    async def close(self) -> None:
        """Forget it; a helper that runs as root is the system's from now on."""
        await self._tasks.close()

    async def _run(self, *command: str) -> None:
        quiet = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=quiet, stdout=quiet, stderr=asyncio.subprocess.PIPE, cwd="/", start_new_session=True
            )
        except OSError as error:
            raise engine_error("helper-missing", reason=f"{command[0]}: {error.strerror or error}") from error
        ended = self._tasks.start("start of the helper", _words_at_end(process))
        if command[0] == "pkexec":
            # It lives as long as the helper; only one that ends at once has failed.
            await asyncio.wait([ended], timeout=_SETTLE)
            if not ended.done():
                return
        words = await ended
        if process.returncode:
            raise engine_error("helper-missing", reason=words or f"{command[0]} ended with {process.returncode}")


def helper_command() -> list[str]:
    """What an administrator runs for this user's helper."""
    return [*start_command(), "helper", "--user", str(os.getuid()), "--socket", str(paths.helper_socket())]


def terminal_command() -> str:
    """The same for a terminal."""
    return shlex.join(["sudo", *helper_command()])


async def _has_unit() -> bool:
    """Whether systemd runs here and knows the helper's unit."""
    if shutil.which("systemctl") is None:
        return False
    quiet = asyncio.subprocess.DEVNULL
    probe = await asyncio.create_subprocess_exec("systemctl", "cat", UNIT, stdin=quiet, stdout=quiet, stderr=quiet)
    return await probe.wait() == 0


async def _words_at_end(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    words = ""
    async for line in process.stderr:
        text = line.decode("utf-8", "replace").strip()
        words = text or words
        logger.info("helper: %s", text)
    await process.wait()
    return words[:MAX_WORDS].rstrip(".")
