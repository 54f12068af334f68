"""Networks: making, joining, leaving, changing; told as stories with a real store."""

from pathlib import Path

import pytest

from app.protocol.messages import (
    Accepted,
    Created,
    CreateNetwork,
    DeleteNetwork,
    Departure,
    JoinNetwork,
    JoinParameters,
    LeaveNetwork,
    MemberGone,
    MemberStatus,
    NetworkGone,
    NetworkState,
    Pending,
    PrepareJoin,
    Refusal,
    Refused,
    RenameMember,
    Roster,
    SetAccess,
    SetPassword,
)
from app.server.limits import Policy, RateLimits
from tests.server.world import Account, World

SALT, TOKEN, WRAPPED = b"s" * 16, b"t" * 32, b"w" * 60


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def guarded(world: World, owner: Account) -> int:
    created = world.ask(owner, CreateNetwork(1, "Secret", SALT, TOKEN, WRAPPED))
    assert isinstance(created, Created)
    return created.network


def test_joining_with_the_password_tells_both_sides_in_the_same_moment(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = guarded(world, anna)
    assert world.ask(bert, PrepareJoin(1, "secret")) == JoinParameters(1, network, "Secret", SALT)
    assert world.ask(bert, JoinNetwork(2, network, TOKEN)) == Accepted(2)
    (state,) = bert.take(NetworkState)
    assert (state.salt, state.wrapped_secret, state.status) == (SALT, WRAPPED, MemberStatus.MEMBER)
    assert set(anna.roster[network]) == set(bert.roster[network]) == {anna.address, bert.address}


def test_the_token_itself_is_not_kept(world: World, tmp_path: Path) -> None:
    guarded(world, world.account("anna"))
    world.store.close()
    assert all(TOKEN not in file.read_bytes() for file in tmp_path.iterdir())


def test_wrong_passwords_are_refused_and_soon_not_even_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, limits=RateLimits(wrong_passwords_per_hour=3, joins_per_minute=1_000))
    anna, bert = world.account("anna"), world.account("bert")
    network = guarded(world, anna)
    for wrong in (b"x" * 32, None, b"y" * 32):
        assert world.ask(bert, JoinNetwork(1, network, wrong)) == Refused(1, Refusal.WRONG_PASSWORD)
    assert world.ask(bert, JoinNetwork(1, network, TOKEN)) == Refused(1, Refusal.TOO_MANY_REQUESTS)
    other_house = world.account("carl", source="198.51.100.1")
    assert world.ask(other_house, JoinNetwork(1, network, TOKEN)) == Accepted(1)
    world.now += 1_200
    assert world.ask(bert, JoinNetwork(1, network, TOKEN)) == Accepted(1)


def test_names_are_unique_without_regard_to_case_and_must_be_showable(world: World) -> None:
    anna = world.account("anna")
    world.network(anna, name="Straße")
    for name in ("STRASSE", " straße "):
        assert world.ask(anna, CreateNetwork(1, name, None, None, None)) == Refused(1, Refusal.NAME_TAKEN)
    assert world.ask(anna, CreateNetwork(1, "\u200b", None, None, None)) == Refused(1, Refusal.BAD_NAME)
    assert world.ask(anna, PrepareJoin(1, "nowhere")) == Refused(1, Refusal.NETWORK_NOT_FOUND)


def test_half_a_password_is_none(world: World) -> None:
    anna = world.account("anna")
    assert world.ask(anna, CreateNetwork(1, "n", SALT, None, None)) == Refused(1, Refusal.WRONG_PASSWORD)
    assert world.ask(anna, PrepareJoin(1, "n")) == Refused(1, Refusal.NETWORK_NOT_FOUND)


def test_set_password_touches_no_member_and_is_told_to_them(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert)
    bert.take(NetworkState)
    world.must(anna, SetPassword(1, network, SALT, TOKEN, WRAPPED))
    assert [(state.wrapped_secret, state.roster) for state in bert.take(NetworkState)] == [(WRAPPED, False)]
    assert world.ask(carl, JoinNetwork(1, network, None)) == Refused(1, Refusal.WRONG_PASSWORD)
    world.must(anna, SetPassword(1, network, None, None, None))
    assert world.ask(carl, JoinNetwork(1, network, None)) == Accepted(1)
    assert world.ask(bert, SetPassword(1, network, None, None, None)) == Refused(1, Refusal.NOT_THE_OWNER)


def test_a_locked_network_takes_nobody(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna)
    world.must(anna, SetAccess(1, network, True, None))
    assert world.ask(bert, JoinNetwork(1, network, None)) == Refused(1, Refusal.NETWORK_LOCKED)
    world.must(anna, SetAccess(1, network, False, None))
    assert world.ask(bert, JoinNetwork(1, network, None)) == Accepted(1)
    assert world.ask(bert, JoinNetwork(1, network, None)) == Refused(1, Refusal.ALREADY_MEMBER)


def test_limits_of_members_and_networks(tmp_path: Path) -> None:
    world = World(tmp_path, Policy(members_per_network=3, networks_per_account=2, networks=3))
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    first = world.network(anna, bert, name="first")
    world.must(anna, SetAccess(1, first, None, None, 2))
    assert world.ask(carl, JoinNetwork(1, first, None)) == Refused(1, Refusal.NETWORK_FULL)
    world.must(anna, SetAccess(1, first, None, None, 65_535))
    assert anna.take(NetworkState)[-1].member_limit == 3, "the server's limit stands above the owner's"
    world.must(carl, JoinNetwork(1, first, None))
    world.network(anna, name="second")
    assert world.ask(anna, CreateNetwork(1, "third", None, None, None)) == Refused(1, Refusal.TOO_MANY_NETWORKS)
    world.network(bert, name="third")
    assert world.ask(carl, CreateNetwork(1, "fourth", None, None, None)) == Refused(1, Refusal.TOO_MANY_NETWORKS)


def test_joins_are_limited(tmp_path: Path) -> None:
    world = World(tmp_path, limits=RateLimits(joins_per_minute=2))
    anna = world.account("anna")
    reasons = [world.ask(anna, PrepareJoin(1, "x")) for _ in range(3)]
    assert reasons[1:] == [Refused(1, Refusal.NETWORK_NOT_FOUND), Refused(1, Refusal.TOO_MANY_REQUESTS)]


def test_leaving_is_told_and_the_owner_has_to_stay(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert, carl)
    world.must(bert, LeaveNetwork(1, network))
    assert bert.take(NetworkGone) == [NetworkGone(network, Departure.LEFT)]
    for other in (anna, carl):
        assert other.take(MemberGone) == [MemberGone(network, bert.address, Departure.LEFT)]
    assert world.ask(anna, LeaveNetwork(1, network)) == Refused(1, Refusal.OWNER_MUST_STAY)
    assert world.ask(bert, LeaveNetwork(1, network)) == Refused(1, Refusal.NOT_A_MEMBER)
    assert world.ask(bert, JoinNetwork(1, network, None)) == Accepted(1)


def test_deleting_is_for_the_owner_and_told_to_all_also_to_those_who_wait(world: World) -> None:
    anna, bert, carl = world.account("anna"), world.account("bert"), world.account("carl")
    network = world.network(anna, bert)
    world.must(anna, SetAccess(1, network, None, True))
    assert world.ask(carl, JoinNetwork(1, network, None)) == Pending(1, network)
    assert world.ask(bert, DeleteNetwork(1, network)) == Refused(1, Refusal.NOT_THE_OWNER)
    assert world.ask(carl, DeleteNetwork(1, network)) == Refused(1, Refusal.NOT_THE_OWNER)
    world.must(anna, DeleteNetwork(1, network))
    for each in (anna, bert, carl):
        assert each.take(NetworkGone) == [NetworkGone(network, Departure.DELETED)]
    assert world.ask(anna, DeleteNetwork(1, network)) == Refused(1, Refusal.NETWORK_NOT_FOUND)
    world.network(bert, name="Game night")


def test_nicknames_in_one_network(world: World) -> None:
    anna, bert = world.account("anna"), world.account("bert")
    network = world.network(anna, bert)
    other = world.network(anna, bert, name="other")
    world.must(anna, RenameMember(1, network, bert.address, "Bertie"))
    assert anna.roster[network][bert.address].nickname == bert.roster[network][bert.address].nickname == "Bertie"
    assert anna.roster[other][bert.address].nickname == "bert"
    world.must(bert, RenameMember(1, network, bert.address, None))
    assert anna.roster[network][bert.address].nickname == "bert"
    assert world.ask(bert, RenameMember(1, network, anna.address, "x")) == Refused(1, Refusal.NOT_THE_OWNER)


def test_a_large_roster_comes_in_pages(world: World) -> None:
    anna = world.account("anna")
    network = world.network(anna)
    with world.store.transaction():
        for number in range(300):
            world.store.add_account(number + 1, bytes([number % 256, number // 256] * 40), bytes(32), "n" * 64, 0)  # type: ignore[arg-type]
            world.store.add_member(network, number + 1, MemberStatus.MEMBER, 0)  # type: ignore[arg-type]
    world.log_in(anna)
    pages = [(page.first, page.last, len(page.members)) for page in anna.take(Roster)]
    assert pages == [(True, False, 128), (False, False, 128), (False, True, 45)]
