"""Engine messages inside a tunnel: probes, keepalives, chat, signed statements, search for a path and goodbye.

A message is the byte 0x00 (wire.ENGINE_MESSAGE; an IP packet starts with 0x4_ or 0x6_) and a MessagePack array
`[tag, field, field, ...]`. The tunnel has already said who sent it. Fields may be added at the end with a default; a
reader ignores those it does not know, and messages whose tag it does not know. Everything else is a protocol error.
A number is never used again.

Called by the engine, protocol/conversation.py and protocol/liveness.py.
"""

from enum import IntEnum
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from app.protocol.wire import ENGINE_MESSAGE, MAX_CHAT, RemoteProtocolError

MAX_TUNNEL_MESSAGE = 1_400
"""Bytes in one engine message, the leading zero byte included: the largest inner packet."""
FRAGMENT_SIZE = 1_200
"""Bytes of chat text in every fragment but the last."""
MAX_FRAGMENTS = -(-MAX_CHAT // FRAGMENT_SIZE)
MAX_PADDING = 1_385
"""Bytes of padding in a probe, which is then as large as a message may be."""
MAX_STATEMENT = 1_100

Uint64 = Annotated[int, Meta(ge=0)]
"""MessagePack has no larger integers than 64 bits."""
Index = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
Port = Annotated[int, Meta(ge=1, le=0xFFFF)]
Padding = Annotated[bytes, Meta(max_length=MAX_PADDING)]


class TunnelMessage(Struct, frozen=True, array_like=True):
    """Base of all engine messages."""


class ProbeRequest(TunnelMessage, frozen=True, tag=1):
    """Does this path carry? Answered at once, over the path it came by, with the same token and padding."""

    token: Uint64
    padding: Padding = b""


class ProbeReply(TunnelMessage, frozen=True, tag=2):
    """The answer to a ProbeRequest."""

    token: Uint64
    padding: Padding = b""


class Keepalive(TunnelMessage, frozen=True, tag=3):
    """Keeps routers' mappings open. Never answered."""


class ChatFragment(TunnelMessage, frozen=True, tag=4):
    """A part of one chat message; see protocol/conversation.py."""

    epoch: Uint64
    """Random, new with each start of the sender."""
    sequence: Index
    """Order of sending within the epoch; a message that is tried anew after it failed gets a new one."""
    number: Index
    """With the epoch of its first sending the message's lasting id."""
    sent_at: Uint64
    """When it was written: milliseconds since 1970 by the sender's clock."""
    index: Annotated[int, Meta(ge=0, lt=MAX_FRAGMENTS)]
    count: Annotated[int, Meta(ge=1, le=MAX_FRAGMENTS)]
    data: Annotated[bytes, Meta(min_length=1, max_length=FRAGMENT_SIZE)]
    network: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)] = 0
    """Written to all members of this network; 0: to the receiver alone."""
    first_epoch: Uint64 = 0
    """The epoch of its first sending, if that is another one than `epoch`, else 0."""


class ChatAcknowledge(TunnelMessage, frozen=True, tag=5):
    """Which fragments of a chat message have arrived: bit n stands for index n."""

    epoch: Uint64
    sequence: Index
    fragments: Annotated[int, Meta(ge=0, lt=1 << MAX_FRAGMENTS)]


class StatementGossip(TunnelMessage, frozen=True, tag=6):
    """An owner's signed statement about a network, passed from member to member."""

    network: Index
    statement: Annotated[bytes, Meta(min_length=1, max_length=MAX_STATEMENT)]


class Goodbye(TunnelMessage, frozen=True, tag=7):
    """The sender closes the session on purpose: this is no silence to be repaired."""


class SearchVerdict(IntEnum):
    """What a peer says to SearchOffer."""

    BEGIN = 1
    BUSY = 2
    """With another search, or one was not long ago."""
    BOTH_HARD = 3
    """Its own router gives each destination another port too: there is nothing to aim at."""
    REFUSED = 4
    """It knows no outside endpoint of its own, has a direct path already, or finds something wrong with the offer."""


class SearchOffer(TunnelMessage, frozen=True, tag=8):
    """The sender's router gives each destination another port: let us guess one. Answered by SearchAnswer.

    See engine/path_search.py for what follows.
    """

    search: Uint64
    host: Annotated[str, Meta(min_length=7, max_length=15)]
    """The router's IPv4 address."""
    ports: Annotated[tuple[Port, ...], Meta(max_length=8)]
    """The latest that reflectors saw, oldest first."""


class SearchAnswer(TunnelMessage, frozen=True, tag=9):
    """What follows from the offer of this number: with BEGIN, where the sender is to be knocked at."""

    search: Uint64
    verdict: SearchVerdict
    host: Annotated[str, Meta(max_length=15)] = ""
    port: Annotated[int, Meta(ge=0, le=0xFFFF)] = 0


_MESSAGES: Final = tuple(TunnelMessage.__subclasses__())
_TAGS: Final = frozenset(message.__struct_config__.tag for message in _MESSAGES)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[TunnelMessage] = msgspec.msgpack.Decoder(reduce(or_, _MESSAGES))
_any_array: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(list[Any])


def encode(message: TunnelMessage) -> bytes:
    """The message as tunnel plaintext: at most MAX_TUNNEL_MESSAGE bytes."""
    return bytes([ENGINE_MESSAGE]) + _encoder.encode(message)


def decode(payload: bytes) -> TunnelMessage | None:
    """The message in a tunnel plaintext, None if it is of a kind that a later version may have added.

    Raises RemoteProtocolError for everything else.
    """
    if not 2 <= len(payload) <= MAX_TUNNEL_MESSAGE or payload[0] != ENGINE_MESSAGE:
        raise RemoteProtocolError("tunnel message: wrong size or first byte")
    body = memoryview(payload)[1:]
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        if _is_of_unknown_kind(body):
            return None
        raise RemoteProtocolError(f"tunnel message: {error}") from None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(f"tunnel message: {error}") from None


def padded_probe(token: int, size: int) -> bytes:
    """The plaintext of a probe that is `size` bytes long, 300 to MAX_TUNNEL_MESSAGE; `token` has 64 bits."""
    bare = encode(ProbeRequest(token, bytes(size)))
    return encode(ProbeRequest(token, bytes(2 * size - len(bare))))


def reply_to(request: ProbeRequest) -> bytes:
    """The plaintext that answers a probe; to be sent to the endpoint from which the request came."""
    return encode(ProbeReply(request.token, request.padding))


def _is_of_unknown_kind(body: memoryview) -> bool:
    try:
        fields = _any_array.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return bool(fields) and type(fields[0]) is int and 0 < fields[0] < 128 and fields[0] not in _TAGS
