"""Accounts and sessions, told as stories; the store is real."""

from pathlib import Path

import pytest

from app.protocol.messages import (
    Accepted,
    Candidate,
    CandidateKind,
    Closing,
    GetPeerKey,
    Introduce,
    Introduced,
    MemberChanged,
    MemberStatus,
    NetworkState,
    PeerKey,
    Refusal,
    Refused,
    SetNickname,
    SetPresence,
    StatementTold,
    Synchronised,
    Welcome,
)
from app.protocol.wire import Address
from app.server.limits import Policy, RateLimits
from app.server.pool import AddressPool
from tests.server.client import key
from tests.server.world import POOL, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def introduce(world: World, peer: int) -> Introduce:
    candidates = (Candidate(CandidateKind.HOST, "192.0.2.9", 5), Candidate(CandidateKind.HOST, "not an address", 5))
    return Introduce(world.number(), peer, b"user", bytes(16), candidates, True)


def test_an_account_keeps_its_address_and_another_gets_another(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    assert anna.address != bert.address
    assert AddressPool(POOL).first <= anna.address <= AddressPool(POOL).last
    world.restart()
    again = world.directory.register(anna.identity.public, "other", "192.0.2.1", 0, 0)
    assert again == anna.address
    known = world.store.account(anna.address)
    assert known is not None
    assert known.nickname == "anna"


def test_a_login_needs_the_key_on_record(world: World) -> None:
    anna = world.account("anna")
    assert world.directory.login_key(anna.address) == anna.identity.public
    assert world.directory.login_key(Address(1)) is Refusal.NO_SUCH_ACCOUNT


def test_a_full_pool_and_a_closed_door_are_said(tmp_path: Path) -> None:
    full = World(tmp_path / ".", Policy(accounts=1))
    full.account("anna")
    assert full.directory.register(key(2).public, "bert", "192.0.2.1", 0, 0) is Refusal.POOL_EXHAUSTED
    full.store.close()
    closed = World(tmp_path, Policy(registration="closed"))
    assert closed.directory.register(key(2).public, "bert", "192.0.2.1", 0, 0) is Refusal.REGISTRATION_CLOSED
    assert isinstance(closed.directory.register(key(1).public, "anna", "192.0.2.1", 0, 0), int)


def test_registrations_are_limited_by_source_and_the_limit_heals(tmp_path: Path) -> None:
    world = World(tmp_path, limits=RateLimits(registrations_per_hour=2))
    world.account("anna")
    world.account("bert")
    assert world.directory.register(key(3).public, "carl", "192.0.2.1", 0, 0) is Refusal.TOO_MANY_REQUESTS
    assert isinstance(world.directory.register(key(3).public, "carl", "198.51.100.1", 0, 0), int)
    assert isinstance(world.directory.register(key(4).public, "dora", "192.0.2.1", 1_800, 0), int)


def test_changes_that_many_hear_of_are_limited_by_account(tmp_path: Path) -> None:
    world = World(tmp_path, limits=RateLimits(changes_per_minute=2))
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna, bert)
    world.must(bert, SetNickname(world.number(), "Bert"))
    world.must(bert, SetPresence(world.number(), network, False))
    for request in (SetNickname(world.number(), "B."), SetPresence(world.number(), network, True)):
        answer = world.ask(bert, request)
        assert isinstance(answer, Refused)
        assert answer.reason is Refusal.TOO_MANY_REQUESTS
    world.must(anna, SetNickname(world.number(), "Anna"))
    world.now += 60
    world.must(bert, SetPresence(world.number(), network, True))


def test_a_login_is_told_everything_in_order(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna, bert)
    world.log_out(anna)
    world.log_in(anna)
    assert isinstance(anna.told[0], Welcome)
    assert isinstance(anna.told[-1], Synchronised)
    assert anna.told[0].nickname == "anna"
    assert {member.nickname for member in anna.roster[network].values()} == {"anna", "bert"}


def test_every_change_of_presence_reaches_every_member_at_once(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert, carl)
    world.log_out(bert)
    for other in (anna, carl):
        assert not other.roster[network][bert.address].online
    world.log_in(bert)
    for other in (anna, bert, carl):
        assert other.roster[network][bert.address].online


def test_go_offline_in_one_network_hides_only_there_and_lasts(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    first, second = world.network(anna, bert, name="first"), world.network(anna, bert, name="second")
    world.must(bert, SetPresence(1, first, False))
    assert not anna.roster[first][bert.address].online
    assert anna.roster[second][bert.address].online
    world.restart()
    world.log_in(anna)
    world.log_in(bert)
    assert not anna.roster[first][bert.address].online
    assert [state.online for state in bert.take(NetworkState) if state.network == first] == [False]
    world.must(bert, SetPresence(1, first, True))
    assert anna.roster[first][bert.address].online


def test_a_login_elsewhere_replaces_the_session_and_nobody_sees_a_flicker(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna, bert)
    older = bert.session
    assert older is not None
    anna.take(MemberChanged)
    _, outcome = world.directory.log_in(bert.address, "192.0.2.2", "192.0.2.2", 0)
    assert (older.number, Closing(restart=False)) in outcome.deliveries
    assert world.directory.log_out(older, 0).deliveries == [], "the end of the older session is not the account's"
    assert world.directory.carry_out(older, SetNickname(1, "ghost"), 0, 0).reply is None
    assert anna.take(MemberChanged) == []
    assert anna.roster[network][bert.address].online


def test_a_nickname_changes_everywhere_and_bad_ones_nowhere(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna, bert)
    world.must(bert, SetNickname(1, "  Bert  the\u00a0Great "))
    assert anna.roster[network][bert.address].nickname == "Bert the Great"
    assert world.ask(bert, SetNickname(2, "\u202eanna")) == Refused(2, Refusal.BAD_NAME)


def test_keys_are_given_among_members_only(world: World) -> None:
    anna, bert, stranger = world.account("anna"), world.account("bert"), world.account("stranger")
    world.network(anna, bert)
    assert world.ask(anna, GetPeerKey(1, bert.address)) == PeerKey(1, bert.address, bert.identity.public.blob)
    assert world.ask(stranger, GetPeerKey(1, bert.address)) == Refused(1, Refusal.PEER_NOT_FOUND)
    assert world.ask(anna, GetPeerKey(2, 1)) == Refused(2, Refusal.PEER_NOT_FOUND)


def test_introductions_pass_among_members_that_are_online_in_the_same_network(world: World) -> None:
    anna, bert, stranger = world.account("anna"), world.account("bert"), world.account("stranger")
    network = world.network(anna, bert)
    request = introduce(world, bert.address)
    world.must(anna, request)
    (introduced,) = bert.take(Introduced)
    assert introduced.peer == anna.address
    assert introduced.candidates == request.candidates[:1], "what is no endpoint is not handed on"
    assert introduced.observed_host == "192.0.2.1"

    assert isinstance(world.ask(stranger, introduce(world, bert.address)), Refused)
    assert bert.take(Introduced) == []
    world.must(bert, SetPresence(world.number(), network, False))
    request = introduce(world, bert.address)
    assert world.ask(anna, request) == Refused(request.request, Refusal.PEER_OFFLINE)
    world.must(bert, SetPresence(world.number(), network, True))
    world.log_out(bert)
    request = introduce(world, bert.address)
    assert world.ask(anna, request) == Refused(request.request, Refusal.PEER_OFFLINE)
    request = introduce(world, anna.address)
    assert world.ask(anna, request) == Refused(request.request, Refusal.PEER_NOT_FOUND)


def test_introductions_and_logins_are_limited_by_account(tmp_path: Path) -> None:
    world = World(tmp_path, limits=RateLimits(introductions_per_minute=2, logins_per_minute=3))
    anna, bert = world.account("anna"), world.account("bert")
    world.network(anna, bert)
    replies = [world.ask(anna, introduce(world, bert.address)) for _ in range(3)]
    assert [type(reply) for reply in replies] == [Accepted, Accepted, Refused]
    for _ in range(2):
        world.log_in(anna)
        assert anna.take(Welcome)
    world.log_in(anna)
    assert anna.take(Closing) == [Closing(restart=False)]
    assert anna.take(Welcome) == []


def test_who_was_seen_when_is_kept(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    world.now = 100.0
    world.log_out(anna)
    world.directory.note_presence(200.0)
    seen = {account.address: account.last_seen_at for account in world.store.accounts()}
    assert seen == {anna.address: 100, bert.address: 200}


def test_what_no_one_may_see_is_not_told(world: World) -> None:
    """A stranger's sessions get nothing of networks it is not in."""
    anna, bert, stranger = world.account("anna"), world.account("bert"), world.account("stranger")
    stranger.told.clear()
    world.network(anna, bert)
    world.log_out(bert)
    world.log_in(bert)
    assert stranger.told == []
    assert not anna.take(StatementTold)
    assert all(member.status is MemberStatus.MEMBER for roster in anna.roster.values() for member in roster.values())
