"""The search for a direct path where a router gives each destination another port: it is guessed, from both sides.

Nobody can be told where the computer behind such a router, the *hard* side, is reached. The *easy* side has one
endpoint for all, but its router lets in only whom it has sent to. Both have a tunnel over a relay already::

    hard                                            easy
      open some sockets, ask a reflector
      through them: which ports does the router give now?
      SearchOffer host, ports              ->       (in the tunnel, as the answer)
                                          <-        SearchAnswer BEGIN, the endpoint
      a check from each of many to it      ->       (lost, but the hard side's router now has
                                                    as many mappings that let the easy side in)
                                          <-        a check to each of the ports guessed
      the socket where one comes in is kept, the others are closed; it checks back, and the path is found as any other

Checks go to strangers as long as the port is not met, so a search is bounded in every way: only a peer with a tunnel
may ask for it, one search at a time, and MAX_IN_VAIN in vain in IN_VAIN_WITHIN; few packets a second, and few in all,
fewer still to a host where the server does not see the peer. Owned by engine/peers.py.
"""

import asyncio
import logging
import random
import secrets
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Final, NamedTuple

from app.base.backoff import Backoff
from app.base.tasks import Tasks
from app.engine.candidates import Reflectors
from app.engine.nat import of_family
from app.engine.peer_link import PeerLink
from app.engine.timing import Timing
from app.ipc.schema import Request, UseSockets
from app.protocol.messages import Introduced
from app.protocol.port_guess import SOCKETS, allowance, guessed_ports, sockets_needed
from app.protocol.tunnel_message import SearchAnswer, SearchOffer, SearchVerdict, encode
from app.protocol.wire import MAX_EXTRA_SOCKETS, Address, Endpoint, format_address

logger = logging.getLogger(__name__)

TICK: Final = 0.02
"""Seconds between two handfuls of checks."""
GUESSES_PER_TICK: Final = 5
KNOCKS_PER_TICK: Final = 10
HEAD_START: Final = 0.8
"""Seconds in which the hard side opens its mappings before the easy side begins to guess."""
KNOCK_ROUNDS: Final = 3
ROUND_INTERVAL: Final = 4.0
"""Seconds between two rounds of knocks: a guess that was lost has still opened the easy side's router for the next."""
SETTLING: Final = 3.0
"""Seconds that the last checks have to lead to a path."""
OFFER_INTERVALS: Final = (1.0, 1.0, 2.0)
"""Seconds after each sending of the offer until the next one, or the end."""
OBSERVING_SOCKETS: Final = 3
MAX_IN_VAIN: Final = 12
IN_VAIN_WITHIN: Final = 300.0
PAUSE_OF_PEER: Final = 120.0
"""Seconds until the same peer is searched for again, whichever side asks, after a search in vain."""
LOOK_AGAIN: Final = 30.0
"""Seconds until it is looked again whether a search is of use."""

_FAILURE_PAUSE: Final = Backoff(first=300.0, limit=3_600.0)
_SHORT_PAUSE: Final = Backoff(first=10.0, limit=3_600.0)
"""After a refusal: the peer may have been in the midst of something."""
_NEVER: Final = float("-inf")


class SearchOutcome(StrEnum):
    """How the last search for a path to a peer ended."""

    FOUND = "found"
    NOT_FOUND = "not found"
    BOTH_HARD = "both routers give each destination another port"
    BUSY = "the peer is busy with another search"
    REFUSED = "refused"
    NO_ANSWER = "no answer"


_OUTCOME_OF: Final = {
    SearchVerdict.BUSY: SearchOutcome.BUSY,
    SearchVerdict.BOTH_HARD: SearchOutcome.BOTH_HARD,
    SearchVerdict.REFUSED: SearchOutcome.REFUSED,
}


class _Begun(NamedTuple):
    """A search whose checks have begun."""

    at: float
    peer: Address
    """Even if that is no peer any more."""
    host: str
    """Where the peer said that it is."""


@dataclass(slots=True)
class _Searched:
    """What is known of one peer."""

    observed_host: str = ""
    """Where the server sees it."""
    outside_hosts: frozenset[str] = frozenset()
    """Where it may be searched for, of its candidates; none if no UDP of it gets out of its own network."""
    due: float | None = None
    """When to look whether a search is of use."""
    rest_until: float = _NEVER
    failures: int = 0
    failed_at: float = _NEVER
    """When nothing was found; it is not sought again before the tunnel has carried something since."""
    outcome: SearchOutcome | None = None
    socket: int = 0
    """The extra socket that is kept for it, 0 for none."""
    considered: int | None = None
    """The number of its last offer that might be accepted."""
    answer: SearchAnswer | None = None
    """To its last offer."""


class PathSearches:
    """The searches of one engine, one at a time. `post` sends a request to the pump, `send` a message to a peer."""

    def __init__(
        self,
        links: Mapping[Address, PeerLink],
        reflectors: Reflectors,
        timing: Timing,
        tasks: Tasks,
        post: Callable[[Request], None],
        send: Callable[[Address, bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self.sockets: frozenset[int] = frozenset()
        """The extra sockets that are open; what still comes from others is not for us."""
        self.counters: Counter[str] = Counter()
        self._links, self._reflectors = links, reflectors
        self._timing, self._tasks = timing, tasks
        self._post, self._send, self._on_end = post, send, on_end
        self._peers: dict[Address, _Searched] = {}
        self._in_vain: deque[_Begun] = deque(maxlen=MAX_IN_VAIN)
        """The last searches in which checks went to strangers, for all we know."""
        self._woken = asyncio.Event()
        self._searching: Address | None = None
        self._offered: tuple[int, asyncio.Future[SearchAnswer]] | None = None
        """The number of our offer that waits for its answer."""

    def outcome(self, peer: Address) -> SearchOutcome | None:
        """How the last search for this peer ended, None if there was none."""
        known = self._peers.get(peer)
        return None if known is None else known.outcome

    # --- what happens

    def went_relayed(self, peer: Address, now: float) -> None:
        """The tunnel goes over a relay: if that stays so for a while, look whether a search is of use."""
        known = self._known(peer)
        if known.rest_until < inf:
            known.due = max(now + self._timing.search_patience, known.rest_until)

    def introduced(self, message: Introduced, now: float) -> None:
        """What the server tells of a peer. One at another place is another peer."""
        known = self._known(Address(message.peer))
        hosts = {each.host for each in message.candidates}
        outside_hosts = frozenset(each for each in hosts if allowance(each, message.observed_host))
        if (message.observed_host, outside_hosts) != (known.observed_host, known.outside_hosts):
            known.observed_host, known.outside_hosts = message.observed_host, outside_hosts
            self._begin_anew(Address(message.peer), known, now)

    def network_changed(self, now: float) -> None:
        """This computer may be at another place."""
        for peer, known in self._peers.items():
            self._begin_anew(peer, known, now)

    def _begin_anew(self, peer: Address, known: _Searched, now: float) -> None:
        known.rest_until, known.failures, known.failed_at = _NEVER, 0, _NEVER
        link = self._links.get(peer)
        if link is not None and link.is_relayed:
            self.went_relayed(peer, now)

    def forget(self, peer: Address) -> None:
        """It is no peer any more."""
        known = self._peers.pop(peer, None)
        if known is not None and known.socket:
            self._use(self.sockets - {known.socket})

    def interface_down(self) -> None:
        """All sockets are gone."""
        self.sockets = frozenset()
        for known in self._peers.values():
            known.socket = 0

    def receive(self, link: PeerLink, message: SearchOffer | SearchAnswer, now: float) -> None:
        """A peer's offer, or its answer to ours."""
        if isinstance(message, SearchOffer):
            self._receive_offer(link, message, now)
        elif self._offered is not None and self._searching == link.peer and self._offered[0] == message.search:
            if not self._offered[1].done():
                self._offered[1].set_result(message)
        else:
            self.counters["search-answer-unexpected"] += 1

    def check_came(self, link: PeerLink, endpoint: Endpoint) -> None:
        """A check came in over an extra socket. If the link took it for the peer's, this is the socket to keep."""
        known = self._known(link.peer)
        if self._searching == link.peer and not known.socket and link.finder.knows(endpoint):
            known.socket = endpoint.socket
            self._use(self._kept())

    def wake(self) -> None:
        """Something has changed: perhaps the path is found."""
        self._woken.set()

    # --- time

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        if self._searching is not None:
            return None
        return min((known.due for known in self._peers.values() if known.due is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Begin the search that is due, if the own router is the hard one and the peer is somewhere."""
        if self._searching is not None:
            return
        for peer, known in self._peers.items():
            if known.due is None or known.due > now:
                continue
            link = self._links.get(peer)
            if link is None or not link.is_relayed:
                known.due = None
            elif not self._outside() or link.traffic.carried_at < known.failed_at or not self._may_begin(peer, now):
                known.due = now + LOOK_AGAIN
            else:
                known.due = None
                if self._is_hard() and known.outside_hosts:
                    self._start(link, self._search(link, known))
                    return

    def _start(self, link: PeerLink, search: Coroutine[Any, Any, None]) -> None:
        self._searching = link.peer
        self._tasks.start("path search", self._run(search))

    async def _run(self, search: Coroutine[Any, Any, None]) -> None:
        try:
            await search
        finally:
            self._searching = self._offered = None
            self._use(self._kept())
            self._on_end()

    # --- the hard side

    async def _search(self, link: PeerLink, known: _Searched) -> None:
        self._forget_socket(link, known)
        self._end(link, known, await self._look_for(link, known))
        if link.is_relayed:
            self._rest(known)
        else:
            known.failures = 0

    def _rest(self, known: _Searched) -> None:
        if known.outcome is SearchOutcome.BOTH_HARD:
            known.rest_until, known.due = inf, None
            return
        now, pause = self._now(), _SHORT_PAUSE
        if known.outcome not in (SearchOutcome.BUSY, SearchOutcome.REFUSED):
            pause, known.failed_at = _FAILURE_PAUSE, now
        known.rest_until = known.due = now + pause.delay(known.failures, random.random())
        known.failures += 1

    async def _look_for(self, link: PeerLink, known: _Searched) -> SearchOutcome:
        host, ports = await self._latest_mappings()
        answer = await self._offer(link, host, ports)
        if answer is None:
            return SearchOutcome.NO_ANSWER
        if answer.verdict is not SearchVerdict.BEGIN:
            return _OUTCOME_OF[answer.verdict]
        allowed = allowance(answer.host, known.observed_host) if answer.port else 0
        if not allowed:
            return SearchOutcome.REFUSED
        begun = self._begin(link, answer.host)
        places = [Endpoint(answer.host, answer.port, 0, each) for each in self._open_sockets(sockets_needed(ports))]
        for _ in range(min(KNOCK_ROUNDS, allowed // SOCKETS)):
            ends = self._now() + ROUND_INTERVAL
            await self._send_checks(link, places, KNOCKS_PER_TICK, lambda: not known.socket)
            await self._wait(ends, lambda: link.is_relayed and not known.socket)
        return await self._result(link, begun)

    def _open_sockets(self, count: int) -> list[int]:
        kept = self._kept()
        sockets = [each for each in range(1, MAX_EXTRA_SOCKETS + 1) if each not in kept][:count]
        self._use(kept.union(sockets))
        return sockets

    def _end(self, link: PeerLink, known: _Searched, outcome: SearchOutcome) -> None:
        logger.info("peer %s: search for a path: %s", format_address(link.peer), outcome)
        known.outcome = outcome
        if link.endpoint is None or link.endpoint.socket != known.socket:
            self._forget_socket(link, known)

    def _forget_socket(self, link: PeerLink, known: _Searched) -> None:
        if known.socket:
            link.forget_socket(known.socket)
            known.socket = 0

    async def _latest_mappings(self) -> tuple[str, tuple[int, ...]]:
        """The own router's address and the ports that it gives at the moment, oldest first."""
        observed = await self._reflectors.ask_through(self._open_sockets(OBSERVING_SOCKETS))
        latest = observed or tuple(of_family(self._reflectors.seen, ipv6=False).values())
        host = latest[-1].host
        return host, tuple(each.port for each in latest if each.host == host)

    async def _offer(self, link: PeerLink, host: str, ports: tuple[int, ...]) -> SearchAnswer | None:
        offer = SearchOffer(secrets.randbits(63), host, ports)
        answered: asyncio.Future[SearchAnswer] = asyncio.get_running_loop().create_future()
        self._offered = (offer.search, answered)
        for patience in OFFER_INTERVALS:
            self._send(link.peer, encode(offer))
            await asyncio.wait([answered], timeout=patience)
            if answered.done():
                return answered.result()
        return None

    # --- the easy side

    def _receive_offer(self, link: PeerLink, offer: SearchOffer, now: float) -> None:
        known = self._known(link.peer)
        if known.answer is not None and known.answer.search == offer.search:
            self._send(link.peer, encode(known.answer))
        elif self._is_hard():
            self._answer(link, SearchAnswer(offer.search, SearchVerdict.BOTH_HARD))
        elif known.considered == offer.search:
            return  # the answer is on its way
        elif self._searching is not None or not self._may_begin(link.peer, now):
            self._answer(link, SearchAnswer(offer.search, SearchVerdict.BUSY))
        elif not link.is_relayed:
            self._answer(link, SearchAnswer(offer.search, SearchVerdict.REFUSED))
        else:
            known.considered = offer.search
            self._start(link, self._accept(link, known, offer))

    def _answer(self, link: PeerLink, answer: SearchAnswer) -> None:
        self._known(link.peer).answer = answer
        self._send(link.peer, encode(answer))

    async def _accept(self, link: PeerLink, known: _Searched, offer: SearchOffer) -> None:
        await self._reflectors.ask()
        outside = self._outside()
        allowed = allowance(offer.host, known.observed_host)
        if self._is_hard():
            self._answer(link, SearchAnswer(offer.search, SearchVerdict.BOTH_HARD))
            known.outcome = SearchOutcome.BOTH_HARD
            return
        if outside is None or not allowed:
            self._answer(link, SearchAnswer(offer.search, SearchVerdict.REFUSED))
            return
        begun = self._begin(link, offer.host)
        self._answer(link, SearchAnswer(offer.search, SearchVerdict.BEGIN, outside.host, outside.port))
        await asyncio.sleep(HEAD_START)
        ports = guessed_ports(offer.ports, allowed, random.SystemRandom())
        await self._send_checks(
            link, [Endpoint(offer.host, port) for port in ports], GUESSES_PER_TICK, lambda: link.is_relayed
        )
        self._end(link, known, await self._result(link, begun))

    # --- both

    def _may_begin(self, peer: Address, now: float) -> bool:
        crowded = len(self._in_vain) == MAX_IN_VAIN and now < self._in_vain[0].at + IN_VAIN_WITHIN
        again = any(peer == each.peer and now < each.at + PAUSE_OF_PEER for each in self._in_vain)
        return not crowded and not again

    def _begin(self, link: PeerLink, host: str) -> _Begun:
        begun = _Begun(self._now(), link.peer, host)
        self._in_vain.append(begun)
        return begun

    async def _send_checks(
        self, link: PeerLink, places: Sequence[Endpoint], at_once: int, go_on: Callable[[], bool]
    ) -> None:
        for start in range(0, len(places), at_once):
            if not go_on() or not link.is_relayed:
                return
            link.knock(places[start : start + at_once], self._now())
            await asyncio.sleep(TICK)

    async def _wait(self, until: float, go_on: Callable[[], bool]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while go_on():
                    self._woken.clear()
                    await self._woken.wait()

    async def _result(self, link: PeerLink, begun: _Begun) -> SearchOutcome:
        """The last checks take a moment to lead to a path."""
        await self._wait(self._now() + SETTLING, lambda: link.is_relayed)
        if not link.up or link.is_relayed:
            return SearchOutcome.NOT_FOUND
        if link.endpoint is not None and link.endpoint.host == begun.host and begun in self._in_vain:
            self._in_vain.remove(begun)  # the peer was where it said: nobody else was bothered
        return SearchOutcome.FOUND

    def _is_hard(self) -> bool:
        """Whether reflectors see this computer at several endpoints, each at another."""
        return len(set(of_family(self._reflectors.seen, ipv6=False).values())) > 1

    def _outside(self) -> Endpoint | None:
        outside = (*self._reflectors.guessed, *of_family(self._reflectors.seen, ipv6=False).values())
        return outside[0] if outside else None

    def _kept(self) -> frozenset[int]:
        return frozenset(known.socket for known in self._peers.values() if known.socket)

    def _use(self, sockets: frozenset[int]) -> None:
        if sockets != self.sockets:
            self.sockets = sockets
            self._post(UseSockets(tuple(sorted(sockets)), request=0))

    def _known(self, peer: Address) -> _Searched:
        return self._peers.setdefault(peer, _Searched())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
