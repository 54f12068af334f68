"""The sending end of a relay's stream: its queue, its writer, and a socket that keeps little to itself.

Bytes that the system has taken and not sent are as much a queue as ours, only that nobody can drop anything of it; so
it is told to take few. Used by the carrier and by the relay.
"""

import asyncio
import socket
import sys
from contextlib import suppress
from typing import Final, Never

from app.protocol.relay_stream import CONFIRM_EVERY, Train, TrainReader, confirmation
from app.protocol.stream_window import StreamWindow
from app.protocol.train_queue import TrainQueue
from app.transport.stream import Stream

ENOUGH: Final = 65_536
"""Bytes of frames in one write."""
MAX_NOT_SENT: Final = 32_768
"""Bytes beyond the congestion window that the system takes."""
RECEIVE_BUFFER: Final = 1_048_576
"""Bytes that may wait for us to read them; left alone it grows to the sixfold, which is a queue too."""
USER_TIMEOUT: Final = 10_000
"""Milliseconds for which what was sent may stay unacknowledged (RFC 5482)."""

_OPTIONS: Final = {
    "linux": ((socket.IPPROTO_TCP, 18, USER_TIMEOUT), (socket.IPPROTO_TCP, 25, MAX_NOT_SENT)),
    "darwin": ((socket.IPPROTO_TCP, 0x201, MAX_NOT_SENT),),
}
"""TCP_USER_TIMEOUT and TCP_NOTSENT_LOWAT, by system; Python has no names for all of them."""


class TrainWriter:
    """Sends trains in frames, in order; what does not fit is dropped and counted by the queue."""

    def __init__(self, stream: Stream, queue: TrainQueue) -> None:
        self._stream = stream
        self._queue = queue
        self._window = StreamWindow()
        self._received = self._confirmed = 0
        """What has come so far, and how much of it the other side knows of."""
        self._more = asyncio.Event()
        _keep_short(stream)

    def put(self, train: Train, slot: int, now: float) -> bool:
        """Send a copy of the train soon; False if it was dropped."""
        self._more.set()
        return self._queue.put(train, slot, now)

    def heard(self, trains: TrainReader, now: float) -> None:
        """Something has come: confirm it soon, and learn what has arrived of ours."""
        self._received = trains.received
        self._window.confirmed(trains.confirmed, now)
        self._more.set()

    async def run(self) -> Never:
        """Write what waits, for as long as the stream lasts. Raises OSError."""
        clock = asyncio.get_running_loop().time
        while True:
            self._more.clear()
            self._confirm()
            while self._queue and self._window.is_open:
                frames = self._queue.take(clock(), ENOUGH)
                self._stream.write(frames)
                self._window.sent(len(frames), clock())
                await self._stream.drain()
                self._confirm()
            await self._more.wait()

    def _confirm(self) -> None:
        if self._received - self._confirmed >= CONFIRM_EVERY:
            self._confirmed = self._received
            self._stream.write(confirmation(self._received))


def _keep_short(stream: Stream) -> None:
    """Set what the system has of these options; the stream does without the others."""
    options = (
        *_OPTIONS.get(sys.platform, ()),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER),
    )
    for level, option, value in options:
        with suppress(OSError):
            stream.socket.setsockopt(level, option, value)
