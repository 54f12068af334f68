"""The model of networks and rosters: what the server tells, held against what this computer knows for itself.

The server's word is never enough for a tunnel: a network counts only if the person joined it here, a member only if
its network's owner did not evict it by a signed statement, and a network that has a secret only together with it.
Pure: no I/O, no clock; words of the server in, `shared_peers` out. Called by engine/engine.py in the loop.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from msgspec import Struct, structs

from app.engine.state import Protection
from app.protocol import network_secret
from app.protocol.keys import PublicKey
from app.protocol.messages import (
    Departure,
    Member,
    MemberChanged,
    MemberGone,
    MemberStatus,
    Message,
    NetworkGone,
    NetworkState,
    Roster,
    StatementTold,
    Synchronised,
    Welcome,
)
from app.protocol.statement import MembershipMemory
from app.protocol.wire import Address, NetworkId, RemoteProtocolError

logger = logging.getLogger(__name__)

MAX_NETWORKS = 1_024
"""Networks of one account that the engine follows; what a server tells beyond that is dropped and counted."""
MAX_MEMBERS = 4_096
"""Members of one network, likewise."""
MAX_MEMBERS_EVERYWHERE = 65_536
"""Members of all networks together, likewise."""
MAX_WAITING_STATEMENTS = 256
"""Statements of one network that wait for its owner's key."""

_OWNER_CHANGED = "owner-changed"
_DOES_NOT_OPEN = "secret-does-not-open"


class JoinedNetwork(Struct, frozen=True):
    """What this computer remembers of a network that the person made or joined here. Holds secrets: kept sealed."""

    name: str
    owner: int | None = None
    """The owner at the first sight: another one later is not believed."""
    secret: bytes | None = None
    wrapping_key: bytes | None = None
    """Opens the wrapped secret that the server tells once the account is a member."""


@dataclass(slots=True)
class Network:
    """One network as the server last told it."""

    state: NetworkState
    members: dict[Address, Member] = field(default_factory=dict)
    page: dict[Address, Member] | None = None
    """Members told so far of a roster that is not complete yet."""
    waiting_statements: list[bytes] = field(default_factory=list)
    revision: int = 0
    """Another one after each change of what the server told."""

    @property
    def network(self) -> NetworkId:
        """Its number."""
        return NetworkId(self.state.network)


@dataclass(frozen=True, slots=True)
class SharedPeer:
    """An account with which a tunnel may rest on at least one network, in which this account is online."""

    address: Address
    fingerprints: frozenset[bytes]
    """What the rosters say; more than one is a contradiction."""
    secrets: dict[NetworkId, bytes | None]
    """The shared networks, each with its secret."""
    online: bool
    """The server sees it online in one of them."""


class Networks:
    """All networks of one account on one server.

    `owner_key` gives the pinned key of a network's owner, None while it is not known. `on_remember` is called when
    `joined` or `memory` changed and should be written.
    """

    def __init__(
        self,
        server_fingerprint: bytes,
        joined: dict[NetworkId, JoinedNetwork],
        statements: Iterable[bytes],
        owner_key: Callable[[Address], PublicKey | None],
        on_remember: Callable[[], None],
    ) -> None:
        self.joined = joined
        self.memory = MembershipMemory.restore(server_fingerprint, statements)
        self.all: dict[NetworkId, Network] = {}
        self.own_address: Address | None = None
        self.synchronised = False
        self.dropped = 0
        """Words of the server that fit nothing or are too many."""
        self.untrusted: dict[NetworkId, str] = {}
        """Networks in which the server said something that can't be: why."""
        self.parted: dict[NetworkId, tuple[str, Departure]] = {}
        """Networks that others took this account out of, with their names; until read, or in again."""
        self._owner_key = owner_key
        self._on_remember = on_remember
        self._told: set[NetworkId] = set()
        self._revision = 0
        self._everywhere: dict[Address, dict[NetworkId, Member]] | None = None

    def apply(self, word: Message) -> None:
        """Take in a word of the server; one that fits nothing is dropped and counted."""
        match word:
            case Welcome():
                self.synchronised = False
                self._told = set()
            case NetworkState():
                self._set_state(word)
            case Roster():
                self._add_page(word)
            case MemberChanged():
                self._change_member(NetworkId(word.network), word.member)
            case MemberGone():
                self._remove_member(NetworkId(word.network), Address(word.address))
            case NetworkGone():
                self._part(NetworkId(word.network), word.departure)
            case StatementTold():
                self._hear_statement(NetworkId(word.network), word.statement)
            case Synchronised():
                self._finish_synchronising()
            case _:
                self.dropped += 1

    def _drop(self, what: str) -> None:
        self.dropped += 1
        logger.debug("server: %s", what)

    def _set_state(self, state: NetworkState) -> None:
        network = NetworkId(state.network)
        known = self.all.get(network)
        if known is None and len(self.all) >= MAX_NETWORKS:
            return self._drop("too many networks")
        self._told.add(network)
        self.parted.pop(network, None)
        if known is None:
            known = self.all[network] = Network(state)
        known.state = state
        self._changed(known)
        if state.status is MemberStatus.PENDING:
            known.members.clear()
        self._meet_owner(network)
        self._open_secret(network)
        return None

    def _add_page(self, roster: Roster) -> None:
        known = self.all.get(NetworkId(roster.network))
        if known is None:
            return self._drop("a roster of an unknown network")
        if roster.first:
            known.page = {}
        if known.page is None or not self._fits(known.page, len(roster.members)):
            return self._drop("a roster page that does not fit")
        known.page.update((Address(member.address), member) for member in roster.members)
        if roster.last:
            known.members, known.page = known.page, None
            self._changed(known)
        return None

    def _changed(self, network: Network) -> None:
        self._revision += 1
        network.revision = self._revision
        self._everywhere = None

    def _fits(self, members: dict[Address, Member], more: int) -> bool:
        everywhere = sum(len(each.members) + len(each.page or ()) for each in self.all.values())
        return len(members) + more <= MAX_MEMBERS and everywhere + more <= MAX_MEMBERS_EVERYWHERE

    def _change_member(self, network: NetworkId, member: Member) -> None:
        known = self.all.get(network)
        if known is None:
            return self._drop("a member of an unknown network")
        if member.address not in known.members and not self._fits(known.members, 1):
            return self._drop("too many members")
        known.members[Address(member.address)] = member
        self._changed(known)
        if known.page is not None:
            known.page[Address(member.address)] = member
        return None

    def _remove_member(self, network: NetworkId, address: Address) -> None:
        known = self.all.get(network)
        if known is None:
            return self._drop("a member gone from an unknown network")
        known.members.pop(address, None)
        self._changed(known)
        if known.page is not None:
            known.page.pop(address, None)
        return None

    def _part(self, network: NetworkId, departure: Departure) -> None:
        known = self.all.get(network)
        own_doing = departure is Departure.LEFT or (known is not None and known.state.owner == self.own_address)
        if known is not None and not own_doing and len(self.parted) < MAX_NETWORKS:
            self.parted[network] = (known.state.name, departure)
        self._forget(network)

    def _forget(self, network: NetworkId) -> None:
        """The secret stays in `joined`: else a server could take a network away and bring it back as an open one."""
        self.all.pop(network, None)
        self._everywhere = None
        self.untrusted.pop(network, None)

    def _finish_synchronising(self) -> None:
        for network in self.all.keys() - self._told:
            self._forget(network)
        self.synchronised = True

    # --- what this computer knows for itself

    def remember(self, network: NetworkId, joined: JoinedNetwork) -> None:
        """The person made or joined this network here. Beyond MAX_NETWORKS the oldest that is long gone gives way."""
        if network not in self.joined and len(self.joined) >= MAX_NETWORKS:
            gone = next((each for each in self.joined if each not in self.all), next(iter(self.joined)))
            logger.warning("forgot the network %s to make room", self.joined.pop(gone).name)
        self.joined[network] = joined
        self._meet_owner(network)
        self._open_secret(network)
        self._on_remember()

    def forget(self, network: NetworkId) -> None:
        """The person left or deleted it, and with it goes its secret."""
        self.joined.pop(network, None)
        self.memory.forget(network)
        self._on_remember()

    def _meet_owner(self, network: NetworkId) -> None:
        joined, known = self.joined.get(network), self.all.get(network)
        if joined is None or known is None:
            return
        if joined.owner is None:
            self._update(network, owner=known.state.owner)
        elif joined.owner != known.state.owner:
            self.untrusted[network] = _OWNER_CHANGED
        elif self.untrusted.get(network) == _OWNER_CHANGED:
            del self.untrusted[network]

    def _open_secret(self, network: NetworkId) -> None:
        """With the password's key. One that opens nothing takes away no secret that was there before."""
        joined, known = self.joined.get(network), self.all.get(network)
        if joined is None or known is None or joined.wrapping_key is None:
            return
        if known.state.status is not MemberStatus.MEMBER or known.state.wrapped_secret is None:
            return
        try:
            secret = network_secret.unwrap(known.state.wrapped_secret, joined.wrapping_key, known.state.name)
        except RemoteProtocolError:
            if joined.secret is None:
                self.untrusted.setdefault(network, _DOES_NOT_OPEN)
            else:
                self._update(network, wrapping_key=None)
            return
        if self.untrusted.get(network) == _DOES_NOT_OPEN:
            del self.untrusted[network]
        self._update(network, secret=secret, wrapping_key=None)

    def _update(self, network: NetworkId, **changes: object) -> None:
        self.joined[network] = structs.replace(self.joined[network], **changes)
        self._on_remember()

    def _hear_statement(self, network: NetworkId, signed: bytes) -> None:
        known, joined = self.all.get(network), self.joined.get(network)
        if known is None or joined is None:
            return self._drop("a statement about a network not joined here")
        owner = Address(joined.owner if joined.owner is not None else known.state.owner)
        key = self._owner_key(owner)
        if key is not None:
            return self._apply_statement(network, signed, key)
        if signed in known.waiting_statements:
            return None
        if len(known.waiting_statements) >= MAX_WAITING_STATEMENTS:
            return self._drop("too many statements that wait for the owner's key")
        known.waiting_statements.append(signed)
        return None

    def _apply_statement(self, network: NetworkId, signed: bytes, key: PublicKey) -> None:
        try:
            news = self.memory.apply(signed, network, key)
        except RemoteProtocolError as error:
            return self._drop(str(error))
        if news:
            self._on_remember()
        return None

    def hear_own_statement(self, network: NetworkId, signed: bytes, own_key: PublicKey) -> None:
        """The owner on this computer said something of a member, and the server took it."""
        self._apply_statement(network, signed, own_key)

    def hear_gossip(self, network: NetworkId, signed: bytes) -> None:
        """A member handed on what an owner said; the owner's signature is checked like any other."""
        self._hear_statement(network, signed)

    def clear(self) -> None:
        """Forget what the server told: logged out."""
        self.all.clear()
        self._everywhere = None
        self.untrusted.clear()
        self.parted.clear()
        self.synchronised = False

    def owners_wanted(self) -> set[Address]:
        """Owners whose key is needed to check statements that wait."""
        return {Address(each.state.owner) for each in self.all.values() if each.waiting_statements}

    def retry_statements(self) -> None:
        """An owner's key became known."""
        for network, known in self.all.items():
            waiting, known.waiting_statements = known.waiting_statements, []
            for signed in waiting:
                self._hear_statement(network, signed)

    def owner_met(self, owner: Address, key: PublicKey) -> None:
        """An account proved its first key: of what is remembered in its networks, only what this key signed stays."""
        theirs = [network for network, joined in self.joined.items() if joined.owner == owner]
        dropped = [self.memory.recheck(network, key) for network in theirs]
        if any(dropped):
            self._on_remember()

    # --- what follows

    def needs_secret(self, network: NetworkId) -> bool:
        """Whether the network has a secret, as far as this computer can know."""
        joined, known = self.joined.get(network), self.all.get(network)
        told = known is not None and (known.state.salt is not None or known.state.wrapped_secret is not None)
        return told or (joined is not None and (joined.secret is not None or joined.wrapping_key is not None))

    def protection(self, network: NetworkId) -> Protection:
        """How the members of a network are kept apart from strangers."""
        joined = self.joined.get(network)
        if joined is None:
            return Protection.MISSING
        if joined.secret is not None:
            return Protection.PROVED
        return Protection.MISSING if self.needs_secret(network) else Protection.OPEN

    def _carries_tunnels(self, known: Network) -> bool:
        """Whether tunnels may rest on it: joined here, online, with its secret, and nothing said that can't be."""
        return (
            known.state.status is MemberStatus.MEMBER
            and known.state.online
            and known.network not in self.untrusted
            and self.protection(known.network) is not Protection.MISSING
        )

    def shared_peers(self) -> dict[Address, SharedPeer]:
        """Everybody with whom a tunnel may be made, by address."""
        shares: dict[Address, dict[NetworkId, Member]] = {}
        for network, known in self.all.items():
            if not self._carries_tunnels(known):
                continue
            for address, member in known.members.items():
                if self._counts(network, address, member):
                    shares.setdefault(address, {})[network] = member
        return {address: self._shared_peer(address, members) for address, members in shares.items()}

    def _counts(self, network: NetworkId, address: Address, member: Member) -> bool:
        return (
            address != self.own_address
            and member.status is MemberStatus.MEMBER
            and not self.memory.is_barred(network, address, member.fingerprint)
        )

    def _shared_peer(self, address: Address, members: dict[NetworkId, Member]) -> SharedPeer:
        return SharedPeer(
            address,
            frozenset(member.fingerprint for member in members.values()),
            {network: self.joined[network].secret for network in members},
            any(member.online for member in members.values()),
        )

    def members_everywhere(self) -> dict[Address, dict[NetworkId, Member]]:
        """What the rosters say of every account but this one, tunnels or not. Not to be changed."""
        if self._everywhere is None:
            self._everywhere = self._find_everywhere()
        return self._everywhere

    def _find_everywhere(self) -> dict[Address, dict[NetworkId, Member]]:
        found: dict[Address, dict[NetworkId, Member]] = {}
        for network, known in self.all.items():
            for address, member in known.members.items():
                if address != self.own_address and member.status is MemberStatus.MEMBER:
                    found.setdefault(address, {})[network] = member
        return found

    def others_in(self, network: NetworkId) -> list[Address]:
        """The other members of a network whom no statement of its owner bars."""
        known = self.all.get(network)
        if known is None:
            return []
        return [each for each, member in known.members.items() if self._counts(network, each, member)]

    def is_online_in(self, network: NetworkId, address: Address) -> bool:
        """Whether the server sees a member online in this very network."""
        known = self.all.get(network)
        member = None if known is None else known.members.get(address)
        return member is not None and member.online

    def is_locked_out(self, network: NetworkId) -> bool:
        """Whether this account is a member and no tunnel can rest on it, as this computer lacks its secret."""
        known = self.all.get(network)
        member = known is not None and known.state.status is MemberStatus.MEMBER
        return member and network not in self.untrusted and self.protection(network) is Protection.MISSING

    def lacks_secret(self, address: Address) -> bool:
        """Whether this account is in a network whose secret this computer lacks."""
        return any(address in known.members and self.is_locked_out(network) for network, known in self.all.items())
