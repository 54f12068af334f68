"""Requests in any order: whatever clients do, nobody sees a stranger, and those who are out stay out."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.protocol.messages import (
    Accepted,
    Approve,
    Created,
    CreateNetwork,
    DeleteNetwork,
    Evict,
    GetPeerKey,
    Introduce,
    Introduced,
    JoinNetwork,
    LeaveNetwork,
    MemberStatus,
    Message,
    PeerKey,
    Pending,
    Refused,
    Reject,
    RenameMember,
    Request,
    SetAccess,
    SetNickname,
    SetPassword,
    SetPresence,
    Unban,
)
from app.protocol.statement import Verb
from app.protocol.wire import Address, NetworkId
from app.server.limits import Policy
from tests.server.world import Account, World

PEOPLE = ("anna", "bert", "carl", "dora")
people = st.sampled_from(PEOPLE)
places = st.integers(0, 2)
TOKEN = b"t" * 32


class AnyOrder(RuleBasedStateMachine):
    """Four accounts, three networks, all requests; the rosters that clients build must equal what the store says."""

    def __init__(self) -> None:
        super().__init__()
        self.cleanup = contextlib.ExitStack()
        folder = self.cleanup.enter_context(tempfile.TemporaryDirectory())
        self.world = World(Path(folder), Policy(members_per_network=3, networks_per_account=3))
        self.accounts = {name: self.world.account(name) for name in PEOPLE}
        self.networks: list[int] = []
        self.out: set[tuple[int, str]] = set()
        """(network, name) evicted or banned, and not approved since."""

    def teardown(self) -> None:
        self.world.store.close()
        self.cleanup.close()

    def ask(self, name: str, request: Request) -> Message | None:
        account = self.accounts[name]
        if account.session is None:
            return None
        reply = self.world.ask(account, request)
        assert isinstance(reply, Accepted | Refused | Pending | Created | PeerKey), reply
        return reply

    def place(self, index: int) -> int:
        return self.networks[index % len(self.networks)] if self.networks else 1

    def owner_signs(self, owner: str, network: int, member: str, verb: Verb) -> bytes:
        return self.world.statement(self.accounts[owner], network, self.accounts[member], verb)

    @rule(name=people)
    def come_or_go(self, name: str) -> None:
        account = self.accounts[name]
        if account.session is None:
            self.world.log_in(account)
        else:
            self.world.log_out(account)

    @rule(name=people)
    def log_in_elsewhere(self, name: str) -> None:
        self.world.log_in(self.accounts[name])

    @rule()
    def restart(self) -> None:
        self.world.restart()
        for account in self.accounts.values():
            self.world.log_in(account)

    @precondition(lambda self: len(self.networks) < 3)
    @rule(name=people)
    def create(self, name: str) -> None:
        reply = self.ask(name, CreateNetwork(1, f"network {len(self.networks)}", None, None, None))
        if isinstance(reply, Created):
            self.networks.append(reply.network)

    @rule(name=people, index=places, token=st.sampled_from([None, TOKEN]))
    def join(self, name: str, index: int, token: bytes | None) -> None:
        network = self.place(index)
        reply = self.ask(name, JoinNetwork(1, network, token))
        if (network, name) in self.out:
            assert not isinstance(reply, Accepted), "one who is out can't simply join"

    @rule(name=people, member=people, index=places, what=st.integers(0, 10), flag=st.booleans())
    def request(self, name: str, member: str, index: int, what: int, flag: bool) -> None:
        network, address = self.place(index), self.accounts[member].address
        salt, token, wrapped = (b"s" * 16, TOKEN, b"w" * 60) if flag else (None, None, None)
        requests: list[Request] = [
            LeaveNetwork(1, network),
            SetPresence(1, network, flag),
            SetAccess(1, network, flag, None, None),
            SetAccess(1, network, False, flag, 2),
            SetPassword(1, network, salt, token, wrapped),
            RenameMember(1, network, address, "x" if flag else None),
            SetNickname(1, f"{name} again"),
            Reject(1, network, address),
            Unban(1, network, address),
            LeaveNetwork(1, network),
            SetPresence(1, network, True),
        ]
        self.ask(name, requests[what])

    @rule(name=people, member=people, index=places, ban=st.booleans())
    def evict(self, name: str, member: str, index: int, ban: bool) -> None:
        network = self.place(index)
        signed = self.owner_signs(name, network, member, Verb.EVICTED)
        if isinstance(self.ask(name, Evict(1, network, self.accounts[member].address, ban, signed)), Accepted):
            self.out.add((network, member))

    @rule(name=people, member=people, index=places, readmit=st.booleans())
    def approve(self, name: str, member: str, index: int, readmit: bool) -> None:
        network = self.place(index)
        signed = self.owner_signs(name, network, member, Verb.READMITTED) if readmit else None
        reply = self.ask(name, Approve(1, network, self.accounts[member].address, signed))
        if isinstance(reply, Accepted):
            assert readmit or (network, member) not in self.out, "no way back without the owner's word"
            self.out.discard((network, member))

    @rule(name=people, index=places)
    def delete(self, name: str, index: int) -> None:
        network = self.place(index)
        if isinstance(self.ask(name, DeleteNetwork(1, network)), Accepted):
            self.networks.remove(network)
            self.out = {(where, who) for where, who in self.out if where != network}

    @rule(name=people, other=people)
    def ask_for_a_peer(self, name: str, other: str) -> None:
        peer = self.accounts[other]
        strangers = not self.world.store.shared_places(self.accounts[name].address, peer.address)
        peer.take(Introduced)
        key = self.ask(name, GetPeerKey(1, peer.address))
        introduced = self.ask(name, Introduce(1, peer.address, b"user", bytes(16), (), False))
        if strangers:
            assert not isinstance(key, PeerKey)
            assert not isinstance(introduced, Accepted)
            assert peer.take(Introduced) == []

    @invariant()
    def nobody_who_is_out_is_a_member(self) -> None:
        for network, name in self.out:
            place = self.world.store.membership(NetworkId(network), self.accounts[name].address)
            assert place is None or place.status is MemberStatus.PENDING

    @invariant()
    def every_client_knows_exactly_what_it_may_see(self) -> None:
        for account in self.accounts.values():
            if account.session is not None:
                assert _summary(account) == self.expected(account)

    def expected(self, account: Account) -> dict[int, dict[int, tuple[Any, ...]]]:
        """The rosters as the store and the sessions say."""
        store = self.world.store
        return {
            place.network: {
                each.address: (each.nickname, each.status, self.online(each.address) and each.wants_online)
                if each.status is MemberStatus.MEMBER
                else (each.nickname, each.status, False)
                for each in store.roster(place.network)
                if place.status is MemberStatus.MEMBER
                and (each.status is MemberStatus.MEMBER or self.is_owner(account, place.network))
            }
            for place in store.memberships_of(account.address)
        }

    def is_owner(self, account: Account, network: NetworkId) -> bool:
        known = self.world.store.network(network)
        return known is not None and known.owner == account.address

    def online(self, address: Address) -> bool:
        return any(each.address == address and each.session is not None for each in self.accounts.values())


def _summary(account: Account) -> dict[int, dict[int, tuple[Any, ...]]]:
    return {
        network: {member.address: (member.nickname, member.status, member.online) for member in roster.values()}
        for network, roster in account.roster.items()
    }


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
