"""The pump's named counters, and the token bucket that limits what strangers and broadcasts may cost.

Every packet that is not carried shows in exactly one `drop-...`. Used by all of app/dataplane.
"""

from typing import Final

COUNTERS: Final = (
    "drop-not-ip",  # from the adapter: neither IPv4 nor IPv6, or too short
    "drop-source",  # from the adapter: not from our own virtual address
    "drop-destination",  # from the adapter: not in the virtual network
    "drop-no-session",  # to a peer without a session, and no room to hold the packet
    "drop-stale",  # held for a session that came too late
    "drop-too-big",  # larger than the MTU of the adapter or of the path; answered with "packet too big"
    "drop-broadcast-rate",  # broadcast or multicast beyond the rate
    "drop-session-exhausted",  # the session has no ids left
    "drop-standing-queue",  # one TCP segment, to tell a sender that the pump does not keep up
    "drop-udp-full",  # the UDP socket was full and the packet could not wait
    "drop-udp-unreachable",  # the system has no route to the endpoint
    "drop-udp-refused",  # the system refused the datagram for another reason
    "drop-endpoint",  # no endpoint this socket can send to
    "drop-no-socket",  # the path's extra socket is closed
    "drop-unknown-datagram",  # neither STUN nor handshake nor tunnel data, nor a word of a relay itself
    "drop-unknown-session",  # receiver index of no session
    "drop-malformed",  # tunnel data or a packet in it that is not well formed
    "drop-not-authentic",  # not sealed by the peer
    "drop-replayed",  # seen before, or too old to know
    "drop-inner-source",  # a peer's packet that is not from the peer's address
    "drop-inner-destination",  # a peer's packet that is not for us
    "drop-message-rate",  # engine messages of a peer beyond the rate
    "drop-tun-full",  # the adapter took no more packets
    "drop-tun-refused",  # the adapter refused the packet
    "drop-engine-busy",  # STUN, handshake and relay datagrams beyond the rate, or the engine reads too slowly
    "notifications-lost",  # the engine reads too slowly
    "tun-reads",
    "tun-writes",
    "udp-sends",
    "udp-receives",
)


class Counters(dict[str, int]):
    """Every counter by its name, from 0."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(COUNTERS, 0))


class TokenBucket:
    """Allows `rate` events a second on average and `burst` at once."""

    __slots__ = ("_burst", "_last", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._last = 0.0

    def take(self, now: float) -> bool:
        """Whether one more event is allowed at `now` (monotonic seconds)."""
        self._tokens = min(self._burst, self._tokens + (now - self._last) * self._rate)
        self._last = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
