"""What this computer knows of other accounts for itself: pinned keys, verified, blocked, aliases.

Trust on first use: the first key that the server introduces and the peer proves is pinned; only the person can change
it afterwards. Pure but for `on_remember`, which has it written. Called by engine/engine.py and engine/peers.py.
"""

from collections.abc import Callable, Collection

from msgspec import Struct, structs

from app.protocol.keys import PublicKey
from app.protocol.wire import Address, RemoteProtocolError

MAX_CONTACTS = 65_536
"""Accounts that are remembered."""


class Contact(Struct, frozen=True):
    """What is remembered of one account."""

    public_key: bytes | None = None
    """The pinned key's blob."""
    verified: bool = False
    """The person compared the safety number of this key."""
    blocked: bool = False
    alias: str = ""


_UNKNOWN = Contact()


class Contacts:
    """All accounts of one server of which something is remembered."""

    def __init__(
        self,
        contacts: dict[Address, Contact],
        on_remember: Callable[[], None],
        on_pin: Callable[[Address, PublicKey], None],
    ) -> None:
        """`on_pin` is called when an account's first key was proved."""
        self.all = contacts
        self._on_remember, self._on_pin = on_remember, on_pin
        self._keys: dict[Address, PublicKey] = {}
        self._introduced: dict[Address, PublicKey] = {}
        """Keys that the server gave and nobody proved yet; not remembered."""
        for address, contact in contacts.items():
            if contact.public_key is not None:
                self._keys[address] = PublicKey.from_blob(contact.public_key)

    def get(self, address: Address) -> Contact:
        """What is remembered, or the empty contact."""
        return self.all.get(address, _UNKNOWN)

    def pinned(self, address: Address) -> PublicKey | None:
        """The key that this account must prove."""
        return self._keys.get(address)

    def key(self, address: Address) -> PublicKey | None:
        """The pinned key, else the one that the server introduced."""
        return self._keys.get(address) or self._introduced.get(address)

    def introduce(self, address: Address, blob: bytes, fingerprints: Collection[bytes]) -> PublicKey:
        """Take the key that the server gave for an account whose roster lines have `fingerprints`.

        Raises RemoteProtocolError if it is no key or another key.
        """
        key = PublicKey.from_blob(blob)
        if key.fingerprint not in fingerprints:
            raise RemoteProtocolError("peer key: not the one in the roster")
        self._introduced[address] = key
        return key

    def pin(self, address: Address) -> None:
        """The introduced key was proved: from now on only this one is this account's."""
        key = self._introduced.pop(address, None)
        if key is not None and address not in self._keys and len(self.all) < MAX_CONTACTS:
            self._keys[address] = key
            self._update(address, public_key=key.blob)
            self._on_pin(address, key)

    def accept(self, address: Address, key: PublicKey) -> None:
        """The person trusts another key of this account; it was not compared yet."""
        self._introduced.pop(address, None)
        self._keys[address] = key
        self._update(address, public_key=key.blob, verified=False)

    def set_verified(self, address: Address, verified: bool) -> None:
        """The person compared the safety number, or takes that back."""
        self._update(address, verified=verified)

    def set_blocked(self, address: Address, blocked: bool) -> None:
        """The person wants no tunnel with this account, or takes that back."""
        self._update(address, blocked=blocked)

    def set_alias(self, address: Address, alias: str) -> None:
        """What the person calls it on this computer."""
        self._update(address, alias=alias)

    def _update(self, address: Address, **changes: object) -> None:
        self.all[address] = structs.replace(self.get(address), **changes)
        self._on_remember()
