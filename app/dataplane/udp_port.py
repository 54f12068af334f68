"""Sending on the UDP sockets: single datagrams and whole trains, and what happens when the system refuses.

Socket 0 is the one that the helper made; a computer behind a hard NAT uses others beside it for a while. At most one
train waits here, when its socket is full; the pump reads nothing from the adapter until it has left, so that queues
stay short. Used by outbound.py, broadcast.py and control.py; the sockets are read by inbound.py.
"""

import errno
import select
import socket
from collections.abc import Callable, Collection, Sequence
from struct import Struct

from app.dataplane.counters import Counters
from app.dataplane.peer_table import Path
from app.protocol.suites import Buffer
from app.protocol.wire import RELAY_ID_LENGTH

MAX_TRAIN_BYTES = 65_487
"""Bytes in one train: what an IPv4 or IPv6 datagram can hold, with room for either header."""
MAX_TRAIN_SEGMENTS = 64
"""Datagrams in one train: the limit of kernels before 6.9."""

_UDP_SEGMENT = 103
_SEGMENT_SIZE = Struct("=H")
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_NO_TRAIN = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.EOPNOTSUPP})
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_PMTUDISC_DONT, _PMTUDISC_PROBE = 0, 3


def train_limit(slot: int) -> int:
    """How many datagrams of `slot` bytes fit into one train, over a relay as well."""
    return min(MAX_TRAIN_SEGMENTS, MAX_TRAIN_BYTES // (slot + RELAY_ID_LENGTH))


def with_relay_id(relay: bytes, *parts: Sequence[Buffer]) -> list[Buffer]:
    """A train with the relay id in front of each datagram, which is one item of each of the parts."""
    step = 1 + len(parts)
    train: list[Buffer] = [relay] * (len(parts[0]) * step)
    for place, part in enumerate(parts, 1):
        train[place::step] = part
    return train


class UdpPort:
    """The UDP sockets as the senders see them. `blocked` says that a train waits and nothing more may be sent."""

    def __init__(
        self, sock: socket.socket, counters: Counters, poll: select.poll, open_socket: Callable[[], socket.socket]
    ) -> None:
        self._counters = counters
        self._poll = poll
        self._open_socket = open_socket
        self._waiting: tuple[Sequence[Buffer], int, int, Path] | None = None
        self.blocked = False
        self.sockets: dict[int, socket.socket] = {}
        """The sockets by their numbers."""
        self.numbers: dict[int, int] = {}
        """The numbers of the sockets by their descriptors."""
        self._add(0, sock)

    def use_sockets(self, numbers: Collection[int]) -> bool:
        """Have just these sockets beside socket 0; False if the system gives no more."""
        for number in self.sockets.keys() - {0, *numbers}:
            self._close(number)
        for number in numbers:
            if number not in self.sockets:
                try:
                    sock = self._open_socket()
                except OSError:
                    return False
                if sock.family != self.sockets[0].family:  # IPv6 came or went, and addresses differ in form
                    sock.close()
                    return False
                self._add(number, sock)
        return True

    def send_train(self, buffers: Sequence[Buffer], slot: int, total: int, path: Path) -> None:
        """Send `total` bytes as datagrams of `slot` bytes, the last perhaps shorter; relay ids are in them already.

        When the socket is full, `buffers` must keep their contents until `resume` has sent them.
        """
        address, _, number = path
        sock = self.sockets.get(number)
        if sock is None:
            self._counters["drop-no-socket"] += -(-total // slot)
            return
        try:
            if total > slot:
                option = ((socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT_SIZE.pack(slot)),)
                sock.sendmsg(buffers, option, 0, address)
            else:
                sock.sendmsg(buffers, (), 0, address)
            self._counters["udp-sends"] += 1
        except BlockingIOError:
            self._waiting = (buffers, slot, total, path)
            self.blocked = True
            self._poll.modify(sock, select.POLLIN | select.POLLOUT)
        except OSError as error:
            if total > slot and error.errno in _NO_TRAIN:
                self._send_singly(b"".join(buffers), slot, path)
            else:
                self._count_refusal(error)

    def resume(self) -> None:
        """The socket takes data again: send what waits."""
        if self._waiting is not None:
            waiting, self._waiting, self.blocked = self._waiting, None, False
            self._poll.modify(self.sockets[waiting[3][2]], select.POLLIN)
            self.send_train(*waiting)

    def send_one(self, datagram: Buffer, path: Path) -> None:
        """Send a datagram that need not wait: it is dropped and counted when the socket is full."""
        self._send(path[1] + datagram if path[1] else datagram, path)

    def send_whole(self, datagram: bytes, path: Path) -> None:
        """Send a datagram that no router may fragment, however little it carries: whether it arrives is the question.

        All else may be fragmented rather than lost.
        """
        sock = self.sockets.get(path[2])
        if sock is not None:
            _set_path_mtu_discovery(sock, _PMTUDISC_PROBE)
        self.send_one(datagram, path)
        if sock is not None:
            _set_path_mtu_discovery(sock, _PMTUDISC_DONT)

    def _add(self, number: int, sock: socket.socket) -> None:
        self.sockets[number] = sock
        self.numbers[sock.fileno()] = number
        self._poll.register(sock, select.POLLIN)

    def _close(self, number: int) -> None:
        """Close a socket; the train that waits for it is lost."""
        if self._waiting is not None and self._waiting[3][2] == number:
            _, slot, total, _ = self._waiting
            self._counters["drop-no-socket"] += -(-total // slot)
            self._waiting, self.blocked = None, False
        sock = self.sockets.pop(number)
        self._poll.unregister(sock)
        del self.numbers[sock.fileno()]
        sock.close()

    def _send(self, datagram: Buffer, path: Path) -> None:
        """Send a datagram as it is."""
        address, _, number = path
        sock = self.sockets.get(number)
        if sock is None:
            self._counters["drop-no-socket"] += 1
            return
        try:
            sock.sendto(datagram, address)
            self._counters["udp-sends"] += 1
        except BlockingIOError:
            self._counters["drop-udp-full"] += 1
        except OSError as error:
            self._count_refusal(error)

    def _send_singly(self, train: bytes, slot: int, path: Path) -> None:
        """The way without segmentation offload, or where the path's MTU is too small for it."""
        for start in range(0, len(train), slot):
            self._send(train[start : start + slot], path)

    def _count_refusal(self, error: OSError) -> None:
        name = "drop-udp-unreachable" if error.errno in _UNREACHABLE else "drop-udp-refused"
        self._counters[name] += 1


def _set_path_mtu_discovery(sock: socket.socket, value: int) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, value)
    sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, value)
