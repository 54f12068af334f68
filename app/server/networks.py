"""The rules of networks: who may make, join, leave and change one.

Pure but for the store: no sockets, no SQL, and `now` is an argument (seconds since 1970 where it is kept, monotonic
where it is compared with limits). Each public method carries out one request of a logged-in account and returns the
outcome, or raises RequestRefused. What owners do to members is in `ownership.py`. Called by `directory.py`.
"""

import hmac
import secrets

from app.protocol.messages import (
    Accepted,
    Created,
    CreateNetwork,
    DeleteNetwork,
    Departure,
    JoinNetwork,
    JoinParameters,
    LeaveNetwork,
    MemberStatus,
    NetworkGone,
    Pending,
    PrepareJoin,
    Refusal,
    RenameMember,
    SetAccess,
    SetPassword,
    SetPresence,
)
from app.protocol.names import checked_name
from app.protocol.network_secret import token_hash
from app.protocol.wire import Address, NetworkId, RemoteProtocolError
from app.server.limits import Policy, Rate, RateLimits, TokenBuckets
from app.server.notices import Notices, Outcome, RequestRefused
from app.server.presence import Delivery, Session
from app.server.records import Exclusion, Membership, Network, Password
from app.server.store import Store


class NetworkRules:
    """Networks and membership, as far as one account decides for itself or for its own network."""

    def __init__(self, store: Store, notices: Notices, policy: Policy, limits: RateLimits) -> None:
        self._store = store
        self._notices = notices
        self._policy = policy
        self._joins = TokenBuckets(Rate.per_minute(limits.joins_per_minute))
        self._wrong_passwords = TokenBuckets(Rate.per_hour(limits.wrong_passwords_per_hour))

    # --- finding things, and refusing

    def network(self, number: int) -> Network:
        """The network with this number. Raises RequestRefused."""
        network = self._store.network(NetworkId(number))
        if network is None:
            raise RequestRefused(Refusal.NETWORK_NOT_FOUND)
        return network

    def owned_network(self, client: Session, number: int) -> Network:
        """The network, which must be the client's own. Raises RequestRefused."""
        network = self.network(number)
        if network.owner != client.address:
            own = self._store.membership(network.number, client.address)
            raise RequestRefused(Refusal.NOT_A_MEMBER if own is None else Refusal.NOT_THE_OWNER)
        return network

    def place(self, network: Network, address: int, refusal: Refusal) -> Membership:
        """An account's place in the network. Raises RequestRefused with `refusal` if it has none."""
        place = self._store.membership(network.number, Address(address))
        if place is None:
            raise RequestRefused(refusal)
        return place

    def require_room(self, network: Network) -> None:
        """Raises RequestRefused if the network has as many members as it may."""
        members = self._store.count_members(network.number, MemberStatus.MEMBER)
        if members >= self._notices.member_limit(network):
            raise RequestRefused(Refusal.NETWORK_FULL)

    def _limit_joins(self, client: Session, now: float) -> None:
        by_account = self._joins.take(client.address, now)
        if not (self._joins.take(client.source, now) and by_account):
            raise RequestRefused(Refusal.TOO_MANY_REQUESTS)

    def _require_free_place(self, client: Session) -> None:
        if self._store.count_memberships(client.address) >= self._policy.networks_per_account:
            raise RequestRefused(Refusal.TOO_MANY_NETWORKS)

    # --- making and joining

    def create(self, client: Session, request: CreateNetwork, now: float, wall: float) -> Outcome:
        """Make a network with the client as owner and first member."""
        self._limit_joins(client, now)
        self._require_free_place(client)
        if self._store.count_networks() >= self._policy.networks:
            raise RequestRefused(Refusal.TOO_MANY_NETWORKS)
        name = acceptable_name(request.name)
        if self._store.network_by_name(name) is not None:
            raise RequestRefused(Refusal.NAME_TAKEN)
        password = _password(request)
        network = Network(self._free_number(), name, client.address, password, False, False, 0, int(wall))
        self._store.add_network(network)
        self._store.add_member(network.number, client.address, MemberStatus.MEMBER, wall)
        place = self.place(network, client.address, Refusal.INTERNAL)
        reply = Created(request.request, network.number)
        return Outcome(reply, self._notices.network_state(network, place, roster=True))

    def _free_number(self) -> NetworkId:
        """A random number: those of networks that one is not in can't be guessed."""
        while True:
            number = NetworkId(secrets.randbelow(0xFFFFFFFF) + 1)
            if self._store.network(number) is None:
                return number

    def prepare_join(self, client: Session, request: PrepareJoin, now: float) -> Outcome:
        """Number, exact name and salt of a network that the client knows by name."""
        self._limit_joins(client, now)
        network = self._store.network_by_name(acceptable_name(request.name))
        if network is None:
            raise RequestRefused(Refusal.NETWORK_NOT_FOUND)
        salt = None if network.password is None else network.password.salt
        return Outcome(JoinParameters(request.request, network.number, network.name, salt))

    def join(self, client: Session, request: JoinNetwork, now: float, wall: float) -> Outcome:
        """Make the client a member, or let it wait for the owner's approval."""
        self._limit_joins(client, now)
        network = self.network(request.network)
        own = self._store.membership(network.number, client.address)
        if own is not None:
            waits = own.status is MemberStatus.PENDING
            raise RequestRefused(Refusal.ALREADY_PENDING if waits else Refusal.ALREADY_MEMBER)
        exclusion = self._store.exclusion(network.number, client.address)
        if exclusion is Exclusion.BANNED:
            raise RequestRefused(Refusal.BANNED)
        if network.locked:
            raise RequestRefused(Refusal.NETWORK_LOCKED)
        self._check_token(client, network, request.token, now)
        self._require_free_place(client)
        self.require_room(network)
        if network.approval or exclusion is Exclusion.EVICTED:
            return self._wait_for_approval(client, network, request.request, wall)
        self._store.add_member(network.number, client.address, MemberStatus.MEMBER, wall)
        return Outcome(Accepted(request.request), self.member_arrived(network, client.address))

    def member_arrived(self, network: Network, address: Address) -> list[Delivery]:
        """Tell a new member its network, and the others of the new member."""
        place = self.place(network, address, Refusal.INTERNAL)
        told = self._notices.network_state(network, place, roster=True)
        return told + self._notices.member_changed(network, address, but=address)

    def _wait_for_approval(self, client: Session, network: Network, request: int, wall: float) -> Outcome:
        waiting = self._store.count_members(network.number, MemberStatus.PENDING)
        if waiting >= self._policy.waiting_per_network:
            raise RequestRefused(Refusal.NETWORK_FULL)
        self._store.add_member(network.number, client.address, MemberStatus.PENDING, wall)
        place = self.place(network, client.address, Refusal.INTERNAL)
        told = self._notices.network_state(network, place, roster=False)
        return Outcome(Pending(request, network.number), told + self._notices.member_changed(network, client.address))

    def _check_token(self, client: Session, network: Network, token: bytes | None, now: float) -> None:
        """Raises RequestRefused unless the token fits; guesses are counted by account and by source."""
        if network.password is None:
            return
        keys = (client.address, client.source)
        if not all(self._wrong_passwords.available(key, now) for key in keys):
            raise RequestRefused(Refusal.TOO_MANY_REQUESTS)
        if not hmac.compare_digest(token_hash(token or b""), network.password.token_hash):
            for key in keys:
                self._wrong_passwords.take(key, now)
            raise RequestRefused(Refusal.WRONG_PASSWORD)

    # --- leaving and deleting

    def leave(self, client: Session, request: LeaveNetwork) -> Outcome:
        """Take the client out of a network, or back from waiting for it."""
        network = self.network(request.network)
        place = self.place(network, client.address, Refusal.NOT_A_MEMBER)
        if network.owner == client.address:
            raise RequestRefused(Refusal.OWNER_MUST_STAY)
        self._store.remove_member(network.number, client.address)
        return Outcome(Accepted(request.request), self._notices.member_gone(network, place, Departure.LEFT))

    def delete(self, client: Session, request: DeleteNetwork) -> Outcome:
        """Delete the client's network for all, those who wait included."""
        network = self.owned_network(client, request.network)
        places = self._store.roster(network.number)
        self._store.delete_network(network.number)
        gone = NetworkGone(network.number, Departure.DELETED)
        return Outcome(Accepted(request.request), self._notices.to_all((place.address for place in places), gone))

    # --- changing

    def set_password(self, client: Session, request: SetPassword) -> Outcome:
        """Change or remove the password of the client's network; members stay."""
        network = self.owned_network(client, request.network)
        self._store.set_password(network.number, _password(request))
        changed = self.network(network.number)
        return Outcome(Accepted(request.request), self._notices.network_state_to_members(changed))

    def set_access(self, client: Session, request: SetAccess) -> Outcome:
        """Lock, approval and member limit of the client's network."""
        network = self.owned_network(client, request.network)
        locked = network.locked if request.locked is None else request.locked
        approval = network.approval if request.approval is None else request.approval
        member_limit = network.member_limit if request.member_limit is None else request.member_limit
        self._store.set_access(network.number, locked, approval, member_limit)
        changed = self.network(network.number)
        return Outcome(Accepted(request.request), self._notices.network_state_to_members(changed))

    def rename(self, client: Session, request: RenameMember) -> Outcome:
        """Change a nickname in one network: the client's own, or anybody's in its own network."""
        network = self.network(request.network)
        own = self.place(network, client.address, Refusal.NOT_A_MEMBER)
        if client.address not in (request.member, network.owner):
            raise RequestRefused(Refusal.NOT_THE_OWNER)
        if own.status is MemberStatus.PENDING:
            raise RequestRefused(Refusal.NOT_A_MEMBER)
        place = self.place(network, request.member, Refusal.PEER_NOT_FOUND)
        nickname = None if request.nickname is None else acceptable_name(request.nickname)
        self._store.set_member_nickname(network.number, place.address, nickname)
        return Outcome(Accepted(request.request), self._notices.member_changed(network, place.address))

    def set_presence(self, client: Session, request: SetPresence) -> Outcome:
        """Show the client as online or offline in one network, now and after later logins."""
        network = self.network(request.network)
        place = self.place(network, client.address, Refusal.NOT_A_MEMBER)
        if place.status is MemberStatus.PENDING:
            raise RequestRefused(Refusal.NOT_A_MEMBER)
        self._store.set_member_online(network.number, client.address, request.online)
        place = self.place(network, client.address, Refusal.NOT_A_MEMBER)
        told = self._notices.network_state(network, place, roster=False)
        return Outcome(Accepted(request.request), told + self._notices.member_changed(network, client.address))


def acceptable_name(name: str) -> str:
    """The name in normal form. Raises RequestRefused if nobody may have it."""
    try:
        return checked_name(name)
    except RemoteProtocolError:
        raise RequestRefused(Refusal.BAD_NAME) from None


def _password(request: CreateNetwork | SetPassword) -> Password | None:
    """The password in a request, with all its three parts or none. Raises RequestRefused."""
    parts = (request.salt, request.token, request.wrapped_secret)
    if parts == (None, None, None):
        return None
    if request.salt is None or request.token is None or request.wrapped_secret is None:
        raise RequestRefused(Refusal.WRONG_PASSWORD)
    return Password(request.salt, token_hash(request.token), request.wrapped_secret)
