"""The rules of relays: which ones clients are told, which one two peers are offered, and the tokens that say so.

Pure: no sockets, no SQL. The nearest relay to both peers is chosen by the times that they reported in their sessions.
A relay learns of two peers only a name of their pair that says nothing of who they are. Called by `directory.py`.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from app.protocol.messages import Relay, RelayOffered, ReportRelays
from app.protocol.relay import PAIR_LENGTH, Grant, seal_token, token_key
from app.protocol.wire import Address

TOKEN_LIFETIME: Final = 12 * 3_600
"""Seconds for which a token is good; nobody is asked again before."""

_PAIR_LABEL: Final = b"buri relay pair 1"
_PAIR: Final = Struct("!BII")


@dataclass(frozen=True, slots=True)
class KnownRelay:
    """A relay and the secret that the server shares with it."""

    told: Relay
    secret: bytes


class RelayRules:
    """The relays of this server, and how far they are from its clients."""

    def __init__(self, relays: Sequence[KnownRelay], pair_secret: bytes, pair_rate: int) -> None:
        self._relays = {relay.told.number: relay for relay in relays}
        self._pair_key = hmac.digest(pair_secret, _PAIR_LABEL, hashlib.sha256)
        self._pair_rate = pair_rate
        self._times: dict[Address, dict[int, int]] = {}

    @property
    def told(self) -> tuple[Relay, ...]:
        """What clients are told of them."""
        return tuple(relay.told for relay in self._relays.values())

    def note(self, address: Address, report: ReportRelays) -> None:
        """A client measured relays; those that it does not name do not answer it."""
        self._times[address] = {each.relay: each.milliseconds for each in report.times if each.relay in self._relays}

    def forget(self, address: Address) -> None:
        """The client is gone, and may come back from elsewhere."""
        self._times.pop(address, None)

    def choose(self, one: Address, other: Address) -> KnownRelay | None:
        """The relay with the least way between both; None if there is none at all.

        One that both reported, else one that either did, else the first: what is not measured yet may work.
        """
        times = [self._times.get(each, {}) for each in (one, other)]
        both = times[0].keys() & times[1].keys()
        either = times[0].keys() | times[1].keys()
        number = min(both or either or self._relays, key=lambda relay: _way(relay, *times), default=None)
        return None if number is None else self._relays[number]

    def offers(self, relay: KnownRelay, one: Address, other: Address, wall: float) -> tuple[RelayOffered, RelayOffered]:
        """What to tell `one`, and what to tell `other`."""
        return self._offer(relay, one, other, wall), self._offer(relay, other, one, wall)

    def _offer(self, relay: KnownRelay, address: Address, peer: Address, wall: float) -> RelayOffered:
        number, lower, higher = relay.told.number, min(address, peer), max(address, peer)
        pair = hmac.digest(self._pair_key, _PAIR.pack(number, lower, higher), hashlib.sha256)[:PAIR_LENGTH]
        grant = Grant(pair, int(address == higher), int(wall) + TOKEN_LIFETIME, self._pair_rate)
        token = seal_token(relay.secret, grant)
        return RelayOffered(peer, number, token, token_key(relay.secret, token), TOKEN_LIFETIME)


def _way(relay: int, one: dict[int, int], other: dict[int, int]) -> tuple[int, int]:
    return one.get(relay, 0) + other.get(relay, 0), relay
