"""Peers' public keys: fetched from the server once, then pinned; a key that differs from the pinned one is noticed.

Owned by engine/peers.py.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from app.base.tasks import Tasks
from app.engine.contacts import Contacts
from app.engine.errors import EngineError
from app.engine.mediation_client import MediationClient
from app.engine.networks import SharedPeer
from app.engine.timing import Timing
from app.protocol.messages import GetPeerKey, PeerKey
from app.protocol.wire import Address, RemoteProtocolError

logger = logging.getLogger(__name__)


class PeerKeys:
    """The keys of one account's peers; `on_key` is called when one became known.

    `asking` bounds what is asked of the server at a time.
    """

    def __init__(
        self,
        client: MediationClient,
        contacts: Contacts,
        timing: Timing,
        tasks: Tasks,
        asking: asyncio.Semaphore,
        on_key: Callable[[], None],
    ) -> None:
        self.changed: set[Address] = set()
        """Peers for whom the server shows another key than the pinned one."""
        self.counters: Counter[str] = Counter()
        self._client, self._contacts = client, contacts
        self._timing, self._tasks, self._asking = timing, tasks, asking
        self._on_key = on_key
        self._fetching: set[Address] = set()

    def check(self, peer: SharedPeer) -> None:
        """Fetch a key that is not known; notice one that is not the pinned one."""
        pinned = self._contacts.pinned(peer.address)
        expected = {pinned.fingerprint} if pinned is not None else set(peer.fingerprints)
        contradiction = len(peer.fingerprints) > 1 or peer.fingerprints != expected
        (self.changed.add if contradiction else self.changed.discard)(peer.address)
        if not contradiction and pinned is None and peer.online:
            self.fetch(peer.address, peer.fingerprints)

    def is_trusted(self, peer: SharedPeer) -> bool:
        """Whether there may be a tunnel with the peer, as far as its key and the person decide it."""
        key = self._contacts.key(peer.address)
        return (
            key is not None
            and key.fingerprint in peer.fingerprints
            and peer.address not in self.changed
            and not self._contacts.get(peer.address).blocked
        )

    def fetch(self, peer: Address, fingerprints: Iterable[bytes]) -> None:
        """Ask the server for the key with one of these fingerprints, unless it is known or being asked for."""
        wanted = frozenset(fingerprints)
        known = self._contacts.key(peer)
        if peer in self._fetching or not self._client.online or (known is not None and known.fingerprint in wanted):
            return
        self._fetching.add(peer)
        self._tasks.start("peer key", self._fetch(peer, wanted))

    async def _fetch(self, peer: Address, fingerprints: frozenset[bytes]) -> None:
        try:
            async with self._asking:
                answer = await self._client.request(GetPeerKey(0, peer), PeerKey)
            if answer.peer != peer:
                raise RemoteProtocolError("peer key: of another peer")
            self._contacts.introduce(peer, answer.public_key, fingerprints)
        except EngineError as error:
            logger.debug("peer key: %s", error)
            await asyncio.sleep(self._timing.peer_backoff.first)
        except RemoteProtocolError as error:
            self.counters["wrong-peer-key"] += 1
            logger.debug("%s", error)
            await asyncio.sleep(self._timing.peer_backoff.delay(5, 1.0))
        finally:
            self._fetching.discard(peer)
        self._on_key()
