"""What owners do to members: evict, ban, approve, reject; and the statements that prove it."""

from pathlib import Path

import pytest

from app.protocol.messages import (
    Accepted,
    Approve,
    Departure,
    Evict,
    JoinNetwork,
    LeaveNetwork,
    MemberChanged,
    MemberGone,
    MemberStatus,
    NetworkGone,
    NetworkState,
    Pending,
    Refusal,
    Refused,
    Reject,
    SetAccess,
    StatementTold,
    Unban,
)
from app.protocol.statement import Verb
from app.server.limits import Policy
from tests.server.world import Account, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def evict(world: World, owner: Account, network: int, member: Account, *, ban: bool = False) -> bytes:
    signed = world.statement(owner, network, member, Verb.EVICTED)
    world.must(owner, Evict(world.number(), network, member.address, ban, signed))
    return signed


def test_an_evicted_member_is_out_at_once_and_everybody_has_the_owners_word(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert, carl)
    signed = evict(world, anna, network, bert)
    assert bert.take(NetworkGone) == [NetworkGone(network, Departure.EVICTED)]
    for other in (anna, carl):
        assert other.take(MemberGone) == [MemberGone(network, bert.address, Departure.EVICTED)]
        assert other.take(StatementTold) == [StatementTold(network, signed)]
    later = world.account("dora")
    world.must(later, JoinNetwork(1, network, None))
    assert later.take(StatementTold) == [StatementTold(network, signed)]
    world.restart()
    world.log_in(carl)
    assert carl.take(StatementTold) == [StatementTold(network, signed)]


def test_an_evicted_member_comes_back_only_by_approval_with_a_readmission(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert, carl)
    evict(world, anna, network, bert)
    assert world.ask(bert, JoinNetwork(1, network, None)) == Pending(1, network)
    assert world.ask(bert, JoinNetwork(1, network, None)) == Refused(1, Refusal.ALREADY_PENDING)
    assert world.ask(anna, Approve(1, network, bert.address, None)) == Refused(1, Refusal.WRONG_SIGNATURE)
    carl.told.clear()
    signed = world.statement(anna, network, bert, Verb.READMITTED)
    world.must(anna, Approve(1, network, bert.address, signed))
    assert [type(message) for message in carl.told] == [StatementTold, MemberChanged], "the word before the member"
    assert bert.take(StatementTold) == [StatementTold(network, signed)]
    world.must(bert, LeaveNetwork(1, network))
    assert world.ask(bert, JoinNetwork(1, network, None)) == Accepted(1), "the eviction is forgiven"


def test_a_banned_member_does_not_come_back_until_the_ban_is_lifted(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna, bert)
    evict(world, anna, network, bert, ban=True)
    assert bert.take(NetworkGone) == [NetworkGone(network, Departure.BANNED)]
    assert world.ask(bert, JoinNetwork(1, network, None)) == Refused(1, Refusal.BANNED)
    world.must(anna, Unban(1, network, bert.address))
    assert world.ask(anna, Unban(1, network, bert.address)) == Refused(1, Refusal.PEER_NOT_FOUND)
    assert world.ask(bert, JoinNetwork(1, network, None)) == Pending(1, network)


def test_one_who_is_out_already_can_be_banned_later(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna, bert)
    evict(world, anna, network, bert)
    evict(world, anna, network, bert, ban=True)
    assert world.ask(bert, JoinNetwork(1, network, None)) == Refused(1, Refusal.BANNED)


def test_those_who_wait_see_nobody_and_only_the_owner_sees_them(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert)
    world.must(anna, SetAccess(1, network, None, True))
    bert.told.clear()
    assert world.ask(carl, JoinNetwork(1, network, None)) == Pending(1, network)
    assert bert.told == []
    (state,) = carl.take(NetworkState)
    assert (state.status, state.roster, state.wrapped_secret, state.salt) == (MemberStatus.PENDING, False, None, None)
    assert carl.roster[network] == {}
    waiting = anna.roster[network][carl.address]
    assert (waiting.status, waiting.online) == (MemberStatus.PENDING, False)
    world.log_in(anna)
    assert anna.roster[network][carl.address].status is MemberStatus.PENDING
    world.log_in(bert)
    assert carl.address not in bert.roster[network]
    world.must(anna, Approve(1, network, carl.address, None))
    assert bert.roster[network][carl.address].online
    assert set(carl.roster[network]) == {anna.address, bert.address, carl.address}
    assert world.ask(anna, Approve(1, network, carl.address, None)) == Refused(1, Refusal.NOT_PENDING)


def test_one_who_waits_may_be_rejected_or_take_it_back(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna)
    world.must(anna, SetAccess(1, network, None, True))
    world.ask(bert, JoinNetwork(1, network, None))
    world.must(anna, Reject(1, network, bert.address))
    assert bert.take(NetworkGone) == [NetworkGone(network, Departure.REJECTED)]
    assert anna.take(MemberGone) == [MemberGone(network, bert.address, Departure.REJECTED)]
    assert world.ask(bert, JoinNetwork(1, network, None)) == Pending(1, network)
    world.must(bert, LeaveNetwork(1, network))
    assert anna.take(MemberGone) == [MemberGone(network, bert.address, Departure.LEFT)]
    assert world.ask(anna, Reject(1, network, bert.address)) == Refused(1, Refusal.NOT_PENDING)


def test_who_waits_is_limited(tmp_path: Path) -> None:
    world = World(tmp_path, Policy(waiting_per_network=1))
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna)
    world.must(anna, SetAccess(1, network, None, True))
    world.ask(bert, JoinNetwork(1, network, None))
    assert world.ask(carl, JoinNetwork(1, network, None)) == Refused(1, Refusal.NETWORK_FULL)


def test_only_the_owners_fitting_and_fresh_word_counts(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert, carl)
    other = world.network(anna, bert, name="other")
    wrong = [
        world.statement(bert, network, carl, Verb.EVICTED),
        world.statement(anna, other, carl, Verb.EVICTED),
        world.statement(anna, network, bert, Verb.EVICTED),
        world.statement(anna, network, carl, Verb.READMITTED),
        b"x" * 400,
    ]
    for signed in wrong:
        assert world.ask(anna, Evict(1, network, carl.address, False, signed)) == Refused(1, Refusal.WRONG_SIGNATURE)
    first = evict(world, anna, network, carl)
    world.ask(carl, JoinNetwork(1, network, None))
    world.must(anna, Approve(1, network, carl.address, world.statement(anna, network, carl, Verb.READMITTED)))
    assert world.ask(anna, Evict(1, network, carl.address, False, first)) == Refused(1, Refusal.WRONG_SIGNATURE)
    assert carl.address in anna.roster[network], "a refused eviction changes nothing"


def test_only_the_owner_evicts_and_never_itself(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert)
    signed = world.statement(bert, network, anna, Verb.EVICTED)
    assert world.ask(bert, Evict(1, network, anna.address, False, signed)) == Refused(1, Refusal.NOT_THE_OWNER)
    assert world.ask(carl, Evict(1, network, anna.address, False, signed)) == Refused(1, Refusal.NOT_A_MEMBER)
    signed = world.statement(anna, network, anna, Verb.EVICTED)
    assert world.ask(anna, Evict(1, network, anna.address, False, signed)) == Refused(1, Refusal.OWNER_MUST_STAY)
    signed = world.statement(anna, network, carl, Verb.EVICTED)
    assert world.ask(anna, Evict(1, network, carl.address, False, signed)) == Refused(1, Refusal.PEER_NOT_FOUND)
