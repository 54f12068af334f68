"""Finding a direct way to one peer: STUN connectivity checks to all its candidates, and the choice between paths.

Both sides check every candidate of the other at the same time (after RFC 8445). The first check of each side opens the
sender's own router for the other; a check that arrives is answered and checked back at once. Checks carry USERNAME
"<peer's fragment>:<own fragment>" and MESSAGE-INTEGRITY-SHA256 under the peer's check password, exchanged through the
server; the tunnel authenticates by the peers' own keys, so a lying server could at most misdirect it.

Called by the engine, one PathFinder per peer; protocol/liveness.py watches the paths once a tunnel is up. No I/O, no
clock: `now` is in seconds.
"""

import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NamedTuple

from app.protocol import messages, stun
from app.protocol.messages import CandidateKind
from app.protocol.stun import MessageClass, StunMessage
from app.protocol.wire import Endpoint, RemoteProtocolError, checked_endpoint

PACING = 0.05
"""Seconds between two checks: Ta of RFC 8445 section 14.2."""
CHECK_INTERVALS: Final = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""Seconds after each check without an answer until the next one; after the last the candidate rests."""
SEARCH_AFTER_FOUND = 10.0
"""Seconds for which a better path is still sought after the first was found."""
GOOD_ROUND_TRIP = 0.01
"""Seconds: a path to an interface of the peer that is as quick as this ends the search."""
MAX_LEARNED = 16
"""Peer-reflexive candidates kept, beside the messages.MAX_CANDIDATES that the peer names."""
TRIGGER_INTERVAL = 0.2
"""Seconds between two checks to one endpoint that were triggered by the peer's."""

_TRANSACTION_ID = stun.TRANSACTION_ID_LENGTH
_HOST_ADVANTAGE = 0.010
_STAY_ADVANTAGE = 0.005
_STAY_FACTOR = 0.75
_REMEMBERED_CHECKS = 8
_REMEMBERED_REQUESTS = 64
_MAX_ANSWERS = 32


class Candidate(NamedTuple):
    """A place where a peer may be reached."""

    kind: CandidateKind
    endpoint: Endpoint


class CheckedCandidate(NamedTuple):
    """How far the checks of one candidate have come."""

    candidate: Candidate
    round_trip: float | None
    """Seconds; None while it has not answered."""
    waiting: bool
    """Further checks of it are due."""


class CheckCredentials(NamedTuple):
    """What one side's checks are named and protected by; see messages.Introduce."""

    username: bytes
    password: bytes

    @classmethod
    def new(cls) -> "CheckCredentials":
        """Fresh random ones: 16 characters without a colon, and 16 bytes."""
        return cls(secrets.token_hex(8).encode(), secrets.token_bytes(16))


class Path(NamedTuple):
    """A way to the peer that has answered."""

    kind: CandidateKind
    endpoint: Endpoint
    round_trip: float
    """Seconds."""
    in_use: bool = False


PathOrder = tuple[int, float, bool, CandidateKind, Endpoint, float, bool]


def path_order(path: Path) -> PathOrder:
    """A key that sorts paths, best first: a total order, so that two peers' tables and tests agree.

    Direct comes before relayed, and a relay over UDP before one over a stream. Then the round-trip time decides, with
    10 ms in favour of the peer's own interface addresses (no router's mapping can expire, no hairpin through it), and
    with a quarter and 5 ms in favour of the path in use, so that noise does not make it flap. What is left is settled
    by IPv6 first, kind and endpoint, and at last by round-trip time and use as they are, since a tiny difference is
    lost in that sum.
    """
    cost = path.round_trip * _STAY_FACTOR - _STAY_ADVANTAGE if path.in_use else path.round_trip
    if path.kind is CandidateKind.HOST:
        cost -= _HOST_ADVANTAGE
    rest = (":" not in path.endpoint.host, path.kind, path.endpoint, path.round_trip, not path.in_use)
    return max(path.kind, CandidateKind.PEER_REFLEXIVE), cost, *rest


def better_path(a: Path, b: Path) -> Path:
    """The better of two paths; the order of the arguments does not matter."""
    return min(a, b, key=path_order)


def candidates_from(introduced: Iterable[messages.Candidate]) -> list[Candidate]:
    """The usable candidates in a peer's introduction, each endpoint once, under its best kind.

    Of the kinds only those count that peers tell; what checks teach is kept for longer, and relays are the server's.
    """
    usable: dict[Endpoint, Candidate] = {}
    for told in introduced:
        try:
            endpoint = checked_endpoint(told.host, told.port)
        except RemoteProtocolError:
            continue
        if not ip_address(endpoint.host).is_loopback and told.kind < CandidateKind.PEER_REFLEXIVE:
            known = usable.get(endpoint)
            usable[endpoint] = Candidate(min(told.kind, known.kind) if known else told.kind, endpoint)
    return list(usable.values())


@dataclass(frozen=True, slots=True)
class PathFound:
    """A path has answered an authenticated check, for the first time since the search began."""

    endpoint: Endpoint
    kind: CandidateKind
    round_trip: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class NoPathYet:
    """Every candidate has been tried to the end without an answer. Later checks of the peer may still change that."""


FinderEvent = PathFound | NoPathYet


@dataclass(slots=True)
class _Check:
    """The state of one remote candidate."""

    candidate: Candidate
    due: float | None
    """When the next check goes out; None when the candidate rests."""
    turn: int = 0
    """Its place among those of its kind: the first of every kind are checked before the second of any."""
    attempts: int = 0
    round_trip: float | None = None
    triggered_at: float = float("-inf")
    sent: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    """Transaction ids that wait for an answer, and when each was sent."""


class PathFinder:
    """Looks for direct paths to one peer. `counters` names every datagram that was ignored and why."""

    def __init__(self, own: CheckCredentials) -> None:
        self.own = own
        self.counters: Counter[str] = Counter()
        self._remote: CheckCredentials | None = None
        self._checks: dict[Endpoint, _Check] = {}
        self._pacing_until = float("-inf")
        self._found_at: float | None = None
        self._ended = True
        self._seen: OrderedDict[bytes, Endpoint] = OrderedDict()
        self._outbox: deque[tuple[Endpoint, bytes]] = deque()
        self._events: deque[FinderEvent] = deque()
        self._best: Path | None = None

    def set_remote(self, candidates: Iterable[Candidate], credentials: CheckCredentials, now: float) -> None:
        """Start (or start anew) with what the peer told through the server. New credentials are a new beginning.

        Endpoints that were learned from authenticated checks before are kept; what the peer no longer tells is not.
        """
        if self._remote != credentials and self._remote is not None:
            self._forget()
        self._remote = credentials
        told = sorted(set(candidates))[: messages.MAX_CANDIDATES]
        kept = {candidate.endpoint for candidate in told}
        self._checks = {
            endpoint: check
            for endpoint, check in self._checks.items()
            if endpoint in kept or check.candidate.kind is CandidateKind.PEER_REFLEXIVE
        }
        turns: Counter[CandidateKind] = Counter()
        for candidate in told:
            check = self._checks.setdefault(candidate.endpoint, _Check(candidate, None))
            check.candidate, check.turn = candidate, turns[candidate.kind]
            turns[candidate.kind] += 1
        self.restart(now)

    def restart(self, now: float) -> None:
        """Check all candidates anew: after a nudge, a changed network or a lost path."""
        self._found_at, self._best, self._ended = None, None, self._remote is None
        for check in self._checks.values():
            check.due, check.attempts, check.round_trip = now, 0, None
            check.sent.clear()
        self.handle_deadline(now)

    def stop(self) -> None:
        """End the search. Checks of the peer are still answered, and one over a new path is checked back."""
        self._ended = True
        for check in self._checks.values():
            check.due = None

    def knock(self, endpoint: Endpoint) -> None:
        """Send one check to an endpoint that is only guessed. If the peer is there, it checks back."""
        if self._remote is not None:
            self._outbox.append((endpoint, self._encode_check(secrets.token_bytes(_TRANSACTION_ID), self._remote)))

    def knows(self, endpoint: Endpoint) -> bool:
        """Whether it is a candidate: told, or learned from an authentic check that came from there."""
        return endpoint in self._checks

    def forget(self, endpoint: Endpoint) -> None:
        """Don't check it any more."""
        self._checks.pop(endpoint, None)
        if self._best is not None and self._best.endpoint == endpoint:
            self._best = None

    def best(self) -> Path | None:
        """The best path that has answered."""
        return self._best

    def looked_at(self) -> list[CheckedCandidate]:
        """All candidates of the peer, told or learned, and what came of them since the search last began."""
        return [
            CheckedCandidate(each.candidate, each.round_trip, each.due is not None) for each in self._checks.values()
        ]

    def is_for_me(self, message: StunMessage) -> bool:
        """Whether this finder, rather than another peer's, is meant by a STUN message."""
        if message.message_class is MessageClass.REQUEST:
            return (message.username or b"").split(b":")[0] == self.own.username
        return any(message.transaction_id in check.sent for check in self._checks.values())

    def receive_datagram(self, data: bytes, endpoint: Endpoint, now: float) -> None:
        """Take a STUN datagram that came from `endpoint`. Whatever is not right is counted and has no effect."""
        try:
            message = stun.decode(data)
        except RemoteProtocolError:
            self.counters["check-malformed"] += 1
            return
        if message.message_class is MessageClass.REQUEST:
            self._receive_request(message, endpoint, now)
        elif message.message_class is MessageClass.SUCCESS:
            self._receive_answer(message, endpoint, now)
        else:
            self.counters["check-refused"] += 1

    def datagrams_to_send(self, now: float) -> list[tuple[Endpoint, bytes]]:
        """Datagrams to send from the one UDP socket, with their destinations."""
        datagrams = list(self._outbox)
        self._outbox.clear()
        return datagrams

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called, None when the search has ended."""
        if self._ended:
            return None
        due = min((check.due for check in self._checks.values() if check.due is not None), default=None)
        if due is None:
            return None
        end = float("inf") if self._found_at is None else self._found_at + SEARCH_AFTER_FOUND
        return min(max(due, self._pacing_until), end)

    def handle_deadline(self, now: float) -> None:
        """Send the next check, if one is due; notice the end of the search."""
        if self._ended or self._remote is None:
            return
        if self._found_at is not None and now >= self._found_at + SEARCH_AFTER_FOUND:
            self.stop()
            return
        waiting = [check for check in self._checks.values() if check.due is not None and check.due <= now]
        if waiting and self._pacing_until <= now:
            check = min(waiting, key=lambda check: (check.due, check.turn, check.candidate))
            self._next_check(check, self._remote, now)
        if all(check.due is None for check in self._checks.values()):
            self._end_search()

    def next_event(self) -> FinderEvent | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # --- our checks

    def _forget(self) -> None:
        self._checks.clear()
        self._seen.clear()

    def _end_search(self) -> None:
        self.stop()
        if self._best is None:
            self._events.append(NoPathYet())

    def _next_check(self, check: _Check, remote: CheckCredentials, now: float) -> None:
        if check.attempts >= len(CHECK_INTERVALS):
            check.due = None
            return
        check.due = now + CHECK_INTERVALS[check.attempts]
        check.attempts += 1
        self._pacing_until = now + PACING
        self._send_check(check, remote, now)

    def _send_check(self, check: _Check, remote: CheckCredentials, now: float) -> None:
        transaction_id = secrets.token_bytes(_TRANSACTION_ID)
        check.sent[transaction_id] = now
        if len(check.sent) > _REMEMBERED_CHECKS:
            check.sent.popitem(last=False)
        self._outbox.append((check.candidate.endpoint, self._encode_check(transaction_id, remote)))

    def _encode_check(self, transaction_id: bytes, remote: CheckCredentials) -> bytes:
        username = remote.username + b":" + self.own.username
        request = StunMessage(MessageClass.REQUEST, transaction_id, username=username)
        return stun.encode(request, remote.password)

    def _receive_answer(self, message: StunMessage, endpoint: Endpoint, now: float) -> None:
        check = self._checks.get(endpoint)
        if check is None or message.transaction_id not in check.sent:
            # RFC 8445 section 7.2.5.2.1: an answer from elsewhere than the check went to is no success.
            self.counters["check-answer-unexpected"] += 1
        elif self._remote is None or not message.is_authentic(self._remote.password):
            self.counters["check-answer-not-authentic"] += 1
        elif message.unsupported or message.mapped_address is None:
            self.counters["check-answer-incomplete"] += 1
        else:
            self._succeed(check, now - check.sent.pop(message.transaction_id), now)

    def _succeed(self, check: _Check, round_trip: float, now: float) -> None:
        kind, endpoint = check.candidate
        if check.round_trip is None:
            self._events.append(PathFound(endpoint, kind, round_trip))
        check.round_trip = min(round_trip, check.round_trip or round_trip)
        check.due = None
        path = Path(kind, endpoint, check.round_trip)
        self._best = path if self._best is None or self._best.endpoint == endpoint else better_path(self._best, path)
        if self._found_at is None:
            self._found_at = now
        if kind is CandidateKind.HOST and check.round_trip <= GOOD_ROUND_TRIP:
            self.stop()

    # --- the peer's checks

    def _make_room(self) -> bool:
        """Whether one more candidate may be learned. The oldest one that rests without an answer gives way."""
        learned = [each for each in self._checks.values() if each.candidate.kind is CandidateKind.PEER_REFLEXIVE]
        if len(learned) < MAX_LEARNED:
            return True
        resting = [each for each in learned if each.due is None and each.round_trip is None]
        if resting:
            del self._checks[resting[0].candidate.endpoint]
        return bool(resting)

    def _receive_request(self, message: StunMessage, endpoint: Endpoint, now: float) -> None:
        problem = self._problem_of(message, endpoint)
        if problem is not None:
            self.counters[problem] += 1
            return
        self._remember(message.transaction_id, endpoint)
        self._answer(message, endpoint)
        self._trigger(endpoint, now)

    def _problem_of(self, message: StunMessage, endpoint: Endpoint) -> str | None:
        to, _, sender = (message.username or b"").partition(b":")
        if to != self.own.username or (self._remote is not None and sender != self._remote.username):
            return "check-for-another"
        if not message.is_authentic(self.own.password):
            return "check-not-authentic"
        if message.unsupported:
            return "check-unsupported"
        if self._seen.get(message.transaction_id, endpoint) != endpoint:
            return "check-replayed"
        return None

    def _remember(self, transaction_id: bytes, endpoint: Endpoint) -> None:
        self._seen[transaction_id] = endpoint
        if len(self._seen) > _REMEMBERED_REQUESTS:
            self._seen.popitem(last=False)

    def _answer(self, request: StunMessage, endpoint: Endpoint) -> None:
        if len(self._outbox) >= _MAX_ANSWERS:
            self.counters["check-answers-full"] += 1
            return
        answer = StunMessage(MessageClass.SUCCESS, request.transaction_id, mapped_address=endpoint)
        self._outbox.append((endpoint, stun.encode(answer, self.own.password)))

    def _trigger(self, endpoint: Endpoint, now: float) -> None:
        """RFC 8445 section 7.3.1.4: check back at once where an authentic check came from."""
        check = self._checks.get(endpoint)
        if check is None:
            if not self._make_room():
                self.counters["check-learned-full"] += 1
                return
            check = _Check(Candidate(CandidateKind.PEER_REFLEXIVE, endpoint), None)
            self._checks[endpoint] = check
        if check.round_trip is not None or now < check.triggered_at + TRIGGER_INTERVAL or self._remote is None:
            return
        check.triggered_at = now
        check.attempts = min(check.attempts, 1)
        check.due = now + CHECK_INTERVALS[0]
        self._ended = False
        self._send_check(check, self._remote, now)
