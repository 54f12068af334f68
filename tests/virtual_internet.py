"""An internet in one process: computers, routers with NAT, a relay, and a stand-in for the privileged helper.

The stand-in speaks the real schema over a real Unix socket and holds real tunnel sessions; only the kernel's part (the
adapter, the UDP socket) is replaced. So engines run whole, and many of them, without privileges.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network
from itertools import count
from pathlib import Path
from random import Random

from app.base.tasks import Tasks
from app.ipc import schema
from app.ipc.channel import Channel, ChannelError
from app.ipc.schema import REQUESTS, UdpEndpoint
from app.protocol import stun, tunnel_message
from app.protocol.tunnel import RECEIVER_INDEX, TunnelSession, make_session
from app.protocol.wire import (
    ENGINE_MESSAGE,
    MIN_RELAY_ID,
    RELAY_ID_LENGTH,
    DatagramType,
    Endpoint,
    RemoteProtocolError,
)
from app.server.relay.bindings import Bindings

OnDatagram = Callable[[bytes, Endpoint], None]
QUIET_AFTER = 0.5
"""Seconds of silence until the pump tells of it."""
HOME_ADDRESSES = ip_network("192.168.0.0/16")
"""What no router carries into the world."""


@dataclass
class Router:
    """A NAT: `symmetric` gives each destination another port; what nobody asked for from inside is dropped."""

    public: str
    symmetric: bool = False
    mappings: dict[tuple[Endpoint, Endpoint | None], int] = field(default_factory=dict)
    permissions: set[tuple[int, Endpoint]] = field(default_factory=set)
    ports: Iterator[int] = field(default_factory=lambda: count(20_007, 7))
    """The outside ports that it gives, one after the other."""

    def outbound(self, inside: Endpoint, destination: Endpoint) -> Endpoint:
        """The outside endpoint of a datagram that leaves."""
        key = (inside, destination if self.symmetric else None)
        if key not in self.mappings:
            self.mappings[key] = next(self.ports)
        port = self.mappings[key]
        self.permissions.add((port, destination))
        return Endpoint(self.public, port)

    def inbound(self, port: int, source: Endpoint) -> Endpoint | None:
        """Who inside gets a datagram from `source`, None if it is dropped."""
        if (port, source) not in self.permissions:
            return None
        return next((inside for (inside, _), mapped in self.mappings.items() if mapped == port), None)

    def forget(self) -> None:
        """As after a restart of the router."""
        self.mappings.clear()
        self.permissions.clear()


@dataclass
class Computer:
    """One computer's place in the internet: its own address and the router before it, if any."""

    internet: "Internet"
    address: str
    router: Router | None
    sockets: dict[int, OnDatagram] = field(default_factory=dict)

    def send(self, port: int, destination: Endpoint, data: bytes) -> None:
        """A datagram leaves this computer."""
        self.internet.send(self, Endpoint(self.address, port), destination, data)


@dataclass(frozen=True)
class RelayedWay:
    """How the relay of the internet reaches one endpoint."""

    internet: "Internet"
    relay: Endpoint
    endpoint: Endpoint

    @property
    def origin(self) -> tuple[str, int]:
        return self.endpoint.host, self.endpoint.port

    @property
    def source(self) -> str:
        return self.endpoint.host

    def send_train(self, train: memoryview, slot: int) -> None:
        """Trains have one datagram here."""
        self.internet.route(self.relay, self.endpoint, bytes(train))


class Internet:
    """Carries datagrams between computers; what goes to `reflector_host` it answers or relays itself."""

    def __init__(self, delay: float = 0.001, loss: float = 0.0, reflector_host: str = "127.0.0.1") -> None:
        self.delay = delay
        self.loss = loss
        self.reflector_host = reflector_host
        self.cut: set[frozenset[str]] = set()
        """Pairs of outside addresses between which nothing passes."""
        self.relay: Bindings | None = None
        """The rules of the relay at the reflector's host."""
        self._random = Random(1)
        self._computers: list[Computer] = []

    def add(self, address: str, router: Router | None = None) -> Computer:
        """A new computer."""
        computer = Computer(self, address, router)
        self._computers.append(computer)
        return computer

    def send(self, sender: Computer, source: Endpoint, destination: Endpoint, data: bytes) -> None:
        """From one computer into its LAN, or through its router into the world."""
        for neighbour in self._computers:
            if neighbour.router is sender.router is not None and neighbour.address == destination.host:
                self._later(neighbour, destination.port, data, source)
                return
        if ip_address(destination.host) in HOME_ADDRESSES:
            return
        outside = source if sender.router is None else sender.router.outbound(source, destination)
        self.route(outside, destination, data)

    def route(self, source: Endpoint, destination: Endpoint, data: bytes) -> None:
        if self._random.random() < self.loss or frozenset((source.host, destination.host)) in self.cut:
            return
        if destination.host == self.reflector_host and data[0] >= DatagramType.RELAY:
            self._relay(source, destination, data)
            return
        if destination.host == self.reflector_host:
            reflection = stun.reflect(data, source)
            if reflection is not None:
                self.route(destination, source, reflection.answer)
            return
        for computer in self._computers:
            if computer.router is None and computer.address == destination.host:
                self._later(computer, destination.port, data, source)
                return
            if computer.router is not None and computer.router.public == destination.host:
                inside = computer.router.inbound(destination.port, source)
                if inside is not None and inside.host == computer.address:
                    self._later(computer, inside.port, data, source)
                    return

    def _relay(self, source: Endpoint, relay: Endpoint, data: bytes) -> None:
        if self.relay is None:
            return
        now, way = asyncio.get_running_loop().time(), RelayedWay(self, relay, source)
        answer: bytes | None = None
        if data[0] == DatagramType.RELAY:
            answer = self.relay.take_word(data, way, now, time.time())
        elif not self.relay.forward(memoryview(data), len(data), way.origin, now):
            answer = self.relay.tell_unknown(int.from_bytes(data[:RELAY_ID_LENGTH]), len(data), way.source, now)
        if answer is not None:
            self.route(relay, source, answer)

    def _later(self, computer: Computer, port: int, data: bytes, source: Endpoint) -> None:
        def arrive() -> None:
            socket = computer.sockets.get(port)
            if socket is not None:
                socket(data, source)

        asyncio.get_running_loop().call_later(self.delay, arrive)


@dataclass
class _Peer:
    """What the stand-in holds of one peer."""

    endpoint: Endpoint
    sending: TunnelSession | None = None
    unconfirmed: set[int] = field(default_factory=set)
    indexes: list[int] = field(default_factory=list)
    told_endpoint: Endpoint | None = None
    sent: int = 0
    received: int = 0
    last_sent: float = 0.0
    last_received: float = 0.0
    quiet_since: float | None = None
    """When the first packet was sent that nothing has followed from the peer, until that is told."""


class HelperStandIn:
    """Listens on a Unix socket like the system's helper; one engine at a time."""

    def __init__(self, computer: Computer, socket_path: Path) -> None:
        self.computer = computer
        self.socket_path = socket_path
        self.peers: dict[int, _Peer] = {}
        self.sessions: dict[int, tuple[int, TunnelSession]] = {}
        self.packets: list[tuple[int, bytes]] = []
        """IP packets that arrived, each with the peer it came from."""
        self.dropped = 0
        self.sent: Counter[int] = Counter()
        """Datagrams that were sent, by their first byte behind a relay id."""
        self.messages: Counter[str] = Counter()
        """Sealed messages of the engine that were sent, by their names."""
        self.installed: list[schema.InstallSession] = []
        """Every session the engine ever installed."""
        self.interface: schema.ConfigureInterface | None = None
        self.listeners: set[Callable[[], None]] = set()
        """Called after every request, for tests that wait for one."""
        self.extra_ports: dict[int, int] = {}
        """The ports of the extra sockets by their numbers."""
        self._port = 40_000
        self._next_extra_port = count(50_000)
        self._channel: Channel | None = None
        self._server: asyncio.Server | None = None
        self._tasks = Tasks()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._accept, str(self.socket_path))

    async def stop(self) -> None:
        """Go away, as after kill -9: adapter and sessions are gone."""
        if self._server is not None:
            self._server.close()
            self.socket_path.unlink(missing_ok=True)
        if self._channel is not None:
            self._channel.abort()
        await self._tasks.close()
        self._tasks = Tasks()
        self._remove_interface()

    def send_packet(self, peer: int, packet: bytes) -> bool:
        """What the kernel would do with an IP packet for this peer; False if it has no session."""
        entry, now = self.peers.get(peer), asyncio.get_running_loop().time()
        if entry is not None and entry.quiet_since is not None and now - entry.quiet_since >= QUIET_AFTER:
            entry.quiet_since = now
            self._notify(schema.PeerQuiet(peer))
        elif entry is not None and entry.quiet_since is None:
            entry.quiet_since = now
        return self._seal(peer, packet, None)

    # --- the engine's side

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._channel = channel = Channel(reader, writer, REQUESTS)
        self._tasks.start("stand-in", self._serve(channel))

    async def _serve(self, channel: Channel) -> None:
        try:
            while True:
                request = await channel.receive()
                assert isinstance(request, schema.Request)
                await channel.send(self._answer(request))
                for listener in tuple(self.listeners):
                    listener()
        except ChannelError:
            self._remove_interface()
        finally:
            channel.abort()

    def _answer(self, request: schema.Request) -> schema.Reply:
        number = request.request
        match request:
            case schema.Hello():
                return schema.HelloReply(schema.IPC_VERSION, "stand-in", False, request=number)
            case schema.ConfigureInterface():
                return self._configure(request)
            case schema.RemoveInterface():
                self._remove_interface()
                return schema.Done(request=number)
        if self.interface is None:
            return schema.Failed("no-interface", "There is no adapter.", request=number)
        return self._answer_pump(request)

    def _configure(self, request: schema.ConfigureInterface) -> schema.Reply:
        self._remove_interface()
        self.interface = request
        self._port += 1
        self.computer.sockets[self._port] = partial(self._arrived, 0)
        return schema.InterfaceReady("buri0", self._port, False, False, request=request.request)

    def _remove_interface(self) -> None:
        self.interface = None
        self.computer.sockets.clear()
        self.extra_ports.clear()
        self.peers.clear()
        self.sessions.clear()

    def _answer_pump(self, request: schema.Request) -> schema.Reply:
        number = request.request
        match request:
            case schema.InstallSession():
                self._install(request)
            case schema.DropSession():
                self.sessions.pop(request.local_index, None)
            case schema.RemovePeer():
                peer = self.peers.pop(request.peer, None)
                for index in peer.indexes if peer else ():
                    self.sessions.pop(index, None)
            case schema.SendDatagram():
                self._send(Endpoint(*request.endpoint), request.data)
            case schema.UseSockets():
                self._use_sockets(request.numbers)
            case schema.SetPeerPath():
                if request.peer not in self.peers:
                    return schema.Failed("no-peer", "No such peer.", request=number)
                self.peers[request.peer].endpoint = Endpoint(*request.endpoint)
                self.peers[request.peer].told_endpoint = None
            case schema.SendMessage():
                endpoint = None if request.endpoint is None else Endpoint(*request.endpoint)
                self.messages[type(tunnel_message.decode(request.payload)).__name__] += 1
                if not self._seal(request.peer, request.payload, endpoint):
                    return schema.Failed("no-session", "No session.", request=number)
            case schema.ReadStatistics():
                return self._statistics(number)
        return schema.Done(request=number)

    def _statistics(self, number: int) -> schema.Statistics:
        peers = [
            schema.PeerStatistics(
                address,
                peer.sent,
                peer.sent,
                peer.received,
                peer.received,
                peer.last_sent,
                peer.last_received,
                peer.sending.local_index if peer.sending else 0,
            )
            for address, peer in self.peers.items()
        ]
        return schema.Statistics(asyncio.get_running_loop().time(), {}, peers, request=number)

    # --- the pump's part

    def _install(self, request: schema.InstallSession) -> None:
        self.installed.append(request)
        session = make_session(
            request.suite,
            request.key_material,
            initiator=request.initiator,
            local_index=request.local_index,
            remote_index=request.remote_index,
        )
        peer = self.peers.setdefault(request.peer, _Peer(Endpoint(*request.endpoint)))
        peer.endpoint = Endpoint(*request.endpoint)
        peer.indexes.append(request.local_index)
        self.sessions[request.local_index] = (request.peer, session)
        if request.confirmed:
            peer.sending = session
        else:
            peer.unconfirmed.add(request.local_index)

    def _seal(self, address: int, plaintext: bytes, endpoint: Endpoint | None) -> bool:
        peer = self.peers.get(address)
        if peer is None or peer.sending is None:
            return False
        peer.sent += plaintext[0] != ENGINE_MESSAGE
        peer.last_sent = asyncio.get_running_loop().time()
        self._send(endpoint or peer.endpoint, peer.sending.seal(plaintext))
        return True

    def _send(self, endpoint: Endpoint, data: bytes) -> None:
        front = endpoint.relay.to_bytes(RELAY_ID_LENGTH) if endpoint.relay else b""
        self.sent[data[0]] += 1
        port = self.extra_ports.get(endpoint.socket) if endpoint.socket else self._port
        if port is not None:
            self.computer.send(port, endpoint.plain, front + data)

    def _use_sockets(self, numbers: tuple[int, ...]) -> None:
        for number in self.extra_ports.keys() - set(numbers):
            del self.computer.sockets[self.extra_ports.pop(number)]
        for number in set(numbers) - self.extra_ports.keys():
            self.extra_ports[number] = next(self._next_extra_port)
            self.computer.sockets[self.extra_ports[number]] = partial(self._arrived, number)

    def _arrived(self, socket: int, data: bytes, source: Endpoint) -> None:
        source = source._replace(socket=socket)
        if data[0] >= MIN_RELAY_ID >> 24:
            source = source._replace(relay=int.from_bytes(data[:RELAY_ID_LENGTH]))
            data = data[RELAY_ID_LENGTH:]
        if data[0] != DatagramType.DATA:
            self._notify(schema.DatagramReceived(UdpEndpoint(*source), data))
            return
        address, session = self.sessions.get(RECEIVER_INDEX.unpack_from(data)[0], (0, None))
        peer = self.peers.get(address)
        if session is None or peer is None:
            self.dropped += 1
            return
        try:
            _, _, plaintext = session.open(data)
        except RemoteProtocolError:
            self.dropped += 1
            return
        self._received(address, peer, session, source, plaintext)

    def _received(self, address: int, peer: _Peer, session: TunnelSession, source: Endpoint, plaintext: bytes) -> None:
        peer.received += plaintext[0] != ENGINE_MESSAGE
        peer.quiet_since = None
        peer.last_received = asyncio.get_running_loop().time()
        if session.local_index in peer.unconfirmed:
            peer.unconfirmed.discard(session.local_index)
            peer.sending = session
            self._notify(schema.SessionConfirmed(address, session.local_index))
        if source not in (peer.endpoint, peer.told_endpoint):
            peer.told_endpoint = source
            self._notify(schema.EndpointChanged(address, UdpEndpoint(*source)))
        if plaintext[0] == 0:
            self._notify(schema.MessageReceived(address, session.local_index, UdpEndpoint(*source), plaintext))
        else:
            self.packets.append((address, plaintext))

    def _notify(self, notification: schema.Notification) -> None:
        if self._channel is not None:
            self._tasks.start("notification", self._tell(self._channel, notification))

    async def _tell(self, channel: Channel, notification: schema.Notification) -> None:
        try:
            await channel.send(notification)
        except ChannelError:
            return
