"""Watching the paths of one tunnel: round-trip times, keepalives, dead paths, better ones, and a peer that moves.

Everything rests on sealed probes inside the tunnel, so nobody else can answer for the peer, and on what the pump
reports of its traffic: when something was last sent and last received. No event per packet is needed.

- Quiet: 25 s after the last packet sent, a probe goes over the path in use, and its answer keeps the other side quiet.
- Doubt: the pump tells that nothing came back for half a second, or a keepalive was not answered. The path in use is
  probed twice, then every other known one. The first that answers takes over; if none does, the tunnel is silent, and
  probing goes on at growing intervals.
- Better: a path found later is used once it has answered a probe and `better_path` prefers it.
- Size: once a path is in use, probes that must not be fragmented find the largest packet that it carries.
- Moved: when authentic packets come from a new endpoint it is probed too, and followed when the old one stays mute.

Called by the engine, one PathMonitor per tunnel. No I/O, no clock: `now` is in seconds, and so are the pump's times,
converted by the engine to the same clock.
"""

import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from app.protocol.messages import CandidateKind
from app.protocol.path import Path, better_path
from app.protocol.path_mtu import MtuSearch
from app.protocol.tunnel_message import ProbeReply, ProbeRequest, encode, padded_probe, reply_to
from app.protocol.wire import INNER_MTU, Endpoint

KEEPALIVE = 25.0
"""Seconds without sending until a keepalive; routers forget UDP mappings after 30 s at the earliest (RFC 4787: 120)."""
KEEPALIVE_OF_RESPONDER = 27.0
"""The other side waits a little longer, so that one probe and its answer serve both."""
DOUBT_AFTER = 3.0
"""Seconds without anything received since something was sent, where the pump does not tell of it sooner."""
ROUND_INTERVALS: Final = (0.5, 1.0, 2.0)
"""Seconds after each probe of a path without an answer; then the path has not answered."""
DOUBT_INTERVALS: Final = (0.25, 0.25, 1.0, 1.5, 3.0, 6.0, 12.0, 24.0, 30.0)
"""Seconds between the rounds of probes while nothing is received; the last one repeats."""
MIN_WAIT = 0.15
ROUND_TRIPS_TO_WAIT = 4.0
"""A path whose round trip is known is given no more time than this many of them for the first probes of a round."""
ROUNDS_OF_ONE = 2
"""Rounds of doubt that ask the path in use alone: a probe that was lost must not lead to another path."""
SILENT_AFTER_ROUNDS = 4
MTU_PAUSE = 60.0
"""Seconds until a path's largest packet is sought again, after a silence that only large packets may have met."""
MAX_PATHS = 16
RECENTLY = 1.0
"""Seconds for which an answer is good enough not to probe the same path again."""

_MAX_OPEN_PROBES = 64
_MAX_REPLIES = 32
_NEVER = float("-inf")


class Health(Enum):
    """What is known of the tunnel."""

    ALIVE = "alive"
    IN_DOUBT = "in doubt"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class PathChosen:
    """Send over this path from now on: it has just answered a sealed probe."""

    endpoint: Endpoint
    kind: CandidateKind
    round_trip: float
    """Seconds, smoothed."""
    mtu: int = INNER_MTU
    """The largest IP packet that it carries, as far as is known."""


@dataclass(frozen=True, slots=True)
class MtuFound:
    """The path in use carries IP packets of this size in one piece, and no larger ones."""

    endpoint: Endpoint
    mtu: int


@dataclass(frozen=True, slots=True)
class PathDoubted:
    """The path in use does not answer; all others are asked now, and it is time to get at a relay."""


@dataclass(frozen=True, slots=True)
class PathLost:
    """The path in use does not answer any more."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class TunnelSilent:
    """No known path answers. Probing goes on; it is time to look for new paths."""


@dataclass(frozen=True, slots=True)
class TunnelAlive:
    """Something authentic came again after TunnelSilent."""


MonitorEvent = PathChosen | MtuFound | PathDoubted | PathLost | TunnelSilent | TunnelAlive


class Outgoing(NamedTuple):
    """A tunnel plaintext and the path over which it must go."""

    endpoint: Endpoint
    payload: bytes
    whole: bool = False
    """Not to be fragmented on the way."""


class _Probe(NamedTuple):
    endpoint: Endpoint
    sent_at: float
    size: int


@dataclass(slots=True)
class _Watched:
    """One known path."""

    kind: CandidateKind
    endpoint: Endpoint
    round_trip: float | None = None
    answered_at: float = _NEVER
    due: float | None = None
    """When the next probe of its round goes out, or the round ends; None outside a round."""
    probes: int = 0
    mtu: int = INNER_MTU
    mtu_sought_at: float = _NEVER

    def path(self, in_use: bool) -> Path:
        unknown = float("inf")
        return Path(self.kind, self.endpoint, unknown if self.round_trip is None else self.round_trip, in_use)


class PathMonitor:
    """Watches one tunnel, which is up over `endpoint`. `initiator` says which side made it: the other is quieter."""

    def __init__(self, kind: CandidateKind, endpoint: Endpoint, initiator: bool, now: float) -> None:
        self.counters: Counter[str] = Counter()
        self.health = Health.ALIVE
        self._keepalive = KEEPALIVE if initiator else KEEPALIVE_OF_RESPONDER
        self._current = _Watched(kind, endpoint)
        self._paths = {endpoint: self._current}
        self._last_sent = now
        self._last_received = now
        self._unanswered_since: float | None = None
        self._replied_at = _NEVER
        """When a reply was last sent: the far side does not answer that, so its silence means nothing."""
        self._doubt_due = 0.0
        self._doubted_at = _NEVER
        self._doubt_rounds = 0
        self._moved_at = _NEVER
        self._moved_to: Endpoint | None = None
        self._open: OrderedDict[int, _Probe] = OrderedDict()
        self._outbox: deque[Outgoing] = deque()
        self._mtu_search: MtuSearch | None = None
        self._mtu_in_doubt = False
        self._events: deque[MonitorEvent] = deque()
        self._begin_round(self._current, now)

    @property
    def current(self) -> Path:
        """The path in use; its round-trip time is infinite until it was measured."""
        return self._current.path(in_use=True)

    @property
    def paths(self) -> list[Path]:
        """All known paths, the one in use among them."""
        return [each.path(in_use=each is self._current) for each in self._paths.values()]

    def add_path(self, kind: CandidateKind, endpoint: Endpoint, now: float) -> None:
        """A path that answered a check, a relay, or any other that is worth a sealed probe."""
        watched = self._paths.get(endpoint)
        if watched is None:
            self._make_room()
            watched = self._paths[endpoint] = _Watched(kind, endpoint)
        elif kind < watched.kind:
            watched.kind = kind
        self._begin_round(watched, now)

    def forget(self, endpoint: Endpoint) -> None:
        """The path is no more; one in use stays until another is."""
        if endpoint != self._current.endpoint:
            self._paths.pop(endpoint, None)

    def replace_path(self, kind: CandidateKind, old: Endpoint, new: Endpoint, now: float) -> None:
        """The path at `old` is at `new` from now on, says the relay that it goes over."""
        watched = self._paths.pop(old, None)
        if watched is not self._current:
            self.add_path(kind, new, now)
            return
        watched.kind, watched.endpoint, watched.due = kind, new, None
        self._paths[new] = watched
        self._begin_use(watched)
        self._ask(watched, now)

    def peer_moved(self, kind: CandidateKind, endpoint: Endpoint, now: float) -> None:
        """Authentic packets come from an endpoint that is not the path in use; `kind` is what it would be.

        The pump tells a new endpoint once; a probe of the peer over another known path means the same.
        """
        self._heard(now, now)
        if endpoint == self._current.endpoint:
            return
        self._moved_at, self._moved_to = now, endpoint
        self._ask(self._current, now)
        self.add_path(kind, endpoint, now)

    def observe_traffic(self, last_sent: float, last_received: float, now: float) -> None:
        """What the pump reports of this peer. Report it every few seconds, and just before `handle_deadline`."""
        self._last_sent = max(self._last_sent, last_sent)
        if last_received > self._last_received:
            self._heard(last_received, now)
        if self._last_sent <= self._last_received:
            self._unanswered_since = None
        elif self._unanswered_since is None and self._last_sent > self._replied_at + RECENTLY:
            self._unanswered_since = self._last_sent

    def said(self, now: float) -> None:
        """An engine message went to the peer over the path in use."""
        self._last_sent = max(self._last_sent, now)
        if self._unanswered_since is None:
            self._unanswered_since = now

    def heard(self, now: float) -> None:
        """Something authentic came from the peer."""
        self._heard(now, now)

    def quiet(self, now: float) -> None:
        """The pump sends IP packets, and nothing comes back: the path may be dead, or too narrow for large ones."""
        self._mtu_in_doubt = self._current.mtu_sought_at + MTU_PAUSE <= now
        self.suspect(now)

    def suspect(self, now: float) -> None:
        """Something happened to this computer's network, or it slept: do not wait for silence to show."""
        if self.health is Health.ALIVE:
            self.health = Health.IN_DOUBT
            self._doubt_rounds = 0
        self._doubt_rounds = min(self._doubt_rounds, SILENT_AFTER_ROUNDS)
        self._doubt_due = now

    def receive_message(self, message: ProbeRequest | ProbeReply, endpoint: Endpoint, now: float) -> bool:
        """Take an authentic probe message that came from `endpoint`.

        False for a reply to a probe that is not of this monitor (a ping of the engine, or a late one).
        """
        self._heard(now, now)
        if isinstance(message, ProbeRequest):
            self._reply(message, endpoint, now)
            if endpoint in self._paths:
                self.peer_moved(self._paths[endpoint].kind, endpoint, now)
            return True
        probe = self._open.pop(message.token, None)
        if probe is None:
            return False
        if probe.endpoint != endpoint:
            self.counters["probe-reply-from-elsewhere"] += 1
            return True
        watched = self._paths.get(endpoint)
        if watched is not None:
            self._answered(watched, now - probe.sent_at, now)
            self._size_answered(watched, probe.size)
        return True

    def messages_to_send(self) -> list[Outgoing]:
        """What to seal and send."""
        messages = list(self._outbox)
        self._outbox.clear()
        return messages

    def next_deadline(self) -> float:
        """When `handle_deadline` wants to be called."""
        deadlines = [watched.due for watched in self._paths.values() if watched.due is not None]
        if self.health is not Health.ALIVE:
            deadlines.append(self._doubt_due)
        else:
            deadlines.append(self._last_sent + self._keepalive)
            if self._unanswered_since is not None:
                deadlines.append(self._unanswered_since + DOUBT_AFTER)
            if self._mtu_search is not None and self._mtu_search.due is not None:
                deadlines.append(self._mtu_search.due)
        return min(deadlines)

    def handle_deadline(self, now: float) -> None:
        """Send the probes that are due, and draw conclusions from those that were not answered."""
        for watched in list(self._paths.values()):
            if watched.due is not None and now >= watched.due:
                self._continue_round(watched, now)
        unanswered = self._unanswered_since
        if self.health is Health.ALIVE and unanswered is not None and now >= unanswered + DOUBT_AFTER:
            self.suspect(now)
        if self.health is not Health.ALIVE:
            if now >= self._doubt_due:
                self._doubt_round(now)
            return
        if now >= self._last_sent + self._keepalive:
            self._ask(self._current, now)
        if self._mtu_search is not None and self._mtu_search.due is not None and now >= self._mtu_search.due:
            self._probe_size(self._mtu_search, now)

    def next_event(self) -> MonitorEvent | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    # --- probing

    def _make_room(self) -> None:
        """Forget the direct path that has been mute for longest; relayed ones are few."""
        if len(self._paths) >= MAX_PATHS:
            others = [each for each in self._paths.values() if each is not self._current]
            del self._paths[min(others, key=lambda each: (bool(each.endpoint.relay), each.answered_at)).endpoint]

    def _begin_round(self, watched: _Watched, now: float) -> None:
        if now < watched.answered_at + RECENTLY:
            self._consider(watched)
        else:
            self._ask(watched, now)

    def _ask(self, watched: _Watched, now: float) -> None:
        if watched.due is None:
            watched.due, watched.probes = now, 0
            self._continue_round(watched, now)

    def _continue_round(self, watched: _Watched, now: float) -> None:
        if watched.probes < len(ROUND_INTERVALS):
            watched.due = now + self._patience(watched, ROUND_INTERVALS, watched.probes)
            watched.probes += 1
            self._probe(watched, now)
            self._follow()
            return
        watched.due = None
        if watched is self._current and self.health is Health.ALIVE:
            self.suspect(now)

    def _patience(self, watched: _Watched, intervals: Sequence[float], attempt: int) -> float:
        """How long to wait for the answer to a probe."""
        interval = intervals[min(attempt, len(intervals) - 1)]
        if attempt >= ROUNDS_OF_ONE or watched.round_trip is None:
            return interval
        return min(interval, max(MIN_WAIT, ROUND_TRIPS_TO_WAIT * watched.round_trip))

    def _probe(self, watched: _Watched, now: float) -> None:
        self._outbox.append(Outgoing(watched.endpoint, encode(ProbeRequest(self._new_token(watched, now, 0)))))
        self._sent_over(watched, now)

    def _probe_size(self, search: MtuSearch, now: float) -> None:
        size = search.next_size(now)
        if size is None:
            return
        token = self._new_token(self._current, now, size)
        self._outbox.append(Outgoing(self._current.endpoint, padded_probe(token, size), whole=True))

    def _new_token(self, watched: _Watched, now: float, size: int) -> int:
        token = secrets.randbits(64) | 1 << 63  # always of the same length
        self._open[token] = _Probe(watched.endpoint, now, size)
        if len(self._open) > _MAX_OPEN_PROBES:
            self._open.popitem(last=False)
        return token

    def _sent_over(self, watched: _Watched, now: float) -> None:
        if watched is self._current:
            self._last_sent = max(self._last_sent, now)
            self._unanswered_since = now if self._unanswered_since is None else self._unanswered_since

    def _reply(self, request: ProbeRequest, endpoint: Endpoint, now: float) -> None:
        if len(self._outbox) >= _MAX_REPLIES:
            self.counters["probe-replies-full"] += 1
            return
        self._outbox.append(Outgoing(endpoint, reply_to(request)))
        self._replied_at = now
        if endpoint == self._current.endpoint:
            self._last_sent = max(self._last_sent, now)

    def _doubt_round(self, now: float) -> None:
        """The path in use is asked first, then all are."""
        self._doubt_rounds += 1
        self._doubted_at = now
        if self._doubt_rounds > SILENT_AFTER_ROUNDS and self.health is Health.IN_DOUBT:
            self.health = Health.SILENT
            self._events.append(PathLost(self._current.endpoint))
            self._events.append(TunnelSilent())
        self._doubt_due = now + self._patience(self._current, DOUBT_INTERVALS, self._doubt_rounds - 1)
        if self._doubt_rounds > ROUNDS_OF_ONE:
            self._events.append(PathDoubted())
        for watched in self._paths.values():
            if watched is self._current or self._doubt_rounds > ROUNDS_OF_ONE:
                self._probe(watched, now)

    # --- conclusions

    def _heard(self, at: float, now: float) -> None:
        self._last_received = max(self._last_received, at)
        self._unanswered_since = None
        if self.health is not Health.ALIVE:
            # The peer is there, so a probe may get through now. Only its answer says that both directions do.
            self._doubt_due = min(self._doubt_due, max(now, self._doubted_at + RECENTLY))

    def _answered(self, watched: _Watched, sample: float, now: float) -> None:
        """A path carries in both directions: measure it, and see whether it should be the one."""
        watched.round_trip = sample if watched.round_trip is None else watched.round_trip * 0.875 + sample * 0.125
        watched.answered_at, watched.due = now, None
        self._consider(watched)
        self._recover()
        current = self._current
        if current.mtu_sought_at == _NEVER or self._mtu_in_doubt:
            self._mtu_in_doubt, current.mtu_sought_at = False, now
            self._mtu_search = MtuSearch(sample, now)

    def _size_answered(self, watched: _Watched, size: int) -> None:
        search = self._mtu_search
        if not size or watched is not self._current or search is None or not search.answered(size):
            return
        if size != watched.mtu:
            watched.mtu = size
            self._events.append(MtuFound(watched.endpoint, size))

    def _consider(self, watched: _Watched) -> None:
        if watched is self._current:
            return
        best = better_path(self.current, watched.path(in_use=False))
        if self.health is not Health.ALIVE or best.endpoint == watched.endpoint:
            self._choose(watched)
        else:
            self._follow()

    def _follow(self) -> None:
        """To where the peer moved, if that answers and the path in use has left a probe unanswered since."""
        moved = self._paths.get(self._moved_to) if self._moved_to else None
        mute = self._current.due is not None and self._current.probes > 1
        if moved is not None and moved is not self._current and mute and moved.answered_at > self._moved_at - RECENTLY:
            self._choose(moved)

    def _choose(self, watched: _Watched) -> None:
        if self.health is Health.IN_DOUBT:
            self._events.append(PathLost(self._current.endpoint))
        self._current = watched
        self._begin_use(watched)

    def _begin_use(self, watched: _Watched) -> None:
        self._moved_to, self._moved_at, self._mtu_search = None, _NEVER, None
        self._events.append(PathChosen(watched.endpoint, watched.kind, watched.round_trip or 0.0, watched.mtu))

    def _recover(self) -> None:
        if self.health is Health.SILENT:
            self._events.append(TunnelAlive())
        self.health = Health.ALIVE
        self._doubt_rounds = 0
