"""What follows from a changed roster: tunnels to those who came, none to those who went, chat that waits for them.

Once for all changes of a moment: a server may tell thousands in one go. Used by engine/engine.py.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from app.engine.conversations import Conversations
from app.engine.networks import Networks
from app.engine.peers import Peers

REST: Final = 20
"""Times the length of the last refresh until the next one, so that none takes more than a twentieth of a core."""


class RosterRefresh:
    """Brings peers and conversations in line with the networks. In the loop's thread alone."""

    def __init__(
        self, networks: Networks, peers: Peers, conversations: Conversations, changed: Callable[[], None]
    ) -> None:
        """`changed` is called after each refresh."""
        self._networks, self._peers, self._conversations = networks, peers, conversations
        self._changed = changed
        self._waiting: asyncio.Handle | None = None
        self._rested_at = float("-inf")

    def soon(self) -> None:
        """Once for all words of this turn of the loop. In huge rosters that change all the time, with rests between."""
        if self._waiting is None:
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_at(max(loop.time(), self._rested_at), self.now)

    def now(self) -> None:
        """At once: somebody waits to see it."""
        began = asyncio.get_running_loop().time()
        self._waiting = None
        self._fetch_keys_of_owners()
        self._peers.update(self._networks.shared_peers())
        self._conversations.networks_changed()
        self._changed()
        ended = asyncio.get_running_loop().time()
        self._rested_at = ended + REST * (ended - began)

    def _fetch_keys_of_owners(self) -> None:
        everywhere = self._networks.members_everywhere()
        for owner in self._networks.owners_wanted():
            if owner in everywhere:
                self._peers.keys.fetch(owner, (line.fingerprint for line in everywhere[owner].values()))

    def close(self) -> None:
        """Forget what was to come soon."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
