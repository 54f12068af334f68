"""A line between an engine and what it talks to, on which a test can keep everything back for as long as it wants.

What is sent while it is held arrives after it was let go, like from a server or a helper that is slow to answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.base.tasks import Tasks

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Stream]]


class HeldLine:
    """Passes bytes on in both directions, unless it is held."""

    def __init__(self, dial: Dial) -> None:
        """`dial` connects to the far end, once for each connection that comes."""
        self._dial = dial
        self._free = asyncio.Event()
        self._free.set()
        self._tasks = Tasks()
        self._server: asyncio.Server | None = None
        self.kept_back = asyncio.Event()
        """Set when something was sent while the line was held."""

    async def listen_tcp(self) -> int:
        """On a free port of loopback, which it gives."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def listen_unix(self, path: Path) -> None:
        """On a Unix socket."""
        self._server = await asyncio.start_unix_server(self._accept, str(path))

    def hold(self) -> None:
        """Let nothing through from now on."""
        self._free.clear()
        self.kept_back.clear()

    def let_go(self) -> None:
        """Let everything through."""
        self._free.set()

    async def close(self) -> None:
        """End the line and all connections over it."""
        if self._server is not None:
            self._server.close()
        await self._tasks.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.start("line", self._connect(reader, writer))

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await self._dial()
        self._tasks.start("there", self._pass_on(reader, far_writer))
        self._tasks.start("back", self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                if not self._free.is_set():
                    self.kept_back.set()
                    await self._free.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one end is gone: so is the other, below
        finally:
            writer.close()
