"""Sending on the one UDP socket: single datagrams and whole trains, and what happens when the system refuses.

At most one train waits here, when the socket is full; the pump reads nothing from the adapter until it has left, so
that queues stay short. Used by outbound.py and control.py.
"""

import errno
import socket
from collections.abc import Sequence
from struct import Struct

from app.dataplane.counters import Counters
from app.dataplane.peer_table import SocketAddress
from app.protocol.suites import Buffer

MAX_TRAIN_BYTES = 65_487
"""Bytes in one train: what an IPv4 or IPv6 datagram can hold, with room for either header."""
MAX_TRAIN_SEGMENTS = 64
"""Datagrams in one train: the limit of kernels before 6.9."""

_UDP_SEGMENT = 103
_SEGMENT_SIZE = Struct("=H")
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_NO_TRAIN = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.EOPNOTSUPP})


class UdpPort:
    """The UDP socket as the senders see it. `blocked` says that a train waits and nothing more may be sent."""

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._socket = sock
        self._counters = counters
        self._waiting: tuple[Sequence[Buffer], int, int, SocketAddress] | None = None
        self.blocked = False

    def send_train(self, buffers: Sequence[Buffer], slot: int, total: int, path: SocketAddress) -> None:
        """Send `total` bytes as datagrams of `slot` bytes, the last perhaps shorter.

        When the socket is full, `buffers` must keep their contents until `resume` has sent them.
        """
        try:
            if total > slot:
                option = ((socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT_SIZE.pack(slot)),)
                self._socket.sendmsg(buffers, option, 0, path)
            else:
                self._socket.sendmsg(buffers, (), 0, path)
            self._counters["udp-sends"] += 1
        except BlockingIOError:
            self._waiting = (buffers, slot, total, path)
            self.blocked = True
        except OSError as error:
            if total > slot and error.errno in _NO_TRAIN:
                self._send_singly(b"".join(buffers), slot, path)
            else:
                self._count_refusal(error)

    def resume(self) -> None:
        """The socket takes data again: send what waits."""
        if self._waiting is not None:
            waiting, self._waiting, self.blocked = self._waiting, None, False
            self.send_train(*waiting)

    def send_one(self, datagram: Buffer, path: SocketAddress) -> None:
        """Send a datagram that need not wait: it is dropped and counted when the socket is full."""
        try:
            self._socket.sendto(datagram, path)
            self._counters["udp-sends"] += 1
        except BlockingIOError:
            self._counters["drop-udp-full"] += 1
        except OSError as error:
            self._count_refusal(error)

    def _send_singly(self, train: bytes, slot: int, path: SocketAddress) -> None:
        """The way without segmentation offload, or where the path's MTU is too small for it."""
        for start in range(0, len(train), slot):
            self.send_one(train[start : start + slot], path)

    def _count_refusal(self, error: OSError) -> None:
        name = "drop-udp-unreachable" if error.errno in _UNREACHABLE else "drop-udp-refused"
        self._counters[name] += 1
