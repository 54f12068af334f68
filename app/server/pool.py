"""The pool of virtual addresses: which there are, and drawing a free one at random.

Pure but for the randomness. Used by `directory.py` at registration and by `config.py` to check the pool.
"""

import secrets
from collections.abc import Callable, Collection
from ipaddress import IPv4Network

from app.protocol.wire import Address

MIN_PREFIX, MAX_PREFIX = 8, 30
_RANDOM_TRIES = 32


class PoolError(ValueError):
    """The text is no pool of virtual addresses; the message says why."""


def parse_pool(text: str) -> IPv4Network:
    """An IPv4 network such as `10.37.0.0/16`. Raises PoolError unless clients can live in it."""
    try:
        pool = IPv4Network(text)
    except ValueError as error:
        raise PoolError(f"pool {text!r}: {error}") from None
    if not MIN_PREFIX <= pool.prefixlen <= MAX_PREFIX:
        raise PoolError(f"pool {text!r}: the prefix must be /{MIN_PREFIX} to /{MAX_PREFIX}")
    if pool.is_multicast or pool.is_loopback or pool.is_link_local or pool.is_unspecified:
        raise PoolError(f"pool {text!r}: not a network that computers can live in")
    if pool.is_global:
        raise PoolError(f"pool {text!r}: belongs to others on the internet; clients take private addresses only")
    return pool


def random_pool() -> IPv4Network:
    """A random 10.x.0.0/16; low numbers are left out, as home routers and companies use them."""
    return IPv4Network((0x0A00_0000 | (16 + secrets.randbelow(240)) << 16, 16))


class AddressPool:
    """Draws addresses that are neither the network's nor the broadcast address."""

    def __init__(self, network: IPv4Network) -> None:
        self.network = network
        self.first = Address(int(network.network_address) + 1)
        self.last = Address(int(network.broadcast_address) - 1)

    def draw(self, is_taken: Callable[[Address], bool], all_taken: Callable[[], Collection[Address]]) -> Address | None:
        """A random free address, or None if all are taken. `all_taken` is asked for only in a crowded pool."""
        size = self.last - self.first + 1
        for _ in range(min(_RANDOM_TRIES, size)):
            address = Address(self.first + secrets.randbelow(size))
            if not is_taken(address):
                return address
        taken = all_taken()
        start = secrets.randbelow(size)
        for step in range(size):
            address = Address(self.first + (start + step) % size)
            if address not in taken:
                return address
        return None
