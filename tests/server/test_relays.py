"""Which relay two peers are offered, and what they learn with it; told with a real store."""

from pathlib import Path

import pytest

from app.protocol.messages import (
    Accepted,
    GetRelay,
    Refusal,
    Refused,
    RelayOffered,
    RelayTime,
    ReportRelays,
    SetPresence,
    Welcome,
)
from app.protocol.relay import open_token, token_key
from app.server.limits import RateLimits
from app.server.relays import TOKEN_LIFETIME
from tests.server.world import OTHER_RELAY_SECRET, OWN_RELAY_SECRET, Account, World

SECRETS = {0: OWN_RELAY_SECRET, 1: OTHER_RELAY_SECRET}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A server with a relay of its own and one elsewhere."""
    return World(tmp_path)


@pytest.fixture
def pair(world: World) -> tuple[Account, Account]:
    """Two accounts that share a network."""
    anna, ben = world.account("anna"), world.account("ben")
    world.network(anna, ben)
    return anna, ben


def measure(world: World, account: Account, **milliseconds: int) -> None:
    times = tuple(RelayTime(int(name[-1]), value) for name, value in milliseconds.items())
    world.must(account, ReportRelays(world.number(), times))


def offered(world: World, asking: Account, other: Account) -> tuple[RelayOffered, RelayOffered]:
    world.must(asking, GetRelay(world.number(), other.address))
    (own,), (theirs,) = asking.take(RelayOffered), other.take(RelayOffered)
    assert own.relay == theirs.relay
    return own, theirs


def test_welcome_tells_the_relays(world: World) -> None:
    (welcome,) = world.account("anna").take(Welcome)
    assert [(relay.number, relay.host) for relay in welcome.relays] == [(0, ""), (1, "192.0.2.7")]


def test_both_get_a_token_of_the_same_pair_and_each_its_own_side(world: World, pair: tuple[Account, Account]) -> None:
    anna, ben = pair
    own, theirs = offered(world, anna, ben)
    assert (own.peer, theirs.peer) == (ben.address, anna.address)
    grants = [open_token(SECRETS[own.relay], offer.token) for offer in (own, theirs)]
    assert grants[0].pair == grants[1].pair
    assert [grant.side for grant in grants] == [int(anna.address > ben.address), int(ben.address > anna.address)]
    assert {grant.expires for grant in grants} == {int(world.now) + TOKEN_LIFETIME}
    assert {grant.rate for grant in grants} == {1_000_000}
    for offer in (own, theirs):
        assert offer.key == token_key(SECRETS[offer.relay], offer.token)
        assert offer.lifetime == TOKEN_LIFETIME


def test_a_pair_keeps_its_name_and_no_other_pair_has_it(world: World, pair: tuple[Account, Account]) -> None:
    anna, ben = pair
    carl = world.account("carl")
    world.network(carl, anna, name="Another")
    names = []
    for asking, other in ((anna, ben), (ben, anna), (anna, carl)):
        own, _ = offered(world, asking, other)
        names.append(open_token(SECRETS[own.relay], own.token).pair)
    assert names[0] == names[1] != names[2]
    world.restart()
    for account in pair:
        world.log_in(account)
    own, _ = offered(world, anna, ben)
    assert open_token(SECRETS[own.relay], own.token).pair == names[0], "a restart of the server changes nothing"


def test_the_nearest_relay_to_both_is_offered(world: World, pair: tuple[Account, Account]) -> None:
    anna, ben = pair
    assert offered(world, anna, ben)[0].relay == 0, "nothing is measured yet"
    measure(world, ben, relay1=300)
    assert offered(world, anna, ben)[0].relay == 1, "the only one that is known to answer"
    measure(world, anna, relay0=10, relay1=80)
    assert offered(world, anna, ben)[0].relay == 1, "the only one that answers both"
    measure(world, ben, relay0=100, relay1=20)
    assert offered(world, anna, ben)[0].relay == 1, "80 + 20 against 10 + 100"
    measure(world, anna, relay0=10, relay1=91)
    assert offered(world, anna, ben)[0].relay == 0, "91 + 20 against 10 + 100"
    world.log_in(ben)
    measure(world, ben, relay9=1)
    assert offered(world, anna, ben)[0].relay == 0, "times are those of the session; unknown relays don't count"


def test_only_peers_that_are_both_online_get_a_relay(world: World, pair: tuple[Account, Account]) -> None:
    anna, ben = pair
    network = next(iter(anna.roster))
    stranger = world.account("stranger")
    assert world.ask(anna, GetRelay(1, stranger.address)) == Refused(1, Refusal.PEER_NOT_FOUND)
    assert world.ask(anna, GetRelay(2, anna.address)) == Refused(2, Refusal.PEER_NOT_FOUND)
    world.must(ben, SetPresence(world.number(), network, False))
    assert world.ask(anna, GetRelay(3, ben.address)) == Refused(3, Refusal.PEER_OFFLINE)
    world.must(ben, SetPresence(world.number(), network, True))
    assert world.ask(anna, GetRelay(4, ben.address)) == Accepted(4)
    world.log_out(ben)
    assert world.ask(anna, GetRelay(5, ben.address)) == Refused(5, Refusal.PEER_OFFLINE)
    assert not stranger.take(RelayOffered)


def test_a_server_without_relays_says_so(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.known_relays = []
    world.store.close()
    world.open()
    anna, ben = world.account("anna"), world.account("ben")
    world.network(anna, ben)
    assert world.ask(anna, GetRelay(1, ben.address)) == Refused(1, Refusal.NO_RELAY)
    world.must(anna, ReportRelays(2, ()))


def test_asking_for_relays_is_limited_like_introductions(tmp_path: Path) -> None:
    world = World(tmp_path, limits=RateLimits(introductions_per_minute=3))
    anna, ben = world.account("anna"), world.account("ben")
    world.network(anna, ben)
    answers = [world.ask(anna, GetRelay(number, ben.address)) for number in range(5)]
    assert answers[2] == Accepted(2)
    assert answers[3:] == [Refused(number, Refusal.TOO_MANY_REQUESTS) for number in (3, 4)]
