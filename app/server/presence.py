"""Who is logged in, as what session.

Pure and small, so that servers that share their accounts can share this as well: the rules know sessions by number
only and never ask on which server one is. Used by the rules on their one thread.
"""

from dataclasses import dataclass
from typing import NamedTuple, NewType

from app.protocol.messages import Message
from app.protocol.wire import Address

SessionId = NewType("SessionId", int)
"""One login of one account; never used again."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login as the rules see it."""

    number: SessionId
    address: Address
    source: str
    """Whom limits count the client's outside address as."""


class Delivery(NamedTuple):
    """A word of the server for one session, wherever that is. `Closing` ends it."""

    session: SessionId
    message: Message


class Presence:
    """The current session of every account that has one."""

    def __init__(self) -> None:
        self._sessions: dict[Address, SessionId] = {}

    def __len__(self) -> int:
        """How many accounts are logged in."""
        return len(self._sessions)

    def open(self, address: Address, session: SessionId) -> SessionId | None:
        """`session` is the account's session from now on; returns the one it replaces."""
        replaced = self._sessions.get(address)
        self._sessions[address] = session
        return replaced

    def close(self, address: Address, session: SessionId) -> bool:
        """The session ended; False if it was not the account's current one any more."""
        if self._sessions.get(address) != session:
            return False
        del self._sessions[address]
        return True

    def session_of(self, address: Address) -> SessionId | None:
        """The account's session, None while it is not logged in."""
        return self._sessions.get(address)

    def logged_in(self) -> list[Address]:
        """All accounts with a session."""
        return list(self._sessions)
