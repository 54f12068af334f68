"""Which outside ports of a router to try whose mappings depend on the destination (RFC 4787 section 4.1).

Such a router gives each destination another port, which nobody can ask it for. If its owner opens many of
them towards us and we try port after port, one is soon met: of the 64,512 ports from 1024 on, 2,048 random ones miss
256 mappings once in 3,900 times (the birthday problem). Many routers need less luck: they count ports up, or serve a
customer from a block of them (RFC 7422).

Pure; used by engine/path_search.py.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address
from itertools import chain, islice, pairwise
from math import gcd
from random import Random
from typing import Final

from app.protocol.wire import RemoteProtocolError, checked_endpoint

SOCKETS: Final = 256
"""Mappings that the side behind such a router opens."""
FEW_SOCKETS: Final = 64
"""The same, where its ports lie close together: they may be all that its customer has."""
MAX_GUESSES: Final = 2_048
"""Ports that the other side tries at most."""
MAX_UNSEEN_GUESSES: Final = 512
"""The same, where the server has not seen the peer at that address: then only the peer says that it is its own."""
FIRST_PORT: Final = 1_024
LAST_PORT: Final = 65_535

_NEVER_BY_HEARSAY: Final = tuple(
    IPv4Network(each)
    for each in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
)
"""Private addresses: nobody shall make us look for ports in our own network."""
_MAX_STEP: Final = 16
"""A router that counts up leaves no more between two mappings, those of its other computers included."""
_SEQUENCE: Final = FEW_SOCKETS + 64
_NEIGHBOURHOOD: Final = 2_048
"""A block of ports is rarely larger."""
_NEIGHBOURS: Final = 512


def allowance(host: str, observed_host: str) -> int:
    """How many ports may be tried at a host that a peer names; `observed_host` is where the server sees that peer."""
    try:
        address = ip_address(checked_endpoint(host, FIRST_PORT).host)
    except RemoteProtocolError:
        return 0
    if not isinstance(address, IPv4Address):
        return 0
    if str(address) == observed_host:
        return MAX_GUESSES
    return 0 if any(address in network for network in _NEVER_BY_HEARSAY) else MAX_UNSEEN_GUESSES


def sockets_needed(observed: Sequence[int]) -> int:
    """How many mappings the side behind the router should open."""
    return FEW_SOCKETS if _are_close(observed) else SOCKETS


def guessed_ports(observed: Sequence[int], count: int, random: Random) -> list[int]:
    """`count` different ports, the likeliest first; `observed` are the router's latest mappings, oldest first."""
    guesses = chain(_counted_up(observed), _nearby(observed, random), _anywhere(count, random))
    allowed = dict.fromkeys(port for port in guesses if FIRST_PORT <= port <= LAST_PORT)
    return list(islice(allowed, count))


def _counted_up(observed: Sequence[int]) -> Iterator[int]:
    """The ports that follow, if those observed lie on one ladder."""
    steps = [later - earlier for earlier, later in pairwise(observed)]
    if not steps or not all(0 < abs(step) <= _MAX_STEP for step in steps) or min(steps) * max(steps) < 0:
        return iter(())
    step = gcd(*steps) if steps[0] > 0 else -gcd(*steps)
    return (observed[-1] + step * each for each in range(1, _SEQUENCE + 1))


def _nearby(observed: Sequence[int], random: Random) -> list[int]:
    """Ports of the block that those observed seem to be of, if they are close to each other."""
    if not _are_close(observed):
        return []
    block = range(max(observed) - _NEIGHBOURHOOD + 1, min(observed) + _NEIGHBOURHOOD)
    return random.sample(block, min(_NEIGHBOURS, len(block)))


def _are_close(observed: Sequence[int]) -> bool:
    return len(observed) > 1 and max(observed) - min(observed) < _NEIGHBOURHOOD


def _anywhere(count: int, random: Random) -> list[int]:
    """Enough for `count` of them to be left without those of the other guesses."""
    everything = range(FIRST_PORT, LAST_PORT + 1)
    return random.sample(everything, min(count + _SEQUENCE + _NEIGHBOURS, len(everything)))
