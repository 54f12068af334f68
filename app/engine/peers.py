"""All links to peers: which exist, what reaches them, and what they ask of helper and server.

Routes what comes through the helper's socket (checks, handshakes, engine messages) and the server's introductions to
the right link, fetches and pins keys, and keeps every link's deadlines. Owned by engine/engine.py.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence

from app.base.tasks import Tasks
from app.base.turn import Turn
from app.engine.candidates import Reflectors
from app.engine.contacts import Contacts
from app.engine.introductions import Introductions
from app.engine.mediation_client import MediationClient
from app.engine.networks import SharedPeer
from app.engine.path_search import PathSearches
from app.engine.peer_keys import PeerKeys
from app.engine.peer_link import PeerLink
from app.engine.relays import Relays
from app.engine.timing import Timing
from app.ipc.schema import (
    DatagramReceived,
    EndpointChanged,
    InterfaceReady,
    MessageReceived,
    Notification,
    PeerQuiet,
    PeerStatistics,
    PeerWanted,
    Request,
    SendDatagram,
    SendMessage,
    SessionConfirmed,
    Statistics,
    UdpEndpoint,
)
from app.protocol import stun, tunnel_message
from app.protocol.keys import IdentityKey
from app.protocol.messages import CandidateKind, Introduced, PeerCapability, RelayOffered
from app.protocol.path import CheckCredentials
from app.protocol.peer_handshake import (
    HandshakeFailed,
    PeerFacts,
    PeerHandshakes,
    PeerUnknown,
    SessionEstablished,
    SharedNetwork,
)
from app.protocol.tunnel_message import (
    Goodbye,
    ProbeReply,
    ProbeRequest,
    SearchAnswer,
    SearchOffer,
    TunnelMessage,
)
from app.protocol.wire import Address, DatagramType, Endpoint, RemoteProtocolError, checked_endpoint

logger = logging.getLogger(__name__)

MAX_ASKING = 16
"""Keys and introductions asked of the server at a time: a large network must not crowd out what a person asks."""
_LAST_STUN_BYTE = 0x3F


class Peers:
    """The links of one account.

    `post` sends a request to the pump; `hosts` gives this computer's interface endpoints; `on_message` takes engine
    messages that are nobody's here; `on_up` is called when a tunnel comes up, `on_key` when a key became known,
    `on_change` after anything that is shown has changed.
    """

    def __init__(
        self,
        identity: IdentityKey,
        suite: int,
        timing: Timing,
        tasks: Tasks,
        client: MediationClient,
        contacts: Contacts,
        post: Callable[[Request], None],
        hosts: Callable[[], Sequence[Endpoint]],
        on_message: Callable[[Address, TunnelMessage], None],
        on_up: Callable[[Address], None],
        on_key: Callable[[], None],
        on_change: Callable[[], None],
        on_deadline: Callable[[], None],
    ) -> None:
        self.links: dict[Address, PeerLink] = {}
        self.counters: Counter[str] = Counter()
        self._pump_drops: Counter[str] = Counter()
        self._identity, self._suite, self._timing = identity, suite, timing
        self._contacts, self._post = contacts, post
        self._on_message, self._on_up = on_message, on_up
        self._on_change, self._on_deadline = on_change, on_deadline
        self.reflectors = Reflectors(self._send_datagram, timing)
        asking = asyncio.Semaphore(MAX_ASKING)
        self.keys = PeerKeys(client, contacts, timing, tasks, asking, on_key)
        self._introductions = Introductions(client, self.reflectors, hosts, self._credentials, timing, tasks, asking)
        self.searches = PathSearches(self.links, self.reflectors, timing, tasks, post, self.send_message, self._changed)
        self.relays = Relays(
            self._send_datagram, client, tasks, self._needs_relay, self._relay_bound, self.went_unanswered, self._now
        )
        self._own: Address | None = None
        self._handshakes: PeerHandshakes | None = None
        self._interface: InterfaceReady | None = None
        self._by_username: dict[bytes, Address] = {}

    # --- what the engine tells

    def know_address(self, own: Address) -> None:
        """This account's address; it never changes."""
        self._own = own

    def update(self, shared: dict[Address, SharedPeer]) -> None:
        """Who shares which networks now. Tunnels without one end before this returns."""
        if self._own is None:
            return
        now = self._now()
        for address in self.links.keys() - shared.keys():
            self._close(address, now)
        for address, peer in shared.items():
            self.keys.check(peer)
            link = self.links.get(address)
            if link is None:
                link = self.links[address] = PeerLink(peer, self._own, self, self._timing, now)
                self._by_username[link.finder.own.username] = address
            link.update(peer, self._interface is not None and self.keys.is_trusted(peer), now)
        self._changed()

    def _close(self, address: Address, now: float) -> None:
        link = self.links.pop(address)
        link.end_tunnel(now)
        self._by_username.pop(link.finder.own.username, None)
        self.keys.changed.discard(address)
        self.searches.forget(address)
        self.relays.forget(address)
        if self._handshakes is not None:
            self._handshakes.cancel(address)

    def interface_up(self, ready: InterfaceReady) -> None:
        """The adapter and its socket are there, with no session in them."""
        if self._own is None:
            return
        self._interface = ready
        capabilities = int(PeerCapability.PARTIAL_CHECKSUMS) if ready.partial_checksums else 0
        self._handshakes = PeerHandshakes(self._identity, self._own, self._facts, capabilities)
        self.reflectors.socket_opened(ready.udp_port)
        self.relays.socket_opened()
        self.update({address: link.shared for address, link in self.links.items()})

    def interface_down(self) -> None:
        """Adapter, socket and sessions are gone."""
        self._interface = self._handshakes = None
        self._pump_drops.clear()
        self.searches.interface_down()
        self.relays.socket_closed()
        now = self._now()
        self._by_username.clear()
        for address, link in self.links.items():
            link.sessions_gone(now)
            link.enabled = False
            self._by_username[link.finder.own.username] = address
        self._changed()

    def server_online(self) -> None:
        """The server can be asked again."""
        self._introductions.server_online()

    def network_changed(self, renew_keys: bool = False) -> None:
        """This computer's addresses or routes changed, or it slept."""
        self.reflectors.forget()
        self.relays.network_changed()
        now = self._now()
        for link in self.links.values():
            link.network_changed(now, renew_keys)
        self.searches.network_changed(now)
        self._changed()

    def candidates_changed(self) -> None:
        """There is another way in to this computer: tell those who have found no direct one."""
        for address, link in self.links.items():
            if link.shared.online and self._needs_relay(address):
                self.introduce(address, wants_answer=False)

    def close_all(self) -> None:
        """End all tunnels and forget all peers."""
        now = self._now()
        for address in tuple(self.links):
            self._close(address, now)
        self._changed()

    # --- keys

    def _facts(self, peer: Address) -> PeerFacts | None:
        link, key = self.links.get(peer), self._contacts.key(peer)
        if link is None or key is None or not link.enabled:
            return None
        networks = (SharedNetwork(network, secret) for network, secret in sorted(link.shared.secrets.items()))
        return PeerFacts(key, tuple(networks))

    # --- what links ask (Outlet)

    def post(self, request: Request) -> None:
        """Send a request to the pump."""
        self._post(request)

    def introduce(self, peer: Address, wants_answer: bool) -> None:
        """Tell the peer our candidates through the server."""
        self._introductions.introduce(peer, wants_answer)

    def _credentials(self, peer: Address) -> CheckCredentials | None:
        link = self.links.get(peer)
        return None if link is None or self._interface is None else link.finder.own

    def use_relay(self, peer: Address, *, ask: bool, now: float) -> None:
        """Reach the peer over a relay."""
        self.relays.use(peer, ask=ask, now=now)

    def _needs_relay(self, peer: Address) -> bool:
        link = self.links.get(peer)
        return link is not None and link.enabled and link.needs_relay

    def _relay_bound(self, peer: Address, kind: CandidateKind, endpoint: Endpoint, now: float) -> None:
        link = self.links.get(peer)
        if link is not None:
            link.relay_bound(kind, endpoint, now)

    def begin_handshake(self, peer: Address, endpoints: Sequence[Endpoint], now: float) -> None:
        """Begin a handshake, or let the one that runs use these endpoints too."""
        if self._handshakes is None or self._facts(peer) is None:
            return
        if self._handshakes.running(peer):
            for endpoint in endpoints:
                self._handshakes.add_endpoint(peer, endpoint, now)
        else:
            self._handshakes.start(peer, endpoints, self._suite, now)
        self._flush_handshakes(now)

    def went_relayed(self, peer: Address, now: float) -> None:
        """A direct path may have to be guessed."""
        self.searches.went_relayed(peer, now)

    def lost_path(self) -> None:
        """Ask the reflectors anew before the next introduction."""
        self.reflectors.forget()

    def came_up(self, peer: Address, now: float) -> None:
        """A tunnel can send: tell those who wait for it, once the link has settled."""
        asyncio.get_running_loop().call_soon(self._on_up, peer)
        self._on_change()

    # --- what comes in

    def introduced(self, message: Introduced) -> None:
        """A peer told its candidates through the server."""
        link = self.links.get(Address(message.peer))
        if link is None:
            self.counters["introduction-of-stranger"] += 1
            return
        now = self._now()
        link.introduced(message, now)
        self.searches.introduced(message, now)
        self._changed()

    def relay_offered(self, word: RelayOffered) -> None:
        """The server offers a relay to a peer, and tells the peer the same."""
        link = self.links.get(Address(word.peer))
        if link is None:
            self.counters["relay-offer-of-stranger"] += 1
            return
        self.relays.offered(word, bind=link.enabled)
        self._changed()

    def notified(self, notification: Notification) -> None:
        """Something came from the pump."""
        now = self._now()
        match notification:
            case DatagramReceived():
                self._receive_datagram(notification.data, notification.endpoint, now)
            case MessageReceived():
                self._receive_message(notification, now)
            case SessionConfirmed():
                if (link := self.links.get(Address(notification.peer))) is not None:
                    link.confirmed(notification.local_index, now)
            case EndpointChanged():
                if (link := self.links.get(Address(notification.peer))) is not None:
                    link.peer_moved(Endpoint(*notification.endpoint), now)
            case PeerQuiet():
                self.went_unanswered(Address(notification.peer))
            case PeerWanted():
                if (link := self.links.get(Address(notification.peer))) is not None:
                    link.wanted(now)
        self._changed()

    def went_unanswered(self, peer: Address) -> None:
        """Nothing comes back from the peer, or the stream to its relay is lost: its path is looked at."""
        if (link := self.links.get(peer)) is not None:
            link.quiet(self._now())
            self._changed()

    def _receive_datagram(self, data: bytes, told: UdpEndpoint, now: float) -> None:
        try:
            endpoint = checked_endpoint(*told)
            if endpoint.socket and endpoint.socket not in self.searches.sockets:
                self.counters["datagram-of-closed-socket"] += 1
                return
            if data[0] == DatagramType.HANDSHAKE and self._handshakes is not None:
                self._handshakes.receive_datagram(data, endpoint, now)
                self._flush_handshakes(now)
            elif data[0] == DatagramType.RELAY:
                self.relays.receive(data, endpoint, now)
            elif data[0] <= _LAST_STUN_BYTE and not endpoint.relay:
                self._receive_stun(data, endpoint, now)
        except RemoteProtocolError as error:
            self.counters[str(error).partition(":")[0]] += 1

    def _receive_stun(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        message = stun.decode(data)
        if self.reflectors.receive(message):
            return
        if message.username is not None:
            address = self._by_username.get(message.username.partition(b":")[0])
            link = None if address is None else self.links.get(address)
        else:
            link = next((each for each in self.links.values() if each.finder.is_for_me(message)), None)
        if link is None or not link.enabled:
            self.counters["check-of-nobody"] += 1
            return
        link.receive_stun(data, endpoint, now)
        if endpoint.socket:
            self.searches.check_came(link, endpoint)

    def _receive_message(self, received: MessageReceived, now: float) -> None:
        peer = Address(received.peer)
        link = self.links.get(peer)
        try:
            message = tunnel_message.decode(received.payload)
        except RemoteProtocolError:
            self.counters["tunnel-message-malformed"] += 1
            return
        if link is None or message is None:
            return
        link.heard(now)
        match message:
            case ProbeRequest():
                link.receive_probe(message, Endpoint(*received.endpoint), now)
            case ProbeReply():
                self._on_message(peer, message)
                link.receive_probe(message, Endpoint(*received.endpoint), now)
            case SearchOffer() | SearchAnswer():
                self.searches.receive(link, message, now)
            case Goodbye():
                link.end_tunnel(now, goodbye=False)
            case _:
                self._on_message(peer, message)

    def observe(self, statistics: Statistics) -> None:
        """The pump's report; its clock is not the loop's."""
        now = self._now()
        self._pump_drops = Counter(
            {name: n for name, n in statistics.counters.items() if n and name.startswith("drop-")}
        )
        for each in statistics.peers:
            link = self.links.get(Address(each.peer))
            if link is not None:
                self._observe_peer(link, each, now - statistics.now, now)
        self._changed()

    def _observe_peer(self, link: PeerLink, each: PeerStatistics, offset: float, now: float) -> None:
        link.traffic.observe(each, now)
        sent = each.last_sent + offset if each.last_sent else -math.inf
        received = each.last_received + offset if each.last_received else -math.inf
        link.observe_traffic(sent, received, now)

    # --- handshakes

    def _flush_handshakes(self, now: float) -> None:
        handshakes = self._handshakes
        if handshakes is None:
            return
        while (event := handshakes.next_event()) is not None:
            match event:
                case SessionEstablished():
                    self._established(event, now)
                case PeerUnknown():
                    self._fetch_unknown(event.peer)
                case HandshakeFailed():
                    logger.debug("handshake: %s", event.reason)
                    if (link := self.links.get(event.peer)) is not None:
                        link.handshake_failed(now)
        for endpoint, data in handshakes.datagrams_to_send(now):
            self._send_datagram(endpoint, data)

    def _established(self, event: SessionEstablished, now: float) -> None:
        link = self.links.get(event.peer)
        if link is None or not link.enabled:
            return
        if link.established(event, now):
            self._contacts.pin(event.peer)
        self._on_change()

    def _fetch_unknown(self, peer: Address) -> None:
        link = self.links.get(peer)
        if link is not None:
            self.keys.fetch(peer, link.shared.fingerprints)

    # --- sending

    def _send_datagram(self, endpoint: Endpoint, data: bytes) -> None:
        self._post(SendDatagram(UdpEndpoint(*endpoint), data, request=0))

    def send_message(self, peer: Address, payload: bytes) -> None:
        """Seal an engine message for a peer with a tunnel; without one it is dropped."""
        link = self.links.get(peer)
        if link is not None and link.up:
            link.said(self._now())
            self._post(SendMessage(peer, payload, request=0))

    def is_up(self, peer: Address) -> bool:
        """Whether there is a tunnel that can send."""
        link = self.links.get(peer)
        return link is not None and link.up

    def rests_on(self, peer: Address, network: int) -> bool:
        """Whether the live tunnel to a peer rests on a network: both are in it, and have proved its secret if any."""
        link = self.links.get(peer)
        if link is None or link.sending is None or not link.up:
            return False
        return network in link.sending.networks and network in link.shared.secrets

    @property
    def any_up(self) -> bool:
        """Whether there is any tunnel."""
        return any(link.sending is not None for link in self.links.values())

    def all_counters(self) -> Counter[str]:
        """Everything that was dropped here, in the handshakes, the links and by the pump of now, by name."""
        total = (
            self.counters + self.keys.counters + self.relays.all_counters + self.searches.counters + self._pump_drops
        )
        if self._handshakes is not None:
            total.update(self._handshakes.counters)
        for link in self.links.values():
            total.update(link.finder.counters)
            if link.monitor is not None:
                total.update(link.monitor.counters)
        return total

    # --- time

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called; minus infinity means now."""
        deadlines = [self.relays.next_deadline(), *(link.next_deadline() for link in self.links.values())]
        deadlines.append(self.searches.next_deadline())
        if self._handshakes is not None:
            deadlines.append(self._handshakes.next_deadline())
        return min((each for each in deadlines if each is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Do what is due, for one turn: of many that are due at once, as after sleep, the rest comes right after."""
        self.relays.handle_deadline(now)
        turn = Turn()
        for link in tuple(self.links.values()):
            if turn.over:
                break
            due = link.next_deadline()
            if due is not None and due <= now:
                link.handle_deadline(now)
        self.searches.handle_deadline(now)
        if self._handshakes is not None:
            self._handshakes.handle_deadline(now)
            self._flush_handshakes(now)
        self._changed()

    def _changed(self) -> None:
        self.searches.wake()
        self._on_change()
        self._on_deadline()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
