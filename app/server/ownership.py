"""The rules of what an owner does to members of its network: evict, ban, unban, approve, reject.

Evictions and readmissions rest on the owner's signed statements; the server checks them to keep junk out, keeps the
latest about each account and hands it to every member, who checks it again and need not believe the server. Pure but
for the store. Called by `directory.py`.
"""

from app.protocol.keys import PublicKey
from app.protocol.messages import (
    Accepted,
    Approve,
    Departure,
    Evict,
    MemberStatus,
    Refusal,
    Reject,
    StatementTold,
    Unban,
)
from app.protocol.statement import MAX_SUBJECTS, Statement, Verb, verify_statement
from app.protocol.wire import Address, NetworkId, RemoteProtocolError
from app.server.networks import NetworkRules
from app.server.notices import Notices, Outcome, RequestRefused
from app.server.presence import Delivery, Session
from app.server.records import Exclusion, Network
from app.server.store import Store


class OwnershipRules:
    """What the owner of a network decides about others."""

    def __init__(self, store: Store, notices: Notices, networks: NetworkRules, server_fingerprint: bytes) -> None:
        self._store = store
        self._notices = notices
        self._networks = networks
        self._server_fingerprint = server_fingerprint

    def evict(self, client: Session, request: Evict) -> Outcome:
        """Put a member, or one who waits, out; with `ban` also one that is out already."""
        network = self._networks.owned_network(client, request.network)
        member = Address(request.member)
        if member == network.owner:
            raise RequestRefused(Refusal.OWNER_MUST_STAY)
        place = self._store.membership(network.number, member)
        known_outside = request.ban and self._store.exclusion(network.number, member) is not None
        if place is None and not known_outside:
            raise RequestRefused(Refusal.PEER_NOT_FOUND)
        told = self._keep(network, member, request.statement, Verb.EVICTED)
        self._store.exclude(network.number, member, Exclusion.BANNED if request.ban else Exclusion.EVICTED)
        deliveries: list[Delivery] = []
        if place is not None:
            self._store.remove_member(network.number, member)
            departure = Departure.BANNED if request.ban else Departure.EVICTED
            deliveries = self._notices.member_gone(network, place, departure)
        return Outcome(Accepted(request.request), deliveries + self._notices.to_members(network.number, told))

    def approve(self, client: Session, request: Approve) -> Outcome:
        """Let one who waits in; one that was evicted before only with the owner's statement that it may."""
        network = self._networks.owned_network(client, request.network)
        member = self._waiting(network, request.member)
        self._networks.require_room(network)
        # The statement goes first, so that nobody sees a member that it still holds for evicted.
        deliveries: list[Delivery] = []
        if request.statement is not None:
            told = self._keep(network, member, request.statement, Verb.READMITTED)
            deliveries = self._notices.to_members(network.number, told)
        elif self._store.exclusion(network.number, member) is not None:
            raise RequestRefused(Refusal.WRONG_SIGNATURE)
        self._store.end_exclusion(network.number, member)
        self._store.admit(network.number, member)
        return Outcome(Accepted(request.request), deliveries + self._networks.member_arrived(network, member))

    def reject(self, client: Session, request: Reject) -> Outcome:
        """Turn one who waits away; it may ask again."""
        network = self._networks.owned_network(client, request.network)
        member = self._waiting(network, request.member)
        place = self._networks.place(network, member, Refusal.NOT_PENDING)
        self._store.remove_member(network.number, member)
        return Outcome(Accepted(request.request), self._notices.member_gone(network, place, Departure.REJECTED))

    def unban(self, client: Session, request: Unban) -> Outcome:
        """A banned account may ask again; as one that was evicted it still needs the owner's approval."""
        network = self._networks.owned_network(client, request.network)
        member = Address(request.member)
        if self._store.exclusion(network.number, member) is not Exclusion.BANNED:
            raise RequestRefused(Refusal.PEER_NOT_FOUND)
        self._store.exclude(network.number, member, Exclusion.EVICTED)
        return Outcome(Accepted(request.request))

    def _waiting(self, network: Network, address: int) -> Address:
        place = self._networks.place(network, address, Refusal.NOT_PENDING)
        if place.status is not MemberStatus.PENDING:
            raise RequestRefused(Refusal.NOT_PENDING)
        return place.address

    def _keep(self, network: Network, subject: Address, signed: bytes, verb: Verb) -> StatementTold:
        """Keep the owner's statement in place of the last about `subject`. Raises RequestRefused if it is none."""
        statement = self._verified(network, signed)
        account = self._store.account(subject)
        expected = (self._server_fingerprint, network.number, subject, account and account.fingerprint, verb)
        said = (statement.server_fingerprint, statement.network, statement.subject, statement.subject_fingerprint)
        if (*said, statement.verb) != expected:
            raise RequestRefused(Refusal.WRONG_SIGNATURE)
        last = self._store.statement_counter(NetworkId(network.number), subject)
        if statement.counter <= last:
            raise RequestRefused(Refusal.WRONG_SIGNATURE)
        if last < 0 and self._store.count_statements(network.number) >= MAX_SUBJECTS:
            raise RequestRefused(Refusal.NETWORK_FULL)
        self._store.keep_statement(network.number, subject, statement.counter, signed)
        return StatementTold(network.number, signed)

    def _verified(self, network: Network, signed: bytes) -> Statement:
        owner = self._store.account(network.owner)
        if owner is None:
            raise RequestRefused(Refusal.INTERNAL)
        try:
            return verify_statement(signed, PublicKey.from_blob(owner.public_key))
        except RemoteProtocolError:
            raise RequestRefused(Refusal.WRONG_SIGNATURE) from None
