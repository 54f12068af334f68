"""The tunnel sessions with one peer, as the helper has them: one sends, one may wait to, old ones still receive.

Owned by engine/peer_link.py, which decides what a session rests on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.engine.timing import Timing
from app.ipc.schema import DropSession, InstallSession, Request, UdpEndpoint
from app.protocol.messages import PeerCapability
from app.protocol.peer_handshake import SessionEstablished
from app.protocol.wire import Endpoint, NetworkId

MAX_OLD_SESSIONS = 4
"""Replaced sessions that still receive; the oldest goes."""


@dataclass(slots=True)
class Session:
    """One session as the helper has it."""

    local_index: int
    suite: int
    established_at: float
    proven: frozenset[NetworkId]
    networks: frozenset[NetworkId]
    """Networks that it rests on: proven, or without a secret on both sides."""
    endpoint: Endpoint
    """Where its handshake ended."""
    initiator: bool
    fresh: bool
    """It begins a tunnel anew, at its endpoint; else it only renews the keys of the tunnel that is up."""


class Sessions:
    """All sessions with one peer; `post` sends a request to the pump."""

    def __init__(self, post: Callable[[Request], None], timing: Timing) -> None:
        self.sending: Session | None = None
        self._post, self._timing = post, timing
        self._waiting: Session | None = None
        self._old: list[tuple[float, int]] = []

    def __bool__(self) -> bool:
        """Whether the helper has any that does or may come to send."""
        return self.sending is not None or self._waiting is not None

    def install(self, event: SessionEstablished, session: Session, now: float) -> None:
        """Give it to the helper. One that the peer began waits until the peer's first packet confirms it."""
        self._post(
            InstallSession(
                event.peer,
                event.local_index,
                event.remote_index,
                event.suite,
                event.initiator,
                event.key_material,
                UdpEndpoint(*event.endpoint),
                event.initiator,
                bool(event.capabilities & PeerCapability.PARTIAL_CHECKSUMS),
                request=0,
            )
        )
        if not event.initiator:
            self._retire(self._waiting, now)
            self._waiting = session

    def confirm(self, local_index: int) -> Session | None:
        """The waiting session with this index, which waits no longer."""
        if self._waiting is None or self._waiting.local_index != local_index:
            return None
        waiting, self._waiting = self._waiting, None
        return waiting

    def send_with(self, session: Session, now: float) -> None:
        """This one sends from now on; the one that sent before receives for a while."""
        self._retire(self.sending, now)
        self.sending = session

    def forget(self) -> None:
        """The helper has none any more."""
        self.sending = self._waiting = None
        self._old.clear()

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called."""
        return self._old[0][0] if self._old else None

    def handle_deadline(self, now: float) -> None:
        """Drop what has received for long enough."""
        while self._old and self._old[0][0] <= now:
            self._drop_oldest()

    def _retire(self, session: Session | None, now: float) -> None:
        if session is None:
            return
        self._old.append((now + self._timing.old_session_grace, session.local_index))
        while len(self._old) > MAX_OLD_SESSIONS:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, index = self._old.pop(0)
        self._post(DropSession(index, request=0))
