"""The views of networks, their members and peers, for snapshots.

What has not changed since the last snapshot is the very same object again: thousands of lines cost little then, and a
window need not look at them. Reads the engine's parts and changes none of them. Owned by engine/snapshot.py.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import NamedTuple

from app.engine.contacts import Contact, Contacts
from app.engine.errors import engine_error, problem_of
from app.engine.networks import Network, Networks
from app.engine.peer_link import PeerLink
from app.engine.peers import Peers
from app.engine.sessions import Session
from app.engine.state import (
    Conversation,
    MemberStatus,
    MemberView,
    NetworkStatus,
    NetworkView,
    PathKind,
    PeerStatus,
    PeerView,
    Problem,
    Protection,
)
from app.protocol import messages
from app.protocol.keys import PublicKey, format_fingerprint
from app.protocol.messages import CandidateKind, Member
from app.protocol.names import shown_name
from app.protocol.path import Path
from app.protocol.wire import (
    Address,
    NetworkId,
    format_address,
    format_address6,
    format_network_id,
    parse_address,
)

FAILED_AFTER = 3
"""Attempts in vain after which a peer is shown as failed; the engine goes on trying."""
MAX_KEPT_LINES = 16_384
"""Lines of rosters that are kept; beyond that they are made anew when their network changes."""
CLOCK_TOLERANCE = 0.5
"""Seconds by which loop time and Unix time may drift apart until times are told anew: else each snapshot differed."""

SortedLine = tuple[str, str, MemberView]
"""Nickname in lower case, address, line: in the order of the roster."""
Lines = dict[NetworkId, Member]


class NetworkViews:
    """All networks with their rosters."""

    def __init__(self, networks: Networks, unread: Mapping[Conversation, int]) -> None:
        """`unread` is read anew for each snapshot."""
        self._networks, self._unread = networks, unread
        self._kept: dict[NetworkId, tuple[object, NetworkView]] = {}
        self._lines: dict[tuple[Member, bool, bool], SortedLine] = {}

    def make(self) -> tuple[NetworkView, ...]:
        """In the order of their names."""
        self._kept = {number: self._keep(network) for number, network in self._networks.all.items()}
        views = (view for _, view in self._kept.values())
        return tuple(sorted(views, key=lambda each: (each.name.casefold(), each.id)))

    def _keep(self, network: Network) -> tuple[object, NetworkView]:
        """The view, with what it was made of."""
        own, protection = self._networks.own_address, self._networks.protection(network.network)
        unread = self._unread.get(Conversation(network=network.network), 0)
        basis = (network.revision, own, protection, unread)
        kept = self._kept.get(network.network)
        return kept if kept is not None and kept[0] == basis else (basis, self._view(network, own, protection, unread))

    def _view(self, network: Network, own: Address | None, protection: Protection, unread: int) -> NetworkView:
        state = network.state
        lines = sorted(
            self._line(each, each.address == own, each.address == state.owner) for each in network.members.values()
        )
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
            protection=protection,
            has_password=state.salt is not None,
            members=tuple(view for _, _, view in lines),
            unread=unread,
        )

    def _line(self, member: Member, is_self: bool, is_owner: bool) -> SortedLine:
        """Networks share what is the same in each."""
        basis = (member, is_self, is_owner)
        line = self._lines.get(basis)
        if line is None:
            if len(self._lines) >= MAX_KEPT_LINES:
                self._lines.clear()
            line = self._lines[basis] = _line(member, is_self, is_owner)
        return line


def _line(member: Member, is_self: bool, is_owner: bool) -> SortedLine:
    if member.status is messages.MemberStatus.PENDING:
        status = MemberStatus.PENDING
    else:
        status = MemberStatus.ONLINE if member.online else MemberStatus.OFFLINE
    address, nickname = format_address(member.address), shown_name(member.nickname)
    view = MemberView(address, nickname, status, is_self, is_owner, format_fingerprint(member.fingerprint))
    return nickname.casefold(), address, view


def _network_status(state: messages.NetworkState) -> NetworkStatus:
    if state.status is messages.MemberStatus.PENDING:
        return NetworkStatus.PENDING
    return NetworkStatus.ONLINE if state.online else NetworkStatus.OFFLINE


class PeerViews:
    """All accounts that share a network with this one."""

    def __init__(
        self, networks: Networks, contacts: Contacts, peers: Peers, unread: Mapping[Conversation, int]
    ) -> None:
        """`unread` is read anew for each snapshot."""
        self._networks, self._contacts, self._peers, self._unread = networks, contacts, peers, unread
        self._kept: dict[Address, tuple[object, PeerView]] = {}
        self._clock = math.nan
        """Unix time at loop time zero."""

    def make(self) -> tuple[PeerView, ...]:
        """In the order of their nicknames."""
        self._look_at_clock()
        unread = {parse_address(each.peer): count for each, count in self._unread.items() if each.peer}
        everywhere = self._networks.members_everywhere()
        self._kept = {
            address: self._keep(address, lines, unread.get(address, 0)) for address, lines in everywhere.items()
        }
        views = (view for _, view in self._kept.values())
        return tuple(sorted(views, key=lambda each: (each.nickname.casefold(), each.address)))

    def view_of(self, address: Address) -> PeerView | None:
        """One of them alone, as it is now; None if no network is shared."""
        lines = self._networks.members_everywhere().get(address)
        if lines is None:
            return None
        self._look_at_clock()
        unread = self._unread.get(Conversation(format_address(address)), 0)
        return self._keep(address, lines, unread)[1]

    def _look_at_clock(self) -> None:
        clock = time.time() - asyncio.get_running_loop().time()
        if not abs(clock - self._clock) < CLOCK_TOLERANCE:
            self._clock = clock
            self._kept.clear()

    def _keep(self, address: Address, lines: Lines, unread: int) -> tuple[object, PeerView]:
        """The view, with what it was made of."""
        link = self._peers.links.get(address)
        basis = (
            lines,
            self._contacts.get(address),
            self._contacts.key(address),
            self._status(address, any(line.online for line in lines.values()), link),
            frozenset() if link is None else link.failed_networks,
            _NO_TUNNEL if link is None else _Tunnel.of(link),
            unread,
        )
        kept = self._kept.get(address)
        return kept if kept is not None and kept[0] == basis else (basis, self._view(address, *basis))

    def _view(
        self,
        address: Address,
        lines: Lines,
        contact: Contact,
        key: PublicKey | None,
        status: PeerStatus,
        failed: frozenset[NetworkId],
        tunnel: "_Tunnel",
        unread: int,
    ) -> PeerView:
        nickname = shown_name(next(iter(lines.values())).nickname)
        path, session = tunnel.path, tunnel.session
        relay = "" if path is None else self._peers.relays.place(path.endpoint)
        return PeerView(
            address=format_address(address),
            address6=format_address6(address),
            nickname=nickname,
            status=status,
            networks=tuple(sorted(lines)),
            proven=tunnel.proven,
            alias=contact.alias,
            fingerprint=key.fingerprint_text if key is not None else "",
            new_fingerprint=_new_fingerprint(lines) if status is PeerStatus.KEY_CHANGED else "",
            verified=contact.verified,
            path=None if path is None else path_kind(path),
            endpoint=relay or ("" if path is None else str(path.endpoint)),
            relay=relay,
            route="" if path is None else self._peers.relays.route(path.endpoint),
            latency=None if path is None or path.round_trip == math.inf else path.round_trip,
            suite=session.suite if session is not None else 0,
            keys_since=session.established_at + self._clock if session is not None else None,
            sent_bytes=tunnel.sent_bytes,
            received_bytes=tunnel.received_bytes,
            last_received=tunnel.last_received + self._clock if tunnel.last_received is not None else None,
            problem=self._problem(status, contact.alias or nickname, failed),
            unread=unread,
        )

    def _status(self, address: Address, online: bool, link: PeerLink | None) -> PeerStatus:
        if self._contacts.get(address).blocked:
            return PeerStatus.BLOCKED
        if address in self._peers.keys.changed:
            return PeerStatus.KEY_CHANGED
        if link is None:
            return PeerStatus.UNPROVEN if online and self._networks.lacks_secret(address) else PeerStatus.OFFLINE
        if link.up and link.monitor is not None:
            direct = path_kind(link.monitor.current) is PathKind.DIRECT
            return PeerStatus.DIRECT if direct else PeerStatus.RELAYED
        if not link.shared.online:
            return PeerStatus.OFFLINE
        if link.unproven:
            return PeerStatus.UNPROVEN
        return PeerStatus.FAILED if link.attempts > FAILED_AFTER else PeerStatus.CONNECTING

    def _problem(self, status: PeerStatus, name: str, failed: frozenset[NetworkId]) -> Problem | None:
        if status is PeerStatus.KEY_CHANGED:
            return problem_of(engine_error("peer-key-changed", name=name))
        if status is PeerStatus.UNPROVEN or failed:
            names = (shown_name(self._networks.all[each].state.name) for each in failed if each in self._networks.all)
            return problem_of(
                engine_error("peer-unproven", name=name, networks=", ".join(names) or "any shared network")
            )
        return None


class _Tunnel(NamedTuple):
    """What a link shows of its tunnel; path and session are those of one that is up."""

    path: Path | None = None
    session: Session | None = None
    proven: tuple[NetworkId, ...] = ()
    sent_bytes: int = 0
    received_bytes: int = 0
    last_received: float | None = None

    @classmethod
    def of(cls, link: PeerLink) -> "_Tunnel":
        traffic, session, monitor = link.traffic, link.sending, link.monitor
        counted = (traffic.sent_bytes, traffic.received_bytes, traffic.last_received)
        if session is None or monitor is None or not link.up:
            return cls(None, None, (), *counted)
        return cls(monitor.current, session, tuple(sorted(session.proven & link.shared.secrets.keys())), *counted)


_NO_TUNNEL = _Tunnel()


def path_kind(path: Path) -> PathKind:
    """How a path is shown."""
    return _RELAYED.get(path.kind, PathKind.DIRECT)


_RELAYED = {CandidateKind.RELAY: PathKind.RELAY, CandidateKind.STREAM_RELAY: PathKind.STREAM_RELAY}


def _new_fingerprint(lines: Lines) -> str:
    shown = {line.fingerprint for line in lines.values()}
    return format_fingerprint(shown.pop()) if len(shown) == 1 else ""
