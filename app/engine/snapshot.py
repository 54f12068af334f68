"""Makes the frozen snapshots of state.py and hands them to subscribers, bursts merged.

Reads the engine's parts and changes none of them. Owned by engine/engine.py.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.engine.account import OwnAccount
from app.engine.contacts import Contacts
from app.engine.errors import EngineError, engine_error
from app.engine.helper_link import HelperLink
from app.engine.mediation_client import MediationClient
from app.engine.networks import Network, Networks
from app.engine.peer_link import PeerLink
from app.engine.peers import Peers
from app.engine.settings import ServerAddress
from app.engine.state import (
    EngineState,
    HelperView,
    MemberStatus,
    MemberView,
    NetworkStatus,
    NetworkView,
    PathKind,
    PeerStatus,
    PeerView,
    Problem,
    ServerView,
)
from app.protocol import messages
from app.protocol.keys import format_fingerprint
from app.protocol.messages import CandidateKind, Departure, Member, shown_name
from app.protocol.wire import Address, NetworkId, format_address, format_address6, format_network_id

logger = logging.getLogger(__name__)

FAILED_AFTER = 3
"""Attempts in vain after which a peer is shown as failed; the engine goes on trying."""

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


def problem_of(error: EngineError) -> Problem:
    """An error as the snapshot shows it."""
    return Problem(error.code, error.title, error.message, error.remedy, error.details)


def make_snapshot(
    parts: Parts, power: bool, server: ServerAddress | None, problems: tuple[Problem, ...]
) -> EngineState:
    """All that the engine shows now. `problems` are those that belong to no part."""
    networks = tuple(_network(parts, each) for each in parts.networks.all.values())
    peers = _peers(parts)
    own = [each.problem for each in (parts.client, parts.helper) if each.problem is not None]
    return EngineState(
        power=power,
        server=_server(parts, server),
        helper=_helper(parts.helper),
        networks=tuple(sorted(networks, key=lambda each: (each.name.casefold(), each.id))),
        peers=peers,
        problems=(
            *problems,
            *map(problem_of, own),
            *_network_problems(parts.networks),
            *(each.problem for each in peers if each.problem is not None),
        ),
        counters=_counters(parts),
    )


def _server(parts: Parts, server: ServerAddress | None) -> ServerView:
    account, client = parts.account, parts.client
    address = account.address
    return ServerView(
        status=client.status,
        host=server.host if server else "",
        port=server.port if server else 0,
        fingerprint=server.fingerprint if server else "",
        name=shown_name(account.server_name),
        address=format_address(address) if address is not None else "",
        address6=format_address6(address) if address is not None else "",
        nickname=shown_name(account.nickname),
        pool=str(account.pool) if account.pool is not None else "",
        retry_at=client.retry_at,
        problem=None if client.problem is None else problem_of(client.problem),
    )


def _helper(helper: HelperLink) -> HelperView:
    interface = helper.interface
    problem = None if helper.problem is None else problem_of(helper.problem)
    if interface is None:
        return HelperView(status=helper.status, problem=problem)
    return HelperView(helper.status, interface.name, interface.udp_port, interface.ipv6, problem)


def _network(parts: Parts, network: Network) -> NetworkView:
    state = network.state
    own = parts.networks.own_address
    members = tuple(_member(each, own, state.owner) for each in network.members.values())
    return NetworkView(
        id=state.network,
        label=format_network_id(state.network),
        name=shown_name(state.name),
        owner=format_address(state.owner),
        is_owner=state.owner == own,
        status=_network_status(state),
        locked=state.locked,
        approval=state.approval,
        member_limit=state.member_limit,
        protection=parts.networks.protection(network.network),
        has_password=state.salt is not None,
        members=tuple(sorted(members, key=lambda each: (each.nickname.casefold(), each.address))),
    )


def _network_status(state: messages.NetworkState) -> NetworkStatus:
    if state.status is messages.MemberStatus.PENDING:
        return NetworkStatus.PENDING
    return NetworkStatus.ONLINE if state.online else NetworkStatus.OFFLINE


def _member(member: Member, own: Address | None, owner: int) -> MemberView:
    if member.status is messages.MemberStatus.PENDING:
        status = MemberStatus.PENDING
    else:
        status = MemberStatus.ONLINE if member.online else MemberStatus.OFFLINE
    return MemberView(
        format_address(member.address),
        shown_name(member.nickname),
        status,
        member.address == own,
        member.address == owner,
        format_fingerprint(member.fingerprint),
    )


def _peers(parts: Parts) -> tuple[PeerView, ...]:
    views = [
        _peer(parts, address, lines, parts.peers.links.get(address))
        for address, lines in parts.networks.members_everywhere().items()
    ]
    return tuple(sorted(views, key=lambda each: (each.nickname.casefold(), each.address)))


def _peer(parts: Parts, address: Address, lines: dict[NetworkId, Member], link: PeerLink | None) -> PeerView:
    contact, key = parts.contacts.get(address), parts.contacts.key(address)
    nickname = shown_name(next(iter(lines.values())).nickname)
    status = _peer_status(parts, address, any(line.online for line in lines.values()), link)
    view = PeerView(
        address=format_address(address),
        address6=format_address6(address),
        nickname=nickname,
        status=status,
        networks=tuple(sorted(lines)),
        alias=contact.alias,
        fingerprint=key.fingerprint_text if key is not None else "",
        new_fingerprint=_new_fingerprint(lines) if status is PeerStatus.KEY_CHANGED else "",
        verified=contact.verified,
        problem=_peer_problem(parts, status, contact.alias or nickname, link),
    )
    return view if link is None else _with_tunnel(view, link)


def _new_fingerprint(lines: dict[NetworkId, Member]) -> str:
    shown = {line.fingerprint for line in lines.values()}
    return format_fingerprint(shown.pop()) if len(shown) == 1 else ""


def _with_tunnel(view: PeerView, link: PeerLink) -> PeerView:
    """The view with what the link knows of its tunnel."""
    traffic, session, monitor = link.traffic, link.sending, link.monitor
    live = link.up and session is not None and monitor is not None
    path = monitor.current if live and monitor is not None else None
    return PeerView(
        address=view.address,
        address6=view.address6,
        nickname=view.nickname,
        status=view.status,
        networks=view.networks,
        proven=tuple(sorted(session.proven & link.shared.secrets.keys())) if live and session is not None else (),
        alias=view.alias,
        fingerprint=view.fingerprint,
        new_fingerprint=view.new_fingerprint,
        verified=view.verified,
        path=None if path is None else (PathKind.RELAY if path.kind is CandidateKind.RELAY else PathKind.DIRECT),
        endpoint="" if path is None else str(path.endpoint),
        latency=path.round_trip if path is not None and path.round_trip != float("inf") else None,
        suite=session.suite if live and session is not None else 0,
        keys_since=_unix_time(session.established_at) if live and session is not None else None,
        sent_bytes=traffic.sent_bytes,
        received_bytes=traffic.received_bytes,
        last_received=_unix_time(traffic.last_received),
        problem=view.problem,
    )


def _unix_time(loop_time: float | None) -> float | None:
    return None if loop_time is None else time.time() - asyncio.get_running_loop().time() + loop_time


def _peer_status(parts: Parts, address: Address, online: bool, link: PeerLink | None) -> PeerStatus:
    if parts.contacts.get(address).blocked:
        return PeerStatus.BLOCKED
    if address in parts.peers.key_changed:
        return PeerStatus.KEY_CHANGED
    if link is None:
        return PeerStatus.UNPROVEN if online and parts.networks.lacks_secret(address) else PeerStatus.OFFLINE
    if link.up and link.monitor is not None:
        relayed = link.monitor.current.kind is CandidateKind.RELAY
        return PeerStatus.RELAYED if relayed else PeerStatus.DIRECT
    if not link.shared.online:
        return PeerStatus.OFFLINE
    if link.unproven:
        return PeerStatus.UNPROVEN
    return PeerStatus.FAILED if link.attempts > FAILED_AFTER else PeerStatus.CONNECTING


def _peer_problem(parts: Parts, status: PeerStatus, name: str, link: PeerLink | None) -> Problem | None:
    if status is PeerStatus.KEY_CHANGED:
        return problem_of(engine_error("peer-key-changed", name=name))
    if link is not None and (status is PeerStatus.UNPROVEN or link.failed_networks):
        failed = (parts.networks.all[each].state.name for each in link.failed_networks if each in parts.networks.all)
        return problem_of(engine_error("peer-unproven", name=name, networks=", ".join(failed) or "any shared network"))
    return None


_PARTED = {
    Departure.EVICTED: "network-evicted",
    Departure.BANNED: "network-banned",
    Departure.DELETED: "network-deleted",
    Departure.REJECTED: "network-rejected",
}


def _network_problems(networks: Networks) -> list[Problem]:
    problems = []
    for network, reason in networks.untrusted.items():
        name = networks.all[network].state.name if network in networks.all else format_network_id(network)
        code = "network-owner-changed" if reason == "owner-changed" else "secret-wrong"
        problems.append(problem_of(engine_error(code, name=name)))
    for network, known in networks.all.items():
        if networks.is_locked_out(network):
            problems.append(problem_of(engine_error("secret-missing", name=known.state.name)))
    return [*problems, *parting_problems(networks).values()]


def parting_problems(networks: Networks) -> dict[NetworkId, Problem]:
    """Networks that others took this account out of, as a person is told."""
    return {
        network: problem_of(engine_error(_PARTED[departure], name=name, network=format_network_id(network)))
        for network, (name, departure) in networks.parted.items()
    }


def _counters(parts: Parts) -> tuple[tuple[str, int], ...]:
    counted = dict(parts.peers.all_counters())
    if parts.networks.dropped:
        counted["server-word-dropped"] = parts.networks.dropped
    if parts.helper.dropped:
        counted["helper-request-dropped"] = parts.helper.dropped
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
