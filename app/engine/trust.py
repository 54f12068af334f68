"""What a person decides about other people: verified, blocked, a changed key, an alias.

Owned by engine/engine.py, which shows what follows; every refusal is an EngineError.
"""

import asyncio

from app.engine.contacts import Contacts
from app.engine.errors import engine_error, refused
from app.engine.mediation_client import MediationClient
from app.engine.networks import Networks
from app.engine.state import Verification
from app.protocol.keys import IdentityKey, PublicKey, format_fingerprint, safety_number
from app.protocol.messages import GetPeerKey, PeerKey, Refusal
from app.protocol.names import checked_name, shown_name
from app.protocol.wire import Address, RemoteProtocolError, format_address


class Trust:
    """The verbs about peers of one account."""

    def __init__(self, identity: IdentityKey, contacts: Contacts, networks: Networks, client: MediationClient) -> None:
        self._identity, self._contacts = identity, contacts
        self._networks, self._client = networks, client

    def roster_fingerprints(self, peer: Address) -> set[bytes]:
        """The fingerprints that the rosters show for a peer. Raises EngineError if no network is shared."""
        lines = self._networks.members_everywhere().get(peer)
        if lines is None:
            raise engine_error("peer-not-found", name=format_address(peer))
        return {line.fingerprint for line in lines.values()}

    def _pinned(self, peer: Address) -> PublicKey:
        key = self._contacts.pinned(peer)
        if key is None:
            raise engine_error("peer-key-unknown", name=self.name(peer))
        return key

    def name(self, peer: Address) -> str:
        """What a person calls a peer: its alias here, its nickname, or its address."""
        lines = self._networks.members_everywhere().get(peer)
        nickname = shown_name(next(iter(lines.values())).nickname) if lines else format_address(peer)
        return self._contacts.get(peer).alias or nickname

    async def verification(self, peer: Address) -> Verification:
        """The safety number of both keys; takes some hundredths of a second, in a thread."""
        key, own = self._pinned(peer), self._identity.public
        number = await asyncio.to_thread(safety_number, own, key)
        verified = self._contacts.get(peer).verified
        return Verification(format_address(peer), number, key.fingerprint_text, own.fingerprint_text, verified)

    def mark_verified(self, peer: Address, verified: bool) -> None:
        """The person compared the safety number, or takes that back."""
        self._pinned(peer)
        self._contacts.set_verified(peer, verified)

    async def accept_new_key(self, peer: Address, fingerprint: str) -> None:
        """Pin the key with this fingerprint, if the roster shows it now and no other, as the server has it."""
        expected = self.roster_fingerprints(peer)
        if {format_fingerprint(each) for each in expected} != {fingerprint}:
            raise engine_error("peer-key-another", name=self.name(peer))
        answer = await self._client.request(GetPeerKey(0, peer), PeerKey)
        try:
            key = PublicKey.from_blob(answer.public_key)
        except RemoteProtocolError as error:
            raise engine_error("server-protocol", reason=str(error)) from None
        if {key.fingerprint} != expected:
            raise engine_error("server-protocol", reason="The key is not the one in the roster")
        self._contacts.accept(peer, key)

    def set_blocked(self, peer: Address, blocked: bool) -> None:
        """No tunnel and no chat with this peer; also one that is known and shares no network now may be let in."""
        if blocked:
            self.roster_fingerprints(peer)
        self._contacts.set_blocked(peer, blocked)

    def set_alias(self, peer: Address, alias: str) -> None:
        """A name for a peer on this computer; empty takes it back."""
        self.roster_fingerprints(peer)
        try:
            self._contacts.set_alias(peer, checked_name(alias) if alias else "")
        except RemoteProtocolError:
            raise refused(Refusal.BAD_NAME) from None
