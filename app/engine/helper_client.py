"""The engine's side of the helper: find or start it, ask it, and learn at once when it is gone.

A helper that the engine may start itself gets one end of a socket pair as its standard input: no name to guess,
nothing to authenticate. Otherwise the system's helper is called at its well-known socket. Reconnecting is the caller's
business: `lost` says when, `connect_helper` does it anew. Knows no session, no peer and no path.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import app
from app.base.tasks import Tasks
from app.ipc.channel import REPLY_DEADLINE, Caller, Channel, ChannelError, ReplyTimeout
from app.ipc.schema import (
    ANSWERS,
    IPC_VERSION,
    Failed,
    Hello,
    HelloReply,
    InterfaceDown,
    Notification,
    PumpRequest,
    Reply,
    Request,
)
from app.platform import paths

logger = logging.getLogger(__name__)

HELLO_DEADLINE = 10.0
"""Seconds in which a helper must answer Hello; one that is just being started loads its code first."""
END_DEADLINE = 5.0
"""Seconds in which a helper that we started must end after we have closed its socket."""
_SUDO_PROBE_DEADLINE = 5.0


class HelperFailed(Exception):
    """The helper refused or could not do what was asked. `code` is for programs (see ipc/schema.py).

    Codes of this module: `no-reply` (it did not answer in time), `helper-lost`, `interface-down`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class HelperUnavailable(Exception):
    """There is no helper to talk to; the text says why, `remedy` what the person can do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class HelperClient:
    """An open conversation with a helper that has answered Hello. Made by `connect_helper`."""

    def __init__(
        self,
        channel: Channel,
        hello: HelloReply,
        on_notification: Callable[[Notification], None],
        process: asyncio.subprocess.Process | None,
    ) -> None:
        self.helper_version = hello.helper_version
        self.partial_checksums = hello.partial_checksums
        """The helper's system can send and take partial checksums."""
        self.lost = asyncio.Event()
        """Set when the connection has ended, for whatever reason; `lost_reason` says why."""
        self.lost_reason = "closed"
        self._on_notification = on_notification
        self._channel = channel
        self._process = process
        self._caller = Caller(channel, Notification, self._notified)
        self._tasks = Tasks()
        self._tasks.start("answers of the helper", self._listen())

    async def request(self, request: Request, *, deadline: float = REPLY_DEADLINE) -> Reply:
        """Send a request (its number is set here) and return the reply, never Failed.

        Raises HelperFailed, also if no reply comes within `deadline` seconds or the connection ends meanwhile.
        """
        try:
            reply = await self._caller.call(request, deadline=deadline)
        except ReplyTimeout as error:
            raise HelperFailed("no-reply", str(error)) from None
        except ChannelError as error:
            raise HelperFailed("helper-lost", str(error)) from None
        if isinstance(reply, Failed):
            raise HelperFailed(reply.code, reply.message)
        return reply

    async def close(self) -> None:
        """End the conversation, the adapter with it, and the helper if it was started here; idempotent."""
        await self._tasks.close()
        self.lost.set()  # also if it is closed before it could begin to listen
        await self._channel.close()
        if self._process is not None:
            await _end_process(self._process)

    async def _listen(self) -> None:
        try:
            self.lost_reason = str(await self._caller.run())
        finally:
            self.lost.set()

    def _notified(self, notification: Notification) -> None:
        if isinstance(notification, InterfaceDown):
            # What the pump had not answered it will never answer.
            self._caller.end_waiting(PumpRequest, HelperFailed("interface-down", notification.message))
        self._on_notification(notification)


async def connect_helper(
    on_notification: Callable[[Notification], None], socket_path: Path | None = None
) -> HelperClient:
    """Connect to the helper at `socket_path`; without one start our own where we may, else call the system's.

    Root starts its own. Others call the system's helper, and start one with sudo if there is none and sudo asks no
    password. `on_notification` is called in the loop. Raises HelperUnavailable, or HelperFailed if a helper answers
    but refuses (`not-allowed`, `busy`, `other-version`).
    """
    if socket_path is not None:
        return await _call_listening(socket_path, on_notification)
    if os.geteuid() == 0:
        return await _start(_helper_command(), on_notification)
    try:
        return await _call_listening(paths.helper_socket(), on_notification)
    except HelperUnavailable:
        if not await _sudo_asks_nothing():
            raise
    return await _start(["sudo", "-n", *_helper_command()], on_notification)


async def _call_listening(path: Path, on_notification: Callable[[Notification], None]) -> HelperClient:
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except PermissionError:
        raise HelperUnavailable(
            f"You may not use the helper at {path}.", "Ask the administrator to add you to its group, and log in again."
        ) from None
    except OSError as error:
        raise HelperUnavailable(
            f"No helper answers at {path}: {error.strerror}.",
            f"Start it: sudo buri helper --user {os.getuid()} --socket {path}",
        ) from None
    return await _greet(Channel(reader, writer, ANSWERS), on_notification, None)


async def _start(command: list[str], on_notification: Callable[[Notification], None]) -> HelperClient:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            process = await asyncio.create_subprocess_exec(
                *command, stdin=theirs.fileno(), cwd="/", env=_environment(), start_new_session=True
            )
        except OSError as error:
            ours.close()
            raise HelperUnavailable(f"The helper does not start: {error}.", "Reinstall Buri.") from None
    try:
        return await _greet(Channel(reader, writer, ANSWERS), on_notification, process)
    except (HelperUnavailable, HelperFailed, asyncio.CancelledError):
        await _end_process(process)
        raise


async def _greet(
    channel: Channel, on_notification: Callable[[Notification], None], process: asyncio.subprocess.Process | None
) -> HelperClient:
    try:
        async with asyncio.timeout(HELLO_DEADLINE):
            await channel.send(Hello(request=1, version=IPC_VERSION))
            reply = await channel.receive()
    except (ChannelError, TimeoutError) as error:
        channel.abort()
        reason = str(error) or "it does not answer"
        raise HelperUnavailable(f"The helper gives no welcome: {reason}.", "Look into the helper's log.") from None
    if isinstance(reply, HelloReply):
        return HelperClient(channel, reply, on_notification, process)
    channel.abort()
    if isinstance(reply, Failed):
        raise HelperFailed(reply.code, reply.message)
    raise HelperUnavailable("The helper answers with something else than a welcome.", "Update helper and engine.")


def _helper_command() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable, "helper", "--control-fd", "0"]
    return [sys.executable, "-P", "-m", "app.helper.service", "--control-fd", "0"]


def _environment() -> dict[str, str]:
    """Ours, and where this program lies, as the helper does not start in our folder."""
    return {**os.environ, "PYTHONPATH": str(Path(app.__file__).parent.parent)}


async def _sudo_asks_nothing() -> bool:
    sudo = shutil.which("sudo")
    if sudo is None:
        return False
    quiet = asyncio.subprocess.DEVNULL
    probe = await asyncio.create_subprocess_exec(sudo, "-n", "true", stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(_SUDO_PROBE_DEADLINE):
            return await probe.wait() == 0
    except TimeoutError:
        await _kill(probe)
        return False


async def _end_process(process: asyncio.subprocess.Process) -> None:
    """Wait for a helper whose socket is closed; one that does not end is killed."""
    try:
        # Not asyncio.timeout: in a task that is being cancelled, Python 3.11's never raises TimeoutError.
        await asyncio.wait_for(process.wait(), END_DEADLINE)
    except TimeoutError:
        logger.error("the helper does not end and is killed")
        await _kill(process)


async def _kill(process: asyncio.subprocess.Process) -> None:
    # It may have just ended, or run as root under sudo; then the closed socket has to do.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        process.kill()
        await process.wait()
