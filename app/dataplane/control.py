"""The engine's requests to the pump: read from the control socket, carried out, answered.

Frames are those of the helper's socket: a 32-bit big-endian length and one MessagePack message of app/ipc/schema.py.
Nothing here blocks the packet path. Replies are never lost: while the engine does not read them, no further request
is taken. Notifications beyond MAX_UNSENT bytes are dropped and counted. Called by pump.py only.
"""

import select
import socket
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

import msgspec

from app.dataplane.counters import Counters
from app.dataplane.outbound import Outbound
from app.dataplane.peer_table import Interface, Path, PeerTable
from app.dataplane.udp_port import UdpPort
from app.ipc.schema import (
    MAX_IPC_FRAME,
    MAX_PEERS,
    DatagramReceived,
    Done,
    DropSession,
    Failed,
    InstallSession,
    IpcMessage,
    MessageCodec,
    Notification,
    PeerStatistics,
    PumpRequest,
    ReadStatistics,
    RemovePeer,
    Reply,
    SendDatagram,
    SendMessage,
    SetPeerBroadcast,
    SetPeerPath,
    Statistics,
    UdpEndpoint,
    UseSockets,
)
from app.protocol.tunnel import make_session
from app.protocol.wire import ENGINE_MESSAGE, DatagramType, LocalProtocolError, RemoteProtocolError, checked_endpoint

MAX_UNSENT: Final = 1_048_576
"""Bytes of notifications that may wait for the engine."""
MAX_UNANSWERED: Final = 2 * MAX_UNSENT
"""Bytes of replies and notifications beyond which no further request is taken."""
MAX_SESSIONS_PER_PEER: Final = 8

_LENGTH = Struct("!I")
_REQUESTS = MessageCodec(PumpRequest)


class ControlClosed(Exception):
    """The engine's side is gone, or does not speak the protocol: the pump ends."""


class Control:
    """Framing and bounded output on the control socket; hands each request to `execute`."""

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._socket = sock
        self._counters = counters
        self._received = bytearray()
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._halted = False
        """Requests that were received wait until the engine has read replies."""

    @property
    def interest(self) -> int:
        """The events of the socket to poll for."""
        reads = 0 if self._unsent_bytes > MAX_UNANSWERED else select.POLLIN
        return reads | (select.POLLOUT if self._unsent or self._halted else 0)

    def notify(self, message: Notification) -> None:
        """Tell the engine, or count the loss if it is too slow."""
        if self._unsent_bytes > MAX_UNSENT:
            busy = isinstance(message, DatagramReceived)
            self._counters["drop-engine-busy" if busy else "notifications-lost"] += 1
        else:
            self._queue(message)

    def receive(self, execute: Callable[[PumpRequest], Reply]) -> None:
        """Carry out what has arrived. Raises ControlClosed at the end of the stream or on a malformed frame."""
        if self._unsent_bytes > MAX_UNANSWERED:
            return
        if not self._halted:
            self._read()
        self._halted = False
        while not self._halted and (frame := self._next_frame()) is not None:
            try:
                request = _REQUESTS.decode(frame)
            except msgspec.DecodeError:
                raise ControlClosed from None
            if isinstance(request, PumpRequest):
                self._queue(execute(request))
            self._halted = self._unsent_bytes > MAX_UNANSWERED

    def send(self) -> None:
        """Write what waits, as far as the engine reads. Raises ControlClosed if it is gone."""
        try:
            while self._unsent:
                sent = self._socket.send(self._unsent[0])
                self._unsent_bytes -= sent
                if sent < len(self._unsent[0]):
                    self._unsent[0] = self._unsent[0][sent:]
                    return
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            raise ControlClosed from None

    def _queue(self, message: IpcMessage) -> None:
        data = _REQUESTS.encode(message)
        self._unsent.append(_LENGTH.pack(len(data)) + data)
        self._unsent_bytes += len(data) + _LENGTH.size

    def _read(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            raise ControlClosed from None
        if not data:
            raise ControlClosed
        self._received += data

    def _next_frame(self) -> bytes | None:
        """The next frame, if the whole of it was received."""
        if len(self._received) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        if length > MAX_IPC_FRAME:
            raise ControlClosed
        end = _LENGTH.size + length
        if end > len(self._received):
            return None
        frame = bytes(self._received[_LENGTH.size : end])
        del self._received[:end]
        return frame


class Requests:
    """Carries out the closed list of requests: one method each, found by the request's class."""

    def __init__(
        self, table: PeerTable, interface: Interface, outbound: Outbound, port: UdpPort, counters: Counters
    ) -> None:
        self._table = table
        self._interface = interface
        self._outbound = outbound
        self._port = port
        self._counters = counters
        self._now = 0.0
        self._methods: dict[type[PumpRequest], Callable[[Any], Reply]] = {
            InstallSession: self._install_session,
            DropSession: self._drop_session,
            SetPeerPath: self._set_path,
            SetPeerBroadcast: self._set_broadcast,
            RemovePeer: self._remove_peer,
            SendDatagram: self._send_datagram,
            SendMessage: self._send_message,
            UseSockets: self._use_sockets,
            ReadStatistics: self._statistics,
        }

    def execute(self, request: PumpRequest, now: float) -> Reply:
        """The reply to one request at `now` (monotonic seconds)."""
        self._now = now
        return self._methods[type(request)](request)

    def _drop_session(self, request: DropSession) -> Reply:
        self._table.drop_session(request.local_index)
        return Done(request=request.request)

    def _remove_peer(self, request: RemovePeer) -> Reply:
        self._table.remove_peer(request.peer)
        return Done(request=request.request)

    def _install_session(self, request: InstallSession) -> Reply:
        if not self._interface.reaches(request.peer):
            return _failed(request, "peer", "The peer's address is not in the virtual network.")
        path = self._path(request.endpoint)
        if path is None:
            return _failed(request, "endpoint", "The endpoint cannot be reached from this socket.")
        if request.local_index in self._table.sessions:
            return _failed(request, "index-in-use", "Another session has this receiver index.")
        peer = self._table.peers.get(request.peer)
        if (peer is None and len(self._table.peers) >= MAX_PEERS) or (
            peer is not None and len(peer.sessions) >= MAX_SESSIONS_PER_PEER
        ):
            return _failed(request, "too-many", "There are too many peers, or sessions of this peer.")
        try:
            session = make_session(
                request.suite,
                request.key_material,
                initiator=request.initiator,
                local_index=request.local_index,
                remote_index=request.remote_index,
            )
        except LocalProtocolError as error:
            return _failed(request, "key-material", str(error))
        peer = self._table.install(request.peer, path, session, request.confirmed, request.partial_checksums)
        peer.broadcast = request.broadcast
        if request.confirmed:
            self._outbound.session_ready(request.peer, self._now)
        return Done(request=request.request)

    def _set_path(self, request: SetPeerPath) -> Reply:
        peer = self._table.peers.get(request.peer)
        if peer is None:
            return _failed(request, "no-peer", "The pump knows no such peer.")
        path = self._path(request.endpoint)
        if path is None:
            return _failed(request, "endpoint", "The endpoint cannot be reached from this socket.")
        peer.use_path(path, min(request.mtu, self._interface.mtu))
        return Done(request=request.request)

    def _set_broadcast(self, request: SetPeerBroadcast) -> Reply:
        peer = self._table.peers.get(request.peer)
        if peer is None:
            return _failed(request, "no-peer", "The pump knows no such peer.")
        peer.broadcast = request.broadcast
        return Done(request=request.request)

    def _send_datagram(self, request: SendDatagram) -> Reply:
        kind = request.data[0]
        to_relay = kind == DatagramType.RELAY and not request.endpoint.relay
        if kind >= 0x40 and kind != DatagramType.HANDSHAKE and not to_relay:
            return _failed(request, "datagram", "Only STUN, handshakes and words to a relay itself may be sent.")
        path = self._path(request.endpoint)
        if path is None:
            self._counters["drop-endpoint"] += 1
        else:
            self._port.send_one(request.data, path)
        return Done(request=request.request)

    def _send_message(self, request: SendMessage) -> Reply:
        if request.payload[0] != ENGINE_MESSAGE:
            return _failed(request, "message", "An engine message starts with a zero byte.")
        peer = self._table.peers.get(request.peer)
        if peer is None:
            return _failed(request, "no-peer", "The pump knows no such peer.")
        session = peer.sending
        if session is None or session.tunnel.exhausted:
            return _failed(request, "no-session", "No session to this peer can send.")
        path = peer.path if request.endpoint is None else self._path(request.endpoint)
        if path is None:
            self._counters["drop-endpoint"] += 1
            return Done(request=request.request)
        send = self._port.send_whole if request.whole else self._port.send_one
        send(session.tunnel.seal(request.payload), path)
        peer.last_sent = self._now
        return Done(request=request.request)

    def _use_sockets(self, request: UseSockets) -> Reply:
        enough = self._port.use_sockets(request.numbers)
        self._outbound.forward(self._now)  # what waited for a socket that is closed now holds nothing up any more
        if not enough:
            return _failed(request, "no-sockets", "The system gives no more UDP sockets.")
        return Done(request=request.request)

    def _statistics(self, request: ReadStatistics) -> Reply:
        peers = [
            PeerStatistics(
                peer=peer.address,
                sent_bytes=peer.sent_bytes,
                sent_packets=peer.sent_packets,
                received_bytes=peer.received_bytes,
                received_packets=peer.received_packets,
                last_sent=peer.last_sent,
                last_received=peer.last_received,
                sending_index=0 if peer.sending is None else peer.sending.tunnel.local_index,
            )
            for peer in self._table.peers.values()
        ]
        return Statistics(request=request.request, now=self._now, counters=dict(self._counters), peers=peers)

    def _path(self, endpoint: UdpEndpoint) -> Path | None:
        try:
            checked = checked_endpoint(*endpoint)
        except RemoteProtocolError:
            return None
        return self._table.path(checked) if checked.socket in self._port.sockets else None


def _failed(request: PumpRequest, code: str, message: str) -> Failed:
    return Failed(request=request.request, code=code, message=message)
