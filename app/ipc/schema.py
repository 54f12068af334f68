"""What engine and helper say to each other: a closed list of typed requests, replies and notifications.

The engine sends requests, each answered by exactly one reply with the same `request` number; the helper sends
notifications at any time. Everything is MessagePack of one tagged struct; lengths are limited here, so that decoding
is the validation. Dispatch is derived from these classes: there is no second list of verbs.

No struct carries a path, a command or the name of an interface that the helper did not make.
"""

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from app.protocol.wire import MAX_EXTRA_SOCKETS

IPC_VERSION = 2
MAX_IPC_FRAME = 262_144
"""Bytes in one frame after its 32-bit length."""
MAX_PEERS = 3_500
"""Peers that a pump takes: the most whose statistics, with the counters, fit into one frame."""

Uint16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
Uint32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
VirtualAddress = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
Datagram = Annotated[bytes, Meta(min_length=1, max_length=1_472)]
EngineMessage = Annotated[bytes, Meta(min_length=1, max_length=1_400)]
ExtraSocket = Annotated[int, Meta(ge=1, le=MAX_EXTRA_SOCKETS)]
KeyMaterial = Annotated[bytes, Meta(min_length=64, max_length=256)]


class UdpEndpoint(NamedTuple):
    """An outside endpoint; the helper checks `host` with `wire.checked_endpoint`."""

    host: Annotated[str, Meta(max_length=45)]
    port: Uint16
    relay: Uint32 = 0
    """The relay id in front of each datagram, 0 for none."""
    socket: Annotated[int, Meta(ge=0, le=MAX_EXTRA_SOCKETS)] = 0
    """The extra socket that is used, 0 for the one UDP socket."""


class IpcMessage(Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """Base of everything on the helper's socket; the tag is the class name."""


class Request(IpcMessage, frozen=True, kw_only=True):
    """Base of what the engine asks; `request` comes back in the reply."""

    request: Uint32


# --- requests to the privileged part


class Hello(Request, frozen=True):
    """First request on a connection. Answered by HelloReply; another version is refused."""

    version: Uint16


class ConfigureInterface(Request, frozen=True):
    """Make the adapter (or change it to this) with `address`/`prefix_length` and its IPv6 form, and start the pump.

    Repeating it with the same values changes nothing. `udp_port` 0 lets the system choose.
    Answered by InterfaceReady or Failed.
    """

    address: VirtualAddress
    prefix_length: Annotated[int, Meta(ge=8, le=30)]
    mtu: Annotated[int, Meta(ge=576, le=1_400)] = 1_400
    udp_port: Uint16 = 0
    offload: bool = True
    """False keeps every kernel offload off: the path other systems take, for tests and for broken kernels."""


class RemoveInterface(Request, frozen=True):
    """Stop the pump and remove adapter, addresses and routes. Answered by Done, also when there was none."""


# --- requests to the pump; before ConfigureInterface they fail with `no-interface`


class PumpRequest(Request, frozen=True):
    """Base of what the pump carries out."""


class InstallSession(PumpRequest, frozen=True):
    """A tunnel session made by a peer handshake; it receives at once.

    It sends at once if `confirmed` (the initiator has AUTH OK), else from its first authenticated packet on, which is
    told by SessionConfirmed. The session that sent before goes on receiving until DropSession.
    """

    peer: VirtualAddress
    local_index: Uint32
    """Receiver index in the datagrams that come to us; chosen by the engine, not in use."""
    remote_index: Uint32
    suite: Annotated[int, Meta(ge=1, le=2)]
    initiator: bool
    key_material: KeyMaterial
    endpoint: UdpEndpoint
    confirmed: bool
    partial_checksums: bool
    """Both ends said in AUTH that they take partial checksums and continued segments."""
    broadcast: bool = True
    """Broadcast and multicast packets are copied to this peer."""


class DropSession(PumpRequest, frozen=True):
    """Forget one session; unknown is fine. Answered by Done."""

    local_index: Uint32


class SetPeerPath(PumpRequest, frozen=True):
    """Send to the peer over this endpoint from now on. Answered by Done or Failed `no-peer`, `endpoint`.

    IP packets larger than `mtu`, which the path cannot carry in one piece, are answered with "packet too big"; those
    of IPv4 that may be fragmented, and of IPv6 up to 1,280 bytes, go out nevertheless. Installing a session over the
    same endpoint changes nothing.
    """

    peer: VirtualAddress
    endpoint: UdpEndpoint
    mtu: Annotated[int, Meta(ge=576, le=1_400)] = 1_400


class SetPeerBroadcast(PumpRequest, frozen=True):
    """Copy broadcast and multicast to this peer, or stop it. Answered by Done or Failed `no-peer`."""

    peer: VirtualAddress
    broadcast: bool


class RemovePeer(PumpRequest, frozen=True):
    """Drop all sessions of a peer at once (left, evicted, blocked). Answered by Done, also when unknown."""

    peer: VirtualAddress


class SendDatagram(PumpRequest, frozen=True):
    """Send STUN, a handshake fragment or a word to a relay; tunnel data (0x81) is refused. Answered by Done.

    A word to a relay never travels over a relay. Done says that the datagram was handed to the system or dropped with
    a counter; the network's refusals are no failure.
    """

    endpoint: UdpEndpoint
    data: Datagram


class SendMessage(PumpRequest, frozen=True):
    """Seal an engine message (first byte 0x00) for a peer. `endpoint` None means its path; else a path to probe.

    Answered by Done or Failed `no-peer`, `no-session`.
    """

    peer: VirtualAddress
    payload: EngineMessage
    endpoint: UdpEndpoint | None = None
    whole: bool = False
    """Not to be fragmented on the way: a message of n bytes arrives only if the path carries IP packets of n bytes."""


class UseSockets(PumpRequest, frozen=True):
    """Have just these extra UDP sockets, each at a port of the system's choice: missing ones are opened, others closed.

    What comes in on them is told and sorted like what comes on the one socket. What goes to a peer whose path has a
    closed socket is lost until SetPeerPath. Answered by Done, or by Failed `no-sockets` if the system gives no more;
    then those that were opened stay.
    """

    numbers: Annotated[tuple[ExtraSocket, ...], Meta(max_length=MAX_EXTRA_SOCKETS)]


class ReadStatistics(PumpRequest, frozen=True):
    """Answered by Statistics."""


# --- replies


class Reply(IpcMessage, frozen=True, kw_only=True):
    """Base of the answers."""

    request: Uint32


class Done(Reply, frozen=True):
    """Carried out."""


class Failed(Reply, frozen=True):
    """Refused or failed: a code a program can match and a sentence a person can read."""

    code: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=512)]


class HelloReply(Reply, frozen=True):
    """The helper's versions and what this system can do."""

    version: Uint16
    helper_version: Annotated[str, Meta(max_length=32)]
    partial_checksums: bool
    """This system can send and take partial checksums: say so in AUTH."""


class InterfaceReady(Reply, frozen=True):
    """The adapter is up and the pump runs."""

    name: Annotated[str, Meta(max_length=32)]
    udp_port: Uint16
    ipv6: bool
    """The UDP socket reaches IPv6 as well."""
    partial_checksums: bool
    """What holds for this adapter: False where the kernel refused the offloads or the engine did not want them."""


class PeerStatistics(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """One peer's IP packets, but no engine messages, since its first session. Times are the helper's monotonic seconds.

    Encoded without field names, at most 66 bytes, so that the statistics of MAX_PEERS peers fit into one frame.
    """

    peer: VirtualAddress
    sent_bytes: int
    sent_packets: int
    received_bytes: int
    received_packets: int
    last_sent: float
    """When an IP packet or engine message was last sent, 0.0 for never."""
    last_received: float
    """When an authenticated packet last came, 0.0 for never."""
    sending_index: Uint32
    """Local index of the session that sends, 0 for none."""


class Statistics(Reply, frozen=True):
    """Counters by name (all drops are named `drop-...`) and the traffic of each peer."""

    now: float
    counters: dict[str, int]
    peers: list[PeerStatistics]


# --- notifications


class Notification(IpcMessage, frozen=True):
    """Base of what comes unasked."""


class DatagramReceived(Notification, frozen=True):
    """STUN, a handshake fragment or a word of a relay arrived.

    Rate-limited: what exceeds it is counted as `drop-engine-busy`.
    """

    endpoint: UdpEndpoint
    data: Datagram


class MessageReceived(Notification, frozen=True):
    """An authenticated engine message of a peer, and the endpoint it came from."""

    peer: VirtualAddress
    local_index: Uint32
    endpoint: UdpEndpoint
    payload: EngineMessage


class PeerWanted(Notification, frozen=True):
    """The computer sends to an address without a session; told at most once a second for each address."""

    peer: VirtualAddress


class SessionConfirmed(Notification, frozen=True):
    """The first authenticated packet came on this session; it sends from now on."""

    peer: VirtualAddress
    local_index: Uint32


class EndpointChanged(Notification, frozen=True):
    """Authenticated packets of a peer come from an endpoint that is not its path; told once for each change."""

    peer: VirtualAddress
    endpoint: UdpEndpoint


class PeerQuiet(Notification, frozen=True):
    """IP packets go to a peer and for half a second nothing authentic has come back: its path may be dead.

    Told when the next packet is sent; again at doubling intervals, up to about half a minute, until IP packets come.
    """

    peer: VirtualAddress


class InterfaceDown(Notification, frozen=True):
    """The adapter or the pump is gone without having been asked; ConfigureInterface makes them anew."""

    message: Annotated[str, Meta(max_length=512)]


def all_subclasses(base: type[IpcMessage]) -> tuple[type[IpcMessage], ...]:
    """The leaves below `base`, in the order of their definition."""
    found: list[type[IpcMessage]] = []
    for child in base.__subclasses__():
        found.extend(all_subclasses(child) or (child,))
    return tuple(found)


class MessageCodec:
    """Encodes any message; decodes only those below the given bases."""

    def __init__(self, *bases: type[IpcMessage]) -> None:
        union = all_subclasses(bases[0])
        for base in bases[1:]:
            union += all_subclasses(base)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[IpcMessage] = msgspec.msgpack.Decoder(_union_of(union))

    def encode(self, message: IpcMessage) -> bytes:
        """The message's bytes, without the frame's length."""
        return self._encoder.encode(message)

    def decode(self, data: bytes) -> IpcMessage:
        """One message. Raises msgspec.DecodeError or its child ValidationError for anything else."""
        return self._decoder.decode(data)


def _union_of(classes: tuple[type[IpcMessage], ...]) -> type[IpcMessage]:
    union = classes[0]
    for each in classes[1:]:
        union = union | each  # type: ignore[assignment]
    return union


REQUESTS = MessageCodec(Request)
"""For the helper: reads requests."""
ANSWERS = MessageCodec(Reply, Notification)
"""For the engine: reads replies and notifications."""
