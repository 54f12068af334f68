"""What the roster shows, made from a snapshot: networks as groups, their members as contacts, in order and filtered.

A row holds what is painted and compares by that alone, so that counters which change all the time repaint nothing; the
views that it was made from come along for menus and tooltips. Unchanged networks and members keep their rows: snapshots
come ten times a second. Used by model.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QCollator, QCollatorSortKey, QLocale, Qt

from app.engine.state import (
    EngineState,
    MemberStatus,
    MemberView,
    NetworkStatus,
    NetworkView,
    PathKind,
    PeerStatus,
    PeerView,
    Protection,
)
from app.ui.words.statuses import member_name, waits_for_helper

ABSENT: Final = frozenset({PeerStatus.OFFLINE, PeerStatus.BLOCKED})
"""Statuses of those who come after the others."""
MAX_COLLATED: Final = 20_000
_NETWORK_ORDER: Final = {NetworkStatus.ONLINE: 0, NetworkStatus.OFFLINE: 1, NetworkStatus.PENDING: 2}


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """The headline of a group."""

    id: int
    name: str
    status: NetworkStatus
    is_owner: bool
    locked: bool
    protection: Protection
    has_password: bool
    unread: int
    online: int
    """How many others are there now."""
    others: int
    """How many members it has besides this computer; those who wait are none yet."""
    waiting: int
    view: NetworkView = field(compare=False)


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A contact in one network."""

    network: int
    address: str
    name: str
    status: PeerStatus
    path: PathKind | None
    """What its tunnel travels over, if it is seen here."""
    waiting: bool
    """Asks to be let in."""
    without_helper: bool
    """No tunnel can come up, as the helper does not run."""
    latency: float | None
    """In whole milliseconds, as seconds."""
    verified: bool
    is_owner: bool
    unread: int
    member: MemberView = field(compare=False)
    peer: PeerView | None = field(compare=False)

    @property
    def is_connecting(self) -> bool:
        """Whether a tunnel is being set up."""
        return self.status is PeerStatus.CONNECTING and not self.without_helper


@dataclass(frozen=True, slots=True)
class Group:
    """A network and those of its members who are shown."""

    network: NetworkRow
    members: tuple[MemberRow, ...]


class Roster:
    """Arranges snapshots; remembers the last one to make only what changed."""

    def __init__(self) -> None:
        self._groups: dict[int, Group] = {}
        self._peers: dict[str, PeerView] = {}
        self._without_helper = False
        language = QLocale()
        if language.language() is QLocale.Language.C:  # it would compare bytes
            language = QLocale(QLocale.Language.English)
        self._collator = QCollator(language)
        self._collator.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._collator.setNumericMode(True)  # player 9 before player 10
        self._collated: dict[str, QCollatorSortKey] = {}

    def arrange(self, state: EngineState, search: str = "", hide_offline: bool = False) -> tuple[Group, ...]:
        """The groups to show. A search looks everywhere, also among those who are hidden otherwise."""
        peers = {peer.address: peer for peer in state.peers}
        changed = {address for address, peer in peers.items() if self._peers.get(address) is not peer}
        changed |= self._peers.keys() - peers.keys()
        self._peers = peers
        if self._without_helper != waits_for_helper(state):
            self._without_helper = not self._without_helper
            self._groups.clear()
        self._groups = {network.id: self._group(network, changed) for network in state.networks}
        groups: Iterable[Group] = sorted(self._groups.values(), key=lambda group: group.network.id)
        groups = sorted(groups, key=lambda group: self._network_order(group.network))
        if search.strip():
            return tuple(_found(groups, search.strip().casefold()))
        if hide_offline:
            return tuple(_without_absent(group) for group in groups)
        return tuple(groups)

    @property
    def waiting(self) -> int:
        """How many ask to be let into networks, found or not."""
        return sum(group.network.waiting for group in self._groups.values())

    def _group(self, network: NetworkView, changed: set[str]) -> Group:
        """The whole group, the last one again if nothing of it changed."""
        before = self._groups.get(network.id)
        if before is None:
            rows: Mapping[str, MemberRow] = {}
        elif before.network.view is network and changed.isdisjoint([row.address for row in before.members]):
            return before
        else:
            rows = {row.address: row for row in before.members} if before.network.status is network.status else {}
        others = [member for member in network.members if not member.is_self]
        members = {each.address: self._member(network, each, rows.get(each.address)) for each in others}
        ordered = sorted(
            members.values(), key=lambda row: (not row.waiting, row.status in ABSENT, self._collate(row.name))
        )
        return Group(_network_row(network, ordered), tuple(ordered))

    def _member(self, network: NetworkView, member: MemberView, before: MemberRow | None) -> MemberRow:
        peer = self._peers.get(member.address)
        if before is not None and before.member is member and before.peer is peer:
            return before
        waiting = member.status is MemberStatus.PENDING
        status = _status_in(network, member, peer)
        return MemberRow(
            network=network.id,
            address=member.address,
            name=member_name(member, peer),
            status=status,
            path=peer.path if peer is not None and status.has_tunnel else None,
            waiting=waiting,
            without_helper=self._without_helper and status is PeerStatus.CONNECTING,
            latency=_shown_latency(peer) if status.has_tunnel else None,
            verified=peer is not None and peer.verified and not waiting,
            is_owner=member.is_owner,
            unread=peer.unread if peer is not None else 0,
            member=member,
            peer=None if waiting else peer,
        )

    def _network_order(self, network: NetworkRow) -> tuple[int, QCollatorSortKey]:
        return _NETWORK_ORDER[network.status], self._collate(network.name)

    def _collate(self, name: str) -> QCollatorSortKey:
        """By the rules of the person's language."""
        key = self._collated.get(name)
        if key is None:
            if len(self._collated) >= MAX_COLLATED:
                self._collated.clear()
            key = self._collated[name] = self._collator.sortKey(name)
        return key


def _status_in(network: NetworkView, member: MemberView, peer: PeerView | None) -> PeerStatus:
    """A peer's status as far as it holds in this network.

    A tunnel rests on networks: whoever is connected through another one only is not online in this one.
    """
    if peer is None or member.status is MemberStatus.PENDING:
        return PeerStatus.OFFLINE
    if peer.status in (PeerStatus.BLOCKED, PeerStatus.KEY_CHANGED):
        return peer.status
    here = network.id in peer.proven
    if network.status is not NetworkStatus.ONLINE or (member.status is MemberStatus.OFFLINE and not here):
        return PeerStatus.OFFLINE
    if not here and peer.problem is not None and peer.problem.code == "peer-unproven":
        return PeerStatus.UNPROVEN
    return peer.status


def _shown_latency(peer: PeerView | None) -> float | None:
    """In whole milliseconds, so that a row changes no more often than its words."""
    if peer is None or peer.latency is None:
        return None
    return round(peer.latency, 3) if peer.latency >= 0.001 else 0.0


def _network_row(network: NetworkView, members: list[MemberRow]) -> NetworkRow:
    waiting = sum(row.waiting for row in members)
    return NetworkRow(
        id=network.id,
        name=network.name or network.label,
        status=network.status,
        is_owner=network.is_owner,
        locked=network.locked,
        protection=network.protection,
        has_password=network.has_password,
        unread=network.unread,
        online=sum(row.status not in ABSENT for row in members),
        others=len(members) - waiting,
        waiting=waiting,
        view=network,
    )


def _without_absent(group: Group) -> Group:
    """Whoever waits or has written something is shown in any case."""
    members = tuple(row for row in group.members if row.waiting or row.unread or row.status is not PeerStatus.OFFLINE)
    return group if len(members) == len(group.members) else Group(group.network, members)


def _found(groups: Iterable[Group], text: str) -> Iterable[Group]:
    """A network that is found, by a word's beginning, is shown with all members, else with those found in it."""
    for group in groups:
        if f" {text}" in f" {group.network.name.casefold()}" or text in group.network.view.label:
            yield group
            continue
        members = tuple(row for row in group.members if _matches(row, text))
        if members:
            yield Group(group.network, members)


def _matches(row: MemberRow, text: str) -> bool:
    names = (row.name, row.member.nickname, row.address, row.peer.address6 if row.peer is not None else "")
    return any(text in each.casefold() for each in names)
