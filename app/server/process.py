"""A server or a relay as a process: its folder is claimed, it runs in a loop of its own, and stops when it is told to.

Called by the composition roots `service.py` and `relay/service.py`.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from app.base.folder_lock import FolderInUse, FolderLock
from app.base.logs import set_up_logging
from app.server.config import ConfigError, LogTable

logger = logging.getLogger(__name__)


class Service(Protocol):
    """What runs: made inside the loop, started, and stopped once."""

    async def start(self) -> None:
        """Open all ports. Raises ConfigError if one can't be opened."""

    async def stop(self) -> None:
        """Close everything; idempotent."""


def run(folder: Path, role: str, log: LogTable, make: Callable[[], Service], *, attached: bool) -> None:
    """Run a service in `folder` until SIGINT or SIGTERM. Raises ConfigError if it can't start.

    `attached`: it says `ready` on standard output, and ends with standard input, so that it never outlives whoever
    started it.
    """
    set_up_logging(log.level, json_lines=log.json)
    try:
        lock = FolderLock(folder, role)
    except FolderInUse as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{folder} can't be locked: {error.strerror}") from error
    # The selector loop everywhere: Windows' default loop can go deaf on UDP (CPython issue 127057).
    with lock, asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(_run(role, make, attached))


async def _run(role: str, make: Callable[[], Service], attached: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
    service = make()
    await service.start()
    if attached:
        loop.add_reader(sys.stdin.fileno(), _read_to_end, sys.stdin.fileno(), stopped)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
    await stopped.wait()
    logger.info("%s stops", role)
    await service.stop()


def _read_to_end(descriptor: int, stopped: asyncio.Event) -> None:
    """What comes is of no interest, only that nothing comes any more."""
    if not os.read(descriptor, 4_096):
        asyncio.get_running_loop().remove_reader(descriptor)  # the end is there to be read for ever
        stopped.set()
