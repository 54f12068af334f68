"""The engine's facade and composition root: commands in, snapshots out.

The command line and the UI know this class, `state.py` and `errors.py` and nothing else of the engine. It wires the
parts together (what comes from the server and the helper goes through `_word` and `_message`) and hands each command
to the part that carries it out. Runs in any asyncio loop, without Qt and without privileges. Every refusal is an
`EngineError`.
"""

import asyncio
import logging
from collections.abc import Callable

from app.base.tasks import Tasks
from app.engine.account import OwnAccount
from app.engine.candidates import (
    ListAddresses,
    OwnAddresses,
    host_endpoints,
    read_addresses,
    read_gateways,
    resolve_ports,
)
from app.engine.carriers import Carriers
from app.engine.chat_facade import ChatFacade
from app.engine.chat_store import ChatStore
from app.engine.contacts import Contacts
from app.engine.conversations import Conversations
from app.engine.deadlines import Deadlines
from app.engine.diagnosis_facade import DiagnosisFacade
from app.engine.errors import engine_error, problem_of
from app.engine.helper_link import HelperConnector, HelperLink
from app.engine.mediation_client import MediationClient
from app.engine.membership import Membership
from app.engine.network_facade import NetworkFacade
from app.engine.networks import Networks
from app.engine.peer_facade import PeerFacade
from app.engine.peers import Peers
from app.engine.pings import Pings
from app.engine.port_mapping import PortMapping
from app.engine.proxy_facade import ProxyFacade
from app.engine.recorder import Recorder
from app.engine.roster_refresh import RosterRefresh
from app.engine.router_requests import RouterRequests
from app.engine.server_routes import Chosen, ServerRoutes
from app.engine.settings import Memory, Profile, ServerMemory
from app.engine.snapshot import Parts, Publisher, Snapshots, parting_problems
from app.engine.state import (
    EngineState,
    Problem,
)
from app.engine.surroundings import Surroundings
from app.engine.timing import Timing
from app.engine.trust import Trust
from app.ipc.schema import InterfaceReady, Notification
from app.platform.gateways import Gateway, default_gateways
from app.protocol.keys import IdentityKey, PublicKey, parse_fingerprint
from app.protocol.messages import (
    Introduced,
    Message,
    RelayOffered,
    Synchronised,
    Welcome,
)
from app.protocol.statement import parse_statement
from app.protocol.tunnel_message import (
    ChatAcknowledge,
    ChatFragment,
    ProbeReply,
    StatementGossip,
    TunnelMessage,
    encode,
)
from app.protocol.wire import Address, Endpoint, NetworkId
from app.transport.routes import WEB_PORT

logger = logging.getLogger(__name__)

Place = tuple[tuple[Endpoint, ...], tuple[Gateway, ...]]
"""This computer's addresses and the routers that lead out: where it is, as far as paths are concerned."""
MAX_GOSSIP = 64
"""Statements handed on when a tunnel comes up."""


class Engine(NetworkFacade, PeerFacade, ChatFacade, ProxyFacade, DiagnosisFacade):
    """One account on one server. `start` and `stop` once each, in the same loop."""

    def __init__(
        self,
        identity: IdentityKey,
        profile: Profile,
        helper: HelperConnector,
        timing: Timing | None = None,
        list_addresses: ListAddresses = read_addresses,
    ) -> None:
        """`helper` finds or starts the privileged helper; `timing` and `list_addresses` are for tests.

        It reads the disk, so make it in a thread where a window lives. Raises EngineError if no server is set or what
        is remembered can't be read.
        """
        server = profile.settings.server
        if server is None:
            raise engine_error("server-not-configured")
        self._identity, self._profile, self._server = identity, profile, server
        self._timing = timing = timing or Timing(rekey_interval=profile.settings.rekey_interval)
        self._addresses = OwnAddresses(list_addresses)
        self._tasks = Tasks()
        self._deadlines = Deadlines()
        self._memory = Memory(profile, identity)
        known = self._memory.server(server.fingerprint)
        self._recorder = Recorder(self._memory, server.fingerprint, self._to_remember, self._tasks)
        self._contacts = Contacts(dict(known.contacts), self._recorder.mark, self._key_pinned)
        fingerprint = parse_fingerprint(server.fingerprint)
        self._networks = Networks(
            fingerprint, dict(known.networks), known.statements, self._owner_key, self._remember_networks
        )
        self._publisher = Publisher(lambda: self.state, timing.snapshot_interval)
        changed = self._publisher.changed
        self._routes = self._make_routes(known)
        self._client = MediationClient(
            identity, timing, self._tasks, self._word, self._logged_in, changed, self._routes
        )
        self._account = OwnAccount(
            identity.public.fingerprint_text, profile, server, self._client, self._tasks, changed
        )
        self._membership = Membership(identity, fingerprint, self._client, self._networks)
        self._trust = Trust(identity, self._contacts, self._networks, self._client)
        self._helper = HelperLink(
            helper, timing, self._tasks, self._interface_up, self._interface_down, self._notified, changed
        )
        self._peers = self._make_peers()
        self._carriers = self._make_carriers()
        self._port_mapping = self._make_port_mapping()
        self._pings = Pings(self._send_to, self._place)
        self._conversations = self._make_conversations()
        self._surroundings = Surroundings(self._network_changed, self._woke)
        self._refresh = RosterRefresh(self._networks, self._peers, self._conversations, changed)
        self._snapshots = self._make_snapshots()
        self._reading_statistics = False
        self._place_before: Place = ((), ())
        self._stopped = False
        self._word_came = asyncio.Event()
        """Wakes those who wait for the server to tell something; never stays set."""
        self._switching = asyncio.Lock()
        """Held while logging in or out is begun: the one ends before the other begins."""

    def _make_routes(self, known: ServerMemory) -> ServerRoutes:
        return ServerRoutes(
            self._tasks, self._chosen_proxy, known.routes, self._recorder.mark, known.web_port or WEB_PORT
        )

    def _make_port_mapping(self) -> PortMapping:
        return PortMapping(
            self._tasks,
            self._profile.settings.port_mapping,
            self._port_mapping_changed,
            default_gateways,
            RouterRequests.new(),
        )

    def _make_peers(self) -> Peers:
        return Peers(
            self._identity,
            self._profile.settings.suite,
            self._timing,
            self._tasks,
            self._client,
            self._contacts,
            self._helper.post,
            self._host_endpoints,
            self._message,
            self._tunnel_up,
            self._key_known,
            self._publisher.changed,
            self._deadlines.changed,
        )

    def _make_carriers(self) -> Carriers:
        relays = self._peers.relays
        relays.streams = carriers = Carriers(
            self._tasks,
            lambda: self._helper.interface.udp_port if self._helper.interface is not None else None,
            self._routes.to,
            self._routes.through,
            relays.stream_opened,
            self._publisher.changed,
        )
        return carriers

    def _make_conversations(self) -> Conversations:
        file = self._profile.chat_file(self._identity.public, self._server)
        store = ChatStore(file, self._identity, keep_history=self._account.keeps_chat)
        return Conversations(
            store,
            self._account,
            self._tasks,
            self._peers,
            self._networks,
            self._contacts,
            self._trust,
            self._deadlines.changed,
            self._publisher.changed,
        )

    def _make_snapshots(self) -> Snapshots:
        return Snapshots(
            Parts(
                self._account,
                self._client,
                self._helper,
                self._networks,
                self._contacts,
                self._peers,
                self._conversations,
                self._port_mapping,
                self._carriers,
            )
        )

    # --- start and stop

    async def start(self) -> None:
        """Open the chat history, connect to the helper, and log in if the person left the engine logged in."""
        await self._conversations.open()
        self._deadlines.watch((self._peers, self._conversations.chat))
        self._surroundings.start()
        self._helper.start()
        if self._account.wanted:
            self._account.connect()

    async def stop(self) -> None:
        """End tunnels, the server's conversation and the helper's; idempotent."""
        if self._stopped:
            return
        self._stopped = True
        self._surroundings.stop()
        closing = self._tasks.start("closing the port", self._port_mapping.close())
        async with self._switching:
            await self._disconnect()
        await self._helper.close()
        await self._carriers.close()
        await closing
        self._refresh.close()
        self._deadlines.close()
        self._publisher.close()
        await self._recorder.flush()
        await self._conversations.close()
        await self._account.close()
        await self._tasks.close()

    async def _disconnect(self) -> None:
        """Tunnels first, so that peers hear that it is on purpose; without networks none comes back meanwhile."""
        self._networks.clear()
        self._peers.close_all()
        self._peers.relays.forget_all()
        await self._client.stop()
        await self._helper.remove_interface()

    # --- what comes from the server

    def _logged_in(self, address: Address) -> None:
        self._networks.own_address = address
        self._peers.know_address(address)
        self._account.logged_in(address)

    def _word(self, word: Message) -> None:
        """A boundary: whatever a word of the server sets off ends here, and the connection goes on."""
        try:
            self._take_word(word)
        except Exception:
            logger.exception("a word of the server could not be handled: %s", type(word).__name__)

    def _take_word(self, word: Message) -> None:
        if isinstance(word, Introduced):
            self._peers.introduced(word)
            return
        if isinstance(word, RelayOffered):
            self._peers.relay_offered(word)
            return
        if isinstance(word, Welcome):
            self._welcome(word)
        if isinstance(word, Synchronised):
            self._peers.server_online()
        self._networks.apply(word)
        self._word_came.set()
        self._word_came.clear()
        self._refresh.soon()

    def _welcome(self, word: Welcome) -> None:
        self._account.welcome(word)
        self._know_web_port(word.web_port)
        if self._account.address is not None:
            self._helper.want_interface(self._account.address, word.pool_prefix)
        self._peers.relays.told(word.relays, self._server.host)
        self._tasks.start("reflectors", self._find_reflectors(word))

    def _know_web_port(self, port: int) -> None:
        """Where the server takes WebSockets; without one it is still asked at the usual port, should it open one."""
        if self._routes.web_port != (port or WEB_PORT):
            self._routes.web_port = port or WEB_PORT
            self._recorder.mark()

    def _chosen_proxy(self) -> Chosen:
        return Chosen(self._profile.settings.proxy, self._memory.proxy_password)

    async def _find_reflectors(self, word: Welcome) -> None:
        """The server's own ports, and the relays elsewhere: they answer STUN as well, from other addresses."""
        reflectors, server = self._peers.reflectors, self._server
        reflectors.public_host = server.public_host
        reflectors.endpoints = own = await resolve_ports(server.host_for_others, word.reflector_ports)
        reflectors.forget()
        found = [await resolve_ports(each.host, (each.port,)) for each in word.relays if each.host]
        if any(found):
            reflectors.endpoints = (*own, *(endpoint for each in found for endpoint in each))
            reflectors.forget()

    # --- what comes from the helper and the peers

    def _interface_up(self, ready: InterfaceReady) -> None:
        self._place_before = self._where()
        self._peers.interface_up(ready)
        self._port_mapping.interface_up(ready.udp_port)

    def _interface_down(self) -> None:
        self._peers.interface_down()
        self._port_mapping.interface_down()

    def _port_mapping_changed(self) -> None:
        """Peers that have found no direct way are told of the open port."""
        opened = self._port_mapping.endpoint
        mapped = () if opened is None else (opened,)
        if mapped != self._peers.reflectors.mapped:
            self._peers.reflectors.mapped = mapped
            self._peers.candidates_changed()
        self._publisher.changed()

    def _notified(self, notification: Notification) -> None:
        """A boundary: whatever a datagram or message sets off ends here, and the helper stays connected."""
        try:
            self._peers.notified(notification)
        except Exception:
            logger.exception("a notification could not be handled: %s", type(notification).__name__)

    def _message(self, peer: Address, message: TunnelMessage) -> None:
        match message:
            case ProbeReply():
                self._pings.receive(peer, message, asyncio.get_running_loop().time())
            case ChatFragment() | ChatAcknowledge():
                self._conversations.receive(peer, message)
            case StatementGossip():
                self._networks.hear_gossip(NetworkId(message.network), message.statement)
                self._refresh.soon()

    def _tunnel_up(self, peer: Address) -> None:
        self._conversations.tunnel_up(peer)
        self._gossip(peer)
        if not self._reading_statistics:
            self._reading_statistics = True
            self._tasks.start("statistics", self._read_statistics())

    def _gossip(self, peer: Address) -> None:
        """Hand on what owners said: a server that withholds it from one member can't from all."""
        link = self._peers.links.get(peer)
        shared = link.shared.secrets if link is not None else {}
        signed = [each for each in self._networks.memory.export() if parse_statement(each).network in shared]
        for each in signed[-MAX_GOSSIP:]:
            self._peers.send_message(peer, encode(StatementGossip(parse_statement(each).network, each)))

    async def _read_statistics(self) -> None:
        try:
            while self._peers.any_up:
                await asyncio.sleep(self._timing.statistics_interval)
                statistics = await self._helper.read_statistics()
                if statistics is not None:
                    self._peers.observe(statistics)
        finally:
            self._reading_statistics = False

    def _key_pinned(self, peer: Address, key: PublicKey) -> None:
        self._networks.owner_met(peer, key)
        self._refresh.soon()

    def _key_known(self) -> None:
        self._networks.retry_statements()
        self._refresh.soon()

    def _network_changed(self) -> None:
        """The adapter's own coming and going is none of it."""
        self._addresses.forget()
        place = self._where()
        if place != self._place_before:
            self._place_before = place
            self._client.network_changed({each.address for each in self._addresses.now()})
            self._peers.network_changed()
            self._carriers.network_changed()
            self._port_mapping.network_changed()
        else:
            self._peers.reflectors.forget()

    def _woke(self) -> None:
        """The computer slept: whatever seems connected may be dead, and keys are renewed."""
        self._addresses.forget()
        self._place_before = self._where()
        self._client.reconnect()
        self._peers.network_changed(renew_keys=True)
        self._carriers.network_changed()
        self._port_mapping.network_changed()

    def _where(self) -> Place:
        return tuple(self._host_endpoints()), tuple(read_gateways())

    def _host_endpoints(self) -> list[Endpoint]:
        interface = self._helper.interface
        if interface is None:
            return []
        return host_endpoints(
            self._addresses.now(), interface.udp_port, interface.name, self._account.pool, interface.ipv6
        )

    def _owner_key(self, owner: Address) -> PublicKey | None:
        return self._identity.public if owner == self._account.address else self._contacts.key(owner)

    def _remember_networks(self) -> None:
        self._recorder.mark()
        self._refresh.soon()

    def _to_remember(self) -> ServerMemory:
        return ServerMemory(
            dict(self._networks.joined),
            dict(self._contacts.all),
            tuple(self._networks.memory.export()),
            dict(self._routes.remembered),
            self._routes.web_port,
        )

    # --- what it shows

    @property
    def state(self) -> EngineState:
        """The present snapshot."""
        unwritten = (self._account.problem, self._recorder.problem, *self._conversations.problems)
        problems = tuple(problem_of(each) for each in unwritten if each is not None)
        return self._snapshots.make(self._account.wanted, self._server, problems)

    def subscribe(self, callback: Callable[[EngineState], None]) -> Callable[[], None]:
        """Call back in the loop with the present state now and after changes, at most ten times a second.

        Gives the function that ends it.
        """
        return self._publisher.subscribe(callback)

    # --- the account

    async def login(self) -> None:
        """Log in and stay logged in. Returns when synchronised; raises EngineError if the first try fails.

        After an error the engine goes on trying; `logout` ends it.
        """
        async with self._switching:
            await self._account.want(True)
            self._client.try_now()
            self._account.connect()
            self._helper.retry()
        await self._client.settled()

    async def logout(self) -> None:
        """Leave the server and end all tunnels until `login`; survives a restart of the engine."""
        async with self._switching:
            await self._account.want(False)
            await self._disconnect()
        self._publisher.changed()

    async def set_nickname(self, nickname: str) -> None:
        """Change the own nickname everywhere."""
        await self._account.set_nickname(nickname)

    def dismiss(self, problem: Problem) -> None:
        """The person has read it: what is over, such as having been put out of a network, is told no longer.

        A problem that still holds stays.
        """
        for network, each in parting_problems(self._networks).items():
            if each == problem:
                self._networks.parted.pop(network)
        self._conversations.dismiss(problem.code)
        self._publisher.changed()
