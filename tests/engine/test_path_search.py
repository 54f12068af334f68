"""A router that gives each destination another port is got through by guessing, within limits, and only where asked."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import pytest

from app.engine.path_search import SearchOutcome
from app.engine.state import PeerStatus
from app.engine.timing import Timing
from app.ipc import schema
from app.ipc.schema import UdpEndpoint
from app.protocol.messages import Candidate, CandidateKind, Introduced
from app.protocol.port_guess import FIRST_PORT, LAST_PORT, MAX_UNSEEN_GUESSES
from app.protocol.tunnel_message import SearchAnswer, SearchOffer, SearchVerdict, encode
from tests.engine.world import QUICK, Person, World, tell

SOON = replace(QUICK, search_patience=0.2)
NEVER = replace(QUICK, search_patience=10_000.0)


def ports_counted_up() -> Iterator[int]:
    return count(20_000)


def ports_anywhere() -> Iterator[int]:
    return iter(Random(3).sample(range(FIRST_PORT, LAST_PORT + 1), 5_000))


async def meet(hard: Person, easy: Person) -> None:
    """They share a network and have a tunnel over the relay."""
    await hard.engine.create_network("family", "secret words")
    await easy.engine.join_network("family", "secret words")
    await hard.until_relayed(easy)
    await easy.until_relayed(hard)


async def hard_and_easy(world: World, ports: Iterator[int], timing: Timing = SOON) -> tuple[Person, Person]:
    """One behind a router that gives each destination the next of `ports`, one behind an ordinary router."""
    router = world.router(symmetric=True)
    router.ports = ports
    return await world.person("hard", router, timing), await world.person("easy", world.router(), timing)


def between_routers(*people: Person) -> frozenset[str]:
    """What the internet may be cut between."""
    return frozenset(each.helper.computer.router.public for each in people if each.helper.computer.router is not None)


def outcome(person: Person, peer: Person) -> SearchOutcome | None:
    return person.engine._peers.searches.outcome(peer.address)


@pytest.mark.parametrize("ports", [ports_counted_up, ports_anywhere])
def test_the_port_of_a_hard_router_is_guessed(tmp_path: Path, ports: Callable[[], Iterator[int]]) -> None:
    async def story(world: World) -> None:
        hard, easy = await hard_and_easy(world, ports())
        await meet(hard, easy)
        await hard.until_connected(easy)
        await easy.until_connected(hard)
        await hard.until(lambda: outcome(hard, easy) is SearchOutcome.FOUND)
        await easy.until(lambda: outcome(easy, hard) is SearchOutcome.FOUND)
        assert len(hard.helper.extra_ports) == 1, "the socket in use is kept, and no other"
        assert easy.helper.extra_ports == {}

    tell(tmp_path, story)


def test_two_hard_routers_are_not_guessed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna", world.router(symmetric=True), SOON)
        ben = await world.person("ben", world.router(symmetric=True), SOON)
        await meet(anna, ben)
        await anna.until(lambda: outcome(anna, ben) is SearchOutcome.BOTH_HARD)
        assert anna.engine.peer_details(ben.address).both_hard
        await anna.until(lambda: anna.helper.extra_ports == {})
        assert anna.sees(ben, PeerStatus.RELAYED)

    tell(tmp_path, story)


def test_where_nothing_passes_the_search_ends_and_the_relay_stays(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hard, easy = await hard_and_easy(world, ports_anywhere())
        world.internet.cut.add(between_routers(hard, easy))
        await meet(hard, easy)
        await easy.until(lambda: outcome(easy, hard) is SearchOutcome.NOT_FOUND)
        await hard.until(lambda: outcome(hard, easy) is SearchOutcome.NOT_FOUND)
        assert hard.sees(easy, PeerStatus.RELAYED)
        await hard.until(lambda: hard.helper.extra_ports == {})

    tell(tmp_path, story)


async def answer_to(hard: Person, easy: Person, offer: SearchOffer) -> SearchAnswer:
    """What the easy side answers to an offer that was made up."""
    counters = hard.engine._peers.searches.counters
    before = counters["search-answer-unexpected"]
    hard.engine._peers.send_message(easy.address, encode(offer))
    await hard.until(lambda: counters["search-answer-unexpected"] > before)
    answer = easy.engine._peers.searches._peers[hard.address].answer
    assert answer is not None
    return answer


def test_nobody_makes_us_look_for_ports_at_home(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hard, easy = await hard_and_easy(world, ports_anywhere(), NEVER)
        await meet(hard, easy)
        for number, host in enumerate(["192.168.1.1", "127.0.0.2", "10.0.0.1", "256.1.1.1", "224.0.0.1"]):
            refused = SearchAnswer(number, SearchVerdict.REFUSED)
            assert await answer_to(hard, easy, SearchOffer(number, host, (40_000,))) == refused
        assert outcome(easy, hard) is None

    tell(tmp_path, story)


def test_a_peer_that_asks_again_and_again_is_told_to_wait(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hard, easy = await hard_and_easy(world, ports_anywhere(), NEVER)
        await meet(hard, easy)
        first = await answer_to(hard, easy, SearchOffer(7, "198.51.100.200", (40_000,)))
        assert first.verdict is SearchVerdict.BEGIN
        assert await answer_to(hard, easy, SearchOffer(8, "198.51.100.201", ())) == SearchAnswer(8, SearchVerdict.BUSY)
        await easy.until(lambda: outcome(easy, hard) is SearchOutcome.NOT_FOUND)
        assert await answer_to(hard, easy, SearchOffer(9, "198.51.100.202", ())) == SearchAnswer(9, SearchVerdict.BUSY)
        assert easy.helper.sent[0] < MAX_UNSEEN_GUESSES + 200

    tell(tmp_path, story)


def test_a_peer_that_is_met_elsewhere_than_it_said_is_told_to_wait_as_well(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        eve, ben = await world.person("eve", world.router()), await world.person("ben", world.router())
        between = between_routers(eve, ben)
        world.internet.cut.add(between)
        await meet(eve, ben)
        first = await answer_to(eve, ben, SearchOffer(7, "198.51.100.200", (40_000,)))
        assert first.verdict is SearchVerdict.BEGIN
        world.internet.cut.clear()
        eve.engine._peers.introduce(ben.address, wants_answer=True)
        await ben.until_connected(eve)
        await ben.until(lambda: outcome(ben, eve) is SearchOutcome.FOUND)
        world.internet.cut.add(between)
        ben.engine._notified(schema.PeerQuiet(eve.address))
        eve.engine._notified(schema.PeerQuiet(ben.address))
        await ben.until_relayed(eve)
        await eve.until_relayed(ben)
        assert await answer_to(eve, ben, SearchOffer(8, "198.51.100.201", ())) == SearchAnswer(8, SearchVerdict.BUSY)

    tell(tmp_path, story)


def test_a_peer_that_moves_again_and_again_is_not_knocked_at_again_and_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        hard, eve = await hard_and_easy(world, ports_anywhere())
        world.internet.cut.add(between_routers(hard, eve))
        await meet(hard, eve)
        await hard.until(lambda: outcome(hard, eve) is SearchOutcome.NOT_FOUND)
        searches = hard.engine._peers.searches
        known = searches._peers[eve.address]
        candidate = Candidate(CandidateKind.REFLEXIVE, "198.51.100.201", 5_000)
        known.failed_at = float("-inf")  # the tunnel carries something
        moved = Introduced(eve.address, b"username", bytes(16), (candidate,), False)
        searches.introduced(moved, searches._now() - 100)
        searches.handle_deadline(searches._now())
        assert searches._searching is None
        assert known.due is not None, "later it is looked again"

    tell(tmp_path, story)


def test_what_comes_in_on_a_socket_that_is_closed_again_has_no_effect(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        anna = await world.person("anna")
        told = UdpEndpoint("198.51.100.7", 7, 0, 9)
        anna.engine._notified(schema.DatagramReceived(told, b"\x00" * 20))
        assert anna.engine._peers.counters == {"datagram-of-closed-socket": 1}

    tell(tmp_path, story)
