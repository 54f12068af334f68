"""A byte stream, whatever carries it: what asyncio's reader and writer are together, and `WebSocketStream` as well.

Used by the engine, the carrier and the server.
"""

import asyncio
import ssl
from asyncio.trsock import TransportSocket
from typing import Protocol

TLS_TIMEOUT = 10.0
"""Seconds for TLS to begin."""
MAX_UNSENT = 32_768
"""Bytes that may wait in the process before `drain` does: more is pure latency."""


class StreamError(ConnectionError):
    """The other side does not keep to the protocol that carries the stream."""


class Stream(Protocol):
    """Bytes in order, both ways. Reading and draining may be cancelled without losing any. Raises OSError."""

    async def read(self, limit: int) -> bytes:
        """Some bytes, at most `limit`; none at the end of the stream."""

    def unread(self, data: bytes) -> None:
        """Let the next `read` begin with these bytes."""

    def write(self, data: bytes) -> None:
        """Send as soon as possible; never waits. The stream may keep `data` itself until then."""

    async def drain(self) -> None:
        """Wait until little of what was written is unsent."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and did not leave yet."""

    @property
    def own_host(self) -> str:
        """This computer's address on the way out, without a zone; empty if it is gone."""

    @property
    def socket(self) -> TransportSocket:
        """The TCP socket below, for its options."""

    def is_closing(self) -> bool:
        """Nothing can be written any more."""

    def write_eof(self) -> None:
        """Nothing more will be written; the other side may still send."""

    def close(self) -> None:
        """Send what was written, then end."""

    async def wait_closed(self) -> None:
        """Wait until a closed stream has ended."""

    def abort(self) -> None:
        """End at once; unsent bytes are lost."""


class TcpStream:
    """A stream over asyncio's transports: TCP, or TLS over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._unread = b""
        writer.transport.set_write_buffer_limits(MAX_UNSENT)

    async def read(self, limit: int) -> bytes:
        """Some bytes, at most `limit`; none at the end of the stream."""
        if self._unread:
            data, self._unread = self._unread[:limit], self._unread[limit:]
            return data
        return await self._reader.read(limit)

    def unread(self, data: bytes) -> None:
        """Let the next `read` begin with these bytes."""
        self._unread = data + self._unread

    def write(self, data: bytes) -> None:
        """Send as soon as possible."""
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until little of what was written is unsent."""
        await self._writer.drain()

    @property
    def unsent(self) -> int:
        """Bytes that were written and did not leave yet."""
        return self._writer.transport.get_write_buffer_size()

    @property
    def own_host(self) -> str:
        """This computer's address on the way out, without a zone; empty if it is gone."""
        name = self._writer.get_extra_info("sockname")
        return str(name[0]).partition("%")[0] if name else ""

    @property
    def socket(self) -> TransportSocket:
        """The TCP socket below, for its options."""
        below: TransportSocket = self._writer.get_extra_info("socket")
        return below

    def is_closing(self) -> bool:
        """Nothing can be written any more."""
        return self._writer.is_closing()

    def write_eof(self) -> None:
        """Nothing more will be written; TLS can say so only by ending both directions."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        else:
            self._writer.close()

    def close(self) -> None:
        """Send what was written, then end."""
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until a closed stream has ended."""
        await self._writer.wait_closed()

    def abort(self) -> None:
        """End at once."""
        self._writer.transport.abort()

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None) -> None:
        """Go on under TLS; a server if the stream was accepted. Raises OSError, which ssl's errors are.

        Bytes that came before TLS was spoken of would be taken for part of it, so they are an error.
        """
        if self._unread:
            raise StreamError("TLS: bytes came before it")
        await self._writer.start_tls(context, server_hostname=server_name, ssl_handshake_timeout=TLS_TIMEOUT)
        self._writer.transport.set_write_buffer_limits(MAX_UNSENT)
