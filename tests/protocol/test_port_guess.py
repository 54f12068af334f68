"""Ports are guessed in a sensible order, each once, and with the mappings of the other side they meet soon."""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.port_guess import (
    FIRST_PORT,
    LAST_PORT,
    MAX_GUESSES,
    MAX_UNSEEN_GUESSES,
    allowance,
    guessed_ports,
    sockets_needed,
)
from app.protocol.wire import Endpoint
from tests.virtual_internet import Router

PORTS = st.integers(1, 65_535)
EASY = Endpoint("198.51.100.2", 40_000)
REFLECTOR = Endpoint("203.0.113.1", 12_975)


@given(st.lists(PORTS, max_size=8), st.integers(0, 4_000), st.integers(0, 2**32))
def test_ports_are_guessed_once_each_and_within_the_limits(observed: list[int], wanted: int, seed: int) -> None:
    guesses = guessed_ports(observed, wanted, Random(seed))
    assert len(guesses) == len(set(guesses)) == wanted
    assert all(FIRST_PORT <= port <= LAST_PORT for port in guesses)
    assert guesses == guessed_ports(observed, wanted, Random(seed))


@given(st.integers(2_000, 60_000), st.sampled_from([-2, -1, 1, 2, 4, 7]), st.lists(st.integers(1, 2), max_size=4))
def test_a_router_that_counts_is_followed_first(start: int, step: int, used_by_others: list[int]) -> None:
    observed = [start, start + step]
    for each in used_by_others:
        observed.append(observed[-1] + step * each)
    guesses = guessed_ports(observed, 100, Random(1))
    assert guesses == [observed[-1] + step * each for each in range(1, 101)]


@given(st.integers(4_000, 60_000), st.integers(0, 200), st.integers(300, 511))
def test_ports_of_one_block_are_tried_around_it_first(block: int, low: int, high: int) -> None:
    for observed in ([block + low, block + high], [block + high, block + low]):
        assert all(abs(port - block) < 4_096 for port in guessed_ports(observed, 300, Random(1)))


def test_ports_without_a_pattern_are_guessed_anywhere() -> None:
    guesses = guessed_ports([2_000, 60_000], 1_000, Random(1))
    assert min(guesses) < 5_000
    assert max(guesses) > 60_000


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("198.51.100.7", MAX_GUESSES),
        ("198.51.100.8", MAX_UNSEEN_GUESSES),
        ("192.168.1.1", 0),
        ("100.64.0.1", 0),
        ("127.0.0.1", 0),
        ("224.0.0.1", 0),
        ("2001:db8::1", 0),
        ("example.org", 0),
        ("", 0),
    ],
)
def test_most_are_tried_where_the_server_sees_the_peer_and_none_at_home(host: str, allowed: int) -> None:
    assert allowance(host, "198.51.100.7") == allowed
    assert allowance(host, "") in (0, MAX_UNSEEN_GUESSES)


def test_the_server_may_see_a_peer_at_a_private_address() -> None:
    assert allowance("192.168.1.1", "192.168.1.1") == MAX_GUESSES


def random_ports(random: Random) -> Iterator[int]:
    return iter(random.sample(range(FIRST_PORT, LAST_PORT + 1), 10_000))


def counted_ports(random: Random) -> Iterator[int]:
    """The next free ones; other computers take some between."""
    port = random.randrange(10_000, 50_000)
    while True:
        port += random.choice((1, 1, 1, 2, 3))
        yield port


def ports_of_a_block(random: Random) -> Iterator[int]:
    """504 ports that belong to the customer, as in RFC 7422's example, in any order."""
    first = FIRST_PORT + 504 * random.randrange(127)
    return iter(random.sample(range(first, first + 504), 504))


def tries_until_met(ports: Iterator[int], random: Random, limit: int) -> int:
    """How many guesses it takes until one passes the hard side's router; `limit` if none does."""
    router = Router("203.0.113.9", symmetric=True, ports=ports)
    inside = (Endpoint("192.168.1.2", port) for port in count(30_000))
    observed = [router.outbound(next(inside), REFLECTOR).port for _ in range(3)]
    for _ in range(sockets_needed(observed)):
        router.outbound(next(inside), EASY)
    allowed = {port for port, destination in router.permissions if destination == EASY}
    guesses = guessed_ports(observed, limit, random)
    return next((number for number, port in enumerate(guesses, 1) if port in allowed), limit)


@pytest.mark.parametrize(
    ("router", "limit", "least"),
    [
        (random_ports, MAX_GUESSES, 995),  # 999.7 in theory
        (random_ports, MAX_UNSEEN_GUESSES, 830),  # 869
        (counted_ports, MAX_UNSEEN_GUESSES, 1_000),
        (ports_of_a_block, MAX_UNSEEN_GUESSES, 1_000),
    ],
)
def test_of_a_thousand_searches_as_many_succeed_as_theory_says(
    router: Callable[[Random], Iterator[int]], limit: int, least: int
) -> None:
    tries = []
    for seed in range(1_000):
        random = Random(seed)
        tries.append(tries_until_met(router(random), random, limit))
    found = sum(each < limit for each in tries)
    print(f"{router.__name__}: {found} of 1,000 within {limit} guesses, half of them within {sorted(tries)[500]}")
    assert found >= least
