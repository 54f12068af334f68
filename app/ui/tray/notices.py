"""What a person should be told about, decided from snapshots and chat messages; quiet when much happens at once.

Pure: `now` comes in as an argument, in seconds of any clock. What happened waits here until it may be told: a peer that
drops and comes back soon is no news, several peers become one notice, and there are never more than MOST notices in
EVERY seconds. notifications.py hands in snapshots and shows what comes out; the words are in notice_words.py.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.engine.state import (
    ChatMessage,
    ChatStatus,
    Conversation,
    EngineState,
    MemberStatus,
    PeerStatus,
    PeerView,
    ServerStatus,
)

MOST: Final = 6
EVERY: Final = 60.0
SETTLING: Final = 8.0
"""Seconds after login in which it is only learnt who is there."""
HELD_ONLINE: Final = 3.0
HELD_OFFLINE: Final = 30.0
"""Seconds that somebody must be there, or gone, before it is told."""
LOST_FOR: Final = 20.0
"""Seconds that the server must be away."""
GATHERED: Final = 2.0
"""Seconds by which a change may be younger that is told together with an older one."""
CALM: Final = 10.0
"""Seconds between two notices of the same kind, in which more may gather for the second."""
MOST_MEMBERS: Final = 4_096
"""Of what is remembered of each kind; a server that tells of more finds us silent."""


class Kind(StrEnum):
    """What a notice is about."""

    ONLINE = "online"
    OFFLINE = "offline"
    JOIN_REQUEST = "join-request"
    KEY_CHANGED = "key-changed"
    SERVER_LOST = "server-lost"
    SERVER_BACK = "server-back"
    CHAT = "chat"


FIRST: Final = (
    Kind.KEY_CHANGED,
    Kind.JOIN_REQUEST,
    Kind.SERVER_LOST,
    Kind.SERVER_BACK,
    Kind.CHAT,
    Kind.ONLINE,
    Kind.OFFLINE,
)
"""Which is told first where not all may be."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Somebody who waits to be let into an own network."""

    network: int
    address: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. Which field is filled goes by the kind."""

    kind: Kind
    peers: tuple[str, ...] = ()
    """Addresses, for ONLINE, OFFLINE and KEY_CHANGED."""
    requests: tuple[JoinRequest, ...] = ()
    conversation: Conversation | None = None
    message: ChatMessage | None = None
    """The last one that came."""
    count: int = 1
    """How many messages."""


@dataclass(frozen=True, slots=True)
class _Change:
    online: bool
    since: float


class Notices:
    """Takes snapshots and messages, gives notices."""

    def __init__(self) -> None:
        self._told_at: deque[float] = deque()
        self._calm_until: dict[Kind, float] = {}
        self._presence: dict[str, bool] = {}
        """Who is there, as far as the person knows."""
        self._changes: dict[str, _Change] = {}
        self._requests: set[JoinRequest] = set()
        self._new_requests: set[JoinRequest] = set()
        self._keys: set[tuple[str, str]] = set()
        self._new_keys: dict[str, None] = {}
        self._messages: dict[Conversation, tuple[int, ChatMessage]] = {}
        """How many came, and the last one."""
        self._last_message = -1
        self._quiet_until: float | None = None
        """None: not logged in."""
        self._lost_since: float | None = None
        self._lost_told = False
        self._back = False

    # --- what happens

    def see_state(self, state: EngineState, now: float) -> None:
        """A new snapshot."""
        self._see_server(state, now)
        if state.server.status is ServerStatus.ONLINE and self._quiet_until is not None:
            settling = now < self._quiet_until
            self._see_peers(state.peers, settling, now)
            self._see_requests(state, settling)
        self._see_keys(state.peers)
        self._forget_what_was_read(state)

    def see_message(self, message: ChatMessage) -> None:
        """A chat message came, or changed its status. Do not hand in what the person reads at this moment."""
        if message.status is not ChatStatus.RECEIVED or message.id <= self._last_message:
            return
        self._last_message = message.id
        if message.conversation in self._messages or len(self._messages) < MOST_MEMBERS:
            count, _last = self._messages.get(message.conversation, (0, message))
            self._messages[message.conversation] = count + 1, message

    def _see_server(self, state: EngineState, now: float) -> None:
        status = state.server.status
        if status is ServerStatus.ONLINE:
            if self._quiet_until is None:
                self._quiet_until = now + SETTLING
            self._back = self._back or self._lost_told
            self._lost_since, self._lost_told = None, False
        elif not state.power:
            self._log_out()
        elif self._quiet_until is not None:
            self._quiet_until = None
            self._changes.clear()
            self._lost_since = now

    def _log_out(self) -> None:
        """By choice: nothing of this is news. The next account may have smaller numbers for its messages."""
        self._quiet_until = self._lost_since = None
        self._last_message = -1
        self._lost_told = self._back = False
        self._changes.clear()
        self._presence.clear()

    def _see_peers(self, peers: tuple[PeerView, ...], settling: bool, now: float) -> None:
        for peer in peers[:MOST_MEMBERS]:
            online = _presence(peer.status)
            known = self._presence.get(peer.address)
            if peer.status is PeerStatus.BLOCKED:
                self._changes.pop(peer.address, None)
            elif online is None:
                continue
            elif known is None or settling:
                self._presence[peer.address] = online
            elif online == known:
                self._changes.pop(peer.address, None)
            elif peer.address not in self._changes or self._changes[peer.address].online != online:
                self._changes[peer.address] = _Change(online, now)
        if len(self._presence) > len(peers):
            there = {peer.address for peer in peers}
            self._presence = {each: known for each, known in self._presence.items() if each in there}
            self._changes = {each: change for each, change in self._changes.items() if each in there}

    def _see_requests(self, state: EngineState, settling: bool) -> None:
        requests = {
            JoinRequest(network.id, member.address)
            for network in state.networks
            if network.is_owner
            for member in network.members
            if member.status is MemberStatus.PENDING
        }
        if not settling:
            self._new_requests |= requests - self._requests
        self._new_requests &= requests
        self._requests = requests

    def _see_keys(self, peers: Iterable[PeerView]) -> None:
        keys = {(peer.address, peer.new_fingerprint) for peer in peers if peer.status is PeerStatus.KEY_CHANGED}
        self._new_keys.update(dict.fromkeys(sorted(address for address, _ in keys - self._keys)))
        self._keys |= keys
        if len(self._keys) > MOST_MEMBERS:
            self._keys = keys

    def _forget_what_was_read(self, state: EngineState) -> None:
        if not self._messages:
            return
        unread = {Conversation(peer.address) for peer in state.peers if peer.unread}
        unread |= {Conversation(network=network.id) for network in state.networks if network.unread}
        self._messages = {each: waiting for each, waiting in self._messages.items() if each in unread}

    # --- what is told

    def due(self, now: float) -> list[Notice]:
        """What is told now; everything in it counts as told."""
        notices = []
        for kind in FIRST:
            if self._due_at(kind, now) <= now and self._may_tell(now):
                notices.append(self._take(kind, now))
                self._told_at.append(now)
                self._calm_until[kind] = now + CALM
        return notices

    def deadline(self, now: float) -> float | None:
        """When to ask again if nothing happens before; None: never."""
        soonest = min((self._due_at(kind, now) for kind in FIRST), default=_NEVER)
        if soonest == _NEVER:
            return None
        if len(self._told_at) >= MOST:
            soonest = max(soonest, self._told_at[-MOST] + EVERY)
        return max(soonest, now)

    def _may_tell(self, now: float) -> bool:
        while self._told_at and self._told_at[0] + EVERY <= now:
            self._told_at.popleft()
        return len(self._told_at) < MOST

    def _due_at(self, kind: Kind, now: float) -> float:
        waits: dict[Kind, Callable[[], float]] = {
            Kind.KEY_CHANGED: lambda: now if self._new_keys else _NEVER,
            Kind.JOIN_REQUEST: lambda: now if self._new_requests else _NEVER,
            Kind.SERVER_LOST: self._lost_at,
            Kind.SERVER_BACK: lambda: now if self._back else _NEVER,
            Kind.CHAT: lambda: now if self._messages else _NEVER,
            Kind.ONLINE: lambda: self._held_at(True, HELD_ONLINE),
            Kind.OFFLINE: lambda: self._held_at(False, HELD_OFFLINE),
        }
        return max(waits[kind](), self._calm_until.get(kind, now))

    def _lost_at(self) -> float:
        return _NEVER if self._lost_since is None or self._lost_told else self._lost_since + LOST_FOR

    def _held_at(self, online: bool, held: float) -> float:
        changes = (change.since for change in self._changes.values() if change.online is online)
        return min(changes, default=_NEVER) + held

    def _take(self, kind: Kind, now: float) -> Notice:
        if kind is Kind.CHAT:
            return self._take_messages()
        if kind is Kind.JOIN_REQUEST:
            requests, self._new_requests = self._new_requests, set()
            return Notice(kind, requests=tuple(sorted(requests, key=lambda each: (each.network, each.address))))
        if kind is Kind.KEY_CHANGED:
            peers, self._new_keys = tuple(self._new_keys), {}
            return Notice(kind, peers)
        if kind in (Kind.SERVER_LOST, Kind.SERVER_BACK):
            self._lost_told, self._back = kind is Kind.SERVER_LOST, False
            return Notice(kind)
        if kind is Kind.ONLINE:
            return Notice(kind, self._take_changes(True, now - HELD_ONLINE + GATHERED))
        return Notice(kind, self._take_changes(False, now - HELD_OFFLINE + GATHERED))

    def _take_changes(self, online: bool, until: float) -> tuple[str, ...]:
        """Who came, or went, until then."""
        told = [
            address for address, change in self._changes.items() if change.online is online and change.since <= until
        ]
        for address in told:
            del self._changes[address]
            self._presence[address] = online
        return tuple(told)

    def _take_messages(self) -> Notice:
        """One conversation's, or the number of all if several wait."""
        waiting, self._messages = self._messages, {}
        if len(waiting) > 1:
            return Notice(Kind.CHAT, count=sum(count for count, _last in waiting.values()))
        conversation, (count, last) = next(iter(waiting.items()))
        return Notice(Kind.CHAT, conversation=conversation, message=last, count=count)


_NEVER: Final = float("inf")


def _presence(status: PeerStatus) -> bool | None:
    """Whether a peer is there: reachable, or gone; None for all between, which changes nothing."""
    if status.has_tunnel:
        return True
    return False if status is PeerStatus.OFFLINE else None
