"""The pump: one thread, one poll loop over the adapter, the UDP sockets and the control socket.

No timers: it sleeps until a descriptor is ready, so an idle pump costs nothing. It ends when the control socket closes
or the adapter is gone. It uses descriptors that others made and needs no privilege. Started by process.py.
"""

import select
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from app.dataplane.control import Control, ControlClosed, Requests
from app.dataplane.counters import Counters
from app.dataplane.inbound import Inbound
from app.dataplane.outbound import Outbound
from app.dataplane.peer_table import Interface, PeerTable
from app.dataplane.udp_port import UdpPort
from app.ipc.schema import PumpRequest, Reply

_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL


class PumpOptions(NamedTuple):
    """What the pump is given: descriptors and what the adapter is."""

    tun: int
    """The TUN device, non-blocking, with a 10-byte virtio header on every packet."""
    udp: socket.socket
    """The UDP socket, non-blocking, bound."""
    control: socket.socket
    """The pump's end of a stream socket pair."""
    open_socket: Callable[[], socket.socket]
    """Makes one more UDP socket, of the same family as `udp`; raises OSError."""
    address: int
    prefix_length: int
    mtu: int
    merges_tcp: bool
    """The adapter takes TCP super packets and partial checksums."""
    merges_udp: bool
    """The adapter takes UDP super packets."""


class Pump:
    """The whole packet path of one adapter."""

    def __init__(self, options: PumpOptions) -> None:
        self._options = options
        counters = Counters()
        self._poll = select.poll()
        table = PeerTable(options.udp.family == socket.AF_INET6, options.mtu)
        interface = Interface(options.address, options.prefix_length, options.mtu)
        options.control.setblocking(False)
        self._port = UdpPort(options.udp, counters, self._poll, options.open_socket)
        self._control = Control(options.control, counters)
        self._outbound = Outbound(options.tun, self._port, table, interface, counters, self._control.notify)
        self._inbound = Inbound(
            options.tun,
            self._port.sockets,
            table,
            interface,
            counters,
            self._control.notify,
            self._outbound.session_ready,
            (options.merges_tcp, options.merges_udp),
        )
        self._requests = Requests(table, interface, self._outbound, self._port, counters)
        self._now = 0.0

    def run(self) -> None:
        """Carry packets until the control socket closes or the adapter is gone."""
        tun, control, poll = self._options.tun, self._options.control.fileno(), self._poll
        for fd in (tun, control):
            poll.register(fd, select.POLLIN)
        blocked = False
        interest = select.POLLIN
        try:
            while True:
                ready = poll.poll()
                self._now = time.monotonic()
                for fd, events in ready:
                    if fd == tun:
                        if events & _BROKEN:
                            return
                        self._outbound.forward(self._now)
                    elif fd == control:
                        self._control.receive(self._execute)
                    else:
                        self._turn_udp(fd, events)
                self._control.send()
                if blocked != self._port.blocked:
                    blocked = self._port.blocked
                    poll.modify(tun, 0 if blocked else select.POLLIN)
                if interest != self._control.interest:
                    interest = self._control.interest
                    poll.modify(control, interest)
        except ControlClosed:
            return
        finally:
            self._port.use_sockets(())

    def _turn_udp(self, fd: int, events: int) -> None:
        number = self._port.numbers.get(fd)
        if number is None:
            return  # closed in this very turn of the loop
        if events & select.POLLOUT:
            self._port.resume()
            self._outbound.forward(self._now)
        if events & ~select.POLLOUT:
            self._inbound.receive(self._now, number)

    def _execute(self, request: PumpRequest) -> Reply:
        return self._requests.execute(request, self._now)
