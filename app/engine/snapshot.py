"""Makes the frozen snapshots of state.py and hands them to subscribers, bursts merged.

Reads the engine's parts and changes none of them. Owned by engine/engine.py.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from app.engine.account import OwnAccount
from app.engine.carriers import Carriers
from app.engine.contacts import Contacts
from app.engine.conversations import Conversations
from app.engine.errors import engine_error, problem_of
from app.engine.helper_link import HelperLink
from app.engine.mediation_client import MediationClient
from app.engine.networks import Networks
from app.engine.peers import Peers
from app.engine.port_mapping import PortMapping
from app.engine.roster_views import NetworkViews, PeerViews
from app.engine.settings import ServerAddress
from app.engine.state import EngineState, HelperView, PeerView, Problem, ServerView
from app.protocol.messages import Departure
from app.protocol.names import shown_name
from app.protocol.wire import Address, NetworkId, format_address, format_address6, format_network_id

logger = logging.getLogger(__name__)

Subscriber = Callable[[EngineState], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the engine that a snapshot shows."""

    account: OwnAccount
    client: MediationClient
    helper: HelperLink
    networks: Networks
    contacts: Contacts
    peers: Peers
    conversations: Conversations
    port_mapping: PortMapping
    carriers: Carriers


class Snapshots:
    """Makes one snapshot after the other. What has not changed is the very same object again."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._networks = NetworkViews(parts.networks, parts.conversations.unread)
        self._peers = PeerViews(parts.networks, parts.contacts, parts.peers, parts.conversations.unread)
        self._last = EngineState()

    def make(self, power: bool, server: ServerAddress, problems: tuple[Problem, ...]) -> EngineState:
        """All that the engine shows now. `problems` are those that belong to no part."""
        parts, peers = self._parts, self._peers.make()
        own = [each.problem for each in (parts.client, parts.helper) if each.problem is not None]
        state = EngineState(
            power=power,
            server=_server(parts, server),
            helper=_helper(parts.helper),
            port_mapping=parts.port_mapping.view,
            networks=self._networks.make(),
            peers=peers,
            problems=(
                *problems,
                *map(problem_of, own),
                *_network_problems(parts.networks),
                *(each.problem for each in peers if each.problem is not None),
            ),
            counters=_counters(parts),
        )
        self._last = self._last if state == self._last else state
        return self._last

    def peer(self, address: Address) -> PeerView | None:
        """One peer alone, without all that a snapshot has besides; None if no network is shared."""
        return self._peers.view_of(address)


def _server(parts: Parts, server: ServerAddress) -> ServerView:
    account, client = parts.account, parts.client
    address = account.address
    return ServerView(
        status=client.status,
        host=server.host,
        port=server.port,
        fingerprint=server.fingerprint,
        name=shown_name(account.server_name),
        address=format_address(address) if address is not None else "",
        address6=format_address6(address) if address is not None else "",
        nickname=shown_name(account.nickname),
        pool=str(account.pool) if account.pool is not None else "",
        retry_at=client.retry_at,
        route="" if client.route is None else str(client.route),
        problem=None if client.problem is None else problem_of(client.problem),
    )


def _helper(helper: HelperLink) -> HelperView:
    interface = helper.interface
    problem = None if helper.problem is None else problem_of(helper.problem)
    if interface is None:
        return HelperView(status=helper.status, problem=problem)
    return HelperView(helper.status, interface.name, interface.udp_port, interface.ipv6, problem)


_PARTED = {
    Departure.EVICTED: "network-evicted",
    Departure.BANNED: "network-banned",
    Departure.DELETED: "network-deleted",
    Departure.REJECTED: "network-rejected",
}


def _network_problems(networks: Networks) -> list[Problem]:
    problems = []
    for network, reason in networks.untrusted.items():
        name = shown_name(networks.all[network].state.name) if network in networks.all else format_network_id(network)
        code = "network-owner-changed" if reason == "owner-changed" else "secret-wrong"
        problems.append(problem_of(engine_error(code, name=name)))
    for network, known in networks.all.items():
        if networks.is_locked_out(network):
            problems.append(problem_of(engine_error("secret-missing", name=shown_name(known.state.name))))
    return [*problems, *parting_problems(networks).values()]


def parting_problems(networks: Networks) -> dict[NetworkId, Problem]:
    """Networks that others took this account out of, as a person is told."""
    return {
        network: problem_of(engine_error(_PARTED[departure], name=shown_name(name), network=format_network_id(network)))
        for network, (name, departure) in networks.parted.items()
    }


def _counters(parts: Parts) -> tuple[tuple[str, int], ...]:
    counted = dict(parts.peers.all_counters())
    if parts.networks.dropped:
        counted["server-word-dropped"] = parts.networks.dropped
    if parts.helper.dropped:
        counted["helper-request-dropped"] = parts.helper.dropped
    counted.update(parts.conversations.counters)
    counted.update({f"carrier-{name}": count for name, count in parts.carriers.counters.items()})
    return tuple(sorted(counted.items()))


class Publisher:
    """Calls subscribers with a fresh snapshot after changes, at most once in `interval` seconds."""

    def __init__(self, make: Callable[[], EngineState], interval: float) -> None:
        self._make = make
        self._interval = interval
        self._subscribers: list[Subscriber] = []
        self._timer: asyncio.TimerHandle | None = None
        self._last = float("-inf")

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call back now with the present state and after changes. Gives the function that ends it."""
        self._subscribers.append(callback)
        callback(self._make())

        def end() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return end

    def changed(self) -> None:
        """Something that is shown may have changed."""
        if self._timer is None and self._subscribers:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._last + self._interval), self._publish)

    def close(self) -> None:
        """Call nobody any more."""
        self._subscribers.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _publish(self) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        state = self._make()
        for subscriber in tuple(self._subscribers):
            subscriber(state)
