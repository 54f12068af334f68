"""The roster model: what the server says is held against what this computer knows."""

from hypothesis import given
from hypothesis import strategies as st

from app.engine.networks import MAX_MEMBERS_EVERYWHERE, MAX_NETWORKS, JoinedNetwork, Networks
from app.engine.state import Protection
from app.protocol import network_secret
from app.protocol.keys import IdentityKey, PublicKey
from app.protocol.messages import (
    Departure,
    Introduced,
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
from app.protocol.statement import Statement, Verb, sign_statement
from app.protocol.wire import Address, NetworkId

SERVER = bytes(32)
ME, OWNER, BEN = Address(1), Address(2), Address(3)
FAMILY = NetworkId(7)
OWNER_KEY = IdentityKey.generate()
WELCOME = Welcome("Home", "me", 10 << 24, 8, (1, 2), "192.0.2.1")


def model(joined: dict[NetworkId, JoinedNetwork] | None = None, owner_key: PublicKey | None = None) -> Networks:
    networks = Networks(SERVER, joined or {}, (), lambda _: owner_key, lambda: None)
    networks.own_address = ME
    return networks


def state(
    network: int = FAMILY,
    online: bool = True,
    status: MemberStatus = MemberStatus.MEMBER,
    owner: int = OWNER,
    salt: bytes | None = None,
    wrapped: bytes | None = None,
) -> NetworkState:
    return NetworkState(network, "family", owner, status, online, False, False, 0, salt, wrapped, True)


def member(address: int, fingerprint: bytes = bytes(32), online: bool = True) -> Member:
    return Member(address, fingerprint, f"m{address}", online)


def roster(*members: Member, network: int = FAMILY, first: bool = True, last: bool = True) -> Roster:
    return Roster(network, first, last, members)


def tell(networks: Networks, *words: Message) -> None:
    for word in words:
        networks.apply(word)


def test_members_of_a_joined_network_may_have_tunnels() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER, b"s" * 32)})
    tell(networks, WELCOME, state(), roster(member(ME), member(OWNER), member(BEN, online=False)), Synchronised())
    shared = networks.shared_peers()
    assert set(shared) == {OWNER, BEN}
    assert (shared[OWNER].online, shared[BEN].online) == (True, False)
    assert shared[BEN].secrets == {FAMILY: b"s" * 32}
    assert networks.protection(FAMILY) is Protection.PROVED


def test_a_network_not_joined_here_carries_nothing() -> None:
    networks = model()
    tell(networks, state(), roster(member(ME), member(OWNER)))
    assert networks.shared_peers() == {}
    assert networks.is_locked_out(FAMILY)
    networks.remember(FAMILY, JoinedNetwork("family"))
    assert set(networks.shared_peers()) == {OWNER}
    assert networks.joined[FAMILY].owner == OWNER


def test_a_long_roster_replaces_the_old_one_only_when_it_is_whole() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER)})
    tell(networks, state(), roster(member(OWNER), member(BEN)))
    tell(networks, roster(member(OWNER), last=False))
    assert set(networks.shared_peers()) == {OWNER, BEN}
    tell(networks, MemberChanged(FAMILY, member(9)), roster(member(8), first=False))
    assert set(networks.shared_peers()) == {OWNER, 8, 9}
    tell(networks, roster(member(5), last=False), MemberGone(FAMILY, 5, Departure.LEFT), roster(first=False))
    assert networks.shared_peers() == {}


def test_what_is_not_told_again_is_gone() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER)})
    tell(networks, WELCOME, state(), roster(member(OWNER)), Synchronised())
    tell(networks, WELCOME)
    assert networks.all
    tell(networks, Synchronised())
    assert not networks.all
    assert FAMILY in networks.joined


def test_offline_in_a_network_means_no_tunnels_over_it() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER)})
    tell(networks, state(online=False), roster(member(OWNER)))
    assert networks.shared_peers() == {}
    tell(networks, NetworkGone(FAMILY, Departure.EVICTED))
    assert networks.parted == {FAMILY: ("family", Departure.EVICTED)}
    assert not networks.all


def test_a_person_is_told_what_others_did_until_it_is_over() -> None:
    """Not of what the person did: left, or deleted as the owner."""
    networks = model({FAMILY: JoinedNetwork("family", OWNER)})
    networks.own_address = OWNER
    tell(networks, state(), NetworkGone(FAMILY, Departure.DELETED))
    assert networks.parted == {}
    networks.own_address = Address(OWNER + 1)
    tell(networks, state(), NetworkGone(FAMILY, Departure.LEFT))
    assert networks.parted == {}
    tell(networks, state(), NetworkGone(FAMILY, Departure.BANNED))
    assert networks.parted == {FAMILY: ("family", Departure.BANNED)}
    tell(networks, state())
    assert networks.parted == {}


def test_the_secret_opens_with_the_password_once_the_owner_has_approved() -> None:
    key, secret = bytes(range(32)), network_secret.new_secret()
    wrapped = network_secret.wrap(secret, key, "family")
    networks = model({FAMILY: JoinedNetwork("family", None, None, key)})
    tell(networks, state(status=MemberStatus.PENDING, salt=bytes(16)))
    assert networks.protection(FAMILY) is Protection.MISSING
    tell(networks, state(salt=bytes(16), wrapped=wrapped), roster(member(OWNER)))
    assert networks.joined[FAMILY] == JoinedNetwork("family", OWNER, secret, None)
    assert networks.protection(FAMILY) is Protection.PROVED


def test_a_wrapped_secret_that_does_not_open_makes_the_network_untrusted() -> None:
    networks = model({FAMILY: JoinedNetwork("family", None, None, bytes(32))})
    tell(networks, state(salt=bytes(16), wrapped=bytes(60)), roster(member(OWNER)))
    assert networks.untrusted == {FAMILY: "secret-does-not-open"}
    assert networks.shared_peers() == {}


def test_a_network_with_a_password_counts_only_with_its_secret() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER)})
    tell(networks, state(salt=bytes(16), wrapped=bytes(60)), roster(member(OWNER)))
    assert networks.protection(FAMILY) is Protection.MISSING
    assert networks.shared_peers() == {}
    assert networks.lacks_secret(OWNER)


def eviction(counter: int = 1, verb: Verb = Verb.EVICTED) -> bytes:
    return sign_statement(Statement(SERVER, FAMILY, BEN, b"b" * 32, verb, counter, 0), OWNER_KEY)


def test_the_owners_word_bars_the_evicted_whatever_the_roster_says() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER)}, OWNER_KEY.public)
    tell(networks, state(), roster(member(OWNER), member(BEN, b"b" * 32)))
    assert BEN in networks.shared_peers()
    tell(networks, StatementTold(FAMILY, eviction()))
    assert BEN not in networks.shared_peers()
    networks.hear_gossip(FAMILY, eviction(2, Verb.READMITTED))
    assert BEN in networks.shared_peers()


def test_statements_wait_for_the_owners_key() -> None:
    keys: list[PublicKey] = []
    networks = Networks(
        SERVER, {FAMILY: JoinedNetwork("family", OWNER)}, (), lambda _: keys[0] if keys else None, lambda: None
    )
    networks.own_address = ME
    tell(networks, state(), roster(member(OWNER), member(BEN, b"b" * 32)), StatementTold(FAMILY, eviction()))
    assert networks.owners_wanted() == {OWNER}
    assert BEN in networks.shared_peers()
    keys.append(OWNER_KEY.public)
    networks.retry_statements()
    assert BEN not in networks.shared_peers()
    assert networks.owners_wanted() == set()


def test_what_a_made_up_owner_signed_goes_when_the_owner_is_met() -> None:
    made_up = IdentityKey.generate()
    keys = [made_up.public]
    networks = Networks(
        SERVER, {FAMILY: JoinedNetwork("family", OWNER, b"s" * 32)}, (), lambda _: keys[-1], lambda: None
    )
    networks.own_address = ME
    last_word = Statement(SERVER, FAMILY, BEN, b"b" * 32, Verb.READMITTED, 2**63 - 1, 0)
    tell(networks, state(), roster(member(OWNER), member(BEN, b"b" * 32)))
    tell(networks, StatementTold(FAMILY, sign_statement(last_word, made_up)))
    keys.append(OWNER_KEY.public)
    networks.owner_met(OWNER, OWNER_KEY.public)
    assert networks.memory.export() == []
    tell(networks, StatementTold(FAMILY, eviction()))
    assert BEN not in networks.shared_peers()
    networks.owner_met(OWNER, OWNER_KEY.public)
    networks.owner_met(BEN, made_up.public)
    assert BEN not in networks.shared_peers()


def test_another_owner_than_at_first_is_not_believed() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER)})
    tell(networks, state(owner=BEN), roster(member(OWNER)))
    assert networks.untrusted == {FAMILY: "owner-changed"}
    assert networks.shared_peers() == {}


def test_a_password_that_opens_the_secret_makes_no_other_owner_believed() -> None:
    key = bytes(range(32))
    wrapped = network_secret.wrap(network_secret.new_secret(), key, "family")
    networks = model({FAMILY: JoinedNetwork("family", OWNER, None, key)})
    tell(networks, state(owner=BEN, salt=bytes(16), wrapped=wrapped), roster(member(OWNER)))
    assert networks.joined[FAMILY].secret is not None
    assert networks.untrusted == {FAMILY: "owner-changed"}
    assert networks.shared_peers() == {}
    tell(networks, state(salt=bytes(16), wrapped=wrapped))
    assert networks.untrusted == {}
    assert set(networks.shared_peers()) == {OWNER}


def test_a_password_that_opens_nothing_takes_no_secret_away() -> None:
    networks = model({FAMILY: JoinedNetwork("family", OWNER, b"s" * 32)})
    tell(networks, state(salt=bytes(16), wrapped=bytes(60)), roster(member(OWNER)))
    networks.remember(FAMILY, JoinedNetwork("family", OWNER, b"s" * 32, bytes(32)))
    assert networks.joined[FAMILY] == JoinedNetwork("family", OWNER, b"s" * 32)
    assert set(networks.shared_peers()) == {OWNER}


def test_networks_that_are_long_gone_make_room_for_new_ones() -> None:
    networks = model({NetworkId(number): JoinedNetwork("gone") for number in range(1, MAX_NETWORKS + 1)})
    tell(networks, state(network=1))
    networks.remember(NetworkId(5_000), JoinedNetwork("new"))
    assert len(networks.joined) == MAX_NETWORKS
    assert {1, 5_000} <= networks.joined.keys()
    assert 2 not in networks.joined


def test_a_flood_of_members_in_many_networks_is_dropped_and_counted() -> None:
    networks = model()
    flood = [Roster(number, True, True, tuple(member(each) for each in range(1, 1_025))) for number in range(1, 101)]
    for page in flood:
        tell(networks, state(network=page.network), page)
    assert sum(len(each.members) for each in networks.all.values()) <= MAX_MEMBERS_EVERYWHERE
    assert networks.dropped > 0
    tell(networks, MemberChanged(1, member(2_000)), MemberChanged(1, member(5)))
    assert {5} == networks.all[NetworkId(1)].members.keys() & {5, 2_000}


def test_too_many_networks_are_dropped_and_counted() -> None:
    networks = model()
    tell(networks, *(state(number) for number in range(1, MAX_NETWORKS + 3)))
    assert len(networks.all) == MAX_NETWORKS
    assert networks.dropped == 2


numbers = st.integers(1, 4)
members = st.builds(
    Member, numbers, st.sampled_from([bytes(32), b"b" * 32]), st.just("x"), st.booleans(), st.sampled_from(MemberStatus)
)
words = st.one_of(
    st.builds(
        NetworkState,
        numbers,
        st.just("family"),
        numbers,
        st.sampled_from(MemberStatus),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.integers(0, 9),
        st.none() | st.binary(min_size=16, max_size=16),
        st.none() | st.binary(min_size=60, max_size=60),
        st.booleans(),
    ),
    st.builds(Roster, numbers, st.booleans(), st.booleans(), st.lists(members, max_size=4).map(tuple)),
    st.builds(MemberChanged, numbers, members),
    st.builds(MemberGone, numbers, numbers, st.sampled_from(Departure)),
    st.builds(NetworkGone, numbers, st.sampled_from(Departure)),
    st.builds(StatementTold, numbers, st.binary(min_size=256, max_size=500) | st.just(eviction())),
    st.just(WELCOME),
    st.just(Synchronised()),
    st.just(Introduced(1, b"user", bytes(16), (), False)),
)


@given(st.lists(words, max_size=40))
def test_any_words_in_any_order_leave_a_model_that_holds_its_rules(told: list[Message]) -> None:
    """No exception; no tunnel over what was not joined here, without its secret, with oneself or with the barred."""
    joined = {FAMILY: JoinedNetwork("family", OWNER, b"s" * 32), NetworkId(1): JoinedNetwork("a", OWNER)}
    networks = model(joined, OWNER_KEY.public)
    for word in told:
        networks.apply(word)
        for address, peer in networks.shared_peers().items():
            assert address != ME
            for network in peer.secrets:
                known = networks.all[network]
                assert network in networks.joined
                assert networks.protection(network) is not Protection.MISSING
                assert known.state.online
                assert not networks.memory.is_barred(network, address, known.members[address].fingerprint)
        networks.members_everywhere()
        networks.owners_wanted()
