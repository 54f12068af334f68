"""Two ends of a tunnel in one process: real UDP sockets on the loopback interface, and a socket pair as each adapter.

A socket pair of datagrams reads and writes whole packets just as a TUN device does.
"""

import os
import select
import socket
from types import TracebackType
from typing import Any, Self

from app.dataplane.counters import Counters
from app.dataplane.inbound import Inbound
from app.dataplane.outbound import Outbound
from app.dataplane.peer_table import Interface, Peer, PeerTable
from app.dataplane.super_packet import VNET_HEADER
from app.dataplane.udp_port import UdpPort
from app.ipc.schema import Notification
from app.platform.linux.tun import open_udp_socket
from app.protocol.suites import SUITES
from app.protocol.tunnel import make_session
from app.protocol.wire import Endpoint

NEAR, FAR = 0x0A1B0001, 0x0A1B0002
STRANGER = 0x0A1B0003


class FillableSocket(socket.socket):
    """A UDP socket that is full when the test says so."""

    full = False

    def sendmsg(self, *arguments: Any) -> int:
        if self.full:
            raise BlockingIOError
        return super().sendmsg(*arguments)


class Side:
    """One computer's packet path; `system` is the other end of its adapter."""

    def __init__(self, address: int, merges: bool) -> None:
        self.address = address
        self.merges = merges
        self.system, self.tun = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self.system, self.tun):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.udp = FillableSocket(fileno=open_udp_socket(0, merges).detach())
        self.endpoint = Endpoint("127.0.0.1", self.udp.getsockname()[1])
        self.notifications: list[Notification] = []
        self.counters = Counters()
        self.table = PeerTable(self.udp.family == socket.AF_INET6, 1_400)
        interface = Interface(address, 16, 1_400)
        self.port = UdpPort(self.udp, self.counters, select.poll(), lambda: open_udp_socket(0, merges))
        notify = self.notifications.append
        self.outbound = Outbound(self.tun.fileno(), self.port, self.table, interface, self.counters, notify)
        self.inbound = Inbound(
            self.tun.fileno(),
            self.port.sockets,
            self.table,
            interface,
            self.counters,
            notify,
            self.outbound.session_ready,
            (merges, merges),
        )

    def close(self) -> None:
        """Close every descriptor."""
        self.port.use_sockets(())
        for end in (self.system, self.tun, self.udp):
            end.close()

    def send(self, *packets: bytes, now: float = 1.0) -> None:
        """The system gives these packets, each with its virtio header, to the adapter."""
        for packet in packets:
            self.system.send(packet)
        self.outbound.forward(now)

    def receive(self, now: float = 1.0) -> list[bytes]:
        """What the system gets from the adapter, when all that waits at the UDP socket was delivered."""
        while select.select([self.udp], [], [], 0.05 if self.counters["udp-receives"] == 0 else 0)[0]:
            self.inbound.receive(now)
        return self.from_tun()

    def from_tun(self) -> list[bytes]:
        """What the system gets from the adapter, each packet with its virtio header."""
        packets = []
        while select.select([self.system], [], [], 0)[0]:
            packets.append(self.system.recv(100_000))
        return packets

    def peer(self, address: int) -> Peer:
        """The peer at an address."""
        return self.table.peers[address]

    def drops(self) -> dict[str, int]:
        """The counters of what was dropped, without the zeros."""
        return {name: count for name, count in self.counters.items() if name.startswith("drop-") and count}


class TwoSides:
    """`near` and `far` with a session between them. A context manager."""

    def __init__(self, suite: int = 2, near_merges: bool = True, far_merges: bool = True) -> None:
        self.near = Side(NEAR, near_merges)
        self.far = Side(FAR, far_merges)
        self.suite = suite
        self._index = 0
        self.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.near.close()
        self.far.close()

    def connect(self, far_confirmed: bool = True, relay: int = 0) -> None:
        """Install one more session at both sides, over a relay id if one is given."""
        self._index += 10
        keys = os.urandom(SUITES[self.suite].keymat_length)
        partial = self.near.merges and self.far.merges
        for side, other, initiator in ((self.near, self.far, True), (self.far, self.near, False)):
            session = make_session(
                self.suite,
                keys,
                initiator=initiator,
                local_index=self._index + (1 if initiator else 2),
                remote_index=self._index + (2 if initiator else 1),
            )
            path = side.table.path(other.endpoint._replace(relay=relay))
            assert path is not None
            side.table.install(other.address, path, session, initiator or far_confirmed, partial)

    def carry(self, *packets: bytes, now: float = 1.0) -> list[bytes]:
        """Packets from `near` to `far`."""
        self.near.send(*packets, now=now)
        return self.far.receive(now)


def plain(packet: bytes) -> bytes:
    """The packet with an empty virtio header."""
    return bytes(VNET_HEADER.size) + packet
