"""What a network's owner says about a member, signed, so that a lying server can't put an evicted one back.

A signed statement is the owner's RSA-PSS signature (SHA-256, RFC 8017 section 8.1, whatever the suite; 384 bytes) over
"buri statement 1" and the body, then the body: the MessagePack array
`[server fingerprint, network, subject address, subject fingerprint, verb, counter, issued at]`. Only the one shortest
encoding of a body is taken.

The server hands statements on and keeps them; members remember the latest about each key and hold it against every
roster. Counters grow, so an old statement undoes nothing. A server can withhold a statement from someone who never
saw it: then it is no worse than the member list of any server.

Called by the engine, and by the server to check what it hands on. It may do no I/O; keeping the memory on disk is the
engine's business.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from app.protocol.keys import PSS_PADDING, SIGNATURE_LENGTH, IdentityKey, PublicKey
from app.protocol.wire import Address, NetworkId, RemoteProtocolError

MAX_SIGNED_STATEMENT: Final = 1_100
"""Bytes in a signed statement."""
MAX_SUBJECTS: Final = 4_096
"""Keys that one network's memory holds statements about."""
MAX_NETWORKS: Final = 1_024
"""Networks that a memory holds."""

_LABEL: Final = b"buri statement 1"

Byte32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Index = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
Uint63 = Annotated[int, Meta(ge=0, le=0x7FFFFFFFFFFFFFFF)]


class Verb(IntEnum):
    """What the owner says of the subject."""

    EVICTED = 1
    """It is out: no tunnel to it may rest on this network, whatever the server says."""
    READMITTED = 2
    """It may be a member again."""


class Statement(Struct, frozen=True, array_like=True):
    """One word of an owner about one account in one network of one server."""

    server_fingerprint: Byte32
    network: Index
    subject: Index
    """Address of the account it is about."""
    subject_fingerprint: Byte32
    verb: Verb
    counter: Uint63
    """Grows with every statement of this network; see `MembershipMemory.next_counter`."""
    issued_at: Uint63
    """Seconds since 1970 by the owner's clock, for people to read; nothing is decided by it."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Statement)


def sign_statement(statement: Statement, owner: IdentityKey) -> bytes:
    """The signed statement as it travels and is kept, at most `MAX_SIGNED_STATEMENT` bytes."""
    body = _encoder.encode(statement)
    return owner.sign(_LABEL + body, PSS_PADDING) + body


def parse_statement(signed: bytes) -> Statement:
    """The statement without a look at its signature: of one that was verified when it was put away.

    Raises RemoteProtocolError for anything that `sign_statement` can't have written.
    """
    if not SIGNATURE_LENGTH < len(signed) <= MAX_SIGNED_STATEMENT:
        raise RemoteProtocolError("statement: wrong length")
    body = signed[SIGNATURE_LENGTH:]
    try:
        statement = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(f"statement: {error}") from None
    if _encoder.encode(statement) != body:
        raise RemoteProtocolError("statement: not in the canonical encoding")
    return statement


def verify_statement(signed: bytes, owner: PublicKey) -> Statement:
    """The statement, signed by the owner. Raises RemoteProtocolError for anything else."""
    statement = parse_statement(signed)
    owner.verify(signed[:SIGNATURE_LENGTH], _LABEL + signed[SIGNATURE_LENGTH:], PSS_PADDING)
    return statement


class _Words:
    """The latest statement about each key in one network, found by key or by address."""

    def __init__(self) -> None:
        self.by_key: dict[bytes, tuple[Statement, bytes]] = {}
        self.by_address: dict[int, Statement] = {}
        """Of those statements the latest about each address."""

    def take(self, statement: Statement, signed: bytes) -> None:
        """Replace what is known of the statement's key."""
        before = self.by_key.get(statement.subject_fingerprint)
        self.by_key[statement.subject_fingerprint] = (statement, signed)
        if before is not None and before[0].subject != statement.subject:
            self.by_address.clear()
            for each, _ in self.by_key.values():
                self._note_address(each)
        self._note_address(statement)

    def _note_address(self, statement: Statement) -> None:
        known = self.by_address.get(statement.subject)
        if known is None or known.counter < statement.counter:
            self.by_address[statement.subject] = statement

    def highest_counter(self) -> int:
        """0 if there is no statement."""
        return max((statement.counter for statement, _ in self.by_key.values()), default=0)

    def in_order(self) -> list[bytes]:
        """All signed statements by counter."""
        entries = sorted(self.by_key.values(), key=lambda entry: entry[0].counter)
        return [signed for _, signed in entries]


class MembershipMemory:
    """The latest statement about each key in each network of one server."""

    def __init__(self, server_fingerprint: bytes) -> None:
        self._server_fingerprint = server_fingerprint
        self._networks: dict[NetworkId, _Words] = {}

    @classmethod
    def restore(cls, server_fingerprint: bytes, exported: Iterable[bytes]) -> "MembershipMemory":
        """The memory that `export` wrote to a place nobody else can write: signatures are not checked again.

        Raises RemoteProtocolError if it was damaged or is another server's.
        """
        memory = cls(server_fingerprint)
        for signed in exported:
            memory._remember(parse_statement(signed), signed)
        return memory

    def export(self) -> list[bytes]:
        """All remembered signed statements, in the order of network, then counter."""
        return [signed for network in sorted(self._networks) for signed in self._networks[network].in_order()]

    def apply(self, signed: bytes, network: NetworkId, owner: PublicKey) -> bool:
        """Take in a statement that the server told about `network`, whose owner's pinned key is `owner`.

        True if it says something new of its subject; an older or known one changes nothing. Raises RemoteProtocolError
        if the owner did not sign it for this network of this server, or if there are too many.
        """
        statement = verify_statement(signed, owner)
        if statement.network != network:
            raise RemoteProtocolError("statement: about another network")
        return self._remember(statement, signed)

    def _remember(self, statement: Statement, signed: bytes) -> bool:
        if statement.server_fingerprint != self._server_fingerprint:
            raise RemoteProtocolError("statement: of another server")
        network = NetworkId(statement.network)
        words = self._networks.get(network)
        if words is None:
            if len(self._networks) >= MAX_NETWORKS:
                raise RemoteProtocolError("statement: too many networks to remember")
            words = self._networks[network] = _Words()
        known = words.by_key.get(statement.subject_fingerprint)
        if known is None and len(words.by_key) >= MAX_SUBJECTS:
            raise RemoteProtocolError("statement: too many to remember")
        if known is not None and known[0].counter >= statement.counter:
            return False
        words.take(statement, signed)
        return True

    def recheck(self, network: NetworkId, owner: PublicKey) -> bool:
        """Drop what another key signed that was passed off as the owner's; True if there was any."""
        words = self._networks.pop(network, None)
        dropped = False
        for signed in [] if words is None else words.in_order():
            try:
                self.apply(signed, network, owner)
            except RemoteProtocolError:
                dropped = True
        return dropped

    def is_barred(self, network: NetworkId, address: Address, fingerprint: bytes) -> bool:
        """Whether the owner's last word is that this account is out.

        The last word about the key counts, at whatever address the server shows it; if there is none, the last about
        the address, so that an evicted account does not come back with a key that the server made up.
        """
        words = self._networks.get(network)
        if words is None:
            return False
        entry = words.by_key.get(fingerprint)
        statement = words.by_address.get(address) if entry is None else entry[0]
        return statement is not None and statement.verb is Verb.EVICTED

    def next_counter(self, network: NetworkId, unix_time: float) -> int:
        """The owner's next counter: past all known ones, and past those of a memory lost since by way of the clock."""
        words = self._networks.get(network)
        highest = 0 if words is None else words.highest_counter()
        return max(highest + 1, int(unix_time))

    def forget(self, network: NetworkId) -> None:
        """Drop what is known of a network that is deleted for good; unknown is fine."""
        self._networks.pop(network, None)
