"""What the server tells whom when something changes: the messages and the sessions they go to.

It reads store and presence and changes nothing. A client is told only of accounts that share a network with it, and
of those that wait for approval only as the owner. Used by `directory.py` and `networks.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.protocol.messages import (
    Departure,
    Member,
    MemberChanged,
    MemberGone,
    MemberStatus,
    Message,
    NetworkGone,
    NetworkState,
    Refusal,
    Roster,
    StatementTold,
)
from app.protocol.wire import Address, NetworkId
from app.server.limits import Policy
from app.server.presence import Delivery, Presence
from app.server.records import Membership, Network
from app.server.store import Store

ROSTER_PAGE = 128
"""Members in one Roster: with the longest names 128 of them take 39 KB, below `wire.MAX_FRAME`."""


class RequestRefused(Exception):
    """A rule says no; nothing has changed."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.name)
        self.reason = reason


@dataclass(slots=True)
class Outcome:
    """What follows from a decision: the reply to the one who asked, then the words for sessions, in their order."""

    reply: Message | None = None
    deliveries: list[Delivery] = field(default_factory=list)


class Notices:
    """Composes deliveries from what store and presence say now."""

    def __init__(self, store: Store, presence: Presence, policy: Policy) -> None:
        self._store = store
        self._presence = presence
        self._policy = policy

    def to(self, address: Address, message: Message) -> list[Delivery]:
        """To one account, if it is logged in."""
        session = self._presence.session_of(address)
        return [] if session is None else [Delivery(session, message)]

    def to_all(self, addresses: Iterable[Address], message: Message) -> list[Delivery]:
        """To those of the accounts that are logged in."""
        return [delivery for address in addresses for delivery in self.to(address, message)]

    def to_members(self, network: NetworkId, message: Message) -> list[Delivery]:
        """To all members of a network that are logged in."""
        return self.to_all(self._store.member_addresses(network), message)

    def is_online(self, place: Membership) -> bool:
        """Whether a member is shown as online in the network."""
        return (
            place.status is MemberStatus.MEMBER
            and place.wants_online
            and self._presence.session_of(place.address) is not None
        )

    def _member(self, place: Membership) -> Member:
        return Member(place.address, place.fingerprint, place.nickname, self.is_online(place), place.status)

    def member_changed(self, network: Network, address: Address, but: Address | None = None) -> list[Delivery]:
        """A member as it is now, to every member (`but` one); of one who waits, to the owner alone."""
        place = self._store.membership(network.number, address)
        if place is None:
            return []
        told = MemberChanged(network.number, self._member(place))
        if place.status is MemberStatus.PENDING:
            return self.to(network.owner, told)
        return self.to_all((each for each in self._store.member_addresses(network.number) if each != but), told)

    def member_gone(self, network: Network, place: Membership, departure: Departure) -> list[Delivery]:
        """A member that was just removed: to those who saw it and stay, and to itself."""
        told = MemberGone(network.number, place.address, departure)
        if place.status is MemberStatus.PENDING:
            rest = self.to(network.owner, told)
        else:
            rest = self.to_members(network.number, told)
        return [*self.to(place.address, NetworkGone(network.number, departure)), *rest]

    def network_state(self, network: Network, place: Membership, *, roster: bool) -> list[Delivery]:
        """The network as one account may see it; with its roster and the owner's statements if `roster`."""
        member = place.status is MemberStatus.MEMBER
        password = network.password if member else None
        state = NetworkState(
            network=network.number,
            name=network.name,
            owner=network.owner,
            status=place.status,
            online=self.is_online(place),
            locked=network.locked,
            approval=network.approval,
            member_limit=self.member_limit(network),
            salt=None if password is None else password.salt,
            wrapped_secret=None if password is None else password.wrapped_secret,
            roster=roster and member,
        )
        deliveries = self.to(place.address, state)
        if deliveries and state.roster:
            deliveries += self._roster(network, place.address) + self._statements(network, place.address)
        return deliveries

    def network_state_to_members(self, network: Network) -> list[Delivery]:
        """The network's changed facts to every member, without rosters."""
        return [
            delivery
            for place in self._store.roster(network.number)
            if place.status is MemberStatus.MEMBER
            for delivery in self.network_state(network, place, roster=False)
        ]

    def _roster(self, network: Network, address: Address) -> list[Delivery]:
        members = [
            self._member(place)
            for place in self._store.roster(network.number)
            if place.status is MemberStatus.MEMBER or address == network.owner
        ]
        pages = [members[start : start + ROSTER_PAGE] for start in range(0, len(members), ROSTER_PAGE)]
        return [
            delivery
            for number, page in enumerate(pages)
            for delivery in self.to(address, Roster(network.number, number == 0, number == len(pages) - 1, tuple(page)))
        ]

    def _statements(self, network: Network, address: Address) -> list[Delivery]:
        return [
            delivery
            for signed in self._store.statements(network.number)
            for delivery in self.to(address, StatementTold(network.number, signed))
        ]

    def member_limit(self, network: Network) -> int:
        """How many members the network may have: its owner's limit within the server's."""
        server_limit = self._policy.members_per_network
        return min(network.member_limit or server_limit, server_limit)
