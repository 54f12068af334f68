"""What the store keeps, as frozen values: accounts, networks, and accounts' places in networks.

No rules and no SQL. Made by `store.py`, read by the rules in `directory.py`, `networks.py` and `notices.py`.
"""

from dataclasses import dataclass
from enum import IntEnum

from app.protocol.messages import MemberStatus
from app.protocol.wire import Address, NetworkId


@dataclass(frozen=True, slots=True)
class Account:
    """One client's identity. Times are seconds since 1970."""

    address: Address
    public_key: bytes
    fingerprint: bytes
    nickname: str
    created_at: int
    last_seen_at: int


@dataclass(frozen=True, slots=True)
class Password:
    """What the server keeps of a network's password: nothing that opens the network."""

    salt: bytes
    token_hash: bytes
    wrapped_secret: bytes


@dataclass(frozen=True, slots=True)
class Network:
    """A network's own facts, without its members."""

    number: NetworkId
    name: str
    owner: Address
    password: Password | None
    locked: bool
    approval: bool
    member_limit: int
    """0 for the server's limit."""
    created_at: int


@dataclass(frozen=True, slots=True)
class Membership:
    """One account's place in one network, as the roster shows it."""

    network: NetworkId
    address: Address
    fingerprint: bytes
    nickname: str
    """The one in this network, or else the account's."""
    status: MemberStatus
    wants_online: bool
    """False after go-offline in this network."""


class Exclusion(IntEnum):
    """Why an account may not simply join a network again."""

    EVICTED = 1
    """Only if the owner approves."""
    BANNED = 2
    """Not at all."""
