"""The engine's facade as far as it is about peers: what the command line and the windows call.

A part of `Engine`, in a module of its own for its size; what is behind it is engine/trust.py and engine/peers.py.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing

from app.engine.errors import engine_error
from app.engine.peer_details import describe_peer
from app.engine.peers import Peers
from app.engine.pings import Pings
from app.engine.roster_refresh import RosterRefresh
from app.engine.snapshot import Publisher, Snapshots
from app.engine.state import PathKind, PeerDetails, PeerView, RoundTrip, Verification
from app.engine.trust import Trust
from app.protocol.wire import Address, format_address


class PeerFacade:
    """The peers of one account. Every refusal is an EngineError."""

    _peers: Peers
    _pings: Pings
    _publisher: Publisher
    _refresh: RosterRefresh
    _snapshots: Snapshots
    _trust: Trust

    async def ping(
        self, peer: Address, count: int = 4, *, interval: float = 1.0, size: int = 56, patience: float = 3.0
    ) -> AsyncIterator[RoundTrip]:
        """Ping through the tunnel, `count` times (0: until closed), `size` bytes each; times in seconds."""
        async with aclosing(self._pings.ping(peer, count, interval, size, patience)) as trips:
            async for trip in trips:
                if trip.seconds is None:
                    self._peers.went_unanswered(peer)
                yield trip

    async def verification(self, peer: Address) -> Verification:
        """The safety number that both people compare, and the fingerprints."""
        return await self._trust.verification(peer)

    async def mark_verified(self, peer: Address, verified: bool = True) -> None:
        """Remember that the safety number was compared, or forget it."""
        self._trust.mark_verified(peer, verified)
        self._publisher.changed()

    async def accept_new_key(self, peer: Address, fingerprint: str) -> None:
        """Trust the key with this fingerprint, if the roster shows it for the peer; it counts as not verified."""
        await self._trust.accept_new_key(peer, fingerprint)
        self._refresh.soon()

    async def set_blocked(self, peer: Address, blocked: bool = True) -> None:
        """Block a peer: no tunnel, no chat; or let it in again."""
        self._trust.set_blocked(peer, blocked)
        self._refresh.now()

    async def set_alias(self, peer: Address, alias: str) -> None:
        """Call a peer something on this computer only; empty takes it back."""
        self._trust.set_alias(peer, alias)
        self._publisher.changed()

    def peer_details(self, peer: Address) -> PeerDetails:
        """What is known of a peer's tunnel beyond its line in the state. Raises EngineError without such a peer."""
        return describe_peer(self._view(peer), self._peers)

    def _view(self, peer: Address) -> PeerView:
        """Raises EngineError if no network is shared."""
        found = self._snapshots.peer(peer)
        if found is None:
            raise engine_error("peer-not-found", name=format_address(peer))
        return found

    def _send_to(self, peer: Address, payload: bytes) -> None:
        """Raises EngineError if there is no tunnel."""
        if not self._peers.is_up(peer):
            raise engine_error("no-tunnel", name=self._trust.name(peer), status=self._view(peer).status)
        self._peers.send_message(peer, payload)

    def _place(self, peer: Address) -> tuple[PathKind | None, str]:
        view = self._snapshots.peer(peer)
        return (view.path, view.endpoint) if view is not None else (None, "")
