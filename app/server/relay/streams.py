"""The relay's sides on streams: for clients whose firewalls let no UDP through.

A stream is one endpoint: the same words, the same relayed datagrams, in frames (`protocol/relay_stream.py`). Its pair's
other side may be on UDP or on another stream. A client that does not read loses trains once a little waits for it, and
one that sends more than its pair may is read more slowly, which TCP passes on to it. `server/entrance.py` says which
streams are the relay's.
"""

import asyncio
import itertools
import time
from collections import Counter
from typing import Final

from app.base.turn import Turn
from app.protocol.relay import STREAM_MAGIC
from app.protocol.relay_stream import TrainReader
from app.protocol.train_queue import TrainQueue
from app.protocol.wire import DatagramType, RemoteProtocolError
from app.server.entrance import Visitor
from app.server.relay.bindings import Bindings, Origin
from app.server.relay.trains import has_one_id, runs
from app.transport.train_writer import TrainWriter

SILENCE: Final = 90.0
"""Seconds without a byte after which a stream ends; clients send something every 25 s."""
READ_SIZE: Final = 262_144
LONGEST_WAIT: Final = 1.0
"""Seconds that one train may make its sender wait."""
STRANGERS_WAIT: Final = 0.001
"""Seconds until more is read from who says a word, or sends what is not forwarded: that is free to everybody."""


class StreamWay:
    """To one endpoint, over its stream."""

    def __init__(self, number: int, source: str, writer: TrainWriter, counts: Counter[str]) -> None:
        self.origin: Origin = ("stream", number)
        self.source = source
        self._writer = writer
        self._counts = counts

    def send_train(self, train: memoryview, slot: int) -> None:
        """Let it wait for the stream; dropped and counted if too much waits already."""
        if not self._writer.put(train, slot, time.monotonic()):
            self._counts["relay_dropped_stream_full"] += 1


class RelayStreams:
    """All streams of one relay; how many there may be is the entrance's to say."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._numbers = itertools.count(1)
        self._open = 0

    def gauges(self) -> dict[str, float]:
        """How many streams there are."""
        return {"relay_streams": self._open}

    async def serve(self, visitor: Visitor) -> None:
        """Carry trains until the visitor's stream ends, which is when this returns."""
        stream, counts = visitor.stream, self._bindings.counts
        queue = TrainQueue()
        writer = TrainWriter(stream, queue)
        way = StreamWay(next(self._numbers), visitor.peer.source, writer, counts)
        self._open += 1
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(writer.run())
                group.create_task(self._read(visitor, way, writer))
        except* (OSError, RemoteProtocolError):
            counts["relay_streams_ended"] += 1
        finally:
            self._open -= 1
            self._bindings.unbind(way.origin)
            counts["relay_dropped_stream_slow"] += queue.dropped_standing
            stream.abort()

    async def _read(self, visitor: Visitor, way: StreamWay, writer: TrainWriter) -> None:
        """Raises ConnectionError at the end of the stream, TimeoutError at silence, RemoteProtocolError at nonsense."""
        trains, turn = TrainReader(), Turn()
        magic = await visitor.stream.read(len(STREAM_MAGIC))
        if magic != STREAM_MAGIC:
            raise RemoteProtocolError("relay stream: it begins with something else")
        while True:
            async with asyncio.timeout(SILENCE):
                data = await visitor.stream.read(READ_SIZE)
            if not data:
                raise ConnectionError("the client ended the stream")
            for train, slot in trains.feed(data):
                visitor.greeted()
                await self._take(train, slot, way)
                await turn.breathe()  # a flood of tiny frames must not keep others from logging in
            writer.heard(trains, time.monotonic())

    async def _take(self, train: memoryview, slot: int, way: StreamWay) -> None:
        now = time.monotonic()
        if train[0] == DatagramType.RELAY:
            answer = self._bindings.take_word(bytes(train), way, now, time.time())
            _answer(answer, way)
            await asyncio.sleep(STRANGERS_WAIT)
            return
        for run in (train,) if has_one_id(train, slot) else runs(train, slot):
            wait = self._bindings.wait(run, min(slot, len(run)), way.origin, now)
            if wait > 0:
                await asyncio.sleep(min(wait, LONGEST_WAIT))
                now = time.monotonic()
            if not self._bindings.forward(run, min(slot, len(run)), way.origin, now):
                relay = int.from_bytes(run[:4])
                _answer(self._bindings.tell_unknown(relay, min(slot, len(run)), way.source, now), way)
                await asyncio.sleep(STRANGERS_WAIT)


def _answer(answer: bytes | None, way: StreamWay) -> None:
    if answer is not None:
        way.send_train(memoryview(answer), len(answer))
