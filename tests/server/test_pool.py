"""The pool of virtual addresses."""

import contextlib
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol.wire import Address
from app.server.pool import AddressPool, PoolError, parse_pool, random_pool


def test_the_last_free_address_is_found_and_then_there_is_none() -> None:
    pool = AddressPool(IPv4Network("10.1.2.0/28"))
    taken: set[Address] = set()
    for _ in range(14):
        address = pool.draw(taken.__contains__, lambda: taken)
        assert address is not None
        assert pool.first <= address <= pool.last
        taken.add(address)
    assert len(taken) == 14
    assert pool.draw(taken.__contains__, lambda: taken) is None


def test_a_random_pool_is_a_private_16() -> None:
    pools = {random_pool() for _ in range(50)}
    assert len(pools) > 10
    assert all(pool.subnet_of(IPv4Network("10.0.0.0/8")) and pool.prefixlen == 16 for pool in pools)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/31",
        "10.0.0.0/7",
        "10.0.0.1/16",
        "224.0.0.0/16",
        "127.0.0.0/8",
        "fd00::/64",
        "8.8.8.0/24",
        "172.0.0.0/8",
    ],
)
def test_unusable_pools_are_refused(text: str) -> None:
    with pytest.raises(PoolError, match="pool"):
        parse_pool(text)


@given(st.text())
def test_any_text_is_a_pool_or_a_named_error(text: str) -> None:
    with contextlib.suppress(PoolError):
        assert 8 <= parse_pool(text).prefixlen <= 30
