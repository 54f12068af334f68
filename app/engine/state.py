"""What the engine shows: frozen snapshots and enums, without secrets, replaced whole after every change.

Plain data that `msgspec.json` can carry to the command line and back. It imports nothing of the project, so that a
window or a script can read it without the engine. Made by engine/snapshot.py, shown by the command line and the UI.
"""

from dataclasses import dataclass
from enum import StrEnum


class ServerStatus(StrEnum):
    """Where the connection to the mediation server stands."""

    LOGGED_OUT = "logged-out"
    """By choice: nobody asked to log in, or somebody logged out."""
    CONNECTING = "connecting"
    SYNCHRONISING = "synchronising"
    """Logged in; the networks are still being told."""
    ONLINE = "online"
    WAITING = "waiting"
    """The server can't be reached; the engine tries again by itself. Tunnels go on."""
    REFUSED = "refused"
    """The server refused in a way that trying again soon does not mend; see `problem`."""


class HelperStatus(StrEnum):
    """Where the privileged helper stands."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    """Connected; the adapter is not up, as there is no address yet."""
    UP = "up"
    """The virtual adapter is up."""
    LOST = "lost"
    """It went away; the engine starts it again."""


class NetworkStatus(StrEnum):
    """This account's standing in a network."""

    ONLINE = "online"
    OFFLINE = "offline"
    PENDING = "pending"
    """The owner must approve."""


class Protection(StrEnum):
    """How a network keeps out those whom its members did not let in."""

    PROVED = "proved"
    """Members prove the network secret to each other; the server can't insert anybody."""
    OPEN = "open"
    """No password and no invite secret: whoever the server lists is a member."""
    MISSING = "missing"
    """It has a secret that this computer does not have: join it again."""


class MemberStatus(StrEnum):
    """One line of a network's roster."""

    ONLINE = "online"
    OFFLINE = "offline"
    PENDING = "pending"
    """Waits for the owner's approval; only the owner sees it."""


class PeerStatus(StrEnum):
    """One word for what holds between this computer and a peer."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    DIRECT = "direct"
    RELAYED = "relayed"
    FAILED = "failed"
    """Both are online and no path was found; the engine keeps trying."""
    BLOCKED = "blocked"
    KEY_CHANGED = "key-changed"
    """The server shows another key than before: no tunnel until the person accepts it."""
    UNPROVEN = "unproven"
    """The peer could not prove that it knows the secret of any shared network: no tunnel."""

    @property
    def has_tunnel(self) -> bool:
        """Whether the peer can be reached now."""
        return self in (PeerStatus.DIRECT, PeerStatus.RELAYED)


class PathKind(StrEnum):
    """What a tunnel travels over."""

    DIRECT = "direct"
    RELAY = "relay"
    STREAM_RELAY = "stream relay"
    """Relayed, and over TCP from here to the relay: UDP does not get through."""


class MappingProtocol(StrEnum):
    """How a router was asked to open a port."""

    PCP = "PCP"
    NAT_PMP = "NAT-PMP"
    UPNP = "UPnP"


class MappingStatus(StrEnum):
    """What became of asking the router for an open port."""

    OFF = "off"
    """By the person's choice."""
    ASKING = "asking"
    MAPPED = "mapped"
    BEHIND_ANOTHER = "mapped behind another router"
    """The router opened a port, but it has itself no public address: only those behind the same one get in there."""
    NONE = "none"
    """No router answered, or all refused."""


class ChatStatus(StrEnum):
    """How far a chat message has come."""

    QUEUED = "queued"
    """The peer has no tunnel now; it is sent when there is one."""
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    RECEIVED = "received"
    """From the peer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person should know: a code for programs; a title, what happened, and what to do."""

    code: str
    title: str
    message: str
    remedy: str
    details: tuple[tuple[str, str], ...] = ()
    """What the sentences name, by name: a window in another language fills its own sentences with it."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """The connection to the mediation server and what it gave us."""

    status: ServerStatus = ServerStatus.LOGGED_OUT
    host: str = ""
    port: int = 0
    fingerprint: str = ""
    """`SHA256:...` of the server's key, as configured."""
    name: str = ""
    address: str = ""
    """This computer's virtual IPv4 address, empty before the first login."""
    address6: str = ""
    nickname: str = ""
    pool: str = ""
    """The virtual pool, as `10.73.0.0/16`; empty before the first login."""
    retry_at: float | None = None
    """When the engine tries again, in seconds since 1970."""
    route: str = ""
    """By which route it is reached, in plain words, as `WebSocket through the proxy proxy.example:3128`."""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class HelperView:
    """The privileged helper and the adapter it made."""

    status: HelperStatus = HelperStatus.ABSENT
    interface: str = ""
    udp_port: int = 0
    ipv6: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class PortMappingView:
    """The port that the router was asked to open for this computer."""

    status: MappingStatus = MappingStatus.NONE
    protocol: MappingProtocol | None = None
    gateway: str = ""
    """The router's inner address."""
    outside: str = ""
    """The endpoint that leads here."""
    reason: str = ""
    """Why there is none, as the routers said; in English, for those who look after a router."""


@dataclass(frozen=True, slots=True)
class MemberView:
    """One line of a network's roster."""

    address: str
    nickname: str
    status: MemberStatus
    is_self: bool = False
    is_owner: bool = False
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network as this account sees it."""

    id: int
    label: str
    """The id as people see it, `0123-456-789`."""
    name: str
    owner: str
    """The owner's address."""
    is_owner: bool
    status: NetworkStatus
    locked: bool
    approval: bool
    member_limit: int
    protection: Protection
    has_password: bool
    members: tuple[MemberView, ...] = ()
    unread: int = 0
    """Chat messages to the whole network that nobody has read here."""


@dataclass(frozen=True, slots=True)
class PeerView:
    """A peer: an account that shares a network with this one. Times are seconds since 1970, latency is in seconds."""

    address: str
    address6: str
    nickname: str
    status: PeerStatus
    networks: tuple[int, ...] = ()
    """Ids of the networks that both are members of."""
    proven: tuple[int, ...] = ()
    """Those of them that the live tunnel rests on."""
    alias: str = ""
    fingerprint: str = ""
    """Of the key that the peer must prove."""
    new_fingerprint: str = ""
    """Of the other key that the server shows, if the status is KEY_CHANGED; empty if it shows several."""
    verified: bool = False
    path: PathKind | None = None
    endpoint: str = ""
    """Where the tunnel's datagrams go: the peer's endpoint, or the relay."""
    relay: str = ""
    """Host and port of the relay as the server names it, if the path goes over one."""
    route: str = ""
    """How the stream to that relay is opened, in plain words, if the path is a STREAM_RELAY."""
    latency: float | None = None
    suite: int = 0
    """The live tunnel's crypto suite, 0 for none."""
    keys_since: float | None = None
    """When the live tunnel got the keys it sends with."""
    sent_bytes: int = 0
    received_bytes: int = 0
    last_received: float | None = None
    """When something authenticated last came."""
    problem: Problem | None = None
    unread: int = 0
    """Chat messages of this peer to this computer that nobody has read here."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """All that the engine shows, at one moment."""

    power: bool = False
    """Whether this computer wants to be logged in."""
    server: ServerView = ServerView()
    helper: HelperView = HelperView()
    port_mapping: PortMappingView = PortMappingView()
    networks: tuple[NetworkView, ...] = ()
    peers: tuple[PeerView, ...] = ()
    problems: tuple[Problem, ...] = ()
    counters: tuple[tuple[str, int], ...] = ()
    """What engine and pump dropped or refused, by name."""

    def network(self, number: int) -> NetworkView | None:
        """The network with this id."""
        return next((each for each in self.networks if each.id == number), None)

    def peer(self, address: str) -> PeerView | None:
        """The peer with this address."""
        return next((each for each in self.peers if each.address == address), None)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Whom a chat is with: one peer, or all members of a network. Exactly one of the two is set."""

    peer: str = ""
    """The peer's address."""
    network: int = 0
    """The network's id."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One chat message, of either side. The same `id` comes again when the status changes."""

    id: int
    peer: str
    """The peer's address: who wrote it, or whom it is for. Empty for our own message to a network."""
    text: str
    time: float
    """When it was written or came, in seconds since 1970."""
    status: ChatStatus
    network: int = 0
    """The network's id if it is for all its members."""
    recipients: int = 0
    """For our own message to a network: to how many members it goes."""
    delivered: int = 0
    """How many of them have it."""

    @property
    def conversation(self) -> Conversation:
        """Where it belongs."""
        return Conversation(network=self.network) if self.network else Conversation(self.peer)


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One answer to a ping, or its absence."""

    sequence: int
    size: int
    """Bytes carried in each direction."""
    seconds: float | None
    """None: no answer in time."""
    path: PathKind | None = None
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class JoinResult:
    """How a join ended: at once, or waiting for the owner."""

    network: int
    pending: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """What two people compare to know that nobody sits between them."""

    peer: str
    safety_number: str
    fingerprint: str
    own_fingerprint: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`: what was looked at, whether it is well, and what to do if not."""

    name: str
    ok: bool
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class CandidateView:
    """One way to a peer that was looked at."""

    endpoint: str
    kind: str
    """`host`, `mapped`, `reflexive`, `peer-reflexive` (RFC 8445 section 5.1.1), `relay` or `stream-relay`."""
    status: str
    """`waiting`, `checked`, `failed` or `in use`."""
    round_trip: float | None = None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class PeerDetails:
    """What is known about one peer's tunnel beyond its PeerView."""

    peer: PeerView
    suite_name: str
    rekeys: int
    """How often the live tunnel's keys were renewed."""
    candidates: tuple[CandidateView, ...] = ()
    both_hard: bool = False
    """The routers on both sides show each destination another port: between such two no direct path is found."""
