"""Every message between client and server and in a peer handshake: typed structs in MessagePack.

A message is a MessagePack array `[tag, field, field, ...]`. Fields may be added at the end with a default; a reader
ignores those it does not know. Everything else that is unknown, missing, mistyped or too long is a protocol error.
Tags below 16 are handshakes, 16-63 requests of a client, 64-127 words of a server; a number is never used again.
"""

from enum import IntEnum
from functools import reduce
from operator import or_
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from app.protocol.wire import MAX_NAME, RemoteProtocolError

Byte32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Nonce = Annotated[bytes, Meta(min_length=128, max_length=128)]
PublicValue = Annotated[bytes, Meta(min_length=32, max_length=1_280)]
KeyBlob = Annotated[bytes, Meta(min_length=64, max_length=600)]
Signature = Annotated[bytes, Meta(min_length=256, max_length=512)]
Salt = Annotated[bytes, Meta(min_length=16, max_length=16)]
WrappedSecret = Annotated[bytes, Meta(min_length=60, max_length=60)]
SignedStatement = Annotated[bytes, Meta(min_length=256, max_length=1_100)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Uint8 = Annotated[int, Meta(ge=0, le=0xFF)]
Uint16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
Uint32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Index = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
IpText = Annotated[str, Meta(min_length=2, max_length=45)]


class HelloRefusal(IntEnum):
    """Why a HELO got NO."""

    NO_SUCH_KEY = 1
    NO_SUCH_SUITE = 2
    BUSY = 3
    TOO_OLD = 4


class Refusal(IntEnum):
    """Why the server refused a login or a request. engine/errors.py has a sentence for each."""

    NO_SUCH_ACCOUNT = 1
    WRONG_SIGNATURE = 2
    REGISTRATION_CLOSED = 3
    TOO_MANY_REQUESTS = 4
    POOL_EXHAUSTED = 5
    INTERNAL = 6
    NETWORK_NOT_FOUND = 16
    NAME_TAKEN = 17
    WRONG_PASSWORD = 18
    NETWORK_FULL = 19
    NETWORK_LOCKED = 20
    ALREADY_MEMBER = 21
    NOT_A_MEMBER = 22
    NOT_THE_OWNER = 23
    BANNED = 24
    TOO_MANY_NETWORKS = 25
    PEER_NOT_FOUND = 26
    NOT_PENDING = 27
    BAD_NAME = 28
    OWNER_MUST_STAY = 29
    PEER_OFFLINE = 30
    ALREADY_PENDING = 31
    NO_RELAY = 32


class Departure(IntEnum):
    """Why a member or a network is gone from the roster."""

    LEFT = 1
    EVICTED = 2
    DELETED = 3
    REJECTED = 4
    BANNED = 5


class CandidateKind(IntEnum):
    """RFC 8445 section 4, best first. The number orders only kinds that the path choice treats alike."""

    HOST = 1
    MAPPED = 2
    REFLEXIVE = 3
    PEER_REFLEXIVE = 4
    RELAY = 5
    """From here on never told to a peer: both bind to the relay that the server offers them."""
    STREAM_RELAY = 6
    """A relay that this computer reaches over a stream only."""


class Message(Struct, frozen=True, array_like=True):
    """Base of all messages."""


# --- handshake, client and server (design: HELO, KEYMAT, AUTH)


class Hello(Message, frozen=True, tag=1):
    """HELO: the suite, the fingerprint of the server key that the client expects, Ni and Gi."""

    version: Uint16
    suite: Uint8
    responder_fingerprint: Byte32
    nonce: Nonce
    public: PublicValue


class HelloOk(Message, frozen=True, tag=2):
    """HELO OK: Nr and Gr."""

    nonce: Nonce
    public: PublicValue


class HelloNo(Message, frozen=True, tag=3):
    """HELO NO, the end of the conversation. Not authenticated: a client treats it as advice and tries again later."""

    reason: HelloRefusal


class Auth(Message, frozen=True, tag=4):
    """AUTH, the first protected message: who the client is and its signature over the transcript."""

    address: Index
    signature: Signature


class Register(Message, frozen=True, tag=5):
    """In AUTH's place at first contact: makes an account for the key that signs."""

    public_key: KeyBlob
    nickname: Name
    signature: Signature


class AuthOk(Message, frozen=True, tag=6):
    """AUTH OK: the server's key and its signature over the transcript in the responder's order."""

    public_key: KeyBlob
    signature: Signature
    address: Index
    """The account's address: new after REGISTER."""


class AuthNo(Message, frozen=True, tag=7):
    """The login is refused; the stream ends. It comes with the server's proof, so a stranger can't fake it."""

    reason: Refusal
    public_key: KeyBlob
    signature: Signature


# --- handshake, peer to peer; each travels in fragments (protocol/peer_handshake.py)


class PeerHello(Message, frozen=True, tag=8):
    """HELO between peers; the receiver index travels in the fragment header."""

    version: Uint16
    suite: Uint8
    responder_fingerprint: Byte32
    nonce: Nonce
    public: PublicValue


class PeerHelloOk(Message, frozen=True, tag=9):
    """HELO OK between peers."""

    nonce: Nonce
    public: PublicValue


class NetworkProof(Struct, frozen=True, array_like=True):
    """One side's proof that it knows a network's secret; None for a network that has none."""

    network: Index
    proof: Byte32 | None


MAX_PROOFS = 64
"""Networks that two peers can share."""

Proofs = Annotated[tuple[NetworkProof, ...], Meta(max_length=MAX_PROOFS)]


class PeerAuth(Message, frozen=True, tag=10):
    """AUTH and AUTH OK between peers, sealed: who signs, what it can do, its proofs and its signature."""

    address: Index
    capabilities: Uint32
    proofs: Proofs
    signature: Signature


class PeerCapability(IntEnum):
    """Bits of `PeerAuth.capabilities`."""

    PARTIAL_CHECKSUMS = 1


# --- requests of a client; each is answered by one reply with the same `request`


class Request(Message, frozen=True):
    """Base of the requests; the number is the client's and comes back in the reply."""

    request: Uint32


class SetNickname(Request, frozen=True, tag=16):
    """Change the account's nickname everywhere."""

    nickname: Name


class PrepareJoin(Request, frozen=True, tag=17):
    """Ask what is needed to join a network by its name. Answered by JoinParameters."""

    name: Name


class CreateNetwork(Request, frozen=True, tag=18):
    """Make a network with oneself as owner; with a password all three fields are given. Answered by Created."""

    name: Name
    salt: Salt | None
    token: Byte32 | None
    wrapped_secret: WrappedSecret | None


class JoinNetwork(Request, frozen=True, tag=19):
    """Join; `token` if it has a password. Answered by Accepted (its NetworkState follows) or Pending."""

    network: Index
    token: Byte32 | None


class LeaveNetwork(Request, frozen=True, tag=20):
    """Leave. The owner can't: it deletes."""

    network: Index


class DeleteNetwork(Request, frozen=True, tag=21):
    """Owner: delete the network for all."""

    network: Index


class Evict(Request, frozen=True, tag=22):
    """Owner: put a member out; it comes back only by approval, or not at all with `ban`."""

    network: Index
    member: Index
    ban: bool
    statement: SignedStatement
    """The owner's signed word (protocol/statement.py), which the server hands to every member."""


class SetPassword(Request, frozen=True, tag=23):
    """Owner: change or remove (all None) the password. Members are not touched: the network secret stays."""

    network: Index
    salt: Salt | None
    token: Byte32 | None
    wrapped_secret: WrappedSecret | None


class SetAccess(Request, frozen=True, tag=24):
    """Owner: lock against new members; let new members wait for approval; None leaves as it is."""

    network: Index
    locked: bool | None
    approval: bool | None
    member_limit: Uint16 | None = None
    """At most this many members, within the server's own limit; 0 for the server's."""


class Approve(Request, frozen=True, tag=25):
    """Owner: let a waiting account in. `statement` readmits one that was evicted before."""

    network: Index
    member: Index
    statement: SignedStatement | None


class Reject(Request, frozen=True, tag=26):
    """Owner: turn a waiting account away."""

    network: Index
    member: Index


class RenameMember(Request, frozen=True, tag=27):
    """Change a member's nickname in this network: one's own, or anybody's as owner. Empty by None."""

    network: Index
    member: Index
    nickname: Name | None


class SetPresence(Request, frozen=True, tag=28):
    """Go online or offline in one network."""

    network: Index
    online: bool


class GetPeerKey(Request, frozen=True, tag=29):
    """Ask for the key of an account that shares a network. Answered by PeerKey."""

    peer: Index


class Candidate(Struct, frozen=True, array_like=True):
    """A place where a peer may be reached."""

    kind: CandidateKind
    host: IpText
    port: Annotated[int, Meta(ge=1, le=0xFFFF)]


MAX_CANDIDATES = 24


class Introduce(Request, frozen=True, tag=30):
    """Tell a peer our candidates and check credentials, through the server. Answered by Accepted or PEER_OFFLINE."""

    peer: Index
    username: Annotated[bytes, Meta(min_length=4, max_length=16)]
    password: Annotated[bytes, Meta(min_length=16, max_length=32)]
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=MAX_CANDIDATES)]
    wants_answer: bool
    """Ask the peer to introduce itself in turn."""


class Ping(Request, frozen=True, tag=31):
    """Is the stream alive? Answered by Accepted."""


class Unban(Request, frozen=True, tag=32):
    """Owner: forget a ban, so that the account may ask again."""

    network: Index
    member: Index


MAX_RELAYS = 16


class RelayTime(Struct, frozen=True, array_like=True):
    """How far away a relay is from this client."""

    relay: Uint8
    """Its number in Welcome."""
    milliseconds: Uint16
    """Round-trip time."""


class ReportRelays(Request, frozen=True, tag=33):
    """Tell which relays answer, and how soon: the server offers the nearest to both peers. Answered by Accepted."""

    times: Annotated[tuple[RelayTime, ...], Meta(max_length=MAX_RELAYS)]


class GetRelay(Request, frozen=True, tag=34):
    """Ask for a relay to a peer. RelayOffered goes to both; answered by Accepted, PEER_OFFLINE or NO_RELAY."""

    peer: Index


# --- replies


class Accepted(Message, frozen=True, tag=64):
    """The request was carried out."""

    request: Uint32


class Refused(Message, frozen=True, tag=65):
    """The request was refused; nothing has changed."""

    request: Uint32
    reason: Refusal


class JoinParameters(Message, frozen=True, tag=66):
    """What joining needs. Salt None: no password."""

    request: Uint32
    network: Index
    name: Name
    salt: Salt | None


class Created(Message, frozen=True, tag=67):
    """The new network's number; its NetworkState follows."""

    request: Uint32
    network: Index


class Pending(Message, frozen=True, tag=68):
    """The owner must approve; a NetworkState follows when that happens."""

    request: Uint32
    network: Index


class PeerKey(Message, frozen=True, tag=69):
    """A peer's public key. The client checks it against the fingerprint in the roster and what it pinned."""

    request: Uint32
    peer: Index
    public_key: KeyBlob


# --- what the server tells unasked


class Relay(Struct, frozen=True, array_like=True):
    """A relay that the server knows; see protocol/relay.py."""

    number: Uint8
    host: Annotated[str, Meta(max_length=253, pattern=r"\A[0-9A-Za-z._:-]*\Z")]
    """IP address or name; empty for the server's own."""
    port: Annotated[int, Meta(ge=1, le=0xFFFF)]
    """For UDP and for TCP."""
    web_port: Uint16
    """For WebSocket over TLS; 0 for none."""


class Welcome(Message, frozen=True, tag=80):
    """First message after AUTH OK; networks and rosters follow, then Synchronised."""

    server_name: Name
    nickname: Name
    pool: Uint32
    """Network address of the virtual pool."""
    pool_prefix: Annotated[int, Meta(ge=8, le=30)]
    reflector_ports: Annotated[tuple[Uint16, ...], Meta(max_length=4)]
    observed_host: IpText
    """Where the server sees the client's stream come from."""
    relays: Annotated[tuple[Relay, ...], Meta(max_length=MAX_RELAYS)] = ()
    web_port: Uint16 = 0
    """Where the server takes WebSocket over TLS; 0 for nowhere."""


class MemberStatus(IntEnum):
    """A member's standing in a network."""

    MEMBER = 1
    PENDING = 2


class Member(Struct, frozen=True, array_like=True):
    """One line of a roster. Waiting accounts are shown to the owner alone."""

    address: Index
    fingerprint: Byte32
    nickname: Name
    online: bool
    status: MemberStatus = MemberStatus.MEMBER


class NetworkState(Message, frozen=True, tag=81):
    """A network as this member may see it; replaces what was known of it. Its roster follows when `roster` is True."""

    network: Index
    name: Name
    owner: Index
    status: MemberStatus
    """PENDING: this account waits for approval, and sees no roster."""
    online: bool
    """Whether this account is online in it."""
    locked: bool
    approval: bool
    member_limit: Uint16
    salt: Salt | None
    wrapped_secret: WrappedSecret | None
    roster: bool


MAX_ROSTER_PAGE = 256


class Roster(Message, frozen=True, tag=82):
    """Members of a network, the receiver included; a first page replaces the roster, later ones add to it."""

    network: Index
    first: bool
    last: bool
    members: Annotated[tuple[Member, ...], Meta(max_length=MAX_ROSTER_PAGE)]


class MemberChanged(Message, frozen=True, tag=83):
    """A member joined, changed its name, or came on- or offline."""

    network: Index
    member: Member


class MemberGone(Message, frozen=True, tag=84):
    """A member is no longer in a network: tunnels that rest on it alone end now."""

    network: Index
    address: Index
    departure: Departure


class NetworkGone(Message, frozen=True, tag=85):
    """The receiver is no longer in a network."""

    network: Index
    departure: Departure


class Synchronised(Message, frozen=True, tag=86):
    """All networks have been told: those not among them are gone."""


class Introduced(Message, frozen=True, tag=87):
    """A peer's Introduce, handed on."""

    peer: Index
    username: Annotated[bytes, Meta(min_length=4, max_length=16)]
    password: Annotated[bytes, Meta(min_length=16, max_length=32)]
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=MAX_CANDIDATES)]
    wants_answer: bool
    observed_host: Annotated[str, Meta(max_length=45)] = ""
    """The IPv4 address from which the server sees the peer's stream come; empty where it sees none."""


class StatementTold(Message, frozen=True, tag=88):
    """An owner's signed statement about a member of a network."""

    network: Index
    statement: SignedStatement


class Closing(Message, frozen=True, tag=89):
    """The server ends the stream: `restart` asks to come back at once, else another login took this one's place."""

    restart: bool


class RelayOffered(Message, frozen=True, tag=90):
    """What binding to a relay takes that carries datagrams between the receiver and a peer; see protocol/relay.py."""

    peer: Index
    relay: Uint8
    """Its number in Welcome."""
    token: Annotated[bytes, Meta(min_length=32, max_length=128)]
    key: Byte32
    """Proves to the relay that the token is the sender's own; never sent to it."""
    lifetime: Uint32
    """Seconds for which the token is good."""


LOGIN_OF_CLIENT = (Auth, Register)
LOGIN_OF_SERVER = (AuthOk, AuthNo)
REQUESTS: tuple[type[Message], ...] = tuple(Request.__subclasses__())
WORDS_OF_SERVER = (
    *(Accepted, Refused, JoinParameters, Created, Pending, PeerKey, Welcome, NetworkState, Roster),
    *(MemberChanged, MemberGone, NetworkGone, Synchronised, Introduced, StatementTold, Closing, RelayOffered),
)
PEER_MESSAGES = (PeerHello, PeerHelloOk, PeerAuth)

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """The message's MessagePack array."""
    return _encoder.encode(message)


AnyMessage = TypeVar("AnyMessage", bound=Message)


class Decoder(Generic[AnyMessage]):
    """Decodes just the given messages: what a state of a conversation allows."""

    def __init__(self, *allowed: type[AnyMessage]) -> None:
        self._decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(reduce(or_, allowed))

    def decode(self, data: bytes | memoryview) -> AnyMessage:
        """One message. Raises RemoteProtocolError for anything that is not exactly one allowed message."""
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise RemoteProtocolError(f"message: {error}") from None
