"""An HTTP proxy in a few lines, for stories that need no more: it leads anywhere, for everybody or for one user."""

import asyncio
import base64
from contextlib import suppress

from tests.transport.doors import HOST


class SmallProxy:
    """Begins and ends with the `async with` block."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.led: list[str] = []
        """Where it led, in order."""
        self.refused = 0
        """How often it let nobody through."""
        self.port = 0
        self._wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "SmallProxy":
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        for _turn in range(5):
            await asyncio.sleep(0)
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            if self._wanted not in request:
                self.refused += 1
                writer.write(b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="office"\r\n\r\n')
                writer.close()
                return
            target = request.split()[1]
            host, _, port = target.rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
            self._writers.append(far_writer)
            self.led.append(target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
