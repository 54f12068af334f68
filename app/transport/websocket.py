"""A byte stream inside a WebSocket (RFC 6455): binary messages, whose borders mean nothing.

It passes firewalls and proxies that let nothing through but the web. The protocol itself is the sans-IO layer of
`websockets`. Used by routes.py and by the server's entrance.
"""

import asyncio
import logging
from asyncio.trsock import TransportSocket
from collections import deque
from collections.abc import Iterable

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from app.transport.stream import Stream, StreamError

PATH = "/buri"
"""What is asked for; a web server in front can tell it from its own pages by that."""
MAX_FRAME = 1 << 20
"""Bytes in one message."""
MAX_OPENING = 16_384
"""Bytes in the opening request or answer."""
_CRUMB = 8
"""Bytes below which a frame is a crumb: nobody of ours sends many of these."""
_MAX_CRUMBS = 64
"""Crumbs in one read: each costs us more than it costs the sender."""
_READ_SIZE = 16_384
"""Bytes that are taken apart at a time: they may be thousands of messages."""
_MANY = 64
"""Messages in one read after which others come first."""
_PIECE = 262_144
"""Bytes in a message of ours: masking copies them, and nobody waits for the rest of a larger one."""

_frames = logging.getLogger(__name__ + ".frames")
_frames.setLevel(logging.WARNING)
"""The library tells each frame to a logger at the level of debugging; with ours it does not even look."""

Side = ClientProtocol | ServerProtocol


class WebSocketStream:
    """A stream inside the messages of an open WebSocket."""

    def __init__(self, carrier: Stream, protocol: Side, events: Iterable[Event] = ()) -> None:
        """`protocol` has done its opening; `events` are what came right behind that."""
        self._carrier = carrier
        self._protocol = protocol
        self._received: deque[bytes] = deque()
        self._ended = False
        self._take(events)

    async def read(self, limit: int) -> bytes:
        """Some bytes, at most `limit`; none at the end of the stream."""
        while not self._received and not self._ended:
            data = await self._carrier.read(min(limit, _READ_SIZE))
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
                self._ended = True
            self._take(self._protocol.events_received())
            if _send(self._carrier, self._protocol):
                await self._carrier.drain()  # who sends pings must read the answers
            if len(self._received) > _MANY:
                await asyncio.sleep(0)
        data = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        self._received.clear()
        if len(data) > limit:
            self._received.append(data[limit:])
        return data[:limit]

    def _take(self, events: Iterable[Event]) -> None:
        """Raises StreamError for what is no binary message, and ends at a Close."""
        crumbs = 0
        for event in events:
            if not isinstance(event, Frame) or event.opcode is Opcode.TEXT:
                raise StreamError("WebSocket: something else than bytes")
            if event.opcode in (Opcode.BINARY, Opcode.CONT) and event.data:
                self._received.append(bytes(event.data))
            crumbs += len(event.data) < _CRUMB or event.opcode not in (Opcode.BINARY, Opcode.CONT)
            self._ended = self._ended or event.opcode is Opcode.CLOSE
        failure = self._protocol.parser_exc
        if crumbs > _MAX_CRUMBS or (failure is not None and not isinstance(failure, EOFError)):
            raise StreamError(f"WebSocket: {failure or 'many frames with hardly a byte'}")

    def unread(self, data: bytes) -> None:
        """Let the next `read` begin with these bytes."""
        self._received.appendleft(data)

    def write(self, data: bytes) -> None:
        """Send as soon as possible."""
        if self._protocol.state is not State.OPEN:
            return
        for start in range(0, len(data), _PIECE):
            self._protocol.send_binary(data[start : start + _PIECE])
        _send(self._carrier, self._protocol)

    async def drain(self) -> None:
        """Wait until little of what was written is unsent."""
        await self._carrier.drain()

    @property
    def unsent(self) -> int:
        """Bytes that were written and did not leave yet."""
        return self._carrier.unsent

    @property
    def own_host(self) -> str:
        """This computer's address on the way out."""
        return self._carrier.own_host

    @property
    def socket(self) -> TransportSocket:
        """The TCP socket below, for its options."""
        return self._carrier.socket

    def is_closing(self) -> bool:
        """Nothing can be written any more."""
        return self._protocol.state is not State.OPEN or self._carrier.is_closing()

    def write_eof(self) -> None:
        """Say Close; the other side answers after what it still had to send."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            _send(self._carrier, self._protocol)

    def close(self) -> None:
        """Send what was written and Close, then end without waiting for the answer."""
        if not self._carrier.is_closing():
            self.write_eof()
        self._carrier.close()

    async def wait_closed(self) -> None:
        """Wait until a closed stream has ended."""
        await self._carrier.wait_closed()

    def abort(self) -> None:
        """End at once."""
        self._carrier.abort()


async def open_websocket(carrier: Stream, host: str, port: int) -> WebSocketStream:
    """Open a WebSocket as the client, over a stream that ends at the server. Raises StreamError or OSError."""
    protocol = ClientProtocol(WebSocketURI(True, host, port, PATH, ""), max_size=MAX_FRAME, logger=_frames)
    protocol.send_request(protocol.connect())
    _send(carrier, protocol)
    _, *behind = await _receive_opening(carrier, protocol)
    if protocol.state is not State.OPEN:
        raise StreamError(f"WebSocket: {protocol.handshake_exc}")
    return WebSocketStream(carrier, protocol, behind)


async def accept_websocket(carrier: Stream, page: str) -> tuple[WebSocketStream, str] | None:
    """Open a WebSocket as the server; the text is for whom a web server in front says that it speaks.

    Whoever wants something else is given `page` (404), and there is no stream; nor is there for a browser, which tells
    the page that it opens the WebSocket for. Raises StreamError or OSError.
    """
    protocol = ServerProtocol(origins=[None], max_size=MAX_FRAME, logger=_frames)
    request, *behind = await _receive_opening(carrier, protocol)
    if isinstance(request, Request) and request.path == PATH:
        protocol.send_response(protocol.accept(request))
    else:
        protocol.send_response(protocol.reject(404, page))
    _send(carrier, protocol)
    if not isinstance(request, Request) or protocol.state is not State.OPEN:
        return None
    forwarded_for = ",".join(request.headers.get_all("X-Forwarded-For")).rpartition(",")[2].strip()
    return WebSocketStream(carrier, protocol, behind), forwarded_for


async def _receive_opening(carrier: Stream, protocol: Side) -> list[Event]:
    """The other side's opening and what came with it. Raises StreamError if there is none, or no end of it."""
    received = 0
    while not (events := protocol.events_received()):
        data = await carrier.read(MAX_OPENING)
        received += len(data)
        if not data or received > MAX_OPENING:
            raise StreamError("WebSocket: no opening")
        protocol.receive_data(data)
        if protocol.handshake_exc is not None:
            raise StreamError(f"WebSocket: {protocol.handshake_exc}")
    return events


def _send(carrier: Stream, protocol: Side) -> bool:
    """Pass on what the protocol has to say; whether that is anything."""
    pieces = protocol.data_to_send()
    for piece in pieces:
        if piece:  # an empty one asks for the end of the carrier, which its owner brings about
            carrier.write(piece)
    return bool(pieces)
