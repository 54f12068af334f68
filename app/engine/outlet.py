"""What the link to a peer asks of its owner, engine/peers.py."""

from collections.abc import Sequence
from typing import Protocol

from app.ipc.schema import Request
from app.protocol.wire import Address, Endpoint


class Outlet(Protocol):
    """What a link asks of its owner."""

    def post(self, request: Request) -> None:
        """Send a request to the pump."""
        ...

    def introduce(self, peer: Address, wants_answer: bool) -> None:
        """Tell the peer our candidates through the server, if both are there."""
        ...

    def use_relay(self, peer: Address, *, ask: bool, now: float) -> None:
        """Reach the peer over a relay, by what the server gave before, or if `ask` by what it gives both of us now."""
        ...

    def begin_handshake(self, peer: Address, endpoints: Sequence[Endpoint], now: float) -> None:
        """Begin a handshake, or let the one that runs use these endpoints too."""
        ...

    def went_relayed(self, peer: Address, now: float) -> None:
        """The tunnel goes over a relay now."""
        ...

    def lost_path(self) -> None:
        """A path carries nothing any more: what is known of our outside endpoints may be wrong."""
        ...

    def came_up(self, peer: Address, now: float) -> None:
        """The first session of a tunnel can send, or a later one rests on one more network."""
        ...
