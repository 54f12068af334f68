"""The relay's UDP side: takes trains from its sockets and sends them on, in the event loop.

1. Receive a datagram, or a train that the kernel gathered (UDP_GRO), behind those that are gathered already.
2. As long as what comes has the same sender, relay id and length, it only makes the train longer.
3. Send the train by one system call (UDP_SEGMENT) to the other side of the pair.

Nothing is copied, and nothing waits: what a full socket does not take is dropped, for the tunnels' senders to notice.
Each turn of the loop ends soon, so that others in the process, logins above all, have theirs. STUN on these sockets is
the reflector's, words of 0x82 are answered by `bindings.py`. Made by the composition roots of server and relay.
"""

import asyncio
import errno
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from struct import Struct
from typing import Final

from app.protocol.relay_stream import MAX_SEGMENTS, MAX_TRAIN
from app.protocol.wire import MIN_RELAY_ID, RELAY_ID_LENGTH, DatagramType
from app.server.limits import source_of
from app.server.reflector import Reflections
from app.server.relay.bindings import SWEEP_INTERVAL, Bindings, Origin
from app.server.relay.trains import has_one_id, runs
from app.server.sockets import bound_socket

TURN: Final = 0.002
"""Seconds that one socket's datagrams may take in one turn of the loop."""
SOCKET_BUFFER: Final = 4_194_304
"""Bytes that the system keeps for us in each direction, as far as it allows that many."""
BUFFER: Final = 4 * 65_536
MAX_DATAGRAM: Final = 65_536
"""Bytes that one receive may bring."""

_HAS_TRAINS = sys.platform == "linux"
_UDP_SEGMENT, _UDP_GRO = 103, 104
_SEGMENT_SIZE, _GRO_SIZE = Struct("=H"), Struct("=i")
_LONGEST_RUN = MAX_SEGMENTS if _HAS_TRAINS else 1
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT = 10, 23, 0
_NO_TRAIN = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.EOPNOTSUPP})

Receiver = Callable[[memoryview], tuple[int, int, Origin]]
"""Fills a buffer: bytes received, the length of each datagram in them, and the sender."""


class UdpWay:
    """To one endpoint, from the socket on which it reached us."""

    __slots__ = ("_counts", "_socket", "origin", "source")

    def __init__(self, sock: socket.socket, address: Origin, source: str, counts: Counter[str]) -> None:
        self._socket = sock
        self._counts = counts
        self.origin = address
        self.source = source

    def send_train(self, train: memoryview, slot: int) -> None:
        """Send the train by one call, or datagram by datagram where the system or the route can't."""
        if len(train) <= slot or not _HAS_TRAINS:
            self._send_singly(train, slot)
            return
        option = ((socket.IPPROTO_UDP, _UDP_SEGMENT, _SEGMENT_SIZE.pack(slot)),)
        try:
            self._socket.sendmsg((train,), option, 0, self.origin)
        except BlockingIOError:
            self._counts["relay_dropped_full"] += 1
        except OSError as error:
            if error.errno in _NO_TRAIN:
                self._send_singly(train, slot)
            else:
                self._counts["relay_dropped_unreachable"] += 1

    def _send_singly(self, train: memoryview, slot: int) -> None:
        for start in range(0, len(train), slot):
            try:
                self._socket.sendto(train[start : start + slot], self.origin)
            except BlockingIOError:
                self._counts["relay_dropped_full"] += 1
            except OSError:
                self._counts["relay_dropped_unreachable"] += 1


class ForwarderPort:
    """One UDP socket of the relay."""

    def __init__(self, host: str, sock: socket.socket, bindings: Bindings, reflections: Reflections) -> None:
        self._host = host
        self._socket = sock
        self._bindings = bindings
        self._reflections = reflections
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._receive = _train_receiver(sock) if _HAS_TRAINS else _datagram_receiver(sock)
        self.port: int = sock.getsockname()[1]
        _set_options(sock)
        reflections.add_port(host, self.send)

    def fileno(self) -> int:
        """The socket, for the event loop."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket; idempotent."""
        self._socket.close()

    def receive(self) -> None:
        """Forward what waits, for one turn."""
        buffer = self._buffer
        until = time.monotonic() + TURN
        start = end = slot = 0
        sender: Origin = ()
        while (now := time.monotonic()) < until:
            try:
                length, segment, address = self._receive(self._view[end:])
            except BlockingIOError:
                break
            except OSError:  # ICMP's answer to something that was sent earlier
                self._reflections.unreachable()
                continue
            gathered = end - start
            is_longer_run = (
                segment == slot
                and address == sender
                and gathered + length <= min(MAX_TRAIN, _LONGEST_RUN * slot)
                and gathered % (slot or 1) == 0
                and buffer[start : start + RELAY_ID_LENGTH] == buffer[end : end + RELAY_ID_LENGTH]
            )
            if not is_longer_run:
                self._take(start, end, slot, sender, now)
                start, slot, sender = end, segment, address
            end += length
            if end > BUFFER - MAX_DATAGRAM:
                self._take(start, end, slot, sender, now)
                start = end = slot = 0
        self._take(start, end, slot, sender, now)

    def _take(self, start: int, end: int, slot: int, sender: Origin, now: float) -> None:
        """One train from one sender."""
        if start == end:
            return
        train = self._view[start:end]
        if end - start <= slot or has_one_id(train, slot):
            self._take_run(train, slot, sender, now)
        else:
            for run in runs(train, slot):
                self._take_run(run, slot, sender, now)

    def _take_run(self, train: memoryview, slot: int, sender: Origin, now: float) -> None:
        """Datagrams that begin alike."""
        relay = int.from_bytes(train[:RELAY_ID_LENGTH])
        if relay >= MIN_RELAY_ID and min(slot, len(train)) > RELAY_ID_LENGTH:
            if not self._bindings.forward(train, slot, sender, now):
                answer = self._bindings.tell_unknown(relay, min(slot, len(train)), _source(sender), now)
                self._answer(answer, sender)
            return
        for place in range(0, len(train), slot):
            self._take_word(bytes(train[place : place + slot]), sender, now)

    def _take_word(self, datagram: bytes, sender: Origin, now: float) -> None:
        if datagram[0] == DatagramType.RELAY:
            way = UdpWay(self._socket, sender, _source(sender), self._bindings.counts)
            self._answer(self._bindings.take_word(datagram, way, now, time.time()), sender)
        else:
            self._reflections.take(datagram, sender, self._host, self.send, now)

    def _answer(self, answer: bytes | None, sender: Origin) -> None:
        if answer is not None:
            self.send(answer, sender)

    def send(self, answer: bytes, asker: Origin) -> None:
        """Send one datagram from this port."""
        UdpWay(self._socket, asker, "", self._bindings.counts).send_train(memoryview(answer), len(answer))


class Forwarder:
    """All UDP sockets of one relay."""

    def __init__(self, bindings: Bindings, reflections: Reflections) -> None:
        self._bindings = bindings
        self._reflections = reflections
        self._ports: list[ForwarderPort] = []
        self._sweep: asyncio.TimerHandle | None = None

    def open(self, host: str, port: int) -> int:
        """Forward on one address and port, 0 for any; returns the port. Raises OSError."""
        opened = ForwarderPort(host, bound_socket(host, port, socket.SOCK_DGRAM), self._bindings, self._reflections)
        self._ports.append(opened)
        asyncio.get_running_loop().add_reader(opened, opened.receive)
        if self._sweep is None:
            self._plan_sweep()
        return opened.port

    def _plan_sweep(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_INTERVAL, self._do_sweep)

    def _do_sweep(self) -> None:
        self._bindings.sweep(time.monotonic())
        self._plan_sweep()

    def stop(self) -> None:
        """Close all sockets; idempotent."""
        for port in self._ports:
            asyncio.get_running_loop().remove_reader(port)
            port.close()
        self._ports.clear()
        if self._sweep is not None:
            self._sweep.cancel()


def _train_receiver(sock: socket.socket) -> Receiver:
    receive, room, read_size = sock.recvmsg_into, socket.CMSG_SPACE(_GRO_SIZE.size), _GRO_SIZE.unpack

    def receive_train(buffer: memoryview) -> tuple[int, int, Origin]:
        length, ancillary, _, address = receive((buffer,), room)
        return length, read_size(ancillary[0][2])[0] if ancillary else length, address

    return receive_train


def _datagram_receiver(sock: socket.socket) -> Receiver:
    def receive_datagram(buffer: memoryview) -> tuple[int, int, Origin]:
        length, address = sock.recvfrom_into(buffer)
        return length, length, address

    return receive_datagram


def _source(sender: Origin) -> str:
    return source_of(str(sender[0]))


def _set_options(sock: socket.socket) -> None:
    """Large buffers, and on Linux no don't-fragment bit and whole trains."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
    if _HAS_TRAINS:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
        try:
            sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
        except OSError:
            return  # before Linux 5.0: datagrams come one by one
