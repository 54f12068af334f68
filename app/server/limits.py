"""How much anybody may ask of the server: the policy, and token buckets by source address and by account.

Pure: `now` is an argument, in monotonic seconds. Tables are bounded; when one is full the entry that was idle longest
goes. Used by the rules (registration, login, join, introduce) and by the sockets (connections, bytes, datagrams).
"""

from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=10_000_000)]
MAX_NETWORKS_PER_ACCOUNT = 64
"""What two peers can prove to each other in one handshake, `messages.MAX_PROOFS`."""


class Policy(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The `[policy]` table of the configuration: how large things may grow."""

    registration: Literal["open", "closed"] = "open"
    accounts: Annotated[int, Meta(ge=0)] = 0
    """At most this many accounts; 0 for as many as the pool has addresses."""
    networks: Count = 10_000
    networks_per_account: Annotated[int, Meta(ge=1, le=MAX_NETWORKS_PER_ACCOUNT)] = 32
    members_per_network: Annotated[int, Meta(ge=2, le=4_096)] = 256
    waiting_per_network: Annotated[int, Meta(ge=1, le=1_024)] = 64
    """Accounts that may wait for an owner's approval."""


class RateLimits(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The `[limits]` table of the configuration: how often and how much. A burst may be one whole number."""

    connections: Count = 4_000
    connections_per_source: Count = 64
    half_open: Count = 512
    """Connections that have not logged in yet."""
    half_open_per_source: Count = 16
    handshakes_per_minute: Count = 120
    """New connections from one source."""
    registrations_per_hour: Count = 30
    """From one source."""
    logins_per_minute: Count = 30
    """Of one account."""
    joins_per_minute: Count = 30
    """By one account, and by one source; asking for join parameters and creating networks count as well."""
    wrong_passwords_per_hour: Count = 20
    """By one account, and by one source."""
    changes_per_minute: Count = 60
    """By one account, of names, presence, networks and their members: one change is told to thousands."""
    introductions_per_minute: Count = 1_200
    """By one account; asking for a relay counts as well."""
    requests_per_second: Count = 20
    """On one connection; more is made to wait, not refused."""
    bytes_per_second: Annotated[int, Meta(ge=4_096)] = 65_536
    """Read from one connection; more is made to wait."""
    reflections_per_second: Count = 50
    """STUN answers to one source."""


class RelayLimits(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`[limits]` of a relay's configuration; in the server's they stand in `[relay]`."""

    pair_rate: Annotated[int, Meta(ge=8_192, le=0xFFFFFFFF)] = 25_000_000
    """Bytes a second that a pair may send in each direction, unless the server grants it less."""
    pairs: Count = 10_000
    endpoints_per_source: Count = 512
    """Endpoints of one source that may be bound at a time."""
    words_per_second: Count = 50
    """Measurements, and binds, from one source."""


class Rate(NamedTuple):
    """`burst` at once, refilled with `per_second`."""

    burst: float
    per_second: float

    @classmethod
    def per_minute(cls, count: float) -> "Rate":
        """`count` a minute."""
        return cls(count, count / 60)

    @classmethod
    def per_hour(cls, count: float) -> "Rate":
        """`count` an hour."""
        return cls(count, count / 3_600)


class TokenBuckets:
    """One bucket per key, at most `capacity` of them."""

    def __init__(self, rate: Rate, capacity: int = 10_000) -> None:
        self._rate = rate
        self._capacity = capacity
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._levels)

    def _level(self, key: Hashable, now: float) -> float:
        known = self._levels.get(key)
        if known is None:
            return self._rate.burst
        level, when = known
        return min(self._rate.burst, level + max(0.0, now - when) * self._rate.per_second)

    def available(self, key: Hashable, now: float) -> bool:
        """Whether `take` would succeed."""
        return self._level(key, now) >= 1

    def take(self, key: Hashable, now: float) -> bool:
        """Take one token if there is one."""
        level = self._level(key, now)
        allowed = level >= 1
        self._levels[key] = (level - 1 if allowed else level, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._capacity:
            self._levels.popitem(last=False)
        return allowed


class Throttle:
    """One bucket that makes its user wait instead of refusing: what TCP then passes on to the sender."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._level = rate.burst
        self._when = now

    def delay(self, cost: float, now: float) -> float:
        """Spend `cost` and return the seconds to wait before going on, 0.0 for none."""
        passed = max(0.0, now - self._when)
        self._level = min(self._rate.burst, self._level + passed * self._rate.per_second) - cost
        self._when = now
        return max(0.0, -self._level / self._rate.per_second)


def source_of(host: str) -> str:
    """Whom to count an IP address as: itself, for IPv6 its /64, as that is what one customer gets (RFC 6177)."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), 64), strict=False))
    return str(address)
