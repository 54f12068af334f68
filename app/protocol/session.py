"""Frames of the stream between client and server: plain during HELO, protected from AUTH on.

    plain       length (16 bits) | message
    protected   length (16 bits) | id (suite 1: 32 bits, suite 2: 64 bits) | sealed message

The length counts what follows it and, with the id, is the associated data of suite 2. A stream loses nothing, so each
id must be the successor of the last. Used by `mediation.py`; does no I/O.
"""

from app.protocol.suites import MessageCipher
from app.protocol.wire import LocalProtocolError, RemoteProtocolError

LENGTH_BYTES = 2


class FrameReader:
    """Cuts a byte stream into frames of at most `limit` bytes; the limit may grow after the login."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what came from the stream."""
        self._buffer += data

    @property
    def waiting(self) -> int:
        """Bytes that are not yet taken as frames."""
        return len(self._buffer)

    def next_frame(self) -> bytes | None:
        """The next whole frame without its length, or None. Raises RemoteProtocolError over the limit."""
        if len(self._buffer) < LENGTH_BYTES:
            return None
        length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if not 0 < length <= self.limit:
            raise RemoteProtocolError("frame: length out of range")
        if len(self._buffer) < LENGTH_BYTES + length:
            return None
        frame = bytes(self._buffer[LENGTH_BYTES : LENGTH_BYTES + length])
        del self._buffer[: LENGTH_BYTES + length]
        return frame


def plain_frame(message: bytes) -> bytes:
    """A frame of the handshake."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


class ProtectedStream:
    """Seals and opens frames after HELO; keeps the ids of both directions."""

    def __init__(self, cipher: MessageCipher) -> None:
        self._cipher = cipher
        self._send_id = cipher.first_send_id
        self._receive_id = cipher.first_receive_id

    @property
    def worn_out(self) -> bool:
        """Half of the ids are used: log in anew for fresh keys."""
        return max(self._send_id, self._receive_id) > self._cipher.id_limit // 2

    def seal(self, message: bytes) -> bytes:
        """The protected frame. Raises LocalProtocolError when the ids are used up."""
        if self._send_id >= self._cipher.id_limit:
            raise LocalProtocolError("stream: message ids used up")
        message_id = self._send_id.to_bytes(self._cipher.id_bytes, "big")
        length = self._cipher.id_bytes + self._cipher.sealed_length(len(message))
        header = length.to_bytes(LENGTH_BYTES, "big") + message_id
        sealed = self._cipher.seal(self._send_id, message, header)
        self._send_id += self._cipher.id_step
        return header + sealed

    def open(self, frame: bytes) -> bytes:
        """The message in a frame. Raises RemoteProtocolError for anything but the successor of the last."""
        cut = self._cipher.id_bytes
        if len(frame) <= cut:
            raise RemoteProtocolError("frame: too short")
        if int.from_bytes(frame[:cut], "big") != self._receive_id:
            raise RemoteProtocolError("message: id is not the successor of the last")
        header = len(frame).to_bytes(LENGTH_BYTES, "big") + frame[:cut]
        message = self._cipher.open(self._receive_id, frame[cut:], header)
        self._receive_id += self._cipher.id_step
        return message
