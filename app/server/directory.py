"""The rules of the server: accounts, logins, and every request of a client. No sockets, no SQL.

Each public method is one decision: it runs in one transaction of the store, and returns what follows from it as values
(a reply, and deliveries to sessions wherever they are). `now` is monotonic seconds, for limits; `wall` is seconds
since 1970, for what is kept. Everything runs on one thread, see `decisions.py`, which calls it for the sockets.
"""

import itertools
from dataclasses import dataclass
from ipaddress import IPv4Network

from app.protocol.keys import PublicKey
from app.protocol.messages import (
    Accepted,
    Approve,
    Closing,
    CreateNetwork,
    DeleteNetwork,
    Evict,
    GetPeerKey,
    GetRelay,
    Introduce,
    Introduced,
    JoinNetwork,
    LeaveNetwork,
    MemberStatus,
    PeerKey,
    PrepareJoin,
    Refusal,
    Refused,
    Reject,
    RenameMember,
    ReportRelays,
    Request,
    SetAccess,
    SetNickname,
    SetPassword,
    SetPresence,
    Synchronised,
    Unban,
    Welcome,
)
from app.protocol.wire import Address, RemoteProtocolError, checked_endpoint
from app.server.limits import Policy, Rate, RateLimits, TokenBuckets
from app.server.networks import NetworkRules, acceptable_name
from app.server.notices import Notices, Outcome, RequestRefused
from app.server.ownership import OwnershipRules
from app.server.pool import AddressPool
from app.server.presence import Delivery, Presence, Session, SessionId
from app.server.records import Account
from app.server.relays import RelayRules
from app.server.store import Store


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server tells of itself, and what statements are bound to."""

    name: str
    fingerprint: bytes
    pool: IPv4Network
    reflector_ports: tuple[int, ...]
    web_port: int = 0
    """Where the server takes WebSocket over TLS; 0 for nowhere."""


class Directory:
    """Accounts, sessions and the dispatch of requests."""

    def __init__(
        self, store: Store, facts: ServerFacts, policy: Policy, limits: RateLimits, relays: RelayRules
    ) -> None:
        self._store = store
        self._relays = relays
        self._facts = facts
        self._policy = policy
        self._pool = AddressPool(facts.pool)
        self._presence = Presence()
        self._left: dict[Address, float] = {}
        self._session_numbers = itertools.count(1)
        self._notices = Notices(store, self._presence, policy)
        self._networks = NetworkRules(store, self._notices, policy, limits)
        self._ownership = OwnershipRules(store, self._notices, self._networks, facts.fingerprint)
        self._registrations = TokenBuckets(Rate.per_hour(limits.registrations_per_hour))
        self._logins = TokenBuckets(Rate.per_minute(limits.logins_per_minute))
        self._changes = TokenBuckets(Rate.per_minute(limits.changes_per_minute))
        self._introductions = TokenBuckets(Rate.per_minute(limits.introductions_per_minute))

    # --- accounts and sessions

    def register(self, public_key: PublicKey, nickname: str, source: str, now: float, wall: float) -> Address | Refusal:
        """The address of the account with this key, made if there is none yet.

        A key that registers again gets its old address: its first answer may have been lost.
        """
        with self._store.transaction():
            known = self._store.account_of_key(public_key.blob)
            if known is not None:
                return known.address
            if self._policy.registration == "closed":
                return Refusal.REGISTRATION_CLOSED
            if not self._registrations.take(source, now):
                return Refusal.TOO_MANY_REQUESTS
            address = self._free_address()
            if address is None:
                return Refusal.POOL_EXHAUSTED
            self._store.add_account(address, public_key.blob, public_key.fingerprint, nickname, wall)
            return address

    def _free_address(self) -> Address | None:
        limit = self._policy.accounts
        if limit and self._store.count_accounts() >= limit:
            return None
        return self._pool.draw(lambda address: self._store.account(address) is not None, self._store.addresses)

    def login_key(self, address: Address) -> PublicKey | Refusal:
        """The key with which a client must have signed to be this account."""
        account = self._store.account(address)
        return Refusal.NO_SUCH_ACCOUNT if account is None else PublicKey.from_blob(account.public_key)

    def log_in(self, address: Address, host: str, source: str, now: float) -> tuple[Session, Outcome]:
        """Begin a session of an account that proved its key; `host` is the outside address it comes from.

        The outcome synchronises the new session, shows the account as online, and ends the session it replaces.
        """
        session = Session(SessionId(next(self._session_numbers)), address, source)
        account = self._store.account(address)
        if account is None or not self._logins.take(address, now):
            return session, Outcome(None, [Delivery(session.number, Closing(restart=False))])
        replaced = self._presence.open(address, session.number)
        self._relays.forget(address)
        outcome = Outcome(None, self._synchronise(account, session, host))
        if replaced is not None:
            outcome.deliveries.insert(0, Delivery(replaced, Closing(restart=False)))
        else:
            outcome.deliveries += self._presence_changed(address)
        return session, outcome

    def log_out(self, session: Session, wall: float) -> Outcome:
        """A session ended, by whatever cause."""
        if not self._presence.close(session.address, session.number):
            return Outcome()
        self._relays.forget(session.address)
        self._left[session.address] = wall
        return Outcome(None, self._presence_changed(session.address))

    def note_presence(self, wall: float) -> None:
        """Keep when accounts were last seen; to be called now and then, and at the end.

        Not kept at each login, as a storm of logins after a restart would wait for the disk.
        """
        seen = self._left | dict.fromkeys(self._presence.logged_in(), wall)
        self._left = {}
        with self._store.transaction():
            self._store.note_seen(seen.items())

    def _synchronise(self, account: Account, session: Session, host: str) -> list[Delivery]:
        facts = self._facts
        welcome = Welcome(
            server_name=facts.name,
            nickname=account.nickname,
            pool=int(facts.pool.network_address),
            pool_prefix=facts.pool.prefixlen,
            reflector_ports=facts.reflector_ports,
            observed_host=host,
            relays=self._relays.told,
            web_port=facts.web_port,
        )
        deliveries = [Delivery(session.number, welcome)]
        for place in self._store.memberships_of(account.address):
            network = self._networks.network(place.network)
            deliveries += self._notices.network_state(network, place, roster=True)
        return [*deliveries, Delivery(session.number, Synchronised())]

    def _presence_changed(self, address: Address) -> list[Delivery]:
        """The account came or went: to the others in each network where it is a member and wants to be seen."""
        return [
            delivery
            for place in self._store.memberships_of(address)
            if place.status is MemberStatus.MEMBER and place.wants_online
            for delivery in self._notices.member_changed(self._networks.network(place.network), address, but=address)
        ]

    # --- requests

    def carry_out(self, client: Session, request: Request, now: float, wall: float) -> Outcome:
        """One request of a logged-in client, with its reply: Refused means that nothing has changed."""
        try:
            with self._store.transaction():
                if self._presence.session_of(client.address) != client.number:
                    return Outcome()  # replaced meanwhile: what it asks must not happen behind the new one's back
                return self._dispatch(client, request, now, wall)
        except RequestRefused as refused:
            return Outcome(Refused(request.request, refused.reason))

    def _dispatch(self, client: Session, request: Request, now: float, wall: float) -> Outcome:
        match request:
            case Introduce():
                return self._introduce(client, request, now)
            case GetRelay():
                return self._offer_relay(client, request, now, wall)
            case ReportRelays():
                self._relays.note(client.address, request)
                return Outcome(Accepted(request.request))
            case GetPeerKey():
                return self._peer_key(client, request)
            case PrepareJoin():
                return self._networks.prepare_join(client, request, now)
            case CreateNetwork():
                return self._networks.create(client, request, now, wall)
            case JoinNetwork():
                return self._networks.join(client, request, now, wall)
            case _:
                if not self._changes.take(client.address, now):
                    raise RequestRefused(Refusal.TOO_MANY_REQUESTS)
                return self._change(client, request)

    def _change(self, client: Session, request: Request) -> Outcome:
        match request:
            case SetNickname():
                return self._set_nickname(client, request)
            case LeaveNetwork():
                return self._networks.leave(client, request)
            case DeleteNetwork():
                return self._networks.delete(client, request)
            case SetPassword():
                return self._networks.set_password(client, request)
            case SetAccess():
                return self._networks.set_access(client, request)
            case RenameMember():
                return self._networks.rename(client, request)
            case SetPresence():
                return self._networks.set_presence(client, request)
            case Evict():
                return self._ownership.evict(client, request)
            case Approve():
                return self._ownership.approve(client, request)
            case Reject():
                return self._ownership.reject(client, request)
            case Unban():
                return self._ownership.unban(client, request)
            case _:
                raise RequestRefused(Refusal.INTERNAL)

    def _set_nickname(self, client: Session, request: SetNickname) -> Outcome:
        self._store.set_nickname(client.address, acceptable_name(request.nickname))
        deliveries: list[Delivery] = []
        for place in self._store.memberships_of(client.address):
            deliveries += self._notices.member_changed(self._networks.network(place.network), client.address)
        return Outcome(Accepted(request.request), deliveries)

    def _peer_key(self, client: Session, request: GetPeerKey) -> Outcome:
        """The key of a fellow member, online or not; its fingerprint stands in the roster anyway."""
        peer = Address(request.peer)
        account = self._store.account(peer)
        if account is None or not self._store.shared_places(client.address, peer):
            raise RequestRefused(Refusal.PEER_NOT_FOUND)
        return Outcome(PeerKey(request.request, peer, account.public_key))

    def _introduce(self, client: Session, request: Introduce, now: float) -> Outcome:
        """Hand candidates to a peer, if both are online in a network that they share."""
        peer = self._online_peer(client, request.peer, now)
        candidates = tuple(each for each in request.candidates if _reachable(each.host, each.port))
        observed = "" if ":" in client.source else client.source
        introduced = Introduced(
            client.address, request.username, request.password, candidates, request.wants_answer, observed
        )
        return Outcome(Accepted(request.request), self._notices.to(peer, introduced))

    def _offer_relay(self, client: Session, request: GetRelay, now: float, wall: float) -> Outcome:
        """Offer the nearest relay to both, if both are online in a network that they share."""
        peer = self._online_peer(client, request.peer, now)
        relay = self._relays.choose(client.address, peer)
        if relay is None:
            raise RequestRefused(Refusal.NO_RELAY)
        own, theirs = self._relays.offers(relay, client.address, peer, wall)
        told = [*self._notices.to(client.address, own), *self._notices.to(peer, theirs)]
        return Outcome(Accepted(request.request), told)

    def _online_peer(self, client: Session, address: int, now: float) -> Address:
        """A peer that can be told something on the client's behalf now. Raises RequestRefused if there is none."""
        if not self._introductions.take(client.address, now):
            raise RequestRefused(Refusal.TOO_MANY_REQUESTS)
        peer = Address(address)
        places = self._store.shared_places(client.address, peer) if peer != client.address else []
        if not places:
            raise RequestRefused(Refusal.PEER_NOT_FOUND)
        if self._presence.session_of(peer) is None or not any(mine and theirs for mine, theirs in places):
            raise RequestRefused(Refusal.PEER_OFFLINE)
        return peer

    # --- for metrics

    def counts(self) -> dict[str, int]:
        """How many accounts, networks and sessions there are."""
        return {
            "accounts": self._store.count_accounts(),
            "networks": self._store.count_networks(),
            "sessions": len(self._presence),
        }


def _reachable(host: str, port: int) -> bool:
    try:
        checked_endpoint(host, port)
    except RemoteProtocolError:
        return False
    return True
