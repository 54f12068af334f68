"""The server's memory: typed reads and writes of accounts, networks, members and statements in SQLite.

It decides nothing: the rules ask and tell. A rule wraps what it does in `transaction()`, so that a decision is kept as
a whole or not at all. Used by one thread at a time (`decisions.py`); other processes may read the file meanwhile.
"""

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.base.resources import resource_folder
from app.protocol.messages import MemberStatus
from app.protocol.wire import Address, NetworkId
from app.server.database import open_database, open_read_only
from app.server.records import Account, Exclusion, Membership, Network, Password

_ACCOUNT = "SELECT address, public_key, fingerprint, nickname, created_at, last_seen_at FROM accounts"
_NETWORK = (
    "SELECT network, name, owner, salt, token_hash, wrapped_secret, locked, approval, member_limit, created_at"
    " FROM networks"
)
_MEMBERSHIP = (
    "SELECT m.network, m.address, a.fingerprint, coalesce(m.nickname, a.nickname), m.status, m.online"
    " FROM members m JOIN accounts a ON a.address = m.address"
)


def name_key(name: str) -> str:
    """By what two network names are the same: case and width do not matter (Unicode NFKC and case folding)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class Store:
    """One open SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> "Store":
        """The store at `path`, made or upgraded where needed. Raises StoreError."""
        return cls(open_database(path, resource_folder() / "server" / "schema"))

    @classmethod
    def open_to_read(cls, path: Path) -> "Store":
        """The store for reading only, also while a server runs on it. Raises StoreError."""
        return cls(open_read_only(path, resource_folder() / "server" / "schema"))

    def close(self) -> None:
        """Close the file; idempotent."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes within are kept, durably, when it ends; none if it ends with an exception."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        return row

    def _all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def _write(self, statement: str, *values: Any) -> None:
        self._connection.execute(statement, values)

    # --- accounts

    def add_account(self, address: Address, public_key: bytes, fingerprint: bytes, nickname: str, now: float) -> None:
        """Keep a new account; address and key must be free."""
        self._write(
            "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)",
            *(address, public_key, fingerprint, nickname, int(now), int(now)),
        )

    def account(self, address: Address) -> Account | None:
        """The account with this address."""
        row = self._one(f"{_ACCOUNT} WHERE address = ?", address)
        return None if row is None else Account(*row)

    def account_of_key(self, public_key: bytes) -> Account | None:
        """The account that registered this key."""
        row = self._one(f"{_ACCOUNT} WHERE public_key = ?", public_key)
        return None if row is None else Account(*row)

    def accounts(self) -> list[Account]:
        """All accounts by address."""
        return [Account(*row) for row in self._all(f"{_ACCOUNT} ORDER BY address")]

    def count_accounts(self) -> int:
        """How many accounts there are."""
        return self._count("SELECT count(*) FROM accounts")

    def addresses(self) -> set[Address]:
        """All addresses in use."""
        return {Address(row[0]) for row in self._all("SELECT address FROM accounts")}

    def count_outside(self, first: int, last: int) -> int:
        """How many accounts have an address that is not between `first` and `last`."""
        return self._count("SELECT count(*) FROM accounts WHERE address NOT BETWEEN ? AND ?", first, last)

    def set_nickname(self, address: Address, nickname: str) -> None:
        """Change an account's nickname."""
        self._write("UPDATE accounts SET nickname = ? WHERE address = ?", nickname, address)

    def note_seen(self, seen: Iterable[tuple[Address, float]]) -> None:
        """Remember when accounts were last logged in."""
        rows = [(int(when), address) for address, when in seen]
        self._connection.executemany("UPDATE accounts SET last_seen_at = ? WHERE address = ?", rows)

    # --- networks

    def add_network(self, network: Network) -> None:
        """Keep a new network; number and name must be free."""
        salt, token_hash, wrapped = _password_columns(network.password)
        self._write(
            "INSERT INTO networks (network, name, name_key, owner, salt, token_hash, wrapped_secret, locked, approval,"
            " member_limit, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(network.number, network.name, name_key(network.name), network.owner, salt, token_hash, wrapped),
            *(network.locked, network.approval, network.member_limit, network.created_at),
        )

    def network(self, number: NetworkId) -> Network | None:
        """The network with this number."""
        row = self._one(f"{_NETWORK} WHERE network = ?", number)
        return None if row is None else _network(row)

    def network_by_name(self, name: str) -> Network | None:
        """The network with this name, in any case."""
        row = self._one(f"{_NETWORK} WHERE name_key = ?", name_key(name))
        return None if row is None else _network(row)

    def networks(self) -> list[Network]:
        """All networks by name."""
        return [_network(row) for row in self._all(f"{_NETWORK} ORDER BY name_key")]

    def count_networks(self) -> int:
        """How many networks there are."""
        return self._count("SELECT count(*) FROM networks")

    def set_password(self, number: NetworkId, password: Password | None) -> None:
        """Change or remove a network's password."""
        self._write(
            "UPDATE networks SET salt = ?, token_hash = ?, wrapped_secret = ? WHERE network = ?",
            *(*_password_columns(password), number),
        )

    def set_access(self, number: NetworkId, locked: bool, approval: bool, member_limit: int) -> None:
        """Change who may join."""
        self._write(
            "UPDATE networks SET locked = ?, approval = ?, member_limit = ? WHERE network = ?",
            *(locked, approval, member_limit, number),
        )

    def delete_network(self, number: NetworkId) -> None:
        """Forget a network and everything in it."""
        self._write("DELETE FROM networks WHERE network = ?", number)

    # --- members

    def add_member(self, network: NetworkId, address: Address, status: MemberStatus, now: float) -> None:
        """Put an account into a network."""
        self._write(
            "INSERT INTO members (network, address, status, joined_at) VALUES (?, ?, ?, ?)",
            *(network, address, status, int(now)),
        )

    def membership(self, network: NetworkId, address: Address) -> Membership | None:
        """An account's place in a network."""
        row = self._one(f"{_MEMBERSHIP} WHERE m.network = ? AND m.address = ?", network, address)
        return None if row is None else _membership(row)

    def roster(self, network: NetworkId) -> list[Membership]:
        """All members of a network and all who wait, by address."""
        return [_membership(row) for row in self._all(f"{_MEMBERSHIP} WHERE m.network = ? ORDER BY m.address", network)]

    def member_addresses(self, network: NetworkId) -> list[Address]:
        """The members of a network, without those who wait."""
        rows = self._all("SELECT address FROM members WHERE network = ? AND status = ?", network, MemberStatus.MEMBER)
        return [Address(row[0]) for row in rows]

    def memberships_of(self, address: Address) -> list[Membership]:
        """All places of an account, waiting or not, by network number."""
        return [_membership(row) for row in self._all(f"{_MEMBERSHIP} WHERE m.address = ? ORDER BY m.network", address)]

    def shared_places(self, one: Address, other: Address) -> list[tuple[bool, bool]]:
        """For each network in which both are members: whether the one and the other want to be online in it."""
        rows = self._all(
            "SELECT mine.online, theirs.online FROM members mine JOIN members theirs ON theirs.network = mine.network"
            " WHERE mine.address = ? AND theirs.address = ? AND mine.status = ? AND theirs.status = ?",
            *(one, other, MemberStatus.MEMBER, MemberStatus.MEMBER),
        )
        return [(bool(mine), bool(theirs)) for mine, theirs in rows]

    def count_members(self, network: NetworkId, status: MemberStatus) -> int:
        """How many accounts have this status in a network."""
        return self._count("SELECT count(*) FROM members WHERE network = ? AND status = ?", network, status)

    def count_memberships(self, address: Address) -> int:
        """In how many networks an account is or waits."""
        return self._count("SELECT count(*) FROM members WHERE address = ?", address)

    def admit(self, network: NetworkId, address: Address) -> None:
        """Make an account that waits a member."""
        self._write(
            "UPDATE members SET status = ? WHERE network = ? AND address = ?", MemberStatus.MEMBER, network, address
        )

    def remove_member(self, network: NetworkId, address: Address) -> None:
        """Take an account out of a network."""
        self._write("DELETE FROM members WHERE network = ? AND address = ?", network, address)

    def set_member_nickname(self, network: NetworkId, address: Address, nickname: str | None) -> None:
        """Change a nickname in one network; None for the account's own."""
        self._write("UPDATE members SET nickname = ? WHERE network = ? AND address = ?", nickname, network, address)

    def set_member_online(self, network: NetworkId, address: Address, online: bool) -> None:
        """Remember whether the account wants to be online in the network."""
        self._write("UPDATE members SET online = ? WHERE network = ? AND address = ?", online, network, address)

    # --- exclusions and statements

    def exclusion(self, network: NetworkId, address: Address) -> Exclusion | None:
        """Whether the account was evicted or banned and not let in since."""
        row = self._one("SELECT kind FROM exclusions WHERE network = ? AND address = ?", network, address)
        return None if row is None else Exclusion(row[0])

    def exclude(self, network: NetworkId, address: Address, kind: Exclusion) -> None:
        """Remember that the account is out."""
        self._write("INSERT OR REPLACE INTO exclusions VALUES (?, ?, ?)", network, address, kind)

    def end_exclusion(self, network: NetworkId, address: Address) -> None:
        """The account was let in again."""
        self._write("DELETE FROM exclusions WHERE network = ? AND address = ?", network, address)

    def keep_statement(self, network: NetworkId, address: Address, counter: int, signed: bytes) -> None:
        """Keep the owner's latest statement about an account in place of the one before."""
        self._write("INSERT OR REPLACE INTO statements VALUES (?, ?, ?, ?)", network, address, counter, signed)

    def statements(self, network: NetworkId) -> list[bytes]:
        """The latest statement about each account, signed, oldest first."""
        rows = self._all("SELECT signed FROM statements WHERE network = ? ORDER BY counter", network)
        return [row[0] for row in rows]

    def statement_counter(self, network: NetworkId, address: Address) -> int:
        """The counter of the latest statement about an account, -1 if there is none."""
        row = self._one("SELECT counter FROM statements WHERE network = ? AND address = ?", network, address)
        return int(row[0]) if row else -1

    def count_statements(self, network: NetworkId) -> int:
        """About how many accounts there is a statement."""
        return self._count("SELECT count(*) FROM statements WHERE network = ?", network)

    def _count(self, statement: str, *values: Any) -> int:
        row = self._one(statement, *values)
        return int(row[0]) if row else 0


def _password_columns(password: Password | None) -> tuple[bytes | None, bytes | None, bytes | None]:
    if password is None:
        return None, None, None
    return password.salt, password.token_hash, password.wrapped_secret


def _network(row: tuple[Any, ...]) -> Network:
    number, name, owner, salt, token_hash, wrapped, locked, approval, member_limit, created_at = row
    password = None if salt is None else Password(salt, token_hash, wrapped)
    return Network(number, name, owner, password, bool(locked), bool(approval), member_limit, created_at)


def _membership(row: tuple[Any, ...]) -> Membership:
    network, address, fingerprint, nickname, status, online = row
    return Membership(network, address, fingerprint, nickname, MemberStatus(status), bool(online))
