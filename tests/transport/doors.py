"""Ports of loopback behind which a test's own server stands, and which leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Door:
    """A port and how many connections it has."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.open = 0
        self.changed = asyncio.Event()
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
            await reader.read()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
        self.open -= 1
        self.changed.set()

    async def until_alone(self) -> None:
        while self.open:
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def door(serve: Serve) -> AsyncIterator[Door]:
    new = Door(serve)
    server = await asyncio.start_server(new.accept, HOST, 0)
    new.port = int(server.sockets[0].getsockname()[1])
    async with server:
        yield new
        for _turn in range(5):  # what has just come is let in first
            await asyncio.sleep(0)
        await new.until_alone()
