"""The engine's requests to the pump: read from the control socket, carried out, answered.

Frames are those of the helper's socket: a 32-bit big-endian length and one MessagePack message of app/ipc/schema.py.
Nothing here blocks the packet path. Replies are never lost: while the engine does not read them, no further request
is taken. Notifications beyond MAX_UNSENT bytes are dropped and counted. Called by pump.py only.
"""

import socket
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Final

import msgspec

from app.dataplane.counters import Counters
from app.dataplane.outbound import Outbound
from app.dataplane.peer_table import PeerTable, SocketAddress
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
)
from app.protocol.tunnel import make_session
from app.protocol.wire import ENGINE_MESSAGE, DatagramType, LocalProtocolError, RemoteProtocolError, checked_endpoint

MAX_UNSENT: Final = 1_048_576
"""Bytes of notifications that may wait for the engine."""
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

    @property
    def wants_to_send(self) -> bool:
        """Whether something waits for the engine to read."""
        return bool(self._unsent)

    def notify(self, message: Notification) -> None:
        """Tell the engine, or count the loss if it is too slow."""
        if self._unsent_bytes > MAX_UNSENT:
            busy = isinstance(message, DatagramReceived)
            self._counters["drop-engine-busy" if busy else "notifications-lost"] += 1
        else:
            self._queue(message)

    def receive(self, execute: Callable[[PumpRequest], Reply]) -> None:
        """Carry out what has arrived. Raises ControlClosed at the end of the stream or on a malformed frame."""
        if self._unsent_bytes > 2 * MAX_UNSENT:
            return
        try:
            data = self._socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            raise ControlClosed from None
        if not data:
            raise ControlClosed
        self._received += data
        for frame in self._frames():
            try:
                request = _REQUESTS.decode(frame)
            except msgspec.DecodeError:
                raise ControlClosed from None
            if isinstance(request, PumpRequest):
                self._queue(execute(request))

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

    def _frames(self) -> list[bytes]:
        """The whole frames that were received."""
        frames = []
        start = 0
        while len(self._received) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received, start)
            if length > MAX_IPC_FRAME:
                raise ControlClosed
            end = start + _LENGTH.size + length
            if end > len(self._received):
                break
            frames.append(bytes(self._received[start + _LENGTH.size : end]))
            start = end
        del self._received[:start]
        return frames


class Requests:
    """Carries out the closed list of requests: one method each, found by the request's class."""

    def __init__(self, table: PeerTable, outbound: Outbound, port: UdpPort, counters: Counters) -> None:
        self._table = table
        self._outbound = outbound
        self._port = port
        self._counters = counters
        self._now = 0.0

    def execute(self, request: PumpRequest, now: float) -> Reply:
        """The reply to one request at `now` (monotonic seconds)."""
        self._now = now
        match request:
            case InstallSession():
                return self._install_session(request)
            case DropSession():
                self._table.drop_session(request.local_index)
            case SetPeerPath():
                return self._set_path(request)
            case SetPeerBroadcast():
                return self._set_broadcast(request)
            case RemovePeer():
                self._table.remove_peer(request.peer)
            case SendDatagram():
                return self._send_datagram(request)
            case SendMessage():
                return self._send_message(request)
            case ReadStatistics():
                return self._statistics(request)
            case _:
                return Failed(request=request.request, code="unknown-request", message="The pump has no such request.")
        return Done(request=request.request)

    def _install_session(self, request: InstallSession) -> Reply:
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
        peer.path = peer.told_path = path
        return Done(request=request.request)

    def _set_broadcast(self, request: SetPeerBroadcast) -> Reply:
        peer = self._table.peers.get(request.peer)
        if peer is None:
            return _failed(request, "no-peer", "The pump knows no such peer.")
        peer.broadcast = request.broadcast
        return Done(request=request.request)

    def _send_datagram(self, request: SendDatagram) -> Reply:
        kind = request.data[0]
        if kind >= 0x40 and kind != DatagramType.HANDSHAKE:
            return _failed(request, "datagram", "Only STUN and handshake datagrams may be sent.")
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
        self._port.send_one(session.tunnel.seal(request.payload), path)
        peer.count_sent(1, len(request.payload), self._now)
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

    def _path(self, endpoint: UdpEndpoint) -> SocketAddress | None:
        try:
            return self._table.socket_address(checked_endpoint(endpoint.host, endpoint.port))
        except RemoteProtocolError:
            return None


def _failed(request: PumpRequest, code: str, message: str) -> Failed:
    return Failed(request=request.request, code=code, message=message)
