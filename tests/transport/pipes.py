"""Two streams in memory, each the other's far end."""

import asyncio
from asyncio.trsock import TransportSocket


class Pipe:
    """One end. Everything written arrives at once; nothing waits."""

    def __init__(self) -> None:
        self.other: Pipe = self
        self._reader = asyncio.StreamReader()
        self._unread = b""
        self._closed = False

    async def read(self, limit: int) -> bytes:
        if self._unread:
            data, self._unread = self._unread[:limit], self._unread[limit:]
            return data
        return await self._reader.read(limit)

    def unread(self, data: bytes) -> None:
        self._unread = data + self._unread

    def write(self, data: bytes) -> None:
        if not self._closed:
            self.other._reader.feed_data(data)

    async def drain(self) -> None:
        pass

    @property
    def unsent(self) -> int:
        return 0

    @property
    def own_host(self) -> str:
        return "127.0.0.1"

    @property
    def socket(self) -> TransportSocket:
        raise OSError("a pipe has no socket")

    def is_closing(self) -> bool:
        return self._closed

    def write_eof(self) -> None:
        if not self._closed:
            self._closed = True
            self.other._reader.feed_eof()

    def close(self) -> None:
        self.write_eof()

    async def wait_closed(self) -> None:
        pass

    def abort(self) -> None:
        self.write_eof()


def pipe() -> tuple[Pipe, Pipe]:
    """Both ends; in a running loop."""
    near, far = Pipe(), Pipe()
    near.other, far.other = far, near
    return near, far
