"""Words between a client and a relay: measuring it, and binding an endpoint to one side of a pair of peers.

A relay forwards datagrams between two endpoints that stand behind the same relay id, 4 bytes in front of each datagram,
unchanged in both directions. Who may use it is the mediation server's to say: it gives each of two peers a token, which
only relay and server can read (they share a secret), and a key that belongs to it and is never sent::

    client                                   relay
      PING probe, padding             ->            the round trip is the relay's distance
                                      <-     PONG probe, cookie             the cookie is bound to the sender's endpoint
      BIND token, cookie, nonce, mac  ->            mac under the token's key: a copied token is of no use elsewhere
                                      <-     BOUND nonce, relay id, both bound?, mac

When the second peer binds, the first is told by BOUND as well. A relayed datagram from an endpoint that is not bound
(the relay was restarted, or the client's address changed) is answered by UNKNOWN at most. No answer is longer than what
it answers, and nothing goes to an endpoint that has not shown its cookie: a relay can't be used to flood a third party.

On a stream the same datagrams travel in frames, see `STREAM_FRAME`. Called by the engine, the server and the relay.
"""

import hashlib
import hmac
import secrets
from enum import IntEnum
from functools import reduce
from operator import or_
from struct import Struct as Layout
from struct import error as LayoutError
from typing import Annotated, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta, Struct

from app.protocol.wire import MIN_RELAY_ID, DatagramType, RemoteProtocolError

SECRET_LENGTH: Final = 32
"""Bytes in the secret that a relay shares with its mediation server."""
PAIR_LENGTH: Final = 16
"""Bytes in the name of a pair of peers; it says nothing of who they are."""
COOKIE_LENGTH: Final = 16
MAC_LENGTH: Final = 32
MAX_RELAY_WORD: Final = 256
"""Bytes in a word to or of a relay."""
PING_PADDING: Final = 32
"""Bytes that make PING longer than its answer."""

STREAM_MAGIC: Final = b"\xb5"
"""First byte of a relay's stream; a stream to the mediation server begins with 0x00 to 0x10, the length of HELO."""
STREAM_FRAME: Final = Layout("!HH")
"""In front of each train on a stream: its length, and that of each of its datagrams; the last may be shorter."""

_SEAL_LABEL: Final = b"buri relay seal 1"
_KEY_LABEL: Final = b"buri relay key 1"
_BIND_LABEL: Final = b"buri relay bind 1"
_BOUND_LABEL: Final = b"buri relay bound 1"
_GRANT: Final = Layout("!16sBQI")
_NONCE_LENGTH: Final = 12

Cookie = Annotated[bytes, Meta(min_length=COOKIE_LENGTH, max_length=COOKIE_LENGTH)]
Token = Annotated[bytes, Meta(min_length=32, max_length=128)]
Number = Annotated[bytes, Meta(min_length=8, max_length=8)]
Mac = Annotated[bytes, Meta(min_length=MAC_LENGTH, max_length=MAC_LENGTH)]
RelayId = Annotated[int, Meta(ge=MIN_RELAY_ID, le=0xFFFFFFFF)]


class Grant(NamedTuple):
    """What a token says: which side of which pair its owner is."""

    pair: bytes
    side: int
    """0 for the lower address, 1 for the higher one."""
    expires: int
    """Unix seconds."""
    rate: int
    """Bytes a second that the pair may send in each direction; 0 leaves it to the relay."""


def seal_token(secret: bytes, grant: Grant) -> bytes:
    """The token that tells a grant to the relay that knows `secret`, and nothing to anybody else."""
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    return nonce + _cipher(secret).encrypt(nonce, _GRANT.pack(*grant), None)


def open_token(secret: bytes, token: bytes) -> Grant:
    """The grant in a token. Raises RemoteProtocolError if it was not sealed with this secret."""
    try:
        grant = Grant(*_GRANT.unpack(_cipher(secret).decrypt(token[:_NONCE_LENGTH], token[_NONCE_LENGTH:], None)))
    except (InvalidTag, ValueError, LayoutError):
        raise RemoteProtocolError("relay token: not of this relay's server") from None
    if grant.side > 1:
        raise RemoteProtocolError("relay token: a pair has two sides")
    return grant


def token_key(secret: bytes, token: bytes) -> bytes:
    """The key that belongs to a token: known to the server, the relay and the client it was given to."""
    return hmac.digest(secret, _KEY_LABEL + token, hashlib.sha256)


def bind_mac(key: bytes, token: bytes, cookie: bytes, nonce: bytes) -> bytes:
    """Proves in BIND that the sender was given the token, at the endpoint of the cookie."""
    return hmac.digest(key, _BIND_LABEL + nonce + cookie + token, hashlib.sha256)


def bound_mac(key: bytes, nonce: bytes, relay: int, both: bool) -> bytes:
    """Proves in BOUND that the relay itself answers."""
    return hmac.digest(key, _BOUND_LABEL + nonce + relay.to_bytes(4) + bytes([both]), hashlib.sha256)


def is_mac(own: bytes, told: bytes) -> bool:
    """Whether a MAC is the right one, in constant time."""
    return hmac.compare_digest(own, told)


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, _SEAL_LABEL, hashlib.sha256))


class RelayRefusal(IntEnum):
    """Why a BIND was refused."""

    STALE_COOKIE = 1
    """Ask for a new one by PING."""
    WRONG_TOKEN = 2
    """Not of this relay's server, or its time is over: ask the server."""
    BUSY = 3


class RelayWord(Struct, frozen=True, array_like=True):
    """Base of all words: a datagram of 0x82 and the MessagePack array `[tag, field, ...]`."""


class RelayPing(RelayWord, frozen=True, tag=1):
    """How far are you? Answered by RelayPong."""

    probe: Number
    padding: Annotated[bytes, Meta(min_length=PING_PADDING, max_length=PING_PADDING)] = bytes(PING_PADDING)


class RelayPong(RelayWord, frozen=True, tag=2):
    """Answer to RelayPing, with what RelayBind must show."""

    probe: Number
    cookie: Cookie


class RelayBind(RelayWord, frozen=True, tag=3):
    """This endpoint is one side of the token's pair from now on. Answered by RelayBound or RelayRefused."""

    token: Token
    cookie: Cookie
    nonce: Number
    mac: Mac


class RelayBound(RelayWord, frozen=True, tag=4):
    """The pair's relay id; also told to the first side, with its own nonce, when the second one binds."""

    nonce: Number
    relay: RelayId
    both: bool
    """The other side is bound too."""
    mac: Mac


class RelayRefused(RelayWord, frozen=True, tag=5):
    """The BIND with this nonce was refused. Not authenticated: no more than a hint to try anew."""

    nonce: Number
    reason: RelayRefusal


class RelayUnknown(RelayWord, frozen=True, tag=6):
    """The sender's endpoint is not bound to this relay id. Not authenticated: a hint to bind anew."""

    relay: RelayId


RELAY_WORDS: tuple[type[RelayWord], ...] = tuple(RelayWord.__subclasses__())

_KIND = bytes([DatagramType.RELAY])
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[RelayWord] = msgspec.msgpack.Decoder(reduce(or_, RELAY_WORDS))


def encode(word: RelayWord) -> bytes:
    """The word as a datagram."""
    return _KIND + _encoder.encode(word)


def decode(datagram: bytes) -> RelayWord:
    """The word in a datagram that begins with 0x82. Raises RemoteProtocolError if there is none."""
    if len(datagram) > MAX_RELAY_WORD or datagram[:1] != _KIND:
        raise RemoteProtocolError("relay: not a word of the protocol")
    try:
        return _decoder.decode(datagram[1:])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(f"relay: {error}") from None
