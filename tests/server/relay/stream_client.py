"""A client's end of a relay's stream, for tests: frames over TCP, without any queue."""

import asyncio
from contextlib import suppress
from typing import Self

from app.protocol.relay import STREAM_MAGIC
from app.protocol.relay_stream import TrainReader, confirmation, frame_header
from tests.server.relay.party import Party


class StreamClient:
    """One stream to the relay."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._trains = TrainReader()
        self._received: list[tuple[bytes, int]] = []

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect and say that it is a relay's stream."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        client.writer.write(STREAM_MAGIC)
        return client

    def send(self, train: bytes, slot: int = 0) -> None:
        """One train."""
        self.writer.write(frame_header(train, slot or len(train)) + train)

    async def receive(self) -> tuple[bytes, int]:
        """The next train. Raises EOFError at the end of the stream."""
        while not self._received:
            data = await self._reader.read(65_536)
            if not data:
                raise EOFError
            self._received += [(bytes(train), slot) for train, slot in self._trains.feed(data)]
            self.writer.write(confirmation(self._trains.received))
        return self._received.pop(0)

    async def say(self, word: bytes) -> bytes:
        """The answer to a word."""
        self.send(word)
        return (await self.receive())[0]

    async def bind(self, party: Party) -> int:
        """Become the party's endpoint; gives the relay id."""
        pong = await self.say(party.ping())
        return party.bound(await self.say(party.bind(pong))).relay

    async def ended(self) -> int:
        """Wait until the relay has ended the stream; gives how many bytes still came."""
        received = 0
        with suppress(ConnectionError):
            while data := await self._reader.read(65_536):
                received += len(data)
        return received

    async def close(self) -> None:
        """End it."""
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
