"""The engine's socket: the command line's requests in, the engine's answers out.

One Unix socket for each home, for its user (and root) alone: folder 0700, socket 0600, and the kernel is asked who
calls. A socket that a killed engine left is replaced: base/folder_lock.py lets one engine in at a time. What a client
sends can end at most its own connection; one that does not read is dropped.

Started by the composition root of whoever runs an engine (app/cli/up.py, the GUI). It holds no policy: each request
becomes one call of the engine's facade, by the tables of app/engine/control_requests.py.
"""

import asyncio
import logging
import os
import socket
from contextlib import aclosing
from pathlib import Path

import msgspec

from app import __version__
from app.base.tasks import Tasks
from app.engine.control_requests import STREAMS, VALUES
from app.engine.engine import Engine
from app.engine.errors import EngineError
from app.ipc import control
from app.ipc.channel import (
    WRITE_DEADLINE,
    Channel,
    ChannelClosed,
    ChannelError,
    FrameTooLong,
    FrameTruncated,
    MalformedMessage,
)
from app.platform.linux.service import LinuxHelperService
from app.platform.paths import private_folder

logger = logging.getLogger(__name__)

MAX_CLIENTS = 32
MAX_REQUESTS = 64
"""Requests of one client that may be under way, streams among them."""
MAX_MISTAKES = 8
"""Messages out of the schema after which a client is disconnected."""
BACKLOG = 16
_MAX_SENTENCE = 512


class SocketUnusable(Exception):
    """The socket can't be made; the text says why."""


class ControlServer:
    """Listens from `start` to `stop`; made for one engine."""

    def __init__(self, engine: Engine, path: Path, *, write_deadline: float = WRITE_DEADLINE) -> None:
        """`path` is the socket's; its folder is made if it is missing. `write_deadline` in seconds is for tests."""
        self._write_deadline = write_deadline
        self._engine = engine
        self._path = path
        self._callers = LinuxHelperService(users=(os.geteuid(),))
        self._tasks = Tasks()
        self._clients = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; the home's lock is held. Raises SocketUnusable."""
        try:
            private_folder(self._path.parent)
            listener = _listening(self._path)
        except OSError as error:  # a path that is too long comes without a number
            raise SocketUnusable(f"{self._path}: {error.strerror or error}") from None
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, backlog=BACKLOG)

    async def stop(self) -> None:
        """End all connections and remove the socket; idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        await self._tasks.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(
            reader, writer, control.REQUESTS, max_frame=control.MAX_CONTROL_FRAME, write_deadline=self._write_deadline
        )
        try:
            allowed = self._callers.allows(self._callers.identify(writer.get_extra_info("socket")))
        except OSError:
            allowed = False
        if not allowed or self._clients >= MAX_CLIENTS:
            logger.warning("a caller of the engine's socket was refused: %s", "busy" if allowed else "not its user")
            channel.abort()
            return
        self._clients += 1
        self._tasks.start("command line", self._serve(channel))

    async def _serve(self, channel: Channel) -> None:
        try:
            await _Client(self._engine, channel).serve()
        finally:
            self._clients -= 1


class _Client:
    """One connection: its greeting, then each request as a task of its own."""

    def __init__(self, engine: Engine, channel: Channel) -> None:
        self._engine = engine
        self._channel = channel
        self._tasks = Tasks()
        self._mistakes = 0

    async def serve(self) -> None:
        """Until the client goes, breaks the rules, or does not read."""
        try:
            if await self._greet():
                while True:
                    await self._receive()
        except (ChannelClosed, FrameTruncated):
            pass  # how every connection ends
        except FrameTooLong as error:
            await self._try_to_tell(_failed(0, "frame-too-long", "The message is too long.", str(error)))
        except ChannelError as error:
            logger.info("a client of the engine's socket was dropped: %s", error)
        finally:
            await self._tasks.close()
            await self._channel.close()

    async def _greet(self) -> bool:
        try:
            first = await self._channel.receive()
        except MalformedMessage as error:
            await self._try_to_tell(_failed(0, "not-understood", "The engine does not understand this.", str(error)))
            return False
        if isinstance(first, control.Open) and first.version == control.CONTROL_VERSION:
            await self._channel.send(
                control.Opened(
                    request=first.request,
                    version=control.CONTROL_VERSION,
                    engine_version=__version__,
                    process=os.getpid(),
                )
            )
            return True
        number = first.request if isinstance(first, control.ControlRequest) else 0
        message = f"The engine is Buri {__version__}, the command is of another version."
        remedy = "Stop the engine and start it again with this version."
        await self._try_to_tell(_failed(number, "other-version", "Versions do not fit.", message, remedy))
        return False

    async def _receive(self) -> None:
        try:
            request = await self._channel.receive()
        except MalformedMessage as error:
            self._mistakes += 1
            await self._channel.send(_failed(0, "not-understood", "The engine does not understand this.", str(error)))
            if self._mistakes >= MAX_MISTAKES:
                raise ChannelClosed("too many messages out of the schema") from None
            return
        assert isinstance(request, control.ControlRequest)
        if len(self._tasks) >= MAX_REQUESTS:
            await self._channel.send(_failed(request.request, "busy", "Too many requests at once."))
        elif isinstance(request, control.Open):
            await self._channel.send(_failed(request.request, "not-understood", "The connection is open already."))
        else:
            self._tasks.start(type(request).__name__, self._answer(request))

    async def _answer(self, request: control.ControlRequest) -> None:
        number = request.request
        try:
            if type(request) in STREAMS:
                async with aclosing(STREAMS[type(request)](self._engine, request)) as values:
                    async for value in values:
                        await self._send_value(number, value)
                await self._channel.send(control.Finished(request=number))
            else:
                await self._send_value(number, await VALUES[type(request)](self._engine, request))
        except EngineError as error:
            await self._try_to_tell(_failed(number, error.code, error.title, error.message, error.remedy))
        except ChannelError:
            self._channel.abort()  # nobody reads any more; the reading side notices and ends
        except Exception:
            logger.exception("request %s failed", type(request).__name__)
            remedy = "The engine's log has the details; please report them."
            await self._try_to_tell(_failed(number, "internal", "The engine failed.", "It has an error.", remedy))

    async def _send_value(self, number: int, value: object) -> None:
        if value is None:
            await self._channel.send(control.Done(request=number))
            return
        data = msgspec.json.encode(value)
        if len(data) > control.MAX_VALUE:
            await self._channel.send(_failed(number, "too-large", "The answer is too large for this socket."))
            return
        for part in control.parts_of(data, number):
            await self._channel.send(part)

    async def _try_to_tell(self, answer: control.Failed) -> None:
        try:
            await self._channel.send(answer)
        except ChannelError as error:
            logger.info("nobody reads the engine's answer: %s", error)


def _failed(request: int, code: str, title: str, message: str = "", remedy: str = "") -> control.Failed:
    sentences = (text[:_MAX_SENTENCE] for text in (title, message, remedy))
    return control.Failed(code[:64], *sentences, request=request)


def _listening(path: Path) -> socket.socket:
    """A listening socket that only this user may connect to. The home is locked: what lies there is left over."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)  # the mode must hold from the first moment on
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener
