"""Trains of datagrams on a stream: where UDP does not get through, client and relay speak in frames on a byte stream.

After the one byte `STREAM_MAGIC` that the client sends first, both directions are frames::

     0       1       2       3
    +-------+-------+-------+-------+
    |  length (16)  |   slot (16)   |   train of `length` bytes: datagrams of `slot` bytes, the last may be shorter
    +-------+-------+-------+-------+

A frame with slot 0 confirms: its 8 bytes tell how many bytes of frames with trains have arrived since the beginning.
The sender learns from it how much is still on the way, see `stream_window.py`.

A train is what a socket sends or receives in one system call (UDP_SEGMENT, UDP_GRO), so one made of segments stays one
all the way. It holds relayed datagrams, or one single word to or of the relay, and nothing else. Used by the carrier
and by the relay; what waits in front of a stream is in `train_queue.py`.
"""

from collections.abc import Iterator
from struct import Struct as Layout
from typing import Final

from app.protocol.relay import MAX_RELAY_WORD, STREAM_FRAME
from app.protocol.wire import MAX_DATAGRAM, MIN_RELAY_ID, RELAY_ID_LENGTH, DatagramType, RemoteProtocolError

MAX_TRAIN: Final = 65_487
"""Bytes in one train: what an IPv4 or IPv6 datagram can hold, with room for either header."""
MAX_SEGMENTS: Final = 64
"""Datagrams in one train: what every kernel that knows trains sends at once."""
MAX_SLOT: Final = MAX_DATAGRAM + RELAY_ID_LENGTH

CONFIRM_EVERY: Final = 32_768
"""Bytes after which the receiver confirms."""

_TOTAL: Final = Layout("!Q")
_FIRST_RELAYED: Final = MIN_RELAY_ID >> 24
_HEADER: Final = STREAM_FRAME.size

Train = bytes | memoryview


def belongs_on_stream(train: Train, slot: int) -> bool:
    """Whether a train is within the limits and holds what a relay's stream may carry."""
    length = len(train)
    if not 0 < slot <= min(length, MAX_SLOT) or length > min(MAX_TRAIN, slot * MAX_SEGMENTS):
        return False
    if train[0] == DatagramType.RELAY:
        return length == slot <= MAX_RELAY_WORD
    return min(bytes(train[::slot])) >= _FIRST_RELAYED and (length - 1) % slot >= RELAY_ID_LENGTH


def frame_header(train: Train, slot: int) -> bytes:
    """What goes in front of a train that belongs on a stream."""
    return STREAM_FRAME.pack(len(train), slot)


def confirmation(received: int) -> bytes:
    """The frame that tells how many bytes have arrived."""
    return STREAM_FRAME.pack(_TOTAL.size, 0) + _TOTAL.pack(received)


class TrainReader:
    """Cuts what comes from a stream into trains, in pieces however they come.

    A train is a view of the piece that brought it; only one that came in several pieces is copied, once, however
    small these are.
    """

    def __init__(self) -> None:
        self.received = 0
        """Bytes of frames with trains."""
        self.confirmed = 0
        """What the other side has confirmed."""
        self._rest = bytearray()
        self._wanted = _HEADER
        """Bytes that there must be before anything more can be said of them."""

    def feed(self, piece: bytes) -> Iterator[tuple[memoryview, int]]:
        """The trains that are now complete, each with its slot, to be taken before the next piece.

        Raises RemoteProtocolError at a frame that the protocol does not allow; the stream must end then.
        """
        if self._rest:
            self._rest += piece
            if len(self._rest) < self._wanted:
                return
        data = memoryview(self._rest or piece)
        start, self._wanted = 0, _HEADER
        while len(data) - start >= _HEADER:
            length, slot = STREAM_FRAME.unpack_from(data, start)
            if slot > min(length, MAX_SLOT) or length > MAX_TRAIN or (not slot and length != _TOTAL.size):
                raise RemoteProtocolError("relay stream: lengths out of range")
            end = start + _HEADER + length
            if end > len(data):
                self._wanted = end - start
                break
            train = data[start + _HEADER : end]
            if not slot:
                (self.confirmed,) = _TOTAL.unpack(train)
                start = end
                continue
            if not belongs_on_stream(train, slot):
                raise RemoteProtocolError("relay stream: neither relayed datagrams nor a word")
            start = end
            self.received += _HEADER + length
            yield train, slot
        self._rest = bytearray(data[start:])
