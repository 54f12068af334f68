"""A pump in a thread, with a socket pair as its adapter, asked over its control socket as the helper does."""

import os
import socket
import struct
import threading
from types import TracebackType
from typing import Self, TypeVar

from app.dataplane.pump import Pump, PumpOptions
from app.ipc.schema import ANSWERS, InstallSession, IpcMessage, Notification, Reply, Request, UdpEndpoint
from app.platform.linux.tun import open_udp_socket
from app.protocol.suites import SUITES
from app.protocol.tunnel import TunnelSession, make_session

OWN, PEER = 0x0A1B0001, 0x0A1B0002

Answer = TypeVar("Answer", bound=Reply)


class RunningPump:
    """The pump of OWN; `peer` is a UDP socket that plays PEER, `system` the system's end of the adapter."""

    def __init__(self) -> None:
        self.system, self._tun = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._udp = open_udp_socket(0, True)
        self.control, self._pump_end = socket.socketpair()
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.peer.bind(("127.0.0.1", 0))
        self._tun.setblocking(False)
        for sock in (self.system, self.control, self.peer):
            sock.settimeout(10)
        self.port = self._udp.getsockname()[1]
        self.endpoint = UdpEndpoint("127.0.0.1", self.peer.getsockname()[1])
        self.notifications: list[Notification] = []
        pump = Pump(
            PumpOptions(
                tun=self._tun.fileno(),
                udp=self._udp,
                control=self._pump_end,
                open_socket=lambda: open_udp_socket(0, True),
                address=OWN,
                prefix_length=16,
                mtu=1_400,
                merges_tcp=True,
                merges_udp=True,
            )
        )
        self._thread = threading.Thread(target=pump.run)
        self._last_request = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        self.wait_for_end()
        for sock in (self.system, self._tun, self._udp, self._pump_end, self.peer):
            sock.close()

    def wait_for_end(self) -> None:
        """The pump ends by itself."""
        self._thread.join(10)
        assert not self._thread.is_alive()

    def number(self) -> int:
        """The next request's number."""
        self._last_request += 1
        return self._last_request

    def ask(self, request: Request, answer: type[Answer]) -> Answer:
        """The reply to a request, which must be of the given kind and carry its number."""
        self.send_frame(ANSWERS.encode(request))
        while True:
            message = self.next_message()
            if isinstance(message, Notification):
                self.notifications.append(message)
                continue
            assert isinstance(message, answer), message
            assert message.request == request.request
            return message

    def send_frame(self, data: bytes) -> None:
        self.control.sendall(struct.pack("!I", len(data)) + data)

    def next_message(self) -> IpcMessage:
        """The next reply or notification."""
        (length,) = struct.unpack("!I", self._receive(4))
        return ANSWERS.decode(self._receive(length))

    def next_notification(self) -> Notification:
        """The next notification, told before or to come."""
        if self.notifications:
            return self.notifications.pop(0)
        message = self.next_message()
        assert isinstance(message, Notification)
        return message

    def to_pump(self, datagram: bytes) -> None:
        """The peer sends a datagram."""
        self.peer.sendto(datagram, ("127.0.0.1", self.port))

    def install(self, index: int = 1, confirmed: bool = True, suite: int = 2, address: int = PEER) -> TunnelSession:
        """Install a session with the peer; its end of it."""
        session, request = self.session(index, confirmed, suite, address)
        self.ask(request, Reply)
        return session

    def session(
        self, index: int = 1, confirmed: bool = True, suite: int = 2, address: int = PEER
    ) -> tuple[TunnelSession, InstallSession]:
        """The peer's end of a new session, and the request for ours."""
        keys = os.urandom(SUITES[suite].keymat_length)
        request = InstallSession(
            request=self.number(),
            peer=address,
            local_index=index,
            remote_index=index + 100,
            suite=suite,
            initiator=True,
            key_material=keys,
            endpoint=self.endpoint,
            confirmed=confirmed,
            partial_checksums=True,
        )
        return make_session(suite, keys, initiator=False, local_index=index + 100, remote_index=index), request

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self.control.recv(length - len(data))
            assert more, "the pump has closed its control socket"
            data += more
        return data
