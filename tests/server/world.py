"""The rules with a real store in a folder, without sockets: accounts log in, ask, and keep what they are told."""

import itertools
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

from app.protocol.keys import IdentityKey
from app.protocol.messages import (
    Accepted,
    Closing,
    Created,
    CreateNetwork,
    JoinNetwork,
    Member,
    MemberChanged,
    MemberGone,
    Message,
    NetworkGone,
    NetworkState,
    Relay,
    Request,
    Roster,
)
from app.protocol.statement import Statement, Verb, sign_statement
from app.protocol.wire import Address
from app.server.directory import Directory, ServerFacts
from app.server.limits import Policy, RateLimits
from app.server.presence import Delivery, Session, SessionId
from app.server.relays import KnownRelay, RelayRules
from app.server.store import Store
from tests.server.client import key

SERVER_FINGERPRINT = bytes(range(32))
OWN_RELAY_SECRET, OTHER_RELAY_SECRET = b"\x30" * 32, b"\x31" * 32
POOL = IPv4Network("10.77.0.0/16")
Wanted = TypeVar("Wanted")


@dataclass
class Account:
    """One account and what it was told in its current session."""

    name: str
    identity: IdentityKey
    address: Address
    session: Session | None = None
    told: list[Message] = field(default_factory=list)
    roster: dict[int, dict[int, Member]] = field(default_factory=dict)
    """What a client makes of what it is told: network, then address."""

    def take(self, kind: type[Wanted]) -> list[Wanted]:
        """What it was told of this kind since the last time."""
        taken: list[Wanted] = [message for message in self.told if isinstance(message, kind)]
        self.told = [message for message in self.told if not isinstance(message, kind)]
        return taken

    def hear(self, message: Message) -> None:
        """Keep a message and its effect on the rosters."""
        self.told.append(message)
        match message:
            case NetworkState(roster=False):
                self.roster.setdefault(message.network, {})
            case Roster():
                page = {member.address: member for member in message.members}
                known = {} if message.first else self.roster[message.network]
                self.roster[message.network] = known | page
            case MemberChanged():
                self.roster[message.network][message.member.address] = message.member
            case MemberGone():
                del self.roster[message.network][message.address]
            case NetworkGone():
                self.roster.pop(message.network, None)


class World:
    """A server's rules, its store, and some accounts."""

    def __init__(self, folder: Path, policy: Policy | None = None, limits: RateLimits | None = None) -> None:
        self.folder = folder
        self.policy = policy or Policy()
        self.limits = limits or RateLimits(
            joins_per_minute=10_000,
            registrations_per_hour=10_000,
            logins_per_minute=10_000,
            changes_per_minute=10_000,
        )
        own = KnownRelay(Relay(0, "", 12975, 0), OWN_RELAY_SECRET)
        other = KnownRelay(Relay(1, "192.0.2.7", 12975, 443), OTHER_RELAY_SECRET)
        self.known_relays = [own, other]
        self.now = 0.0
        self.accounts: dict[str, Account] = {}
        self._sessions: dict[SessionId, Account] = {}
        self._numbers = itertools.count(1)
        self.counters = itertools.count(1)
        self.open()

    def open(self) -> None:
        """Start the server, again after `close`."""
        self.store = Store.open(self.folder / "store.sqlite3")
        facts = ServerFacts("home", SERVER_FINGERPRINT, POOL, (12975, 12976))
        relays = RelayRules(self.known_relays, OWN_RELAY_SECRET, 1_000_000)
        self.directory = Directory(self.store, facts, self.policy, self.limits, relays)

    def restart(self) -> None:
        """The server stops and starts; everybody is logged out."""
        self.store.close()
        self._sessions.clear()
        for account in self.accounts.values():
            account.session = None
        self.open()

    def deliver(self, deliveries: list[Delivery]) -> None:
        """Hand out words; those for sessions that have ended are lost."""
        for session, message in deliveries:
            account = self._sessions.get(session)
            if account is not None and account.session is not None and account.session.number == session:
                account.hear(message)
                if isinstance(message, Closing):
                    account.session = None

    def account(self, name: str, *, online: bool = True, source: str = "192.0.2.1") -> Account:
        """A registered account; the key of the name's place."""
        identity = key(len(self.accounts) + 1)
        address = self.directory.register(identity.public, name, source, self.now, self.now)
        assert isinstance(address, int), address
        account = self.accounts[name] = Account(name, identity, Address(address))
        if online:
            self.log_in(account, source)
        return account

    def log_in(self, account: Account, source: str = "192.0.2.1") -> None:
        """A new session, in place of the one there may be."""
        account.told, account.roster = [], {}
        session, outcome = self.directory.log_in(account.address, source, source, self.now)
        account.session = session
        self._sessions[session.number] = account
        self.deliver(outcome.deliveries)

    def log_out(self, account: Account) -> None:
        """The session ends."""
        if account.session is not None:
            session, account.session = account.session, None
            self.deliver(self.directory.log_out(session, self.now).deliveries)

    def number(self) -> int:
        """A fresh request number."""
        return next(self._numbers)

    def ask(self, account: Account, request: Request) -> Message:
        """Carry out a request; what follows is delivered, the reply returned."""
        assert account.session is not None
        outcome = self.directory.carry_out(account.session, request, self.now, self.now)
        assert outcome.reply is not None
        self.deliver(outcome.deliveries)
        return outcome.reply

    def must(self, account: Account, request: Request) -> None:
        """Carry out a request that has to be accepted."""
        reply = self.ask(account, request)
        assert reply == Accepted(request.request), reply

    def network(self, owner: Account, *members: Account, name: str = "Game night") -> int:
        """A network without a password."""
        created = self.ask(owner, CreateNetwork(self.number(), name, None, None, None))
        assert isinstance(created, Created)
        for member in members:
            self.must(member, JoinNetwork(self.number(), created.network, None))
        return created.network

    def statement(
        self, owner: Account, network: int, subject: Account, verb: Verb, counter: int | None = None
    ) -> bytes:
        """The owner's signed word."""
        number = next(self.counters) if counter is None else counter
        fingerprint = subject.identity.public.fingerprint
        statement = Statement(SERVER_FINGERPRINT, network, subject.address, fingerprint, verb, number, 0)
        return sign_statement(statement, owner.identity)
