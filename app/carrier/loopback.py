"""The carrier's UDP socket: to the pump it looks like a relay at 127.0.0.1.

It is connected to the pump's port, so the system drops what anybody else on this computer sends to it. Trains are
received and sent as one where the system can (UDP_GRO, UDP_SEGMENT). Used by carrier.py.
"""

import errno
import socket
import sys
from collections import Counter
from struct import Struct
from typing import Final

HOST: Final = "127.0.0.1"
SOCKET_BUFFER: Final = 2_097_152
"""Bytes that the system may keep for us in each direction: a burst, as long as another process has our core."""

_UDP_SEGMENT, _UDP_GRO = 103, 104
_SEGMENT_SIZE, _GRO_SIZE = Struct("=H"), Struct("=i")
_ANCILLARY_ROOM = socket.CMSG_SPACE(_GRO_SIZE.size) if sys.platform != "win32" else 0
_NO_TRAIN = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.EOPNOTSUPP})


class Loopback:
    """The socket between pump and carrier."""

    def __init__(self, counters: Counter[str]) -> None:
        """Raises OSError."""
        self._counters = counters
        self._buffer = bytearray(65_536)
        self._view = memoryview(self._buffer)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self._socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
            self._gathers = _gathers(self._socket)
            self._socket.bind((HOST, 0))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]

    def connect(self, pump_port: int) -> None:
        """Hear and answer this port alone from now on; what came before is thrown away."""
        self._socket.connect((HOST, pump_port))
        while self.receive() is not None:
            self._counters["drop-not-from-pump"] += 1

    def fileno(self) -> int:
        """The socket, for the event loop."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it; idempotent."""
        self._socket.close()

    def receive(self) -> tuple[memoryview, int] | None:
        """A train and the length of its datagrams, None if nothing is there; the view is good until the next call."""
        while True:
            try:
                if not self._gathers:
                    length = self._socket.recv_into(self._view)
                    return self._view[:length], length
                length, ancillary, _, _ = self._socket.recvmsg_into((self._view,), _ANCILLARY_ROOM)
            except BlockingIOError:
                return None
            except ConnectionError:
                self._counters["drop-pump-unreachable"] += 1  # ICMP's answer to something sent earlier
                continue
            return self._view[:length], _GRO_SIZE.unpack(ancillary[0][2])[0] if ancillary else length

    def send(self, train: memoryview, slot: int) -> None:
        """Hand a train to the pump, or drop and count it."""
        if len(train) <= slot:
            self._send_one(train)
            return
        if not self._gathers:
            self._send_singly(train, slot)
            return
        option = ((socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT_SIZE.pack(slot)),)
        try:
            self._socket.sendmsg((train,), option)
        except BlockingIOError:
            self._counters["drop-pump-full"] += 1
        except OSError as error:
            if error.errno in _NO_TRAIN:
                self._send_singly(train, slot)
            else:
                self._counters["drop-pump-unreachable"] += 1

    def _send_singly(self, train: memoryview, slot: int) -> None:
        for start in range(0, len(train), slot):
            self._send_one(train[start : start + slot])

    def _send_one(self, datagram: memoryview) -> None:
        try:
            self._socket.send(datagram)
        except BlockingIOError:
            self._counters["drop-pump-full"] += 1
        except OSError:
            self._counters["drop-pump-unreachable"] += 1


def _gathers(sock: socket.socket) -> bool:
    """Turn on whole trains: Linux from 5.0 on."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError:
        return False
    return True
