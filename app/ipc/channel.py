"""Messages over any pair of asyncio streams: framing with a limit, write deadlines, and replies matched to requests.

A frame is a 32-bit big-endian length and that many bytes, one encoded message. `Channel` carries messages in both
directions for either side; `Caller` is the side that asks. Neither knows a schema: they take a codec. Used by engine
and helper on the helper's socket, and by command line and engine on the engine's socket.

Nothing here starts a task: the owner runs `Caller.run` as one, and loops over `Channel.receive`.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from app.base.turn import Turn
from app.ipc.schema import MAX_IPC_FRAME, IpcMessage, Reply, Request

_LENGTH = struct.Struct("!I")
WRITE_DEADLINE = 5.0
"""Seconds in which a reader must take what exceeds one frame, or it is disconnected."""
REPLY_DEADLINE = 10.0
"""Seconds in which a request must be answered."""

Received = TypeVar("Received", bound=IpcMessage)


class ChannelError(Exception):
    """Something ended or broke the conversation; its text says what."""


class ChannelClosed(ChannelError):
    """The far side or this side has closed the channel."""


class FrameTooLong(ChannelError):
    """A frame's length exceeds the limit; the channel cannot go on."""


class FrameTruncated(ChannelError):
    """The far side went away inside a frame."""


class MalformedMessage(ChannelError):
    """A whole frame that holds no message of the schema; the channel can go on."""


class WriteStalled(ChannelError):
    """The far side does not read; it has been disconnected."""


class ReplyTimeout(ChannelError):
    """No reply came in time; the channel goes on."""


class Codec(Protocol):
    """What turns messages into bytes and back; `app.ipc.schema.MessageCodec` is one."""

    def encode(self, message: IpcMessage, /) -> bytes:
        """The message's bytes."""
        ...

    def decode(self, data: bytes, /) -> IpcMessage:
        """One message, or msgspec.DecodeError."""
        ...


class Channel:
    """Frames and messages over one stream pair; `codec` decodes what arrives and encodes what leaves.

    A broken connection shows as a ChannelError from every later call, never as an OSError.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        codec: Codec,
        *,
        max_frame: int = MAX_IPC_FRAME,
        write_deadline: float = WRITE_DEADLINE,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._codec = codec
        self._max_frame = max_frame
        self._write_deadline = write_deadline
        self._stalled = False
        self._turn = asyncio.Lock()
        writer.transport.set_write_buffer_limits(high=max_frame)

    async def receive(self) -> IpcMessage:
        """The next message. Raises a ChannelError; only after MalformedMessage the channel can still be used."""
        return self.decode(await self.receive_frame())

    def decode(self, data: bytes) -> IpcMessage:
        """The message in a frame. Raises MalformedMessage."""
        try:
            return self._codec.decode(data)
        except msgspec.DecodeError as error:
            raise MalformedMessage(str(error)) from None

    async def receive_frame(self) -> bytes:
        """The bytes of the next frame, not decoded. Raises ChannelClosed, FrameTooLong or FrameTruncated."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise FrameTruncated("the far side ended inside a frame's length") from None
            raise ChannelClosed("the far side has closed") from None
        except OSError as error:
            raise ChannelClosed(f"the connection broke: {error}") from None
        if length > self._max_frame:
            raise FrameTooLong(f"a frame of {length} bytes, {self._max_frame} are allowed")
        return await self._read_body(length)

    async def _read_body(self, length: int) -> bytes:
        try:
            return await self._reader.readexactly(length)
        except asyncio.IncompleteReadError:
            raise FrameTruncated("the far side ended inside a frame") from None
        except OSError as error:
            raise ChannelClosed(f"the connection broke: {error}") from None

    async def send(self, message: IpcMessage) -> None:
        """Send a message; see `send_frame`."""
        await self.send_frame(self._codec.encode(message))

    async def send_frame(self, data: bytes) -> None:
        """Send bytes as one frame; frames leave in the order of the calls.

        Returns when no more than one frame's bytes wait for the reader; meanwhile other calls wait for their turn.
        Raises FrameTooLong (nothing is sent), ChannelClosed, or WriteStalled after disconnecting a reader that stalls.
        """
        if len(data) > self._max_frame:
            raise FrameTooLong(f"a frame of {len(data)} bytes, {self._max_frame} are allowed")
        async with self._turn:
            if self._writer.is_closing():
                raise WriteStalled("the far side did not read") if self._stalled else ChannelClosed("closed")
            self._writer.write(_LENGTH.pack(len(data)) + data)
            if self._writer.transport.get_write_buffer_size() > self._max_frame:
                await self._wait_for_reader()

    async def close(self) -> None:
        """Send what still waits, for at most the write deadline, and close; idempotent."""
        self._writer.close()
        try:
            async with asyncio.timeout(self._write_deadline):
                await self._writer.wait_closed()
        except TimeoutError:
            self.abort()
        except OSError:
            pass  # the far side broke the connection first, which closes it just as well

    def abort(self) -> None:
        """Close at once; what still waits is lost."""
        self._writer.transport.abort()

    async def _wait_for_reader(self) -> None:
        try:
            async with asyncio.timeout(self._write_deadline):
                await self._writer.drain()
        except TimeoutError:
            self._stalled = True
            self.abort()
            raise WriteStalled("the far side did not read") from None
        except OSError as error:
            raise ChannelClosed(f"the connection broke: {error}") from None


class Caller(Generic[Received]):
    """The asking side of a channel: numbers requests, matches replies, hands everything else to `on_notification`.

    `notification` is the class of what may come unasked. The owner keeps `run` running; when that ends, every waiting
    call ends with the same error.
    """

    def __init__(
        self, channel: Channel, notification: type[Received], on_notification: Callable[[Received], None]
    ) -> None:
        self._channel = channel
        self._notification = notification
        self._on_notification = on_notification
        self._waiting: dict[int, tuple[Request, asyncio.Future[Reply]]] = {}
        self._last_number = 0
        self._lost: ChannelError | None = None

    async def call(self, request: Request, *, deadline: float = REPLY_DEADLINE) -> Reply:
        """Send `request` under the next number (its own is ignored) and return the reply.

        Raises ReplyTimeout after `deadline` seconds, or the ChannelError that ended the channel.
        """
        if self._lost is not None:
            raise self._lost
        number = self._next_number()
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (request, reply)
        try:
            async with asyncio.timeout(deadline):
                await self._channel.send(msgspec.structs.replace(request, request=number))
                return await reply
        except TimeoutError:
            raise ReplyTimeout(f"no reply to {type(request).__name__} in {deadline:g} seconds") from None
        finally:
            del self._waiting[number]

    async def run(self) -> ChannelError:
        """Read until the channel ends and return what ended it; a message that breaks the schema ends it too."""
        turn = Turn()
        try:
            while True:
                self._take(await self._channel.receive())
                await turn.breathe()
        except ChannelError as error:
            self._lose(error)
            return error
        finally:
            if self._lost is None:
                self._lose(ChannelClosed("closed"))

    def end_waiting(self, kind: type[Request], error: Exception) -> None:
        """Let all calls with requests of `kind` that wait for a reply raise `error`; a reply to them is ignored."""
        for request, reply in self._waiting.values():
            if isinstance(request, kind) and not reply.done():
                reply.set_exception(error)
                reply.exception()  # counts as seen, even if the call is still sending and meets another error there

    def _take(self, message: IpcMessage) -> None:
        if isinstance(message, self._notification):
            self._on_notification(message)
            return
        if not isinstance(message, Reply):
            raise MalformedMessage(f"{type(message).__name__} is neither reply nor notification")
        _, reply = self._waiting.get(message.request, (None, None))
        if reply is not None and not reply.done():  # else it came after its deadline
            reply.set_result(message)

    def _lose(self, error: ChannelError) -> None:
        self._lost = error
        self.end_waiting(Request, error)
        self._channel.abort()

    def _next_number(self) -> int:
        self._last_number = self._last_number % 0xFFFFFFFF + 1
        return self._last_number
