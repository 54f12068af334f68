"""Introductions to peers through the server: what we tell them of where this computer may be reached.

Owned by engine/peers.py.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from app.base.tasks import Tasks
from app.engine.candidates import Reflectors, as_candidates
from app.engine.errors import EngineError
from app.engine.mediation_client import MediationClient
from app.engine.timing import Timing
from app.protocol.messages import Accepted, Candidate, Introduce
from app.protocol.path import CheckCredentials
from app.protocol.wire import Address, Endpoint

logger = logging.getLogger(__name__)


class Introductions:
    """Tells each peer our candidates: at once what is known, and again when the reflectors have told more.

    `hosts` gives this computer's interface endpoints, `own` what a peer's checks must show, None if it may not find us;
    `asking` bounds what is asked of the server at a time.
    """

    def __init__(
        self,
        client: MediationClient,
        reflectors: Reflectors,
        hosts: Callable[[], Sequence[Endpoint]],
        own: Callable[[Address], CheckCredentials | None],
        timing: Timing,
        tasks: Tasks,
        asking: asyncio.Semaphore,
    ) -> None:
        self._client, self._reflectors = client, reflectors
        self._hosts, self._own = hosts, own
        self._timing, self._tasks, self._asking = timing, tasks, asking
        self._introducing: set[tuple[Address, bool]] = set()
        self._owed: dict[Address, bool] = {}
        """Peers to introduce us to once the server is there, and whether an answer is wanted."""

    def introduce(self, peer: Address, wants_answer: bool) -> None:
        """Begin to tell the peer; one introduction at a time. Without a server that waits for `server_online`."""
        if not self._client.online:
            self._owe(peer, wants_answer)
        elif self._own(peer) is not None and (peer, wants_answer) not in self._introducing:
            self._introducing.add((peer, wants_answer))
            self._tasks.start("introduction", self._introduce(peer, wants_answer))

    def server_online(self) -> None:
        """Do what could not be done without the server."""
        owed, self._owed = self._owed, {}
        for peer, wants_answer in owed.items():
            self.introduce(peer, wants_answer)

    def _owe(self, peer: Address, wants_answer: bool) -> None:
        self._owed[peer] = wants_answer or self._owed.get(peer, False)

    async def _introduce(self, peer: Address, wants_answer: bool) -> None:
        try:
            asking = self._tasks.start("reflectors", self._reflectors.ask())
            await asyncio.wait([asking], timeout=self._timing.introduction_patience)
            told = self._candidates()
            await self._tell(peer, told, wants_answer)
            await asking
            if self._candidates() != told:
                await self._tell(peer, self._candidates(), False)
        except EngineError as error:
            logger.debug("introduction: %s", error)
            if not self._client.online:
                self._owe(peer, wants_answer)
        finally:
            self._introducing.discard((peer, wants_answer))

    def _candidates(self) -> tuple[Candidate, ...]:
        return as_candidates(self._hosts(), self._reflectors.found, self._reflectors.mapped)

    async def _tell(self, peer: Address, candidates: tuple[Candidate, ...], wants_answer: bool) -> None:
        own = self._own(peer)
        if own is None:
            return
        introduction = Introduce(0, peer, own.username, own.password, candidates, wants_answer)
        async with self._asking:
            await self._client.request(introduction, Accepted)
