"""Carries out the requests of one engine: checks each, runs it or hands it to the pump, and answers.

The list of requests is closed: it is the classes below Request in ipc/schema.py, and what a class is decides who
carries it out. One connection owns at most one adapter, which ends with it. Whatever a caller does wrong, only its own
connection suffers. Used by service.py, once for each connection.
"""

import asyncio
import logging

import msgspec

from app import __version__
from app.base.tasks import Tasks
from app.helper.interface import Interface, open_interface
from app.ipc.channel import Channel, ChannelError, MalformedMessage
from app.ipc.schema import (
    IPC_VERSION,
    ConfigureInterface,
    Done,
    Failed,
    Hello,
    HelloReply,
    InterfaceDown,
    IpcMessage,
    PumpRequest,
    RemoveInterface,
    Reply,
    Request,
    UdpEndpoint,
    Uint32,
)
from app.platform.interfaces import AdapterError
from app.protocol.wire import RemoteProtocolError, checked_endpoint

logger = logging.getLogger(__name__)

HELLO_DEADLINE = 10.0
"""Seconds in which a connection must say Hello."""


class EngineConnection:
    """The conversation with one engine. `serve` once."""

    def __init__(self, channel: Channel, name_prefix: str) -> None:
        self._channel = channel
        self._name_prefix = name_prefix
        self._interface: Interface | None = None
        self._tasks = Tasks()

    async def serve(self) -> None:
        """Answer requests until the engine goes away or breaks the protocol; then its adapter is gone too."""
        try:
            if await self._greet():
                while True:
                    await self._answer_next()
        except ChannelError as end:
            logger.info("engine disconnected: %s", end)
        finally:
            await self._remove_interface()
            await self._tasks.close()
            self._channel.abort()

    async def _greet(self) -> bool:
        """Take Hello; False, after saying why, if it is something else or another version."""
        try:
            async with asyncio.timeout(HELLO_DEADLINE):
                first = await self._channel.receive()
        except TimeoutError:
            logger.info("engine disconnected: it said nothing")
            return False
        except MalformedMessage as error:
            await self._refuse(Failed(request=0, code="malformed", message=_shortened(str(error))))
            return False
        if not isinstance(first, Hello):
            await self._refuse(_failed(first, "hello-first", "The first request must be Hello."))
            return False
        if first.version != IPC_VERSION:
            message = f"This helper speaks version {IPC_VERSION}, the engine version {first.version}: update both."
            await self._refuse(_failed(first, "other-version", message))
            return False
        await self._channel.send(self._welcome(first))
        return True

    async def _refuse(self, reply: Failed) -> None:
        await self._channel.send(reply)
        await self._channel.close()

    async def _answer_next(self) -> None:
        data = await self._channel.receive_frame()
        try:
            request = self._channel.decode(data)
        except MalformedMessage as error:
            number = _request_number(data)
            await self._channel.send(Failed(request=number, code="malformed", message=_shortened(str(error))))
            return
        reply = await self._run(request)
        if reply is not None:
            await self._channel.send(reply)

    async def _run(self, request: IpcMessage) -> Reply | None:
        """Carry out a request; None if the pump will answer."""
        match request:
            case PumpRequest():
                return await self._hand_to_pump(request)
            case ConfigureInterface():
                return await self._configure(request)
            case RemoveInterface():
                await self._remove_interface()
                return Done(request=request.request)
            case Hello():
                return self._welcome(request)
        return _failed(request, "unknown-request", f"This helper does not know {type(request).__name__}.")

    def _welcome(self, request: Hello) -> HelloReply:
        return HelloReply(
            request=request.request, version=IPC_VERSION, helper_version=__version__, partial_checksums=True
        )

    async def _configure(self, request: ConfigureInterface) -> Reply:
        if self._interface is not None:
            if self._interface.is_as_wanted(request):
                return msgspec.structs.replace(self._interface.ready, request=request.request)
            await self._remove_interface()
        try:
            interface = await open_interface(request, self._name_prefix)
        except AdapterError as error:
            return _failed(request, error.code, str(error))
        self._interface = interface
        self._tasks.start("frames of the pump", self._forward_frames(interface))
        return interface.ready

    async def _hand_to_pump(self, request: PumpRequest) -> Reply | None:
        if self._interface is None:
            return _failed(request, "no-interface", "There is no adapter; configure it first.")
        try:
            checked = _with_checked_endpoint(request)
        except RemoteProtocolError as error:
            return _failed(request, "endpoint", str(error))
        try:
            await self._interface.forward(checked)
        except ChannelError:
            return _failed(request, "no-interface", "The pump has just ended.")
        return None

    async def _forward_frames(self, interface: Interface) -> None:
        """Pass on what the pump says, as fast as the engine reads, until either ends."""
        try:
            while True:
                data = await interface.receive_frame()
                await self._channel.send_frame(data)
        except ChannelError as end:
            if self._interface is not interface:
                return
            self._interface = None
            reason = await interface.close()
            logger.warning("%s is down: %s %s", interface.ready.name, end, reason)
        await self._tell_down(reason)

    async def _tell_down(self, reason: str) -> None:
        try:
            await self._channel.send(InterfaceDown(message=_shortened(reason)))
        except ChannelError:
            logger.debug("the engine is gone as well")

    async def _remove_interface(self) -> None:
        interface, self._interface = self._interface, None
        if interface is not None:
            await interface.close()
            logger.info("%s removed", interface.ready.name)


class _Numbered(msgspec.Struct):
    """What can be read of a malformed request, so that whoever sent it does not wait for the answer."""

    request: Uint32


def _request_number(data: bytes) -> int:
    try:
        return msgspec.msgpack.decode(data, type=_Numbered).request
    except msgspec.DecodeError:
        return 0


def _with_checked_endpoint(request: PumpRequest) -> PumpRequest:
    """The request with its endpoint, if it has one, in normal form. Raises RemoteProtocolError."""
    endpoint: UdpEndpoint | None = getattr(request, "endpoint", None)
    if endpoint is None:
        return request
    checked = checked_endpoint(*endpoint)
    return msgspec.structs.replace(request, endpoint=UdpEndpoint(*checked))


def _failed(request: IpcMessage, code: str, message: str) -> Failed:
    number = request.request if isinstance(request, Request) else 0
    return Failed(request=number, code=code, message=_shortened(message))


def _shortened(text: str) -> str:
    return text[:512]
